"""What training never sees: a tenth of the (subject, colour, action) triples, of the (subject, surroundings) pairs, and of the wide world's (style, subject) pairs.

The rule: write each combination as "SALT:a:b" or "SALT:a:b:c", order all of them by the SHA-256 of that text, and hold out the first tenth (rounded).
Actions are the verbs that a clip can show of a subject, whatever the direction.
"""

import functools
import hashlib

from reverie.worlds.figures import COLOURS, KINDS, WIDE_KINDS
from reverie.worlds.scene import STYLES, Scene
from reverie.worlds.sets import SURROUNDINGS

SALT = "held-out-1032"  # chosen so that five subjects and five surroundings share the pairs, and at most two triples a subject and colour
VERBS = {
    "ball": ("roll", "fall", "jump", "stand"), "cube": ("slide", "fall", "jump", "spin", "stop", "stand"), "cylinder": ("roll", "slide", "fall", "jump", "spin", "stop", "stand"),
    "cone": ("slide", "fall", "jump", "stop", "stand"), "dog": ("walk", "run", "jump", "spin", "turn", "stop", "stand"), "turtle": ("crawl", "spin", "turn", "stop", "stand"),
    "car": ("drive", "turn", "stop", "stand"), "person": ("walk", "run", "jump", "spin", "turn", "stop", "stand"),
}  # fmt: skip


def _first_tenth(combinations: list[tuple[str, ...]]) -> frozenset[tuple[str, ...]]:
    ordered = sorted(combinations, key=lambda c: hashlib.sha256(":".join((SALT, *c)).encode()).hexdigest())
    return frozenset(ordered[: round(len(ordered) / 10)])


@functools.cache
def held_out_triples() -> frozenset[tuple[str, ...]]:
    """(subject, colour, action)."""
    return _first_tenth([(kind, colour, verb) for kind in KINDS for colour in COLOURS for verb in VERBS[kind]])


@functools.cache
def held_out_pairs() -> frozenset[tuple[str, ...]]:
    """(subject, surroundings)."""
    return _first_tenth([(kind, place) for kind in KINDS for place in SURROUNDINGS])


@functools.cache
def held_out_styles() -> frozenset[tuple[str, ...]]:
    """(style, subject), of the styles that are not natural."""
    return _first_tenth([(style, kind) for style in STYLES[1:] for kind in WIDE_KINDS])


def shown(scene: Scene) -> tuple[str, ...]:
    """The held-out combinations that a filmed scene shows, as "dog red jump"; empty for footage that training may see."""
    found: list[tuple[str, ...]] = []
    for subject in scene.subjects:
        verbs = {fact.partition("_")[0] for fact in subject.facts}
        found += [t for t in [(subject.kind, subject.colour, verb) for verb in sorted(verbs)] if t in held_out_triples()]
        if (subject.kind, scene.surroundings) in held_out_pairs():
            found.append((subject.kind, scene.surroundings))
        if (scene.style, subject.kind) in held_out_styles():
            found.append((scene.style, subject.kind))
    return tuple(" ".join(words) for words in found)
