"""The measure of drift: sees it where a film is made to drift, and none in one that does not."""

import json

import numpy as np
import pytest

import reverie
from reverie.evaluation.drift import drift_of, measure

FPS = 8


def steady(seconds: int = 30, side: int = 64) -> np.ndarray:
    """A red square that goes to and fro over patterned snow while the light flickers and the picture sways."""
    rng = np.random.default_rng(0)
    ground = np.clip(190 + 10 * rng.standard_normal((side, side + 8, 1)), 0, 255).astype(np.uint8).repeat(3, 2)
    frames = np.empty((seconds * FPS, side, side, 3), np.uint8)
    for t in range(len(frames)):
        shift = round(4 + 4 * np.sin(t / 11))
        frames[t] = np.clip(ground[:, shift : shift + side].astype(int) + rng.integers(-2, 3), 0, 255)
        x = round((side - 16) * (0.5 + 0.5 * np.sin(t / 9)))
        frames[t, 36:48, x : x + 14] = (210, 30, 30)
    return frames


def test_a_film_that_does_not_drift_has_none():
    figures = drift_of(steady(), FPS, "red")
    assert figures["colour_per_minute"] < 1.0
    assert abs(figures["sharpness_per_minute"]) < 0.1
    assert figures["seconds_kept"] == 30


@pytest.mark.parametrize("direction", [-1, 1])
def test_a_wandering_colour_is_seen(direction: int):
    frames = steady().astype(np.float32)
    frames[..., 2] += direction * np.linspace(0, 20, len(frames))[:, None, None]  # 20 levels in half a minute
    assert drift_of(np.clip(frames, 0, 255).astype(np.uint8), FPS, "red")["colour_per_minute"] == pytest.approx(40, rel=0.15)


def test_what_blurs_and_what_grows_harsh_is_seen():
    frames = steady().astype(np.float32)
    mean = frames.mean((1, 2), keepdims=True)
    contrast = 2 ** np.linspace(0, -1, len(frames))[:, None, None, None]  # halves in half a minute
    fading = mean + (frames - mean) * contrast
    assert drift_of(fading.astype(np.uint8), FPS, "red")["sharpness_per_minute"] == pytest.approx(-2, rel=0.15)
    assert drift_of(fading[::-1].astype(np.uint8), FPS, "red")["sharpness_per_minute"] == pytest.approx(2, rel=0.15)


def test_a_subject_that_goes_or_changes_is_lost_and_one_that_is_hidden_for_a_moment_is_not():
    frames = steady()
    hidden, gone, other = frames.copy(), frames.copy(), frames.copy()
    hidden[80:90] = frames[:1, :1, :1]
    gone[80:] = frames[:1, :1, :1]
    other[80:] = np.where((frames[80:, ..., :1] == 210) & (frames[80:, ..., 1:2] == 30), np.uint8([30, 60, 220]), frames[80:])
    assert drift_of(hidden, FPS, "red")["seconds_kept"] == 30
    assert drift_of(gone, FPS, "red")["seconds_kept"] == drift_of(other, FPS, "red")["seconds_kept"] == 10


def test_every_remedy_is_measured(model_folder, monkeypatch: pytest.MonkeyPatch):
    dreamer, made = reverie.load(model_folder), []
    generate = dreamer.generate
    monkeypatch.setattr(dreamer, "generate", lambda prompt, **how: generate(prompt, size="32x32", num_steps=1, **how))
    figures = measure(dreamer, 1, made, seconds=4.0)
    assert len(figures) == len(made) == 10
    assert json.loads(json.dumps(figures))["both, moving camera"]["cases"] == 1
    assert len({made[n].frames.tobytes() for n in (0, 2, 4, 6, 8)}) == 5  # each remedy changes something
