"""Photographs under a moving camera: a function of (seed, index), and sources that one kind of seed never shows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverie.data.render import render
from reverie.data.shards import Footage
from reverie.worlds.photographs import Photographs, held_out, sources
from reverie.worlds.scene import Format

FORMAT = Format(width=48, height=32, num_frames=5)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    """Twelve smooth random pictures, one of them in two sizes, and what is no photograph."""
    folder = tmp_path_factory.mktemp("backgrounds")
    rng = np.random.default_rng(0)
    for n in range(12):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
        coarse.resize((1400, 1050), Image.Resampling.BICUBIC).save(folder / f"Picture{n}.jpg")
    coarse.resize((2000, 1500)).save(folder / "Picture11_2000x1500.jpg")
    coarse.resize((640, 480)).save(folder / "Preview.jpg")
    coarse.resize((1400, 1050)).save(folder / "Drawing.png")
    return Photographs((folder,))


def test_a_source_is_the_largest_of_its_sizes(world: Photographs):
    found = sources(world.folders)
    assert sorted(found) == sorted(f"Picture{n}" for n in range(12))
    assert found["Picture11"].name == "Picture11_2000x1500.jpg"


def test_odd_seeds_show_what_even_seeds_never_show(world: Photographs):
    shown = {seed: {world.scene(seed, index).surroundings for index in range(80)} for seed in (0, 2, 1)}
    assert shown[0] == shown[2] == {name for name in sources(world.folders) if not held_out(name)}
    assert shown[1] == {name for name in sources(world.folders) if held_out(name)}
    assert shown[0] and shown[1]


def test_a_clip_is_repeatable_and_moves_evenly(world: Photographs):
    scene = world.scene(0, 3)
    clip, told = world.film(scene, FORMAT)
    assert clip.frames.shape == (5, 32, 48, 3) and told.captions and told.still_captions
    assert np.array_equal(clip.frames, Photographs(world.folders).film(scene, FORMAT)[0].frames)
    change = np.abs(np.diff(clip.frames.astype(float), axis=0)).mean((1, 2, 3))
    assert 0 < change.max() < 3 * change.min()


def test_photographs_become_footage_in_a_folder_of_folders(world: Photographs, tmp_path: Path):
    for seed in (0, 1):
        list(render(world, seed, 2, [FORMAT], tmp_path / f"seed{seed}"))
    both = Footage(tmp_path)
    assert [entry.shard.split("/")[0] for entry in both.entries] == ["seed0", "seed0", "seed1", "seed1"]
    assert np.array_equal(both.video(2).frames, Footage(tmp_path / "seed1").video(0).frames)
    assert len(both.digests()) == 2


def test_without_photographs_one_line_says_so(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no photographs in .*: install"):
        Photographs((tmp_path,)).scene(0, 0)
