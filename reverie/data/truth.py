"""What training takes from the ground truth of footage, read once: what a driver did, where things are seen, and where else the same one is shown."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reverie.autoencoder.autoencoder import FRAMES
from reverie.data.shards import Footage
from reverie.patches.actions import ACTIONS

IDENTITY = ("kind", "colour", "size", "material")
IN_SIGHT = 0.7  # share of its silhouette that is seen in the first frame of a clip that stands for a subject


@dataclass(frozen=True)
class Facts:
    """Of one clip. steering: what the one driver did in every frame, else empty; lookalikes: other clips of the same size in which
    the same subject is alone and in sight at the start (empty unless it is alone in this clip as well); boxes float32 [n T 4]: left, top,
    right, bottom of every subject in every frame, as shares of the frame's sides; of a hidden one zeros.
    """

    steering: tuple[str, ...] = ()
    lookalikes: tuple[int, ...] = ()
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 4), np.float32), repr=False)


def facts_of(footage: Footage) -> list[Facts]:
    """The facts of every clip, in order. Footage whose ground truth does not speak of subjects has none. ValueError for steering that is no use."""
    subjects = [_subjects(footage.scene(index)) for index in range(len(footage))]
    alone: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    keys = []
    for index, (entry, found) in enumerate(zip(footage.entries, subjects, strict=True)):
        identity = [found[0].get(name) for name in IDENTITY] if len(found) == 1 else [None]
        key = (entry.width, entry.height, *identity) if all(isinstance(value, str) for value in identity) else None
        keys.append(key)
        visible = found[0].get("visible") if key is not None else None
        if key is not None and isinstance(visible, list) and visible and visible[0] >= IN_SIGHT:
            alone[key].append(index)
    facts = []
    for index, (key, found) in enumerate(zip(keys, subjects, strict=True)):
        drivers = [subject["steering"] for subject in found if subject.get("steering")]
        steering, entry = tuple(drivers[0]) if len(drivers) == 1 else (), footage.entries[index]
        if steering and (len(steering) != entry.num_frames or not set(steering) <= {*ACTIONS, ""}):
            raise ValueError(f"{footage.folder}: the steering of clip {entry.key} must be a word for each of its {entry.num_frames} frames, of {', '.join(ACTIONS)}")
        facts.append(
            Facts(steering, tuple(other for other in alone.get(key, ()) if other != index) if key else (), _boxes(found, entry.num_frames, f"{footage.folder}: clip {entry.key}"))
        )
    return facts


def _boxes(subjects: list[dict[str, Any]], num_frames: int, name: str) -> np.ndarray:
    """[n T 4] of the subjects that have boxes. ValueError, naming the clip, for boxes that are no use."""
    told = [subject for subject in subjects if subject.get("boxes")]
    boxes: np.ndarray
    seen: np.ndarray
    try:
        boxes = np.array([subject["boxes"] for subject in told], np.float32).reshape(len(told), num_frames, 4)
        seen = np.array([subject.get("visible") or [1] * num_frames for subject in told], np.float32).reshape(len(told), num_frames)
    except (TypeError, ValueError):
        boxes = seen = np.full(1, np.nan)
    if not (np.isfinite(boxes).all() and np.isfinite(seen).all()):
        raise ValueError(f"{name}: boxes must be [left, top, right, bottom], and visible a number, for each of its {num_frames} frames")
    boxes[seen <= 0] = 0
    return boxes


def covered(boxes: np.ndarray, t: int, plane: tuple[int, int], size: tuple[float, float], lead: int) -> np.ndarray:
    """How much of each token a box covers, float32 [t h w] in [0, 1], in the latent's frame and of the box that cover most of it.

    boxes [n T 4] as shares of the frame; plane: tokens (rows, columns); size: (height, width) of a token as shares of the frame's.
    """
    frames = (np.arange(FRAMES * t) - lead).clip(0, max(0, boxes.shape[1] - 1))
    shares = np.zeros((t, *plane), np.float32)
    for box in boxes:
        sides = []
        for count, side, first in zip(plane, size, (1, 0), strict=True):
            start = np.arange(count) * side
            low, high = box[frames, first, None], box[frames, first + 2, None]
            sides.append((np.minimum(high, start + side) - np.maximum(low, start)).clip(0) / side)  # [4t count]
        area = sides[0][:, :, None] * sides[1][:, None]
        shares = np.maximum(shares, area.reshape(t, FRAMES, *plane).max(1).astype(np.float32))
    return shares


def _subjects(truth: dict[str, Any]) -> list[dict[str, Any]]:
    found = truth.get("subjects", [])
    return found if isinstance(found, list) and all(isinstance(subject, dict) for subject in found) else []
