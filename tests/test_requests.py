"""What people ask of the verbs: sizes, times and files as they have them, refused before anything is dreamed or done as asked."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

import reverie
from reverie.cli import main
from reverie.commands import making, playing
from reverie.sampling import tasks
from reverie.sampling.recut import recut
from reverie.sampling.reverie import PICTURE_AREA, Reverie, fit
from reverie.video import Audio, Video, probe, reading
from tests import odd_files as odd
from tests.conftest import made_clip, stopped

FILM = 24000 / 1001
RATES = st.sampled_from([FILM, 30000 / 1001, 8.0, 7.3, 24.0, 25.0, 60.0, 120.0, 240.0])


class Asked(SimpleNamespace):
    """In place of a model: remembers what it was asked and gives back a clip of that size, or what it was given."""

    def __getattr__(self, verb: str) -> Any:
        def answer(*given: Any, **how: Any) -> Video:
            self.verb, self.given, self.how = verb, given, how
            first = given[0] if isinstance(given[0], Video) else given[0][0][0]
            return Video(first.frames, first.fps, {"prompt": "x", "seed": how["seed"]})

        return answer

    def unknown_words(self, prompt: str) -> list[str]:
        return []

    def signature(self) -> dict[str, str]:
        return {}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(making, "load", lambda folder: asked)
    return asked


def picture(width: int, height: int) -> Video:
    return Video(np.broadcast_to(np.arange(width, dtype=np.uint8)[None, None, :, None], (1, height, width, 3)).copy())


# -- stills ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [["edit", "a cube"], ["inpaint", "a cube", "--box", "0,0,16,16"], ["outpaint", "a cube", "--size", "48x32"], ["refine", "a cube", "--size", "64x48"]],
    ids=lambda words: words[0],
)
def test_a_still_becomes_a_still(words: list[str], dreamer: Reverie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(making, "load", lambda folder: dreamer)
    monkeypatch.chdir(tmp_path)
    made_clip(0, frames=1, height=24, width=32).save("a.png")
    made_clip(0, frames=3, height=24, width=32).save("a.mkv")
    command = [words[0], "a.png", *words[1:], "--num-steps", "1"]
    assert main([*command, "-o", "b.png"]) == 0, capsys.readouterr().err
    assert reverie.read("b.png").num_frames == 1
    assert main(command) == 0  # a new name
    assert len(list(tmp_path.glob("*_0_*.png"))) == 1
    monkeypatch.setattr(making, "load", lambda folder: pytest.fail("loaded"))
    assert main([words[0], "a.mkv", *command[2:], "-o", "c.png"]) == 2
    assert "a .png holds one frame, this clip has 3" in capsys.readouterr().err


def test_names_end_as_what_they_name_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names = [str(making.named("A ball", 3, size, frames)) for size, frames in (("32x16", 8), ("33x16", 8), ("32x17", 8), ("33x17", 1))]
    assert names == ["a-ball_3_32x16.mp4", "a-ball_3_33x16.mkv", "a-ball_3_32x17.mkv", "a-ball_3_33x17.png"]


# -- pictures that come alive ---------------------------------------------------------------------------------------------


@given(st.integers(60, 2400), st.integers(60, 2400))
@example(6000, 300)
@example(1920, 1080)
@example(1000, 300)
@example(300, 1000)
def test_a_picture_keeps_its_shape(width: int, height: int):
    small = fit(Video(np.zeros((1, height, width, 3), np.uint8)))
    high, wide = small.frames.shape[1:3]
    if width * height <= PICTURE_AREA and max(width, height) <= 2048:
        assert (wide, high) == (width, height)
        return
    assert wide % 2 == high % 2 == 0 and max(wide, high) <= 2048
    assert wide * high <= 1.02 * PICTURE_AREA
    assert wide * high > 0.75 * PICTURE_AREA or max(wide, high) > 1800
    assert abs(wide * height / (high * width) - 1) <= 1 / min(wide, high)  # a pixel
    if (width, height) == (1920, 1080):
        assert (wide, high) == (640, 360)


@given(st.integers(40, 3000), st.integers(40, 3000), st.integers(64, 1024), st.integers(64, 1024))
def test_a_size_that_a_refusal_names_is_taken(width: int, height: int, wide: int, high: int):
    image = Video(np.zeros((1, 1, 1, 3), np.uint8))
    object.__setattr__(image, "frames", np.broadcast_to(np.uint8(0), (1, height, width, 3)))  # no memory for what is not looked at
    try:
        made = fit(image, f"{wide}x{high}")
    except ValueError as error:
        named = str(error).partition("or use ")[2]
        if min(map(int, named.split("x"))) >= 16:  # else nothing of this shape can be made there
            assert fit(image, named).size == named
            width, height = (side + side % 2 for side in map(int, named.split("x")))  # what .mp4 would ask for
            assert fit(image, f"{width}x{height}").size == f"{width}x{height}"
    else:
        assert made.size == f"{wide}x{high}"


def test_pictures_are_animated_in_their_shape_at_any_second(asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    picture(1000, 300).save("wide.png")
    picture(500, 150).save("same-shape.png")
    picture(320, 200).save("small.png")

    def run(*words: str) -> list[tuple[str, float]]:
        assert main(["animate", *words, "--num-steps", "1", "-o", "out.mkv"]) == 0, capsys.readouterr().err
        return [(image.size, at) for image, at in asked.given[0]]

    assert run("small.png", "x") == [("320x200", 0.0)]
    assert asked.how["num_frames"] == 17
    assert run("small.png", "x", "--seconds", "2") == [("320x200", 0.0)]
    assert asked.how["num_frames"] == 16
    capsys.readouterr()
    assert run("wide.png", "x") == [("860x258", 0.0)]  # ten to three
    assert "wide.png is 1000x300; animating it at 860x258 (--size makes it larger)" in capsys.readouterr().err
    assert run("wide.png", "x", "--size", "1000x300") == [("1000x300", 0.0)]
    assert run("wide.png", "x", "--at", "1.5") == [("860x258", 1.5)]
    assert run("wide.png", "x", "--also", "same-shape.png", "--at", "1.5") == [("860x258", 0.0), ("860x258", 1.5)]
    assert run("wide.png", "x", "--also", "same-shape.png", "--at", "0.5", "2") == [("860x258", 0.5), ("860x258", 2.0)]
    for words, message in {
        ("small.png", "x", "--size", "320x320"): "has not the shape of 320x320: crop it, or use 320x200",
        ("wide.png", "x", "--also", "small.png", "--at", "1"): "a picture of 320x200 has not the shape of 860x258",
        ("small.png", "x", "--at", "1", "2"): "--at names 2 times for 1 images",
        ("small.png", "x", "--seconds", "2", "--num-frames", "9"): "not allowed with",
        ("small.png", "x", "--seconds", "0.3"): "use 0.25 or 0.375 seconds",
    }.items():
        capsys.readouterr()
        assert main(["animate", *words]) == 2
        assert message in capsys.readouterr().err


def test_an_animation_that_ends_with_its_picture_can_be_run_again(dreamer: Reverie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(making, "load", lambda folder: dreamer)
    monkeypatch.chdir(tmp_path)
    made_clip(0, frames=1, height=24, width=32).save("a.png")
    assert main(["animate", "a.png", "a ball", "--at", "0.875", "--seconds", "1", "--num-steps", "1", "-o", "b.mkv"]) == 0, capsys.readouterr().err
    made = reverie.read("b.mkv")
    assert made.num_frames == 8
    assert np.array_equal(made.frames[7], reverie.read("a.png").frames[0])
    assert not np.array_equal(made.frames[0], made.frames[7])
    assert main(["rerun", "b.mkv", "-o", "c.mkv"]) == 0
    assert "the same frames" in capsys.readouterr().out


# -- refused before the work ----------------------------------------------------------------------------------------------


def test_what_cannot_be_kept_is_refused_before_it_is_dreamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    idle: Any = SimpleNamespace(_dream=lambda *given, **how: pytest.fail("dreamed"), encode=None)
    first, second = (Video(made_clip(n, 8, 24, 32).frames, 8.0, audio=Audio(np.zeros((rate, 1), np.int16), rate)) for n, rate in enumerate((44100, 48000)))
    with pytest.raises(ValueError, match="sound at 44100 and 48000 samples per second"):
        Reverie.connect(idle, first, second, "x", seconds=1)
    with pytest.raises(ValueError, match=r"use 0\.25 or 0\.375 seconds"):
        Reverie.extend(idle, first, "x", seconds=1, before=0.3)
    with pytest.raises(ValueError, match="7200 are allowed"):
        Reverie.extend(idle, first, "x", seconds=1, before=900)
    for module in (making, playing):
        monkeypatch.setattr(module, "load", lambda folder: pytest.fail("loaded"))
    monkeypatch.chdir(tmp_path)
    Video(first.frames, 25.0).save("a.mkv")
    Video(first.frames, 60.0).save("b.mkv")
    for words in (["fill", "a.mkv", "x", "--factor", "3"], ["edit", "b.mkv", "x"], ["extend", "b.mkv", "x", "--seconds", "1"], ["refine", "b.mkv", "--size", "64x48"]):
        assert main([*words, "-o", "out.gif"]) == 2
        assert "at most 50 frames per second" in capsys.readouterr().err
    assert main(["connect", "a.mkv", "a.mkv", "x", "--seconds", "0.16", "-o", "out.png"]) == 2
    assert "this clip has 20" in capsys.readouterr().err


# -- times ----------------------------------------------------------------------------------------------------------------


@given(RATES, st.integers(1, 7000), st.floats(0, 1), st.floats(0, 1))
@example(FILM, 101, 0.5, 0.0)
def test_times_that_are_named_are_times_that_are_taken(fps: float, count: int, share: float, off: float):
    """`info`'s length, the end that a refusal of `recut` names, its one frame, and the second that `animate` names for a picture."""
    clip = Video(np.zeros((count, 1, 1, 3), np.uint8), fps)
    assert recut(clip, [(0, round(count / fps, 9))]).num_frames == count
    with pytest.raises(ValueError, match="the clip ends at") as error:
        recut(clip, [(0, count / fps + 1)])
    end = float(str(error.value).split()[-2])
    assert recut(clip, [(0, end)]).num_frames == count
    with pytest.raises(ValueError, match="one frame") as error:
        recut(clip, [(0, 0)])
    one = float(re.findall(r"\((\S+) s\)", str(error.value))[0])
    assert recut(clip, [(0, one)]).num_frames == 1
    taken = []
    idle: Any = SimpleNamespace(_dream=lambda task, make, settings, places, *given, **how: taken.extend(places), encode=None)
    at = round((count * share + off) / fps, 4)
    try:
        Reverie.animate(idle, [(clip, at)], "x", fps=fps, num_frames=count)
    except ValueError as error:
        named = float(str(error).split()[-1])
        assert abs(named - at) <= max(0.51 / fps, at - (count - 1) / fps + 1e-6)
        Reverie.animate(idle, [(clip, named)], "x", fps=fps, num_frames=count)
    assert 0 <= taken[0][1] < count


