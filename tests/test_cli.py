"""The command line: what it makes, what it says, what it refuses, with the right exit code and nothing left behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import reverie
from reverie.cli import main
from tests.conftest import made_clip

SMALL = ["--size", "32x32", "--num-steps", "2"]


def test_generate_writes_videos_with_their_memory(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "ball.mp4"
    assert main(["generate", "a red ball in Tokyo", "-o", str(out), "--model", str(model_folder), *SMALL, "--seconds", "0.5", "--num-videos", "2", "--seed", "5", "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out.splitlines()[-1])
    assert report["files"] == [str(tmp_path / "ball-0.mp4"), str(tmp_path / "ball-1.mp4")]
    assert report["unknown_words"] == ["tokyo"]
    assert "never met: tokyo" in captured.err
    for n, name in enumerate(report["files"]):
        video = reverie.read(name)
        assert (video.num_frames, video.size) == (4, "32x32")
        assert (video.metadata["prompt"], video.metadata["seed"], video.metadata["model"]) == ("a red ball in Tokyo", 5 + n, report["model"])
    assert main(["info", report["files"][0]]) == 0
    assert "a red ball in Tokyo" in capsys.readouterr().out


def test_an_image_an_animation_and_a_sheet(model_folder: Path, tmp_path: Path):
    image, film, sheet = tmp_path / "a.png", tmp_path / "b.mkv", tmp_path / "s.png"
    model = ["--model", str(model_folder)]
    assert main(["generate", "a red ball", "-o", str(image), *model, *SMALL]) == 0
    assert main(["animate", str(image), "a red ball rolls", "-o", str(film), *model, "--num-steps", "2", "--num-frames", "5"]) == 0
    assert np.array_equal(reverie.read(film).frames[0], reverie.read(image).frames[0])
    assert main(["sheet", str(image), str(film), "-o", str(sheet)]) == 0
    assert reverie.read(sheet).frames.shape[2] >= 5 * 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "x", "-o", "OUT.mp4", "--seeed", "3"], "did you mean --seed?"), (["generate"], "required: prompt"), (["generate", "", "-o", "OUT.mp4"], "prompt is empty"),
        (["generate", "x", "-o", "OUT.mp4", "--size", "0x0"], "between 16 and 2048"), (["generate", "x", "-o", "OUT.mp4", "--size", "big"], "WIDTHxHEIGHT"),
        (["generate", "x", "-o", "OUT.mp4", "--size", "33x33"], "even sides"), (["generate", "x", "-o", "OUT.mp4", "--seconds", "0"], "positive"),
        (["generate", "x", "-o", "OUT.mp4", "--seconds", "long"], "invalid float"), (["generate", "x", "-o", "OUT.avi"], "not one of"), (["generate", "x", "-o", "OUT/no/a.mp4"], "does not exist"),
        (["generate", "x", "-o", "OUT.mp4", "--num-steps", "0"], "num_steps is 0"), (["generate", "x", "-o", "OUT.mp4", "--num-videos", "0"], "--num-videos 0"),
        (["generate", "x", "-o", "OUT.mp4", "--model", "nowhere"], "no such weights file"), (["generate", "x", "-o", "OUT.mp4", "--num-steps", "1001"], "between 1 and 1000"),
        (["animate", "missing.png", "x", "-o", "OUT.mp4"], "missing.png: no such file"), (["sheet", "missing.mp4", "-o", "OUT.png"], "no such file"), (["sheet"], "required: files"),
        (["info", "missing.mp4"], "no such file"), (["worlds", "render", "--world", "dioramma", "--num-clips", "1", "-o", "OUT"], "did you mean 'diorama'"),
        (["worlds", "render", "--num-clips", "0", "-o", "OUT"], "at least 1"), (["evaluate", "prompts", "--list", "mine", "--model", "nowhere"], "no list of prompts"), (["train"], "say what"),
        (["generate", "x", "-o", "OUT.png", "--fps", "inf"], "fps is inf"), (["worlds", "render", "--num-clips", "1", "-o", "OUT", "--fps", "inf"], "rate between"),
        (["evaluate", "prompts", "--limit", "0"], "--limit 0"), (["evaluate", "prompts", "--sheet", "a.txt"], "not one of"), (["dream"], "invalid choice"),
    ],
)  # fmt: skip
def test_bad_command_lines_get_one_line(arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    try:
        code = main([a.replace("OUT", str(tmp_path / "out")) for a in arguments])
    except SystemExit as error:
        code = error.code
    text = capsys.readouterr().err
    assert code == 2
    assert message in text
    assert text.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_refused(model_folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["generate", "x", "-o", "/proc/out.mp4", "--model", str(model_folder)]) == 2
    assert "cannot write in /proc" in capsys.readouterr().err


def test_ctrl_c_leaves_the_old_file(model_folder: Path, tmp_path: Path):
    out = made_clip(0).save(tmp_path / "out.mkv")
    before = out.read_bytes()
    command = [sys.executable, "-m", "reverie.cli", "generate", "x", "-o", str(out), "--model", str(model_folder), "--num-steps", "1000", "--size", "256x256", "--seconds", "10"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    time.sleep(4)  # in the middle of the imports, of loading or of sampling: anywhere it is the same one line
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 130
    assert text.splitlines()[-1] == "reverie: interrupted"
    assert out.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_help_lists_the_commands_and_defaults(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as done:
        main(["generate", "--help"])
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert "--guidance-scale" in text
    assert "(default: 128x128)" in text
    assert main([]) == 2
