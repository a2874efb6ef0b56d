"""Drift of long films: how fast colour and sharpness wander off, and when the subject is lost; each remedy on and off.

Slopes are Theil and Sen's (the median of the slopes between all pairs of seconds), so that what comes and goes is no drift.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reverie.evaluation.prompts import HUES, colour_of, seen_in, thing
from reverie.sampling.reverie import Reverie
from reverie.sampling.stream import Context
from reverie.video import Video

SECONDS = 60.0
CASES = 2  # by default: each is ten minutes of film
GONE = 2.0  # seconds without the subject after which it counts as lost
REMEDIES = {
    "none": Context(noise=0.0),
    "noise": Context(),
    "anchor": Context(noise=0.0, anchor=True),
    "both": Context(anchor=True),
    "both, three recent": Context(recent=3, anchor=True),
}
CAMERAS = {"still": "a still camera", "moving": "the camera orbits"}
PLACES = ("in the snow", "on the street", "on the beach", "in the snow at night")  # where image processing finds the thing


def drift_of(frames: np.ndarray, fps: float, colour: str) -> dict[str, float]:
    """Of a film uint8 [T H W 3] of one thing of a colour: per minute, how far the mean colour wanders (levels of 255, over the three channels)
    and by what factor the sharpness (mean gradient) changes, as a logarithm to base 2; seconds until the thing of this colour is lost.
    """
    second = max(1, round(fps))
    means, sharp = [], []
    for start in range(0, len(frames) - second + 1, second):
        part = frames[start : start + second].astype(np.float32)
        means.append(part.mean((0, 1, 2)))
        sharp.append(np.log2(0.05 + np.abs(np.diff(part, axis=1)).mean() + np.abs(np.diff(part, axis=2)).mean()))
    return {
        "colour_per_minute": float(60 * np.linalg.norm([_slope(channel) for channel in np.array(means).T])),
        "sharpness_per_minute": float(60 * _slope(np.array(sharp))),
        "seconds_kept": _seconds_kept(frames, fps, colour),
    }


def _slope(values: np.ndarray) -> float:
    """Per step, the median over all pairs; 0 of a single value."""
    first, second = np.triu_indices(len(values), 1)
    return float(np.median((values[second] - values[first]) / (second - first))) if len(first) else 0.0


def _seconds_kept(frames: np.ndarray, fps: float, colour: str) -> float:
    """Until the thing is not seen, or has another colour, for GONE seconds on end; the whole length if that never happens."""
    mask, gone = thing(frames), 0
    for n, seen in enumerate(seen_in(mask)):
        gone = 0 if seen and colour_of(frames[n][mask[n]]) == colour else gone + 1
        if gone >= GONE * fps:
            return (n + 1 - gone) / fps
    return len(frames) / fps


def measure(dreamer: Reverie, num_cases: int, made: list[Video], seconds: float = SECONDS) -> dict[str, Any]:
    """Films of `seconds` of a thing that turns in place, still and moving camera, with each remedy and without."""
    figures: dict[str, Any] = {}
    for name, context in REMEDIES.items():
        for camera, words in CAMERAS.items():
            rows = []
            for n in range(num_cases):
                colour = list(HUES)[n % len(HUES)]
                video = dreamer.generate(f"a {colour} cube spins {PLACES[n % len(PLACES)]}, {words}", seconds=seconds, seed=n, context=context)
                rows.append(drift_of(video.frames, video.fps, colour))
                made.append(video)
            figures[f"{name}, {camera} camera"] = _summary(rows)
    return figures


def _summary(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    middle = {key: [round(float(v), 3) for v in np.percentile([row[key] for row in rows], [50, 0, 100])] for key in rows[0]}
    return {**{key: {"median": v[0], "range": v[1:]} for key, v in middle.items()}, "cases": len(rows)}
