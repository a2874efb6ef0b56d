"""Long clips: written as they are made, stopped and killed with what is finished kept, and gone on with bit for bit."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import reverie
from reverie.cli import main
from reverie.commands import making
from reverie.video import frames_digest

WORDS = ["generate", "a ball", "--size", "32x32", "--num-steps", "2"]


def run(words: list[str]) -> "subprocess.Popen[str]":
    """A command in a process of its own that hears Ctrl-C."""
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}  # a parent in the background ignores it
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "reverie.cli", *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, **heard)


@contextmanager
def disturbed(step: int, what: Callable[[], None]) -> Iterator[Callable[[int, int], None]]:
    """In place of the progress bar: `what` happens at a step."""
    yield lambda done, total: what() if done == step else None


def test_ctrl_c_and_a_kill_leave_what_plays_and_the_same_command_goes_on(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    words = [*WORDS, "--model", str(model_folder), "--seconds", "20"]
    monkeypatch.chdir(tmp_path)  # so that both runs are the same command
    (tmp_path / "killed").mkdir()

    def interrupt() -> None:
        raise KeyboardInterrupt

    def keep() -> None:  # what a kill would leave
        for path in tmp_path.glob("a.part.*"):
            shutil.copy(path, tmp_path / "killed")

    with monkeypatch.context() as patch:
        patch.setattr(making, "progress", lambda text: disturbed(11, interrupt))
        assert main([*words, "-o", "a.mp4"]) == 130
    said = capsys.readouterr().err
    stopped = reverie.read("a.part.mp4")
    assert stopped.num_frames == 4 * (5 + 4 * 3) - 2  # five windows of two steps are finished; two frames wait for what follows
    assert f"a.part.mp4: plays the {stopped.num_frames / 8:g} of 20 s that are finished" in said
    assert not Path("a.mp4").exists()
    with monkeypatch.context() as patch:
        patch.setattr(making, "progress", lambda text: disturbed(23, keep))
        assert main([*words, "-o", "a.mp4"]) == 0
    assert "goes on after 5 windows" in capsys.readouterr().err
    whole = reverie.read("a.mp4")
    torn = reverie.read("killed/a.part.mp4")
    assert 16 <= torn.num_frames < whole.num_frames == 160
    monkeypatch.chdir(tmp_path / "killed")
    assert main([*words, "-o", "a.mp4"]) == 0
    again = reverie.read("a.mp4")
    monkeypatch.chdir(tmp_path)
    undisturbed = reverie.load(model_folder).generate("a ball", size="32x32", num_steps=2, seconds=20)
    assert undisturbed.latents is not None
    for film in (whole, again):
        assert film.metadata["frames"] == frames_digest(undisturbed.frames)
        assert film.latents is not None
        assert np.array_equal(film.latents, undisturbed.latents)
    assert np.array_equal(whole.frames, again.frames)
    for part in (stopped, torn):
        assert np.array_equal(part.frames, whole.frames[: part.num_frames])
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.mp4", "a.mp4"]


@pytest.mark.slow
def test_a_stopped_run_leaves_what_plays_and_goes_on(model_folder: Path, tmp_path: Path):
    """Stopped by Ctrl-C, then killed, then finished: the same file as without."""
    settings = ["--model", str(model_folder), "--seconds", "30"]
    whole, broken = tmp_path / "whole.mp4", tmp_path / "broken.mp4"
    kept, partial = tmp_path / "broken.part.latents", tmp_path / "broken.part.mp4"
    seen = []
    for stop, windows in ((signal.SIGINT, 5), (signal.SIGKILL, 10)):
        process = run([*WORDS, *settings, "-o", str(broken)])
        while not (kept.exists() and kept.stat().st_size > windows * 5 * 16 * 4 * 4 * 4):  # as many windows of five latents of 16x4x4
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(stop)
        _, said = process.communicate()
        assert process.returncode == (130 if stop == signal.SIGINT else -9)
        assert not broken.exists()
        seen.append(reverie.read(partial).frames)
        assert 16 <= len(seen[-1]) < 240
        if stop == signal.SIGINT:
            assert f"plays the {len(seen[0]) / 8:g} of 30 s that are finished" in said
    again = run([*WORDS, *settings, "-o", str(broken)])
    _, said = again.communicate()
    assert again.returncode == 0
    assert "windows that are finished" in said
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert main([*WORDS, *settings, "-o", str(whole)]) == 0
    torch.set_num_threads(threads)
    a, b = reverie.read(whole), reverie.read(broken)
    assert a.metadata["frames"] == b.metadata["frames"]
    assert a.num_frames == b.num_frames == 240
    assert a.latents is not None
    assert np.array_equal(a.latents, b.latents)
    assert np.array_equal(a.frames, b.frames)
    for frames in seen:
        assert np.array_equal(a.frames[: len(frames)], frames)
    assert {path.name for path in tmp_path.iterdir()} == {"whole.mp4", "broken.mp4"}


def test_a_partial_run_of_another_request_is_refused(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for text in (json.dumps({"prompt": "another", "threads": -3}), "[]", "not JSON"):
        (tmp_path / "a.part.latents").write_text(text + "\n")
        assert main([*WORDS, "--seconds", "4", "--model", str(model_folder), "-o", str(tmp_path / "a.mp4")]) == 2
        assert "belongs to another request" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.part.latents"]


def test_a_stopped_run_goes_on_with_as_many_threads_as_it_began_with(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    words, threads = [*WORDS, "--model", str(model_folder), "--seconds", "6", "-o", str(tmp_path / "a.mkv")], torch.get_num_threads()

    def interrupt() -> None:
        raise KeyboardInterrupt

    try:
        torch.set_num_threads(1)
        with monkeypatch.context() as patch:
            patch.setattr(making, "progress", lambda text: disturbed(5, interrupt))
            assert main(words) == 130
        torch.set_num_threads(2)
        assert main(words) == 0, capsys.readouterr().err
        assert torch.get_num_threads() == 1 and reverie.read(tmp_path / "a.mkv").metadata["threads"] == 1
    finally:
        torch.set_num_threads(threads)


def test_a_file_that_only_looks_like_a_part_is_not_written_over(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.part.mp4").write_bytes(b"my own holiday film")
    assert main([*WORDS, "--seconds", "6", "--model", str(model_folder), "-o", str(tmp_path / "a.mp4")]) == 2
    assert "a.part.mp4 is not of this command" in capsys.readouterr().err
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.part.mp4", b"my own holiday film")]


def test_a_long_file_remembers_and_can_be_made_again(model_folder: Path, tmp_path: Path):
    out = tmp_path / "a.webm"
    assert main([*WORDS, "--seconds", "3", "--model", str(model_folder), "-o", str(out), "--num-videos", "2"]) == 0
    made = reverie.read(tmp_path / "a-1.webm")
    assert (made.num_frames, made.metadata["position"]) == (24, 1)
    assert made.latents is not None
    assert main(["rerun", str(tmp_path / "a-1.webm"), "-o", str(tmp_path / "b.webm"), "--model", str(model_folder)]) == 0
    assert reverie.read(tmp_path / "b.webm").metadata["frames"] == made.metadata["frames"]


def test_the_way_from_noise_to_film_is_drawn(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    settings = ["--model", str(model_folder), "--show-steps", "--json"]
    for name, more, steps in (("a.mkv", ["--seconds", "4"], 2), ("b.png", ["--num-steps", "12", "--num-videos", "2"], 8)):
        assert main([*WORDS, *more, *settings, "-o", str(tmp_path / name)]) == 0
        strip = tmp_path / ("a.steps.png" if name == "a.mkv" else "b-0.steps.png")
        assert json.loads(capsys.readouterr().out)["files"][-1] == str(strip)
        assert reverie.read(strip).frames.shape[2] == steps * 34 - 2  # columns of 32 pixels and gaps
    assert main(["edit", str(tmp_path / "a.mkv"), "a cube", "--num-steps", "3", *settings, "-o", str(tmp_path / "c.mkv")]) == 0
    assert (tmp_path / "c.steps.png").exists()
