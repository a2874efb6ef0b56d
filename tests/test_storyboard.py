"""Storyboards: cut where they say, what persists is seen by every shot that names it, what is wrong is refused with its line."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import reverie
from reverie.cli import main
from reverie.commands import making
from reverie.sampling import storyboard, tasks
from reverie.sampling.canvas import Canvas
from reverie.sampling.reverie import Reverie
from reverie.sampling.sampler import SamplerConfig
from reverie.video import Audio, Video
from tests.conftest import stopped
from tests.test_tasks import FAST, clip


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[Canvas]:
    """The canvases that the network is given, as they come."""
    seen: list[Canvas] = []
    steps = reverie.sampling.reverie.sample
    monkeypatch.setattr(reverie.sampling.reverie, "sample", lambda network, encoder, canvases, config: seen.extend(canvases) or steps(network, encoder, canvases, config))
    return seen


def refuses(board: str, old: str, new: str, message: str) -> None:
    """The storyboard `board` with `new` in place of `old` is refused with this message."""
    assert old in board
    with pytest.raises(ValueError, match=message):
        storyboard.parse(board.replace(old, new, 1))


BOARD = """size = "48x32"
seed = 4
[subjects]
hero = "a red ball"

[[shot]]
seconds = 1
prompt = "{hero} in the snow"
[[shot]]
seconds = 0.5
prompt = "{hero} rolls"
continues = true
[[shot]]
seconds = 0.75
prompt = "{hero} at night"
camera = "the camera is still"
image = "i.png"
"""


def test_a_storyboard_is_cut_where_it_says(dreamer: Reverie, tmp_path: Path):
    image = clip(1)
    image.save(tmp_path / "i.png")
    (tmp_path / "film.toml").write_text(BOARD)
    film = dreamer.storyboard(tmp_path / "film.toml", num_steps=1)
    assert film.num_frames == 8 + 4 + 6
    assert film.metadata["cuts"] == [0, 1, 1.5]
    assert film.metadata["prompt"] == ["a red ball in the snow", "a red ball rolls", "a red ball at night, the camera is still"]
    assert np.array_equal(film.frames[12], image.frames[0])
    assert film.metadata["seed"] == 4
    again, other = (dreamer.storyboard(tmp_path / "film.toml", num_steps=1, seed=seed) for seed in (4, 5))
    assert np.array_equal(again.frames, film.frames)
    assert other.metadata["seed"] == 5 and not np.array_equal(other.frames[:8], film.frames[:8])
    with pytest.raises(ValueError, match="name them in its file"):
        dreamer.storyboard(tmp_path / "film.toml", references=[image])


CAST = """size = "48x32"
[subjects]
hero = "a red ball"
[subjects.friend]
words = "a blue cube"
image = "i.png"
[subjects.third]
words = "a cone"
shot = 1
[[shot]]
seconds = 0.5
prompt = "{hero} and {third}"
[[shot]]
seconds = 3
prompt = "{friend} and {third}, {friend}"
"""


def test_what_persists_is_seen_by_every_shot_that_names_it(dreamer: Reverie, tmp_path: Path, filled: list[Canvas]):
    image = clip(1, "96x64")
    image.save(tmp_path / "i.png")
    (tmp_path / "film.toml").write_text(CAST)
    film = dreamer.storyboard(tmp_path / "film.toml", num_steps=1)
    assert film.num_frames == 4 + 24
    first, *windows = filled
    assert first.shown.tolist() == [True]  # nobody was seen before
    assert [part.shown.tolist() for part in windows] == [[True] * 5 + [False] * 2, [True] * 3 + [False] * 2]
    for part in windows:
        assert bool((part.strength[-2:] == 0).all())
        assert torch.allclose(part.times[-2:], part.times[0] - 4)
        assert torch.equal(part.latents[:, -2], dreamer.encode(tasks.resized(image, 48, 32), 3)[:, 0])
        assert torch.equal(part.latents[:, -1], dreamer.encode(Video(film.frames[2:3]), 3)[:, 0])
    other = dreamer.generate("a cone", num_frames=8, size="48x32", references=[image], **FAST)
    assert other.latents is not None
    assert other.latents.shape[1] == 2
    assert not np.array_equal(other.frames, dreamer.generate("a cone", num_frames=8, size="48x32", **FAST).frames)
    assert dreamer.loop("a cone", size="48x32", seconds=1, references=[image], **FAST).num_frames == 8
    with_one = dreamer.referring(tasks.text_to_video("a cone", channels=16, width=48, height=32, num_frames=8, fps=8, seed=0), {"references": [image]})
    assert (with_one.dreamed, with_one.seen) == (12, 18)  # noise levels as in training, where a still does not count
    watched = [step.frames().shape for step in dreamer.steps([with_one], SamplerConfig(num_steps=1))]
    assert watched == [(8, 32, 48, 3)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("shot = 1\n", "shot = 3\n", "line 9: shot = 3: a number from 1 to 2"), ("shot = 1\n", "shot = 0\n", "line 9"), ('words = "a cone"\n', "", "line 7: the subject third has no words"),
        ('image = "i.png"\n', 'image = "i.png"\nclip = "a.mp4"\n', "line 7: a picture comes from one place"), ('hero = "a red ball"', "hero = 3", "line 3: a subject is NAME"),
        ("shot = 1\n", "shoot = 1\n", "line 9: no 'shoot' here; did you mean 'shot'"), ("{hero} and", "{hero and", "line 12: .*braces"), ("{hero} and", "{} and", "line 12: no subject ''"),
    ],
)  # fmt: skip
def test_a_wrong_cast_is_refused_with_the_line(old: str, new: str, message: str):
    refuses(CAST, old, new, message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seconds = 1\n", "secods = 1\n", "line 7: no 'secods' here; did you mean 'seconds'"), ("seconds = 0.5", "seconds = 0.3", "line 10: .* not a whole number"), ("seed = 4", "sed = 4", "line 2: no 'sed'"),
        ("seed = 4", 'seed = "4"', "line 2: seed is '4', int is needed"), ("{hero} rolls", "{her} rolls", "line 11: no subject 'her'; did you mean 'hero'"), ("continues = true", 'continues = true\nclip = "a.mp4"', "line 12: a shot begins with one thing, this one has clip and continues"),
        ("size = ", "size = = ", r"at line 1, column"), ("[[shot]]\nseconds = 0.75", "[[shot]]", "line 13: this shot has no seconds"), ('image = "i.png"', "image = 3", "line 17: image is 3"),
    ],
)  # fmt: skip
def test_a_wrong_storyboard_is_refused_with_the_line(old: str, new: str, message: str):
    refuses(BOARD, old, new, message)


CLIPPED = """size = "48x32"
[[shot]]
seconds = 1
prompt = "a red ball"
clip = "a.mkv"
[[shot]]
seconds = 0.5
prompt = "it rolls"
continues = true
"""


@pytest.mark.parametrize("frames", [5, 8, 20])
def test_a_shot_that_begins_with_a_clip_goes_on_from_what_was_shown(dreamer: Reverie, tmp_path: Path, filled: list[Canvas], frames: int):
    """A clip shorter than its shot is dreamed on from its end; of a longer one the beginning is shown, and the next shot goes on from there."""
    given, said = clip(frames), []
    given.save(tmp_path / "a.mkv")
    (tmp_path / "film.toml").write_text(CLIPPED)
    film = dreamer.storyboard(tmp_path / "film.toml", num_steps=1, progress=lambda done, total: said.append((done, total)))
    assert film.num_frames == 8 + 4
    assert np.array_equal(film.frames[: min(frames, 8)], given.frames[:8])
    assert [canvas.num_frames for canvas in filled] == [8, 12][frames >= 8 :]  # never more than is shown, nothing where the clip is enough
    assert said == [(n + 1, len(filled)) for n in range(len(filled))]
    assert ("nothing is dreamed" in " ".join(film.notes)) == (frames >= 8)
    alone = dreamer.extend(Video(film.frames[:8].copy()), "it rolls", seconds=0.5, num_steps=1, seed=1)
    if frames >= 8:  # else latents are handed on, which are not exactly those of its frames
        assert np.array_equal(film.frames, alone.frames)
    assert film.metadata["model"] == dreamer.digest


def test_the_clip_of_the_last_shot_leaves_no_memory_of_its_own(dreamer: Reverie, tmp_path: Path):
    dataclasses.replace(clip(8), metadata={"prompt": "another", "seed": 77, "colour": "red"}).save(tmp_path / "a.mkv")
    (tmp_path / "film.toml").write_text('size = "48x32"\n[[shot]]\nseconds = 0.5\nprompt = "a ball"\n[[shot]]\nseconds = 1\nprompt = "a clip"\nclip = "a.mkv"\n')
    film = dreamer.storyboard(tmp_path / "film.toml", num_steps=1)
    assert np.array_equal(film.frames[4:], clip(8).frames)
    assert (film.metadata["prompt"], film.metadata["seed"], film.metadata["model"]) == (["a ball", "a clip"], 0, dreamer.digest)
    assert "colour" not in film.metadata


def test_a_clip_keeps_its_sound(dreamer: Reverie, tmp_path: Path):
    def sounding(frames: int, rate: int) -> Video:
        samples = np.random.default_rng(frames).integers(-9000, 9000, (frames * rate // 8, 1), np.int16)
        return dataclasses.replace(clip(frames), audio=Audio(samples, rate))

    long, short = sounding(12, 8000), sounding(4, 8000)
    assert long.audio and short.audio
    long.save(tmp_path / "a.mkv")
    short.save(tmp_path / "b.mkv")
    text = CLIPPED + '[[shot]]\nseconds = 1\nprompt = "a cube"\nclip = "b.mkv"\n'
    (tmp_path / "film.toml").write_text(text)
    film = dreamer.storyboard(tmp_path / "film.toml", num_steps=1)
    assert film.audio is not None
    silence = np.zeros((4000, 1), np.int16)  # while it is dreamed
    assert np.array_equal(film.audio.samples, np.concatenate([long.audio.samples[:8000], silence, short.audio.samples, silence]))
    sounding(4, 16000).save(tmp_path / "b.mkv")
    with pytest.raises(ValueError, match="line 13: the clips sound at 8000 and 16000 samples per second"):
        storyboard.load(tmp_path / "film.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('size = "48x32"', 'size = "12x12"', "board, line 1: size 12x12: both sides"), ('size = "48x32"', 'size = "48x32"\nfps = 0', "board, line 2: fps is 0: between"), ('size = "48x32"', 'size = "48x32"\nfps = 1000', "board, line 2: fps is 1000"),
        ('"it rolls"', '" "', "board, line 8: the prompt is empty"), ("seconds = 0.5", "seconds = 1000", "board, line 7: 8000 frames"), ("seconds = 0.5", "seconds = nan", "board, line 7: .*positive"),
        ('"it rolls"', '"""it\n[[shot]]\nrolls"""', "board: 2 shots and 3 lines that begin with"), ('"it rolls"', '"{it}"', "line 8: no subject 'it'"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_is_refused_with_the_line_before_anything_is_read(old: str, new: str, message: str):
    assert old in CLIPPED
    with pytest.raises(ValueError, match=message):
        storyboard.parse(CLIPPED.replace(old, new), "board")


def test_shots_and_subjects_written_in_other_ways_of_toml():
    with pytest.raises(ValueError, match=r"board: 1 shots and 0 lines that begin with \[\[shot\]\]"):
        storyboard.parse('shot = [{seconds = 1, prompt = "a ball"}]', "board")
    for form in ("{hero:>9000000000}", "{hero!r}"):
        with pytest.raises(ValueError, match=r"line 5: no subject 'hero[:!].*hero"):
            storyboard.parse(f'[subjects]\nhero = "a ball"\n[[shot]]\nseconds = 1\nprompt = "{form}"', "board")
    assert storyboard.parse('size = "0128X128"\n[[ shot ]]  # first\nseconds = 1\nprompt = "a ball"').size == "128x128"


def test_a_film_that_is_too_long_is_refused_with_the_line_of_the_shot_that_makes_it_so():
    shot = '[[shot]]\nseconds = 50\nprompt = "a ball"\n'
    assert sum(one.num_frames for one in storyboard.parse(f"fps = 60\n{2 * shot}").shots) == 6000
    with pytest.raises(ValueError, match=r"line 9: .*the film has 9000 frames with this shot: at most 7200 are allowed, 120 seconds at 60 fps"):
        storyboard.parse(f"fps = 60\n{3 * shot}")


FILES = """size = "48x32"
subjects = {hero = {words = "a red ball", image = "i.png"}, other = {words = "a cone", clip = "a.mkv"}}
[[shot]]
seconds = 1
prompt = "{hero} and {other}"
[[shot]]
seconds = 1
prompt = "a cone"
image = "s.png"
[[shot]]
seconds = 2
clip = "a.mkv"
prompt = "a cone"
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "i.png").unlink(), "film.toml, line 2: .*i.png: no such file"), (lambda folder: (folder / "s.png").unlink(), "film.toml, line 9: .*s.png: no such file"), (lambda folder: (folder / "s.png").write_text("no"), "film.toml, line 9: .*s.png"),
        (lambda folder: clip(1, "48x48").save(folder / "i.png"), "film.toml, line 2: i.png is 48x48, the film 48x32: cut"), (lambda folder: clip(1, "96x64").save(folder / "s.png"), "film.toml, line 9: s.png is 96x64, the storyboard 48x32"),
        (lambda folder: clip(4, "64x32").save(folder / "a.mkv"), "film.toml, line 2: a.mkv is 64x32"), (lambda folder: dataclasses.replace(clip(4), fps=24.0).save(folder / "a.mkv"), "film.toml, line 12: a.mkv has 24 frames per second, the storyboard 8"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_before_the_model_is_loaded(change: Callable[[Path], object], message: str, tmp_path: Path):
    (tmp_path / "film.toml").write_text(FILES)
    clip(1).save(tmp_path / "i.png")
    clip(1).save(tmp_path / "s.png")
    clip(4).save(tmp_path / "a.mkv")
    change(tmp_path)
    with pytest.raises(ValueError, match=message):
        storyboard.load(tmp_path / "film.toml")


def test_a_rate_that_people_write_short_is_that_of_the_clip(dreamer: Reverie, tmp_path: Path):
    dataclasses.replace(clip(4), fps=24000 / 1001).save(tmp_path / "a.mkv")
    (tmp_path / "film.toml").write_text('size = "48x32"\nfps = 23.976\n[[shot]]\nseconds = 0.33366700\nclip = "a.mkv"\nprompt = "a ball"\n')
    film = dreamer.storyboard(tmp_path / "film.toml", num_steps=1)
    assert (film.num_frames, film.fps) == (8, 23.976)


def test_the_whole_film_is_announced_before_its_first_shot(dreamer: Reverie, tmp_path: Path, filled: list[Canvas]):
    clip(1).save(tmp_path / "i.png")
    text = BOARD.replace("seconds = 1\n", "seconds = 5\n") + '[[shot]]\nseconds = 1\nprompt = "a cone"\nclip = "i.png"\n'
    (tmp_path / "film.toml").write_text(text)
    told: list[tuple[list[Canvas], int, int]] = []
    said: list[tuple[int, int]] = []
    film = dreamer.storyboard(
        tmp_path / "film.toml", num_steps=2, announce=lambda canvases, config: told.append((list(canvases), config.num_steps, len(filled))), progress=lambda *how: said.append(how)
    )
    assert film.num_frames == 40 + 4 + 6 + 8
    ((canvases, steps, before),) = told
    assert (steps, before) == (2, 0)
    assert [canvas.num_frames for canvas in canvases] == [40, 44, 6, 8]
    alone: list[Canvas] = []
    dreamer.extend(clip(40), "x", seconds=0.5, num_steps=1, announce=lambda canvases, config: alone.extend(canvases))
    assert torch.equal(canvases[1].strength, alone[0].strength)  # what it continues is kept: only its own latents take time
    assert said == [(n, 2 * 6) for n in range(1, 13)]  # 40 frames in three windows, then one each


def test_the_command_says_what_it_read_and_refuses_a_target_before_it_dreams(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    board, output = tmp_path / "film.toml", tmp_path / "film.mkv"
    board.write_text(CLIPPED.replace("it rolls", "a platypus rolls").replace("a.mkv", "frames"))
    (tmp_path / "frames").mkdir()
    for n in range(4):
        clip(1, seed=n).save(tmp_path / "frames" / f"{n}.png")
    assert main(["storyboard", str(board), "-o", str(output), "--model", str(model_folder), "--num-steps", "1", "--seed", "5", "--json"]) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out.splitlines()[-1])
    assert (answer["files"], answer["seed"], answer["prompt"]) == ([str(output)], 5, ["a red ball", "a platypus rolls"])
    assert "platypus" in answer["unknown_words"] and "never met: " in err
    assert err.count("frames: a folder says no rate: 8 fps assumed") == 1
    assert reverie.read(output).num_frames == 12
    board.write_text(CAST.replace("[subjects]", "fps = 60\n[subjects]", 1))
    clip(1).save(tmp_path / "i.png")
    assert main(["storyboard", str(board), "-o", str(tmp_path / "film.gif"), "--model", "nowhere"]) == 2
    assert "at most 50 frames per second" in capsys.readouterr().err


def test_a_film_that_was_stopped_goes_on_where_it_was(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], filled: list[Canvas]
):
    """Ctrl-C in the first window, in the second, and in the second shot; then to the end; then with another picture."""
    board, output, kept = tmp_path / "film.toml", tmp_path / "film.mkv", tmp_path / "film.part.latents"
    clip(1).save(tmp_path / "i.png")
    board.write_text(BOARD.replace("seconds = 1\n", "seconds = 5\n").replace('"{hero} rolls"', '"{hero} rolls on"'))  # windows: 3, 1, 1
    words = ["storyboard", str(board), "-o", str(output), "--model", str(model_folder), "--num-steps", "2"]
    for stop, begun in ((1, 0), (4, 0), (8, 1)):  # at this step; windows that an earlier run finished
        with monkeypatch.context() as patch:
            patch.setattr(making, "progress", lambda text, stop=stop: stopped(stop))
            assert main(words) == 130
        said = capsys.readouterr().err
        assert kept.exists() == (stop > 1) == ("the same command goes on" in said)
        assert (f"goes on after {begun} windows" in said) == (begun > 0) == ("goes on after" in said)
        assert not output.exists()
    before = len(filled)
    assert main(words) == 0
    assert "goes on after 3 windows" in capsys.readouterr().err
    assert [canvas.num_frames for canvas in filled[before:]] == [44, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mkv", "film.toml", "i.png"]
    undisturbed = reverie.load(model_folder).storyboard(board, num_steps=2)
    assert np.array_equal(reverie.read(output).frames, undisturbed.frames)
    with monkeypatch.context() as patch:
        patch.setattr(making, "progress", lambda text: stopped(4))
        assert main(words) == 130
    clip(1, seed=1).save(tmp_path / "i.png")
    assert main(words) == 2
    assert "belongs to another request" in capsys.readouterr().err
