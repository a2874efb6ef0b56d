"""Files as people have them, through every verb: done, or refused in one clear line with nothing written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import reverie
from reverie.cli import main
from reverie.commands import making
from reverie.sampling import tasks
from reverie.sampling.reverie import Reverie, fit
from reverie.video import reading
from tests import odd_files as odd
from tests.conftest import made_clip

FILM = 24000 / 1001


def frames(count: int, width: int, height: int) -> list[np.ndarray]:
    return list(made_clip(1, frames=count, height=60, width=60).frames[:, :height, :width])


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "cinema": (".mkv", lambda path: odd.film(path, frames(24, 35, 27), pix_fmt="bgr0", rate=FILM, sound=(0, 1))),  # odd sides, 23.976 fps, sound
    "photo": (".jpg", odd.oriented(6)),
    "turned": (".mp4", odd.turned(90)),
    "one frame": (".mkv", lambda path: odd.film(path, frames(1, 34, 26), pix_fmt="bgr0")),
    "large": (".mkv", lambda path: odd.film(path, [np.zeros((200, 260, 3), np.uint8)] * 3, pix_fmt="bgr0")),
}
VERBS: dict[str, list[str]] = {
    "animate": ["a ball", "--num-frames", "5"], "extend": ["a ball", "--seconds", "SECOND"], "loop": ["a ball", "--clip", "FILE", "--seconds", "TURN"], "connect": ["FILE", "a ball", "--seconds", "FOUR"],
    "blend": ["FILE", "a ball"], "fill": ["a ball", "--factor", "2"], "edit": ["a ball"], "inpaint": ["a ball", "--box", "2,3,9,9"], "outpaint": ["a ball", "--size", "WIDER"],
    "refine": ["a ball", "--size", "SIZE"], "recut": ["--keep", "0-FRAME"],
}  # fmt: skip
REFUSED = {  # what cannot be: everything else can
    ("one frame", "blend"): "more than 4 are needed", ("photo", "blend"): "more than 4 are needed", ("turned", "blend"): "more than 4", ("large", "blend"): "more than 4",
}  # fmt: skip


QUICK = [("cinema", verb) for verb in ("extend", "connect", "inpaint", "outpaint", "recut")] + [("photo", "animate"), ("turned", "blend")]
ALL = [pytest.param(name, verb, marks=() if (name, verb) in QUICK else pytest.mark.slow) for name in FILES for verb in VERBS]


@pytest.mark.parametrize(("name", "verb"), ALL)
def test_real_files_through_every_verb(name: str, verb: str, dreamer: Reverie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(making, "load", lambda folder: dreamer)
    ending, make = FILES[name]
    path, out = tmp_path / f"given{ending}", tmp_path / "out.mkv"
    make(path)
    given = reverie.read(path)
    count, fps, (height, width) = given.num_frames, given.fps, given.frames.shape[1:3]
    turn = (count // 4 + 1) * 4
    values = {
        "FILE": str(path),
        "SECOND": f"{5 / fps:.8g}",
        "TURN": f"{turn / fps:.8g}",
        "FOUR": f"{4 / fps:.8g}",
        "SIZE": f"{width + 8}x{round((width + 8) * height / width)}",
        "0-FRAME": f"0-{1 / fps:.8g}",
        "WIDER": f"{width + 5}x{height + 2}",
    }
    words = [verb, *([] if verb == "loop" else [str(path)]), *[values.get(word, word) for word in VERBS[verb]], "-o", str(out)]
    if verb not in ("recut",):
        words += ["--num-steps", "1"]
    code = main(words)
    said = capsys.readouterr()
    if (name, verb) in REFUSED:
        assert code == 2
        assert REFUSED[name, verb] in said.err
        assert len([line for line in said.err.splitlines() if line.startswith("reverie:")]) == 1
        assert not out.exists()
        return
    assert code == 0, said.err
    made = reverie.read(out)
    expected = {"animate": 5, "extend": count + 5, "loop": turn, "connect": 2 * count + 4, "fill": 2 * count - 1, "recut": 1}.get(verb, count)
    assert made.num_frames == expected
    assert made.fps == pytest.approx(8 if verb == "animate" else 2 * fps if verb == "fill" else fps)
    assert made.size == {"outpaint": values["WIDER"], "refine": values["SIZE"], "animate": fit(given).size}.get(verb, given.size)
    if verb in ("extend", "connect", "loop"):
        assert np.array_equal(made.frames[:count], given.frames)
    if verb not in ("animate", "blend"):
        assert (made.audio is None) == (given.audio is None)


@pytest.mark.parametrize(
    "verb", ["connect", "inpaint", *[pytest.param(verb, marks=pytest.mark.slow) for verb in ("extend", "loop", "blend", "fill", "edit", "outpaint", "refine")]]
)
def test_what_is_longer_than_memory_is_refused_before_the_model_is_loaded(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(reading.LIMITS, "most_frames", 2)
    path = tmp_path / "given.mkv"
    odd.film(path, frames(3, 32, 32), pix_fmt="bgr0")
    words = [verb, *([] if verb == "loop" else [str(path)]), *[{"FILE": str(path)}.get(word, word) for word in VERBS[verb]], "-o", str(tmp_path / "out.mkv"), "--num-steps", "1"]
    words = [{"SECOND": "1", "TURN": "2", "FOUR": "1", "SIZE": "64x64", "WIDER": "64x64"}.get(word, word) for word in words]
    monkeypatch.setattr(making, "load", lambda folder: pytest.fail("loaded"))
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "given.mkv" in line
    assert [item.name for item in tmp_path.iterdir()] == ["given.mkv"]


def test_a_mask_may_move(dreamer: Reverie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(making, "load", lambda folder: dreamer)
    clip, mask, short, out = (tmp_path / f"{name}.mkv" for name in ("clip", "mask", "short", "out"))
    given = made_clip(1, frames=9, height=32, width=48)
    given.save(clip)
    white = np.zeros((9, 32, 48, 3), np.uint8)
    for t in range(9):
        white[t, 8:20, 4 * t : 4 * t + 10] = 255
    reverie.Video(white).save(mask)
    reverie.Video(white[:5]).save(short)
    words = ["inpaint", str(clip), "a ball", "--num-steps", "1", "-o", str(out), "--mask"]
    assert main([*words, str(mask)]) == 0
    made, under = reverie.read(out), white[..., 0] > 127
    assert np.array_equal(made.frames[~under], given.frames[~under])
    assert all(not np.array_equal(made.frames[t][under[t]], given.frames[t][under[t]]) for t in range(9))
    out.unlink()
    assert main([*words, str(short)]) == 2
    assert "the mask is [5, 32, 48]: [9 or 1, 32, 48] is needed" in capsys.readouterr().err


@pytest.mark.parametrize("fps", [24000 / 1001, 30000 / 1001, 8.0, 7.3, 30.0])
def test_the_seconds_that_a_refusal_names_can_be_used(fps: float):
    for seconds in (1.0, 59.99, 100.0767, 299.123):
        try:
            tasks.num_frames_of(seconds, fps)
        except ValueError as error:
            text = str(error)
            for word in text.partition("use ")[2].split(" or "):
                count = tasks.num_frames_of(float(word.split()[0]), fps)
                assert abs(count - seconds * fps) < 1
