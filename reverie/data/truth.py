"""What training takes from the ground truth of footage, read once: what a driver did, and where else the same subject is shown."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from reverie.data.shards import Footage
from reverie.patches.actions import ACTIONS

IDENTITY = ("kind", "colour", "size", "material")
IN_SIGHT = 0.7  # share of its silhouette that is seen in the first frame of a clip that stands for a subject


@dataclass(frozen=True)
class Facts:
    """Of one clip. steering: what the one driver did in every frame, else empty; lookalikes: other clips of the same size in which
    the same subject is alone and in sight at the start (empty unless it is alone in this clip as well).
    """

    steering: tuple[str, ...] = ()
    lookalikes: tuple[int, ...] = ()


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
        facts.append(Facts(steering, tuple(other for other in alone.get(key, ()) if other != index) if key else ()))
    return facts


def _subjects(truth: dict[str, Any]) -> list[dict[str, Any]]:
    found = truth.get("subjects", [])
    return found if isinstance(found, list) and all(isinstance(subject, dict) for subject in found) else []