def test_a_second_of_six_digits_is_its_frame():
    clip = Video(np.arange(24, dtype=np.uint8)[:, None, None, None].repeat(3, -1), 24.0)
    assert recut(clip, [(0.041667, 1)]).frames[0, 0, 0, 0] == 1
    assert recut(clip, [(0.041, 1)]).frames[0, 0, 0, 0] == 1
    assert recut(clip, [(0.042, 1)]).frames[0, 0, 0, 0] == 2


# -- larger frames --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new", "left"), [((1916, 1076), (1920, 1080), None), ((1280, 1080), (1920, 1080), None), ((200, 90), (301, 150), 101)])
def test_the_draft_of_a_larger_frame_is_that_frame_made_smaller(dreamer: Reverie, old: tuple[int, int], new: tuple[int, int], left: int | None):
    class Seen(Exception):
        pass

    told: list[Any] = []

    def announce(canvases: Any, config: Any) -> None:
        told.extend(canvases)
        raise Seen

    clip = Video(np.random.default_rng(0).integers(0, 256, (1, old[1], old[0], 3), np.uint8))
    with pytest.raises(Seen):
        dreamer.outpaint(clip, "x", size=f"{new[0]}x{new[1]}", left=left, num_steps=1, announce=announce)
    draft, full = (canvas.given for canvas in told)
    size = tasks.draft_size(*new)
    assert draft.frames.shape[1:3] == size[::-1]
    assert np.array_equal(draft.frames, tasks.resized(Video(full.frames), *size).frames)
    column, wide = (new[0] - old[0]) // 2 if left is None else left, size[0] / new[0]
    kept = np.nonzero(draft.keep[0].any(0))[0]
    assert (kept[0], kept[-1] + 1) == (math.ceil(column * wide - 1e-9), math.floor((column + old[0]) * wide + 1e-9))  # whole pixels of the clip
    assert np.array_equal(full.frames[full.keep].reshape(clip.frames.shape), clip.frames)


