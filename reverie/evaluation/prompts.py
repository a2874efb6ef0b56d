"""The prompt check: does a film show what its prompt asked for? Read by the probe (evaluation/probe.py), or its colour and motion without any network.

Without a network, the thing is what differs in chroma from the middle colour of its row (ground and sky are nearly even along a row); its colour is the
nearest of six hues, its motion is read from the track of its centre. `reverie evaluate prompts --footage DIR` measures the check
itself on simulator footage, whose truth is known.
"""

import colorsys
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from reverie.data.shards import Footage
from reverie.evaluation.probe import LABELS, UNKNOWN, Probe, load_probe, read, truth_of

HUES = {"red": 1.0, "orange": 25.0, "yellow": 53.0, "green": 128.0, "blue": 229.0, "purple": 280.0}  # degrees, of the lit side
CHROMA = 0.16  # least distance from the row's middle colour, of channel differences in [0, 1]
MOTIONS = ("left", "right", "fall", "jump")
EVEN = ("snow", "street", "beach")  # surroundings of the second edition without hills or walls that stand in a row with the sky

Facts = dict[str, str]  # what is asked of a clip, or seen in it, by name: colour (one of HUES), motion (one of MOTIONS), or a label of the probe
Look = Callable[[Iterable[np.ndarray]], list[Facts]]  # what is seen in clips, each uint8 [T H W 3]


@dataclass(frozen=True)
class Prompt:
    """A prompt and what it asks for."""

    text: str
    asked: Facts


def prompt_list(name: str) -> list[Prompt]:
    """A list of prompts.json: main, varied and chinese ask for colour and motion; worlds for all that the probe reads; worlds-held-out shows what
    no footage for training may show. None of them was ever used to choose anything; tune and worlds-tune are there for that.
    """
    lists = json.loads(resources.files("reverie.evaluation").joinpath("prompts.json").read_text("utf-8"))
    if name not in lists:
        raise ValueError(f"no list of prompts {name!r}: {', '.join(lists)}")
    return [Prompt(*row) for row in lists[name]]


def look_by(weights: Path | None) -> Look:
    """The one way in which words are read from clips: by the probe of a weights file, or, without one, colour and motion by image processing."""
    return partial(read_by, load_probe(weights)) if weights else look_at_all


def look_at_all(clips: Iterable[np.ndarray]) -> list[Facts]:
    """What image processing sees in clips: colour and motion."""
    return [dict(zip(("colour", "motion"), look(frames), strict=True)) for frames in clips]


def read_by(probe: Probe, clips: Iterable[np.ndarray]) -> list[Facts]:
    """What a probe sees in clips, its own labels and the motion in the words of the older lists."""
    return [{**facts, "motion": facts["way"] if facts["act"] == "travel" else facts["act"]} for facts in read(probe, clips)]


def look(frames: np.ndarray) -> tuple[str, str]:
    """uint8 [T H W 3] -> (colour, motion) of the thing that is seen; "none" where nothing clear is."""
    mask = thing(frames)
    seen = seen_in(mask)
    if seen.mean() < 0.6:
        return "none", "none"
    return colour_of(frames[mask]), _motion(mask, seen)


def thing(frames: np.ndarray) -> np.ndarray:
    """Where the thing is: bool [T H W]."""
    x = frames.astype(np.float32) / 255
    chroma = np.stack([x[..., 0] - x[..., 1], x[..., 1] - x[..., 2]], -1)
    rows = np.median(chroma, axis=(0, 2), keepdims=True)
    return np.linalg.norm(chroma - rows, axis=-1) > CHROMA


def seen_in(mask: np.ndarray) -> np.ndarray:
    """The frames in which enough of the thing is seen to have a place, and not everywhere: bool [T]."""
    share = mask.mean((1, 2))
    return (share > 0.004) & (share < 0.5)


