"""Long clips: written as they are made, stopped and killed with what is finished kept, and gone on with bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import reverie
from reverie.cli import main

WORDS = ["generate", "a ball", "--size", "32x32", "--num-steps", "2"]


def run(words: list[str]) -> "subprocess.Popen[str]":
    """A command in a process of its own that hears Ctrl-C."""
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}  # a parent in the background ignores it
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "reverie.cli", *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, **heard)


@pytest.mark.parametrize(("stop", "ending"), [(signal.SIGINT, ".mp4"), (signal.SIGKILL, ".mkv")])
def test_a_stopped_run_leaves_what_plays_and_goes_on(model_folder: Path, tmp_path: Path, stop: signal.Signals, ending: str):
    settings = ["--model", str(model_folder), "--seconds", "60"]
    whole, broken = tmp_path / f"whole{ending}", tmp_path / f"broken{ending}"
    process = run([*WORDS, *settings, "-o", str(broken)])
    kept, partial = tmp_path / "broken.part.latents", tmp_path / f"broken.part{ending}"
    while not (kept.exists() and kept.stat().st_size > 60_000):  # ten windows or so
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(stop)
    _, said = process.communicate()
    assert process.returncode == (130 if stop == signal.SIGINT else -9)
    assert not broken.exists()
    seen = reverie.read(partial)
    assert 4 < seen.num_frames < 480
    if stop == signal.SIGINT:
        assert f"plays the {seen.num_frames / 8:g} of 60 s that are finished" in said
    again = run([*WORDS, *settings, "-o", str(broken)])
    _, said = again.communicate()
    assert again.returncode == 0
    assert "windows that are finished" in said
    assert run([*WORDS, *settings, "-o", str(whole)]).communicate()[1] == ""
    a, b = reverie.read(whole), reverie.read(broken)
    assert a.metadata["frames"] == b.metadata["frames"]
    assert a.num_frames == b.num_frames == 480
    assert np.array_equal(a.latents, b.latents)
    assert np.array_equal(a.frames, b.frames)
    assert np.array_equal(a.frames[: seen.num_frames], seen.frames)
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"whole", "broken"}
    assert not list(tmp_path.glob("*.part.*"))


def test_a_partial_run_of_another_request_is_refused(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.part.latents").write_text(json.dumps({"prompt": "another"}) + "\n")
    assert main([*WORDS, "--seconds", "4", "--model", str(model_folder), "-o", str(tmp_path / "a.mp4")]) == 2
    assert "belongs to another request" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.part.latents"]


def test_a_long_file_remembers_and_can_be_made_again(model_folder: Path, tmp_path: Path):
    out = tmp_path / "a.webm"
    assert main([*WORDS, "--seconds", "4", "--model", str(model_folder), "-o", str(out), "--num-videos", "2"]) == 0
    made = reverie.read(tmp_path / "a-1.webm")
    assert (made.num_frames, made.metadata["position"]) == (32, 1)
    assert made.latents is not None
    assert main(["rerun", str(tmp_path / "a-1.webm"), "-o", str(tmp_path / "b.webm"), "--model", str(model_folder)]) == 0
    assert reverie.read(tmp_path / "b.webm").metadata["frames"] == made.metadata["frames"]
