"""The bundled weights: they load offline, belong together, stay small, and make what the README says."""

import dataclasses
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

import reverie
from reverie.cli import main
from reverie.evaluation.prompts import look
from reverie.sampling.reverie import BUNDLED, Reverie


@pytest.fixture(scope="module")
def dreamer() -> Reverie:
    return reverie.load()


def test_the_readme_prompt_shows_its_colour(dreamer: Reverie):
    video = dreamer.generate("a red ball rolls to the left in the snow")
    assert (video.size, video.num_frames, video.fps) == ("128x128", 16, 8.0)
    assert look(video.frames) == ("red", "left")
    assert dreamer.unknown_words("a red ball rolls to the left in the snow") == []


def test_a_list_of_prompts_is_made_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "prompts", "--list", "tune", "--limit", "2", "--json", "--sheet", str(tmp_path / "sheet.png")]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["list"], figures["prompts"], figures["colour_right"], figures["motion_right"]) == ("tune", 2, 2, 2)
    assert figures["colour_interval"][0] < 1 and (tmp_path / "sheet.png").stat().st_size > 10_000


def test_latents_count_only_for_the_frames_that_they_show(dreamer: Reverie, monkeypatch: pytest.MonkeyPatch):
    video, encoded, encode = dreamer.generate("a red ball rolls to the left in the snow", num_frames=10, size="100x84", num_steps=4), [], dreamer.autoencoder.encode
    monkeypatch.setattr(dreamer.autoencoder, "encode", lambda frames, lead=0: encoded.append(lead) or encode(frames, lead))
    assert np.array_equal(dreamer.encode(video).numpy(), video.latents)
    assert encoded == []
    changed = video.frames.copy()
    changed[4:8] = 255 - changed[4:8]
    for frames in (255 - video.frames, changed, video.frames[:, ::-1], video.frames[:6]):
        dreamer.encode(dataclasses.replace(video, frames=frames))
    assert encoded == [0] * 4


def test_the_words_of_the_world_were_met(dreamer: Reverie):
    """Four shapes, eight colours, six grounds, three times of day."""
    spoken = "red orange yellow green blue purple white black ball cube cylinder cone snow grass desert night sunset beach street wooden floor rolls slides falls jumps spins stands still left right"
    assert dreamer.unknown_words(spoken) == []
    assert dreamer.unknown_words("Tokyo in neon") == ["tokyo", "neon"]


def test_the_weights_are_small():
    """Git and wheels store them compressed: at most 45 MB."""
    files = sorted(BUNDLED.glob("*.safetensors"))
    assert [path.stem for path in files] == ["autoencoder", "transformer"]
    assert sum(len(zlib.compress(path.read_bytes(), 6)) for path in files) < 45e6


def test_info_and_vocabulary_of_the_bundled_model(dreamer: Reverie, capsys: pytest.CaptureFixture[str]):
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == dreamer.digest
    assert main(["vocabulary"]) == 0
    text = capsys.readouterr().out
    assert "ball" in text and "球" in text
