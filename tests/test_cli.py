"""The command line: what it makes, what it says, what it refuses, with the right exit code and nothing left behind."""

import dataclasses
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


BAD_LINES = [
    (["dream"], "no command 'dream'; known: generate"), (["genrate", "x"], "did you mean 'generate'"), (["worlds", "shwo"], "did you mean 'show'"), (["generate"], "required: prompt"), (["generate", "a", "red", "ball"], "red ball; a prompt of several words stands in quotes"), (["sheet", "a.mp4", "-o", "OUT.png", "--siz", "3"], "lists the options"), (["generate", "x", "-o", "OUT.mp4", "--seeed", "3"], "did you mean --seed?"),
    (["generate", "x", "-o"], "expected one argument"), (["generate", "", "-o", "OUT.mp4"], "prompt is empty"), (["generate", " \n", "-o", "OUT.mp4"], "prompt is empty"),
    (["generate", "x", "-o", "OUT.mp4", "--size", "0x0"], "between 16 and 2048"), (["generate", "x", "-o", "OUT.mp4", "--size", "big"], "WIDTHxHEIGHT"),
    (["generate", "x", "-o", "OUT.mp4", "--size", "128"], "WIDTHxHEIGHT"), (["generate", "x", "-o", "OUT.mp4", "--size", "64x64x64"], "WIDTHxHEIGHT"), (["generate", "x", "-o", "OUT.mp4", "--size", "9999x64"], "between 16 and 2048"),
    (["generate", "x", "-o", "OUT.mp4", "--size", "33x33"], "use 34x34"), (["generate", "x", "-o", "OUT.webm", "--size", "32x33"], "use 32x34"),
    (["generate", "x", "-o", "OUT.mp4", "--seconds", "0"], "positive"), (["generate", "x", "-o", "OUT.mp4", "--seconds", "nan"], "positive"), (["generate", "x", "-o", "OUT.mp4", "--seconds", "inf"], "positive"),
    (["generate", "x", "-o", "OUT.mp4", "--seconds", "0.3"], "use 0.25 or 0.375 seconds"), (["generate", "x", "-o", "OUT.mp4", "--seconds", "1000"], "between 1 and 7200 are allowed, 900 seconds"), (["generate", "x", "-o", "OUT.mp4", "--seconds", "long"], "invalid float"),
    (["generate", "x", "-o", "OUT.mp4", "--fps", "0"], "positive"), (["generate", "x", "-o", "OUT.png", "--fps", "inf"], "fps is inf"), (["generate", "x", "-o", "OUT.gif", "--fps", "60", "--seconds", "1"], "at most 50"),
    (["generate", "x", "-o", "OUT.webp", "--fps", "100", "--seconds", "1"], "at most 90"), (["generate", "x", "-o", ".mp4"], "name a file"),
    (["generate", "x", "-o", "OUT.avi"], "not one of"), (["generate", "x", "-o", "OUT.txt"], "not one of"), (["generate", "x", "-o", "OUT/no/a.mp4"], "does not exist"), (["generate", "x", "-o", "IN"], "exists"),
    (["generate", "x", "-o", "."], "name a file"), (["generate", "x", "-o", "IN/folder.mp4"], "is a folder"), (["generate", "x", "-o", "x" * 300 + ".mp4"], "255 bytes"),
    (["generate", "x", "-o", "OUT.mp4", "--num-steps", "0"], "num_steps is 0"), (["generate", "x", "-o", "OUT.mp4", "--num-steps", "1001"], "between 1 and 1000"), (["generate", "x", "-o", "OUT.mp4", "--num-steps", "2.5"], "invalid int"),
    (["generate", "x", "-o", "OUT.mp4", "--guidance-scale", "31"], "between 0 and 30"), (["generate", "x", "-o", "OUT.mp4", "--guidance-scale", "nan"], "guidance_scale is nan"), (["generate", "x", "-o", "OUT.mp4", "--seed", "x"], "invalid int"),
    (["generate", "x", "-o", "OUT.mp4", "--num-videos", "0"], "--num-videos 0"), (["generate", "x", "-o", "OUT.mp4", "--num-videos", "65"], "between 1 and 64"), (["generate", "x", "-o", "OUT.mp4", "--model", "nowhere"], "no such weights file"),
    (["animate", "missing.png", "x", "-o", "OUT.mp4"], "missing.png: no such file"), (["animate", "IN/text.png", "x", "-o", "OUT.mp4"], "first bytes"), (["animate", "IN/clip.mkv"], "required: prompt"), (["animate", "IN/clip.mkv", "", "-o", "OUT.mkv"], "prompt is empty"),
    (["animate", "IN/clip.mkv", "x", "--num-frames", "0", "-o", "OUT.mkv"], "between 1 and 7200"), (["animate", "IN/clip.mkv", "x", "-o", "OUT.png"], "holds one frame"),
    (["sheet"], "required: files"), (["sheet", "missing.mp4", "-o", "OUT.png"], "no such file"), (["sheet", "IN/clip.mkv", "-o", "OUT.mp4"], "a sheet is a .png"), (["sheet", "IN/clip.mkv", "--columns", "0"], "at least 1"),
    (["info", "missing.mp4"], "no such file"), (["info", "IN/folder.mp4"], "holds no image"), (["info", "IN/a\nb.mp4"], "a\\nb.mp4: no such file"), (["rerun"], "required: file"), (["rerun", "missing.mp4"], "no such file"), (["rerun", "IN/clip.mkv"], "does not remember"),
    (["rerun", "IN/hostile.mkv"], "makes no video"), (["rerun", "IN/damaged.mkv"], "damaged"), (["rerun", "IN/orphan.mkv"], "was made from cat.png (sha256 0123"), (["rerun", "IN/thief.mkv"], "damaged"), (["rerun", "IN/help.mkv"], "makes no video"), (["completion"], "required: shell"), (["completion", "tcsh"], "invalid choice"), (["doctor", "now"], "unrecognized"),
    (["worlds", "render", "--world", "dioramma", "--num-clips", "1", "-o", "OUT"], "did you mean 'diorama'"), (["worlds", "render", "-o", "OUT"], "required: --num-clips"), (["worlds", "render", "--num-clips", "0", "-o", "OUT"], "at least 1"),
    (["worlds", "show", "--index", "-5", "-o", "OUT.mp4"], "--index -5"), (["storyboard", "IN/clip.mkv"], "no text in UTF-8"), (["evaluate", "tasks", "--num-cases", "0"], "--num-cases 0"),
    (["worlds", "render", "--num-clips", "1", "-o", "OUT", "--fps", "inf"], "rate between"), (["worlds", "render", "--num-clips", "1", "-o", "OUT", "--processes", "0"], "--processes 0"), (["train"], "{autoencoder,transformer,probe,"),
    (["train", "autoencoder", "--preset", "tinny", "--data", "x", "--run", "OUT"], "did you mean 'tiny'"), (["train", "transformer", "--preset", "tiny", "--data", "nowhere", "--run", "OUT"], "no such folder"), (["evaluate"], "{autoencoder,prompts,tasks}"),
    (["evaluate", "prompts", "--list", "mine", "--model", "nowhere"], "no list of prompts"), (["evaluate", "prompts", "--limit", "0"], "--limit 0"), (["evaluate", "prompts", "--sheet", "a.txt"], "a sheet is a .png"), (["evaluate", "autoencoder", "--data", "nowhere"], "no such folder"),
]  # fmt: skip


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to give to commands that refuse them."""
    folder = tmp_path_factory.mktemp("given")
    clip = made_clip(0, frames=2)
    (folder / "folder.mp4").mkdir()
    (folder / "text.png").write_text("hello")
    clip.save(folder / "clip.mkv")
    orphan = {"command": ["animate", "--", "cat.png", "x"], "inputs": [{"word": 2, "name": "cat.png", "digest": "0123456789abcdef" * 4}]}
    for name, made in {
        "hostile": {"command": ["worlds", "render", "--num-clips=9", "--output", "/"]},
        "damaged": {"command": [1, {}]},
        "orphan": orphan,
        "thief": {"command": ["animate", "--", "/etc/passwd", "x"]},
        "help": {"command": ["generate", "--help"]},
    }.items():
        dataclasses.replace(clip, metadata=made).save(folder / f"{name}.mkv")
    return folder


@pytest.mark.parametrize(("arguments", "message"), BAD_LINES)
def test_bad_command_lines_get_one_line(arguments: list[str], message: str, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    before = sorted(given.rglob("*"))
    code = main([a.replace("OUT", str(tmp_path / "out")).replace("IN", str(given)) for a in arguments])
    text = capsys.readouterr().err
    assert code == 2
    assert message in text
    assert text.count("\n") == 1
    assert text.startswith("reverie")
    assert list(tmp_path.iterdir()) == []
    assert sorted(given.rglob("*")) == before


def test_an_error_is_json_too(capsys: pytest.CaptureFixture[str]):
    for arguments in (["info", "missing.mp4", "--json"], ["generate", "--json", "x", "--seeed", "1"], ["sheet", "--json"]):
        assert main(arguments) == 2
        captured = capsys.readouterr()
        answer = json.loads(captured.out.splitlines()[-1])
        assert (answer["verb"], answer["ok"], answer["exit_code"], answer["files"]) == (arguments[0], False, 2, [])
        assert captured.err.strip().endswith(answer["error"])


def test_an_unwritable_folder_is_refused(model_folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["generate", "x", "-o", "/proc/out.mp4", "--model", str(model_folder)]) == 2
    assert "cannot write in /proc" in capsys.readouterr().err


def test_ctrl_c_leaves_the_old_file(model_folder: Path, tmp_path: Path):
    out = made_clip(0).save(tmp_path / "out.mkv")
    before = out.read_bytes()
    command = [sys.executable, "-m", "reverie.cli", "generate", "x", "-o", str(out), "--model", str(model_folder), "--num-steps", "1000", "--size", "256x256", "--seconds", "10"]
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}  # a parent in the background ignores it
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **heard)
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
