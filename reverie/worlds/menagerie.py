"""The wide world's subjects: cat, bird, butterfly, boat, monster, burger, candle, cup, table, tree, flower and lamp, drawn like those of figures.py.

A figure's own frame: x forward, y to its left, z up, the origin on the ground below its middle; burger and cup are things: drawn about their centre.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np

from reverie.worlds.drawing import ABSENT, DARK, EYE, Gait, Sketch, leg, lid, shade, step, turned

Colour = tuple[float, ...]
BROWN, BUN, PATTY, LETTUCE, CHEESE, STEEL = (0.42, 0.27, 0.15), (0.80, 0.52, 0.24), (0.32, 0.17, 0.09), (0.32, 0.66, 0.18), (0.98, 0.76, 0.16), (0.62, 0.63, 0.66)
ORANGE, CREAM, LEAF, FLAME = (0.98, 0.60, 0.10), (0.95, 0.93, 0.88), (0.16, 0.48, 0.16), (1.0, 0.62, 0.12)
SLICES = 8  # of a burger: what a level counts
# half sizes as in figures.HALF
WIDE_HALF = {
    "cat": (1.05, 0.34, 0.85), "bird": (0.75, 0.45, 0.55), "butterfly": (0.7, 1.1, 0.65), "boat": (1.5, 0.6, 1.35), "monster": (0.85, 0.95, 1.35), "burger": (1.0, 1.0, 0.66),
    "candle": (0.62, 0.62, 1.15), "cup": (0.75, 0.62, 0.66), "table": (1.15, 0.7, 0.7), "tree": (1.2, 1.2, 1.75), "flower": (0.6, 0.6, 1.15), "lamp": (0.5, 0.5, 1.5),
}  # fmt: skip


def _cat(colour: Colour, gait: Gait) -> Sketch:
    """A slender cat: upright ears, whiskers, a long tail that stands up."""
    s = Sketch()
    cycle = 1.6 if gait.running else 0.95
    phase, mood = gait.distance / cycle, gait.mood
    moving = min(1.0, abs(gait.speed) / 0.5)
    bob = 0.04 * moving * math.sin(4 * math.pi * phase) * mood.bounce + 0.8 * mood.sway(gait.time)
    dark, light = shade(colour, 0.6), shade(colour, 1.35)
    s.limb((-0.6, 0, 0.88 + bob), (0.42, 0, 0.9 + bob), 0.25, colour, True)
    s.limb((0.45, 0, 0.98 + bob), (0.68, 0, 1.2 + bob - mood.droop * 0.7), 0.17, colour)
    head = np.array([0.8, 0, 1.36 + bob - mood.droop * 0.8])
    s.add("ellipsoid", (0.31, 0.36, 0.29), head, colour)
    s.add("ellipsoid", (0.13, 0.17, 0.11), head + [0.24, 0, -0.1], light)
    s.ball(head + [0.36, 0, -0.05], 0.05, (0.9, 0.5, 0.5))
    for side in (1, -1):
        s.add("cone", (0.14, 0.09, 0.18), head + [-0.02, side * 0.22, 0.36], dark, turned("x", -side * 0.2))
        at = head + [0.24, side * 0.16, 0.07]
        s.ball(at, 0.085 * mood.eye, (0.75, 0.85, 0.25))
        s.ball(at + [0.045, side * 0.01, 0], 0.05 * mood.eye, DARK)
        lid(s, at, 0.085, mood, colour)
        for tilt in (-0.04, 0.05):
            s.limb(head + [0.28, side * 0.14, -0.09], head + [0.3, side * 0.5, -0.09 + tilt], 0.012, CREAM, shape="box")
    wave = 0.22 * math.sin(2 * math.pi * 0.8 * gait.time) * max(mood.wag, 0.2)
    rise, tuck = max(mood.tail, 0.0), max(-0.4 - mood.tail, 0.0)  # a tail that hangs goes between the legs
    points = [
        np.array(p) for p in ( (-0.8, 0, 0.95 + bob), (-1.15 + 0.6 * tuck, wave * 0.4, 1.02 + bob + mood.tail * 0.4),
        (-1.3 + 0.4 * rise + 1.2 * tuck, wave, max(1.25 + bob + mood.tail, 0.15)), (-1.25 + 0.6 * rise + 1.6 * tuck, wave * 1.4, max(1.5 + bob + mood.tail * 1.9, 0.12)),
        )
    ]  # fmt: skip
    for a, b in itertools.pairwise(points):
        s.limb(a, b, 0.075, colour if b is not points[-1] else dark)
    for x, y, turn in ((0.42, 0.15, 0.0), (0.42, -0.15, 0.5), (-0.55, 0.15, 0.5), (-0.55, -0.15, 0.0)):
        forward, up = step(phase + turn, cycle / 2 * moving, 0.22 * moving)
        if gait.lift > 0.05:
            forward, up = (0.25 if x > 0 else -0.25), 0.12
        leg(s, (x, y, 0.78 + bob), (x + forward, y, 0.12 + up), (0.36, 0.36), 0.1, -1 if x > 0 else 1, colour, shade(colour, 0.85))
        s.add("ellipsoid", (0.13, 0.09, 0.08), (x + forward + 0.04, y, 0.08 + up), light)
    return s


def _bird(colour: Colour, gait: Gait) -> Sketch:
    """A bird that flaps its wings in the air and folds them on the ground."""
    s = Sketch()
    flying = gait.lift > 0.05
    up = 0.0 if flying else 0.16
    tilt = turned("y", 0.0 if flying else -0.35)
    centre = np.array([0, 0, 0.5 + up])
    dark = shade(colour, 0.6)
    s.add("ellipsoid", (0.62, 0.34, 0.32), centre, colour, tilt, True)
    head = centre + tilt @ [0.58, 0, 0.24]
    s.ball(head, 0.26, colour)
    s.add("cone", (0.1, 0.1, 0.16), head + [0.36, 0, -0.03], ORANGE, turned("y", math.pi / 2))
    for side in (1, -1):
        s.ball(head + [0.14, side * 0.17, 0.07], 0.07, EYE)
        s.ball(head + [0.18, side * 0.2, 0.07], 0.045, DARK)
    s.add("ellipsoid", (0.38, 0.2, 0.06), centre + tilt @ [-0.78, 0, 0.02], dark, tilt)
    flap = 0.35 + 0.8 * math.sin(2 * math.pi * 2.2 * gait.time)
    for side in (1, -1):
        root = centre + tilt @ [0.05, side * 0.22, 0.14]
        if flying:
            wing = turned("x", side * flap)
            s.add("ellipsoid", (0.38, 0.62, 0.05), root + wing @ [0, side * 0.6, 0], dark, wing)
            s.add("ellipsoid", (0.25, 0.4, 0.04), root + wing @ [-0.12, side * 1.1, 0], colour, wing)
        else:
            fold = tilt @ turned("x", side * 1.45)
            s.add("ellipsoid", (0.38, 0.62, 0.05), root + tilt @ [-0.22, side * 0.1, -0.12], dark, fold @ turned("z", side * 1.2))
            s.add("ellipsoid", (0.25, 0.4, 0.04), root + tilt @ [-0.4, side * 0.12, -0.1], colour, fold @ turned("z", side * 1.2))
        s.limb((0.02, side * 0.14, 0.35 + up), (0.02 - 0.25 * flying, side * 0.14, 0.1 + 0.2 * flying), 0.035, ORANGE, shape="box")
        s.add("ellipsoid", (0.13, 0.08, 0.03), (0.07 - 0.3 * flying, side * 0.14, 0.04 + 0.22 * flying), ORANGE)
    return s


def _butterfly(colour: Colour, gait: Gait) -> Sketch:
    """A butterfly: two pairs of wings that open and close, quickly in flight."""
    s = Sketch()
    flying = gait.lift > 0.05
    rate = 2.6 if flying else 0.5
    open_ = 0.95 + 0.5 * math.sin(2 * math.pi * rate * gait.time)  # from the horizontal
    centre = np.array([0, 0, 0.5])
    s.limb(centre + [-0.42, 0, -0.04], centre + [0.4, 0, 0.06], 0.085, DARK)
    s.ball(centre + [0.48, 0, 0.1], 0.12, DARK)
    rim = shade(colour, 0.35) if max(colour) > 0.2 else (0.30, 0.30, 0.33)
    for side in (1, -1):
        s.limb(centre + [0.52, 0, 0.16], centre + [0.8, side * 0.18, 0.42], 0.02, DARK, shape="box")
        for x, reach, wide in ((0.3, 0.82, 0.66), (-0.4, 0.62, 0.52)):
            wing = turned("x", side * open_)
            s.add("ellipsoid", (wide, reach, 0.035), centre + wing @ [x, side * (reach + 0.04), 0], rim, wing)
            s.add("ellipsoid", (wide * 0.88, reach * 0.9, 0.045), centre + wing @ [x, side * (reach + 0.02), 0], colour, wing, True)
            s.ball(centre + wing @ [x * 1.1, side * reach * 1.45, 0], 0.07, CREAM)
    return s


def _boat(colour: Colour, gait: Gait) -> Sketch:
    """A sailing boat that rocks on the water."""
    s = Sketch()
    rock = turned("x", 0.06 * math.sin(2 * math.pi * 0.45 * gait.time)) @ turned("y", 0.05 * math.sin(2 * math.pi * 0.6 * gait.time + 1))
    at = np.array([0, 0, 0.16 + 0.05 * math.sin(2 * math.pi * 0.6 * gait.time)])
    for shape, size, place, tone, painted in (
        ("hull", (1.5, 0.62, 0.36), (0, 0, 0.12), colour, True), ("box", (0.78, 0.4, 0.06), (-0.45, 0, 0.5), BROWN, False), ("box", (0.42, 0.3, 0.2), (-0.75, 0, 0.68), CREAM, False),
        ("sail", (0.85, 0.04, 1.05), (-0.28, 0, 1.75), CREAM, False), ("jib", (0.52, 0.04, 0.85), (0.72, 0, 1.5), shade(colour, 1.2), False),
    ):  # fmt: skip
        s.add(shape, size, at + rock @ place, tone, rock, painted)
    s.limb(at + rock @ [0.12, 0, 0.4], at + rock @ [0.12, 0, 2.95], 0.05, BROWN)
    s.add("box", (0.2, 0.015, 0.1), at + rock @ [-0.08, 0, 2.85], colour, rock)
    return s


def _monster(colour: Colour, gait: Gait) -> Sketch:
    """A round furry monster with two big eyes, horns, a wide mouth with teeth."""
    s = Sketch()
    cycle = 1.7 if gait.running else 1.05
    phase, mood = gait.distance / cycle, gait.mood
    moving = min(1.0, abs(gait.speed) / 0.5)
    bob = 0.06 * moving * math.sin(4 * math.pi * phase) * mood.bounce + mood.sway(gait.time)
    tilt = turned("y", 0.5 * mood.slump) @ turned("x", 0.08 * moving * math.sin(2 * math.pi * phase))
    centre = np.array([0, 0, 1.18 + bob])
    dark = shade(colour, 0.6) if max(colour) > 0.2 else (0.28, 0.28, 0.31)
    s.add("ellipsoid", (0.82, 0.86, 0.92), centre, colour, tilt, True)
    for n in range(12):  # tufts of fur around the hips
        angle = 2 * math.pi * n / 12
        s.add("ellipsoid", (0.16, 0.16, 0.24), centre + tilt @ [0.74 * math.cos(angle), 0.78 * math.sin(angle), -0.42], dark, tilt)
    s.add("ellipsoid", (0.16, 0.46, 0.17 if mood.wag > 1 else 0.11), centre + tilt @ [0.72, 0, -0.12], (0.45, 0.06, 0.10), tilt)
    for y in (-0.26, 0.0, 0.26):
        s.add("box", (0.05, 0.06, 0.07), centre + tilt @ [0.84 - 0.16 * abs(y), y, -0.02], EYE, tilt)
    for side in (1, -1):
        at = centre + tilt @ [0.52, side * 0.4, 0.58 - mood.droop * 0.2]
        s.ball(at, 0.33 * (0.5 + 0.5 * mood.eye), EYE)
        s.ball(at + tilt @ [0.19 * (0.5 + 0.5 * mood.eye), side * 0.15 * (0.5 + 0.5 * mood.eye), 0.02], 0.17, DARK)
        if mood.lid:
            s.add("ellipsoid", (0.35, 0.35, 0.24), at + tilt @ [-0.02, 0, 0.16], dark, tilt)
        s.add("cone", (0.14, 0.14, 0.26), centre + tilt @ [-0.08, side * 0.42, 1.05], CREAM, tilt @ turned("x", -side * 0.35))
        lifted = 0.3 * mood.arms
        swing = 0.35 * moving * math.sin(2 * math.pi * (phase + (0.5 if side > 0 else 0))) + 0.1 * math.sin(2 * math.pi * 1.4 * gait.time) * (mood.arms > 0)
        hand = centre + tilt @ [0.25 + swing, side * 1.12, -0.42 + 1.45 * lifted]
        s.limb(centre + tilt @ [0, side * 0.74, 0.1], hand, 0.15, colour)
        s.ball(hand, 0.2, dark)
        forward, up = step(phase + (0.0 if side > 0 else 0.5), cycle / 2 * moving, 0.24 * moving)
        s.limb((0, side * 0.38, 0.55 + bob), (forward, side * 0.38, 0.2 + up), 0.2, dark)
        s.add("ellipsoid", (0.34, 0.24, 0.15), (forward + 0.12, side * 0.38, 0.15 + up), colour)
    return s


def _burger(colour: Colour, gait: Gait) -> Sketch:
    """A burger on a coloured plate, cut like a cake into eight slices: as many are there as its level says."""
    s = Sketch()
    s.add("cylinder", (1.0, 1.0, 0.05), (0, 0, -0.61), colour, None, True)
    s.add("cylinder", (0.62, 0.62, 0.02), (0, 0, -0.55), shade(colour, 0.8))
    layers = [
        (0.8, 0.15, -0.38, BUN), (0.88, 0.045, -0.19, LETTUCE), (0.83, 0.12, -0.03, PATTY), (0.88, 0.03, 0.12, CHEESE), (0.86, 0.12, 0.27, BUN), (0.7, 0.09, 0.47, BUN),
        (0.42, 0.05, 0.6, BUN),
    ]  # fmt: skip
    for n in range(SLICES):
        turn = turned("z", math.pi * (2 * n + 1) / SLICES + math.pi / 2)
        there = n < round(gait.level * SLICES)
        for radius, high, z, tone in layers:
            s.add("slice", (radius, radius, high), (0, 0, z) if there else ABSENT, tone, turn)
        for r, z in ((0.55, 0.56), (0.3, 0.66)):
            s.add("ellipsoid", (0.05, 0.035, 0.03), turn @ np.array([r * math.cos(0.39), r * math.sin(0.39), z]) if there else ABSENT, CREAM, turn)
    return s


def _candle(colour: Colour, gait: Gait) -> Sketch:
    """A burning candle in a dish: as it melts it gets shorter (the rest lies below the ground), its flame smaller, the puddle of wax wider."""
    s = Sketch()
    level, flicker = gait.level, 1 + 0.05 * math.sin(2 * math.pi * 3.1 * gait.time)
    top = 0.16 + 1.6 * level
    s.add("cylinder", (0.6, 0.6, 0.05), (0, 0, 0.05), STEEL)
    s.add("ellipsoid", (0.54, 0.54, 0.12), (0, 0, 0.0 + 0.1 * (1 - level)), shade(colour, 1.15))
    s.add("cylinder", (0.3, 0.3, 0.85), (0, 0, top - 0.85), colour, None, True)
    s.add("ellipsoid", (0.3, 0.3, 0.07), (0, 0, top), shade(colour, 1.25))
    for angle, r in ((0.4, 0.09), (2.4, 0.07), (4.4, 0.08)):  # drops that ran down
        s.limb((0.28 * math.cos(angle), 0.28 * math.sin(angle), top - 0.05), (0.29 * math.cos(angle), 0.29 * math.sin(angle), top - 0.3 - 2 * r), r, shade(colour, 1.1))
    lit = level > 0.08
    s.limb((0, 0, top), (0, 0, top + 0.14), 0.025, DARK, shape="box")
    for wide, z, tone in ((0.16, 0.36, FLAME), (0.09, 0.3, (1.0, 0.95, 0.6))):
        s.add("lit:ellipsoid", (wide, wide, 2.1 * wide), (0.02 * (flicker - 1), 0, top + z * flicker - 0.1 * (1 - level)) if lit else ABSENT, tone)
    return s


def _cup(colour: Colour, gait: Gait) -> Sketch:
    """An open cup with a handle."""
    s = Sketch()
    for at, size, turn in cup_walls():
        s.add("box", size, at, colour, turn, True)
    s.add("cylinder", (0.5, 0.5, 0.05), (0, 0, -0.6), shade(colour, 0.8))
    bow = [np.array([0.56 + 0.26 * math.sin(a), 0, 0.3 * math.cos(a)]) for a in np.linspace(0.15, math.pi - 0.15, 5)]
    for a, b in itertools.pairwise(bow):
        s.limb(a, b, 0.07, colour, True)
    return s


def cup_walls(count: int = 12) -> list[tuple[np.ndarray, tuple[float, float, float], np.ndarray]]:
    """The walls of a cup about its centre as (position, half sizes, rotation) of boxes; the bottom is at z = -0.65."""
    radius, half = 0.53, 0.53 * math.tan(math.pi / count) + 0.03
    return [(turned("z", a) @ np.array([radius, 0, 0.0]), (0.05, half, 0.64), turned("z", a)) for a in 2 * math.pi * np.arange(count) / count]


def _table(colour: Colour, gait: Gait) -> Sketch:
    """A table whose top has the colour."""
    s = Sketch()
    s.add("box", (1.15, 0.7, 0.08), (0, 0, 1.32), colour, None, True)
    s.add("box", (1.0, 0.55, 0.06), (0, 0, 1.2), shade(colour, 0.7))
    for x, y in ((-0.98, -0.55), (0.98, -0.55), (-0.98, 0.55), (0.98, 0.55)):
        s.limb((x, y, 0), (x, y, 1.26), 0.075, BROWN, shape="box")
    return s


def _tree(colour: Colour, gait: Gait) -> Sketch:
    """A tree whose crown has the colour and sways a little."""
    s = Sketch()
    sway = 0.05 * math.sin(2 * math.pi * 0.35 * gait.time)
    s.limb((0, 0, 0), (sway * 0.5, 0, 1.7), 0.2, BROWN)
    for at, r in (((0, 0, 2.55), 0.92), ((0.62, 0.2, 2.05), 0.6), ((-0.62, -0.12, 2.1), 0.62), ((0.05, -0.55, 2.0), 0.55)):
        s.ball((at[0] + sway * at[2] / 2, at[1], at[2]), r, colour, True)
    return s


def _flower(colour: Colour, gait: Gait) -> Sketch:
    """A flower: stem, two leaves, six petals around a yellow middle, nodding."""
    s = Sketch()
    sway = 0.08 * math.sin(2 * math.pi * 0.5 * gait.time)
    top = np.array([sway, -0.08, 1.75])
    s.limb((0, 0, 0), (sway * 0.4, 0, 0.9), 0.065, LEAF)
    s.limb((sway * 0.4, 0, 0.9), top, 0.065, LEAF)
    for side in (1, -1):
        turn = turned("y", -side * 0.7)
        s.add("ellipsoid", (0.4, 0.14, 0.04), np.array([0, 0, 0.5]) + turn @ [side * 0.36, 0, 0], LEAF, turn)
    face = turned("x", 1.15)  # the blossom looks at the camera and up
    for n in range(6):
        turn = face @ turned("z", 2 * math.pi * n / 6)
        s.add("ellipsoid", (0.3, 0.2, 0.07), top + turn @ [0.34, 0, 0], colour, turn, True)
    s.add("ellipsoid", (0.2, 0.2, 0.12), top + face @ [0, 0, 0.04], CHEESE, face)
    return s


def _lamp(colour: Colour, gait: Gait) -> Sketch:
    """A floor lamp with a shade of the colour; the bulb shines while its level is 1."""
    s = Sketch()
    s.add("cylinder", (0.42, 0.42, 0.05), (0, 0, 0.05), STEEL)
    s.limb((0, 0, 0.05), (0, 0, 2.3), 0.05, STEEL, shape="box")
    s.add("cylinder", (0.5, 0.5, 0.12), (0, 0, 2.35), colour, None, True)
    s.add("cylinder", (0.4, 0.4, 0.14), (0, 0, 2.6), colour, None, True)
    s.add("cylinder", (0.28, 0.28, 0.12), (0, 0, 2.85), colour, None, True)
    lit = gait.level > 0.5
    s.ball((0, 0, 2.16), 0.17, (0.75, 0.75, 0.72))
    s.add("lit:ellipsoid", (0.2, 0.2, 0.2), (0, 0, 2.15) if lit else ABSENT, (1.0, 0.95, 0.7))
    s.add("lit:cylinder", (0.52, 0.52, 0.03), (0, 0, 2.23) if lit else ABSENT, (1.0, 0.92, 0.65))
    return s


MENAGERIE: dict[str, Callable[[Colour, Gait], Sketch]] = {
    "cat": _cat, "bird": _bird, "butterfly": _butterfly, "boat": _boat, "monster": _monster, "burger": _burger, "candle": _candle, "cup": _cup, "table": _table, "tree": _tree,
    "flower": _flower, "lamp": _lamp,
}  # fmt: skip
