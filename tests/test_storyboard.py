"""Storyboards: cut where they say, what persists is seen by every shot that names it, what is wrong is refused with its line."""

from pathlib import Path

import numpy as np
import pytest
import torch

import reverie
from reverie.sampling import storyboard, tasks
from reverie.sampling.reverie import Reverie
from reverie.sampling.sampler import SamplerConfig
from reverie.video import Video
from tests.test_tasks import FAST, clip


@pytest.fixture(scope="module")
def dreamer(model_folder: Path) -> Reverie:
    return reverie.load(model_folder, dtype=torch.float32)


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


def test_what_persists_is_seen_by_every_shot_that_names_it(dreamer: Reverie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    image, seen = clip(1, "96x64"), []
    image.save(tmp_path / "i.png")
    (tmp_path / "film.toml").write_text(CAST)
    steps = reverie.sampling.reverie.sample
    monkeypatch.setattr(reverie.sampling.reverie, "sample", lambda network, encoder, canvases, config: seen.append(canvases[0]) or steps(network, encoder, canvases, config))
    film = dreamer.storyboard(tmp_path / "film.toml", num_steps=1)
    assert film.num_frames == 4 + 24
    first, *windows = seen
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
    with_one = dreamer._referring(tasks.text_to_video("a cone", channels=16, width=48, height=32, num_frames=8, fps=8, seed=0), {"references": [image]})
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
        ("seed = 4", 'seed = "4"', "line 2: seed is '4', int is needed"), ("{hero} rolls", "{her} rolls", "line 11: no subject 'her'; did you mean 'hero'"), ("continues = true", 'continues = true\nclip = "a.mp4"', "line 13|line 12"),
        ("size = ", "size = = ", "line 1"), ("[[shot]]\nseconds = 0.75", "[[shot]]", "line 13: this shot has no seconds"), ('image = "i.png"', "image = 3", "line 17: image is 3"),
    ],
)  # fmt: skip
def test_a_wrong_storyboard_is_refused_with_the_line(old: str, new: str, message: str):
    refuses(BOARD, old, new, message)