def colour_of(pixels: np.ndarray) -> str:
    """The hue to which most of the pixels, uint8 [n 3], weighted by saturation, are nearest."""
    pixels = pixels.astype(np.float32) / 255
    high, low = pixels.max(-1), pixels.min(-1)
    weight = high - low
    votes = dict.fromkeys(HUES, 0.0)
    for pixel, amount in zip(pixels[:: max(1, len(pixels) // 3000)], weight[:: max(1, len(pixels) // 3000)], strict=True):
        hue = 360 * colorsys.rgb_to_hsv(*pixel)[0]
        votes[min(HUES, key=lambda name: abs((hue - HUES[name] + 180) % 360 - 180))] += float(amount)
    return max(votes, key=lambda name: votes[name])


def _motion(mask: np.ndarray, seen: np.ndarray) -> str:
    """Sideways if the centre crosses 15% of the width and more than it rises or falls; else which comes first, down or up."""
    _, height, width = mask.shape
    centres = [(np.median(np.nonzero(m)[1]) / width, 1 - np.median(np.nonzero(m)[0]) / height) for m in mask[seen]]
    x, y = np.array(centres).T
    across, rise, drop = x[-1] - x[0], y.max() - y[:2].min(), y[:2].max() - y.min()
    if abs(across) > 0.15 and abs(across) > max(rise, drop):
        return "left" if across < 0 else "right"
    if max(rise, drop) < 0.07:
        return "none"
    return "jump" if rise > drop else "fall"


def judged(scene: dict[str, Any]) -> tuple[str, str, str] | None:
    """(colour, kind, motion) of the thing of a scene that can be judged: one hued thing alone, still camera, not at sunset; else None."""
    subjects = scene["subjects"]
    if len(subjects) != 1 or scene["camera"]["kind"] != "static" or scene.get("props") or scene.get("time") == "sunset":
        return None
    (subject,) = subjects
    kind = subject.get("kind") or subject.get("shape")
    verb, _, way = (subject["facts"] or [""])[0].partition("_")
    motion = (way or verb) if verb != "slide" else "none"  # the lists ask for things that roll
    if scene.get("schema", 1) > 1 and scene["surroundings"] not in EVEN:
        return None
    return (subject["colour"], kind, motion) if subject["colour"] in HUES and motion in MOTIONS and kind not in ("person", "turtle") else None


def check_on_footage(footage: Footage, limit: int | None, look: Look) -> tuple[list[Prompt], list[Facts]]:
    """A look against the truth, as (asked, found): all clips of one subject; without a probe, those of the kind of the lists (`judged`), of which it sees 16 frames.
    What it gets right is the most that a model can score with it.
    """
    asked, chosen, plain = list[Prompt](), list[int](), look is look_at_all
    for index, entry in enumerate(footage.entries):
        truth, labels = judged(footage.scene(index)) if plain else None, None if plain else truth_of(footage.scene(index))
        if (truth or labels is not None) and len(chosen) != limit:
            known = {"colour": truth[0], "motion": truth[2]} if truth else {name: LABELS[name][n] for name, n in zip(LABELS, labels or (), strict=True) if n != UNKNOWN}
            asked.append(Prompt(entry.captions[0], known))
            chosen.append(index)
    if not asked:
        raise ValueError(f"{footage.folder}: no clip of one {'hued thing under a still camera' if plain else 'subject with a ground truth that names it'}")
    return asked, look(footage.video(index).frames[: 16 if plain else None] for index in chosen)


def score(found: Sequence[Facts], asked: Sequence[Prompt]) -> dict[str, float | int | list[float]]:
    """Of everything that is asked: how often it was seen, the share, its 95% interval; and how often all of a prompt was."""
    figures: dict[str, float | int | list[float]] = {"prompts": len(asked)}
    for name in dict.fromkeys(name for prompt in asked for name in prompt.asked):
        right = [seen.get(name) == prompt.asked[name] for seen, prompt in zip(found, asked, strict=True) if name in prompt.asked]
        figures |= {f"{name}_right": sum(right), name: sum(right) / len(right), f"{name}_interval": [round(v, 3) for v in wilson(sum(right), len(right))]}
    figures["all_right"] = sum(not wrong(seen, prompt) for seen, prompt in zip(found, asked, strict=True))
    return figures


def wrong(seen: Facts, prompt: Prompt) -> Facts:
    """What a prompt asks for and a clip does not show: what is seen instead, by name."""
    return {name: seen.get(name, "nothing") for name, value in prompt.asked.items() if seen.get(name) != value}


def wilson(right: float, total: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927)."""
    z, p = 1.96, right / total
    middle, half = p + z * z / (2 * total), z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return (middle - half) / (1 + z * z / total), (middle + half) / (1 + z * z / total)