# -- masks ----------------------------------------------------------------------------------------------------------------


def test_a_box_in_time(asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    made_clip(0, frames=16, height=24, width=32).save("a.mkv")
    words = ["inpaint", "a.mkv", "x", "--num-steps", "1", "-o", "out.mkv"]
    assert main([*words, "--box", "4,6,8,10", "--span", "0.5-1"]) == 0, capsys.readouterr().err
    expected = np.zeros((16, 24, 32), bool)
    expected[4:8, 6:16, 4:12] = True
    assert np.array_equal(asked.given[1], expected)
    assert main([*words, "--box", "4,6,8,10"]) == 0
    assert asked.given[1].shape == (1, 24, 32)
    Image.fromarray(np.full((24, 32), 255, np.uint8)).save("white.png")
    assert main([*words, "--mask", "white.png", "--span", "1-2"]) == 0
    assert asked.given[1].all((1, 2)).tolist() == [False] * 8 + [True] * 8
    strokes = np.full((24, 32, 4), 255, np.uint8)
    strokes[:, 8:, 3] = 0
    Image.fromarray(strokes).save("strokes.png")
    capsys.readouterr()
    for more, message in (
        (["--box", "4,6,8,10", "--span", "1-3"], "span 1-3: the clip ends at 2 seconds"),
        (["--box", "4,6,8,10", "--span", "1"], "--span 1: write FROM-TO"),
        (["--mask", "strokes.png"], "strokes.png: its transparent parts"),
    ):
        assert main([*words, *more]) == 2
        assert message in capsys.readouterr().err


# -- playing --------------------------------------------------------------------------------------------------------------


def test_playing_is_for_what_is_seen_at_once(dreamer: Reverie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(playing, "load", lambda folder: dreamer)
    assert main(["play", "a ball", "--size", "2048x1024", "--actions", "left", "-o", str(tmp_path / "a.mkv")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "at most 36,864 pixels" in line
    assert dreamer.play("a ball", size=line.partition("use ")[2].partition(",")[0]).width == 181
    assert dreamer.play("a ball", size="192x192").height == 192


# -- cutting --------------------------------------------------------------------------------------------------------------


def test_a_part_does_not_remember_how_the_whole_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    whole = {
        "prompt": "a ball",
        "seed": 3,
        "num_frames": 16,
        "command": ["generate", "--", "a ball"],
        "frames": "0" * 32,
        "position": 2,
        "inputs": [],
        "actions": "left*4",
        "cuts": [0.0],
    }
    clip = Video(made_clip(0, 16, 24, 32).frames, 8.0, whole, np.zeros((4, 4, 2, 2), np.float32))
    part = clip.cut(4, 9)
    assert part.metadata == {"prompt": "a ball", "seed": 3, "num_frames": 5}
    assert (part.latents, clip.cut(0, 16).latents is None) == (None, False)
    assert made_clip(0).cut(0, 3).metadata == {}
    made = recut(clip, [(0, 2), (0, 0.5)])
    assert made.metadata == {"prompt": "a ball", "seed": 3, "num_frames": 20, "task": "recut", "spans": [[0, 2], [0, 0.5]]}
    clip.save("a.mkv")
    assert main(["recut", "a.mkv", "--keep", "1-2", "-o", "b.mkv"]) == 0
    made = reverie.read("b.mkv")
    assert (made.metadata["num_frames"], made.metadata["command"][0], "position" in made.metadata) == (8, "recut", False)
    assert main(["rerun", "b.mkv", "-o", "c.mkv"]) == 0
    assert "the same frames" in capsys.readouterr().out
    clip.cut(4, 8).save("d.mkv")
    assert main(["rerun", "d.mkv", "-o", "e.mkv"]) == 2
    assert "does not remember a command line" in capsys.readouterr().err


def test_what_is_too_large_to_be_read_can_be_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    frames = [np.full((24, 32, 3), 2 * n, np.uint8) for n in range(100)]
    paths = [tmp_path / f"{name}.mkv" for name in ("constant", "variable")]
    odd.film(paths[0], frames, pix_fmt="bgr0", rate=FILM, sound=(0.5, 3))
    odd.film(paths[1], frames, pix_fmt="bgr0", times=[40 * n + (3000 if n >= 30 else 0) for n in range(100)])  # the thirtieth frame stays for three seconds
    spans = [(2.0, 2.3), (0.1, 0.2), (2.1, 2.5)]
    whole = [recut(reverie.read(path), spans) for path in paths]
    monkeypatch.setitem(reading.LIMITS, "most_frames", 60)
    for path, expected in zip(paths, whole, strict=True):
        out = tmp_path / "out.mkv"
        with pytest.raises(ValueError, match="cut it first"):
            reverie.read(path)
        assert main(["recut", str(path), "--keep", *(f"{start}-{stop}" for start, stop in spans), "-o", str(out)]) == 0, capsys.readouterr().err
        made = reverie.read(out)
        assert np.array_equal(made.frames, expected.frames)
        assert made.fps == expected.fps
        assert (made.audio is None) == (expected.audio is None)
        if made.audio is not None and expected.audio is not None:
            assert np.array_equal(made.audio.samples, expected.audio.samples)
    capsys.readouterr()
    seconds = probe(paths[0])["seconds"]
    assert [part.num_frames for part in reading.read_spans(paths[0], [(seconds - 0.5, seconds)])] == [11]  # frames 89 to 99
    for span in ("3-9", "3-2", "8-9", "3-1000000"):
        assert main(["recut", str(paths[0]), "--keep", span, "-o", str(tmp_path / "no.mkv")]) == 2
        assert f"span {span}:" in capsys.readouterr().err
    assert main(["recut", str(paths[0]), "--keep", "0-4", "-o", str(tmp_path / "no.mkv")]) == 2
    assert "cut it first" in capsys.readouterr().err


# -- sound, several films, variation --------------------------------------------------------------------------------------


def test_a_loop_keeps_the_sound_of_its_clip_and_a_blend_says_that_it_is_silent(
    dreamer: Reverie, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    sound = np.arange(8000, dtype=np.int16)[:, None]
    clip = Video(made_clip(0, 8, 16, 16).frames, 8.0, audio=Audio(sound, 8000))
    turn = dreamer.loop("x", clip, seconds=1.5, num_steps=1)
    assert turn.audio is not None
    assert np.array_equal(turn.audio.samples, np.concatenate([sound, np.zeros((4000, 1), np.int16)]))
    monkeypatch.chdir(tmp_path)
    clip.save("a.mkv")
    assert main(["blend", "a.mkv", "a.mkv", "x", "--num-steps", "1", "-o", "out.mkv"]) == 0
    assert capsys.readouterr().err.count("sound of what is given is left out") == 1


def test_a_stopped_row_of_films_goes_on_with_the_one_that_is_missing(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    words = ["generate", "a ball", "--size", "32x32", "--num-steps", "1", "--seconds", "3", "--num-videos", "2", "-o", "a.mkv", "--model", str(model_folder)]
    assert main(words) == 0
    first, film_long, made = Path("a-0.mkv").stat().st_mtime_ns, making.film_long, []
    Path("a-1.mkv").unlink()

    def counted(*given: Any) -> Any:
        made.append(given[5])
        return film_long(*given)

    monkeypatch.setattr(making, "film_long", counted)
    capsys.readouterr()
    assert main(words) == 0
    assert (made, Path("a-0.mkv").stat().st_mtime_ns) == ([1], first)
    assert "a-0.mkv: was made by this command before and is kept" in capsys.readouterr().err
    assert main([*words, "--seed", "1"]) == 0  # another command
    assert made == [1, 0, 1]


def test_a_variation_has_another_seed_unless_one_is_said(dreamer: Reverie):
    def make(**settings: Any) -> Video:
        return dreamer.generate("a ball", size="16x16", num_frames=1, num_steps=1, variation=0.5, **settings)

    assert (make().metadata["seed"], make().metadata["other_seed"]) == (0, 1)
    assert np.array_equal(make(seed=3).frames, make(seed=3, other_seed=4).frames)


def test_words_may_change_on_the_way(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """From the command line, in Python, at sizes that are refined, and when it is done again."""
    words = ["generate", "a red ball", "--then", "0.5: a blue cube", "1: a platypus", "--size", "32x32", "--num-steps", "2", "--model", str(model_folder)]
    assert main([*words, "-o", str(tmp_path / "a.mkv"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["prompt"] == ["a red ball", "a blue cube", "a platypus"] and "never met: blue, cube, platypus;" in err
    made = reverie.read(tmp_path / "a.mkv")
    dreamer = reverie.load(model_folder)
    same = dreamer.generate("a red ball", then=[(0.5, "a blue cube"), (1, "a platypus")], size="32x32", num_steps=2)
    assert np.array_equal(made.frames, same.frames)
    assert same.metadata["command"][-5:] == ["--then", "0.5: a blue cube", "1: a platypus", "--", "a red ball"]
    same.save(tmp_path / "python.mkv")
    for name in ("a", "python"):
        assert main(["rerun", str(tmp_path / f"{name}.mkv"), "-o", str(tmp_path / f"{name}-again.mkv"), "--model", str(model_folder), "--json"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["same_frames"]
    large = dreamer.generate("a red ball", then=[(0.5, "a blue cube")], size="208x208", num_frames=8, num_steps=1)
    assert large.metadata["prompt"] == ["a red ball", "a blue cube"] and large.metadata["draft"]
    assert main(["generate", "a", "--then", "soon, a cube", "-o", str(tmp_path / "b.mkv")]) == 2
    assert "write SECOND:WORDS" in capsys.readouterr().err


def test_every_verb_goes_on_where_it_was_stopped(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    made_clip(0, 4, 64, 64).save(tmp_path / "a.mkv")
    words = ["extend", str(tmp_path / "a.mkv"), "a ball", "--seconds", "5", "--num-steps", "2", "--model", str(model_folder), "-o", str(tmp_path / "b.mkv")]
    with monkeypatch.context() as patch:
        patch.setattr(making, "progress", lambda text: stopped(5))
        assert main(words) == 130
    assert "the same command goes on" in capsys.readouterr().err and not (tmp_path / "b.mkv").exists()
    assert main(words) == 0
    assert "goes on after 2 windows" in capsys.readouterr().err
    whole = reverie.load(model_folder).extend(reverie.read(tmp_path / "a.mkv"), "a ball", seconds=5, num_steps=2)
    assert np.array_equal(reverie.read(tmp_path / "b.mkv").frames, whole.frames)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv"]


def test_pictures_say_who_is_to_be_seen(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """From the command line as in Python: references are seen by the network, never shown; the file remembers them and can be made again."""
    monkeypatch.chdir(tmp_path)
    made_clip(1, frames=1, width=48, height=96).save("who.png")
    how, model = ["--num-steps", "2", "--json"], ["--model", str(model_folder)]
    assert main(["generate", "a cone", "--seconds", "1", "--size", "48x96", "--reference", "who.png", "-o", "a.mkv", *how, *model]) == 0
    dreamer, who = reverie.load(model_folder), reverie.read(Path("who.png"))
    made, settings = reverie.read(Path("a.mkv")), {"seconds": 1, "size": "48x96", "num_steps": 2}
    assert np.array_equal(made.frames, dreamer.generate("a cone", references=[who], **settings).frames)
    assert not np.array_equal(made.frames, dreamer.generate("a cone", **settings).frames)
    assert main(["animate", "who.png", "a cone", "--num-frames", "9", "--reference", "who.png", "-o", "b.mkv", *how, *model]) == 0
    for name in ("a", "b"):
        capsys.readouterr()
        assert main(["rerun", f"{name}.mkv", "-o", f"{name}-again.mkv", *model, "--json"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["same_frames"]
    assert main(["generate", "a cone", "--size", "64x32", "--reference", "who.png", "-o", "c.mkv", *how, *model]) == 2
    assert "the reference is 48x96, the film 64x32: cut it to the same shape" in capsys.readouterr().err
    assert main(["generate", "a cone", "--reference", "nobody.png", "-o", "c.mkv"]) == 2
    assert "nobody.png" in capsys.readouterr().err and not Path("c.mkv").exists()
