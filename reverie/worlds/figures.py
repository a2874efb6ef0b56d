"""What the diorama's subjects are made of: balls, cubes, cylinders and cones, and toy figures (dog, turtle, car, person) of a few primitives that walk.

A figure is drawn anew for every frame by a function of its gait; parts keep their order and sizes, so that part n of one frame is part n of
the next. A figure's own frame: x forward, y to its left, z up, the origin on the ground below its middle; metres at scale 1. Feet
follow a closed path and stand still on the ground while they carry; knees and elbows are solved from the law of cosines.
"""

import math
from collections.abc import Callable

import numpy as np

from reverie.worlds.drawing import ABSENT, DARK, EYE, Gait, Sketch, along, leg, lid, shade, step, turned
from reverie.worlds.menagerie import MENAGERIE, WIDE_HALF

THINGS = ("ball", "cube", "cylinder", "cone")
RIGID = (*THINGS, "burger", "cup")  # moved by physics and drawn about their centre; all others follow ways
FIGURES = ("dog", "turtle", "car", "person")
KINDS = THINGS + FIGURES
WIDE_KINDS = (*KINDS, *MENAGERIE)
APPARATUS = ("tower", "domino row", "pendulum", "gear", "seesaw", "paintbrush")  # drawn by the act that moves them (acts.py)
CENTRED = (*RIGID, *APPARATUS)  # their track is of the centre; others stand on their track
MOODY = ("dog", "cat", "person", "monster")  # kinds that can be happy, tired or frightened
SIZES = {"small": 0.68, "large": 1.12}
MATERIALS = ("matte", "shiny", "striped")  # of the diorama; the wide world has glass as well
COLOURS = {
    "red": (0.85, 0.07, 0.06), "orange": (0.95, 0.42, 0.04), "yellow": (0.93, 0.82, 0.08), "green": (0.08, 0.62, 0.16),
    "blue": (0.08, 0.22, 0.88), "purple": (0.50, 0.12, 0.70), "white": (0.95, 0.95, 0.95), "black": (0.05, 0.05, 0.06),
}  # fmt: skip
# half sizes in metres at scale 1 (of figures: of the box that they push with); the centre's height at rest
HALF = {
    "ball": (0.9, 0.9, 0.9), "cube": (0.76, 0.76, 0.76), "cylinder": (0.76, 0.76, 0.86), "cone": (0.95, 0.95, 0.9),
    "dog": (1.25, 0.36, 0.95), "turtle": (1.25, 0.85, 0.55), "car": (1.5, 0.7, 0.75), "person": (0.4, 0.55, 1.5), "tower": (0.5, 0.5, 1.6),
    "domino row": (2.0, 0.3, 0.7), "pendulum": (1.3, 0.3, 1.7), "gear": (1.0, 0.15, 1.0), "seesaw": (1.9, 0.4, 0.6), "paintbrush": (0.3, 0.3, 0.6), **WIDE_HALF,
}  # fmt: skip
SKIN, GLASS, HAIR, TONGUE = (0.87, 0.66, 0.52), (0.30, 0.42, 0.52), (0.25, 0.15, 0.09), (0.90, 0.30, 0.36)
TURTLE_SKIN, LIGHT, LAMP, TAIL_LAMP = (0.55, 0.53, 0.30), (0.80, 0.80, 0.82), (1.0, 0.95, 0.65), (0.75, 0.05, 0.05)


def _dog(colour: tuple[float, ...], gait: Gait) -> Sketch:
    """A dog that trots: diagonal legs together, the tail wags, the ears swing."""
    s = Sketch()
    cycle = 1.7 if gait.running else 1.1  # metres per cycle of the legs
    phase = gait.distance / cycle
    moving, mood = min(1.0, abs(gait.speed) / 0.5), gait.mood
    bob = 0.05 * moving * math.sin(4 * math.pi * phase) * mood.bounce + mood.sway(gait.time)
    dark, air = shade(colour, 0.55), gait.lift > 0.05
    s.limb((-0.55, 0, 1.0 + bob), (0.45, 0, 1.05 + bob), 0.33, colour, True)
    s.add("ellipsoid", (0.36, 0.37, 0.40), (0.45, 0, 1.06 + bob), colour, None, True)
    s.limb((0.6, 0, 1.2 + bob), (0.85, 0, 1.55 + bob - 0.9 * mood.droop), 0.21, colour)
    nod = 0.06 * moving * math.sin(4 * math.pi * phase + 1)
    head = np.array([0.95, 0, 1.68 + bob + nod - mood.droop])
    s.ball(head, 0.33, colour)
    s.limb(head + [0.2, 0, -0.08], head + [0.5, 0, -0.12], 0.16, shade(colour, 1.25))
    s.ball(head + [0.67, 0, -0.06], 0.085, DARK)
    if mood.hop:
        s.add("ellipsoid", (0.06, 0.09, 0.17), head + [0.52, 0, -0.3], TONGUE)
    for side in (1, -1):
        s.ball(head + [0.24, side * 0.17, 0.12], 0.075 * mood.eye, EYE)
        s.ball(head + [0.29, side * 0.18, 0.12], 0.05 * mood.eye, DARK)
        lid(s, head + [0.26, side * 0.17, 0.12], 0.075, mood, colour)
        s.add("ellipsoid", (0.13, 0.06, 0.28), head + [-0.07, side * 0.32, -0.06 - nod], dark, turned("x", side * 0.25))
    wag = 0.35 * math.sin(2 * math.pi * 2.5 * gait.time) * mood.wag
    tuck = max(-0.4 - mood.tail, 0.0)  # a tail that hangs goes between the legs
    s.limb((-0.82, 0, 1.15 + bob), (-1.2 + tuck, wag * 0.5, 1.6 + bob + mood.tail), 0.085, colour)
    s.ball((-1.22 + tuck, wag * 0.52, 1.63 + bob + mood.tail), 0.095, dark)
    for x, y, turn in ((0.48, 0.2, 0.0), (0.48, -0.2, 0.5), (-0.58, 0.2, 0.5), (-0.58, -0.2, 0.0)):
        forward, up = step(phase + turn, cycle / 2 * moving, 0.28 * moving)
        if air:
            forward, up = (0.25 if x > 0 else -0.25), 0.15
        leg(s, (x, y, 0.9 + bob), (x + forward, y, 0.16 + up), (0.43, 0.43), 0.13, -1 if x > 0 else 1, colour, shade(colour, 0.8))
        s.add("ellipsoid", (0.16, 0.11, 0.1), (x + forward + 0.05, y, 0.1 + up), dark)
    return s


def _turtle(colour: tuple[float, ...], gait: Gait) -> Sketch:
    """A turtle that crawls: a patched dome, a head stretched out, four stout legs."""
    s = Sketch()
    phase = gait.distance / 0.8
    moving = min(1.0, abs(gait.speed) / 0.25)
    sway = 0.03 * moving * math.sin(2 * math.pi * phase)
    dark = shade(colour, 0.5)
    if max(colour) < 0.2:
        dark = (0.22, 0.22, 0.24)
    axes = np.array([0.95, 0.80, 0.58])
    centre = np.array([0, sway, 0.48])
    s.add("ellipsoid", (0.95, 0.80, 0.58), centre, colour, None, True)
    s.add("ellipsoid", (1.04, 0.88, 0.14), (0, sway, 0.45), dark)
    s.add("ellipsoid", (0.88, 0.72, 0.2), (0, sway, 0.34), (0.82, 0.76, 0.52))
    for angle, tilt in [(0.0, 0.0)] + [(2 * math.pi * n / 6 + math.pi / 6, 0.95) for n in range(6)]:
        direction = np.array([math.sin(tilt) * math.cos(angle), math.sin(tilt) * math.sin(angle), math.cos(tilt)])
        point = direction * axes
        normal = point / axes**2
        s.add("ellipsoid", (0.23, 0.23, 0.05), centre + point * 0.985, dark, along(normal / np.linalg.norm(normal)))
    reach = 0.05 * math.sin(2 * math.pi * phase) * moving
    s.limb((0.75, 0, 0.42), (1.25 + reach, 0, 0.66), 0.16, TURTLE_SKIN)
    head = np.array([1.36 + reach, 0, 0.72])
    s.add("ellipsoid", (0.33, 0.25, 0.24), head, TURTLE_SKIN)
    for side in (1, -1):
        s.ball(head + [0.13, side * 0.18, 0.1], 0.075, EYE)
        s.ball(head + [0.18, side * 0.2, 0.11], 0.05, DARK)
    s.limb((-0.9, 0, 0.36), (-1.22, 0, 0.2), 0.07, TURTLE_SKIN)
    for x, y, turn in ((0.58, 0.66, 0.0), (0.58, -0.66, 0.5), (-0.58, 0.66, 0.5), (-0.58, -0.66, 0.0)):
        forward, up = step(phase + turn, 0.4 * moving, 0.14 * moving)
        foot = (x + forward + math.copysign(0.1, x), y + math.copysign(0.16, y), 0.12 + up)
        s.limb((x, y, 0.4), foot, 0.17, TURTLE_SKIN)
        s.add("ellipsoid", (0.22, 0.15, 0.1), (foot[0] + 0.06, foot[1], 0.1 + up), shade(TURTLE_SKIN, 0.8))
    return s


def _car(colour: tuple[float, ...], gait: Gait) -> Sketch:
    """A car: body, cabin with windows, lamps, four wheels that turn with the way and the front ones with the steering."""
    s = Sketch()
    s.add("body", (1.5, 0.66, 0.3), (0, 0, 0.62), colour, None, True)
    s.add("box", (1.46, 0.60, 0.07), (0, 0, 0.36), DARK)
    s.add("cabin", (0.92, 0.58, 0.30), (-0.12, 0, 1.18), GLASS)
    s.add("box", (0.52, 0.49, 0.045), (-0.17, 0, 1.49), colour, None, True)
    s.add("box", (0.05, 0.585, 0.29), (-0.17, 0, 1.18), colour)
    for side in (1, -1):
        s.add("ellipsoid", (0.06, 0.13, 0.1), (1.47, side * 0.42, 0.66), LAMP)
        s.add("box", (0.04, 0.14, 0.07), (-1.48, side * 0.44, 0.70), TAIL_LAMP)
        s.add("box", (0.1, 0.04, 0.06), (0.55, side * 0.72, 0.98), colour)
    s.add("box", (0.04, 0.28, 0.07), (1.49, 0, 0.50), LIGHT)
    angle = gait.distance / 0.36
    for x, y in ((0.92, 0.6), (0.92, -0.6), (-0.92, 0.6), (-0.92, -0.6)):
        turn = turned("z", gait.steer if x > 0 else 0.0) @ turned("y", angle)
        rim = np.array([0, math.copysign(0.125, y), 0]) @ turned("z", gait.steer if x > 0 else 0.0).T
        s.add("cylinder", (0.38, 0.38, 0.14), (x, y, 0.38), DARK, turn @ turned("x", math.pi / 2))
        s.add("cylinder", (0.22, 0.22, 0.03), np.array([x, y, 0.38]) + rim, LIGHT, turn @ turned("x", math.pi / 2))
        s.add("box", (0.2, 0.05, 0.05), np.array([x, y, 0.38]) + rim * 1.1, DARK, turn)
    return s


def _person(colour: tuple[float, ...], gait: Gait) -> Sketch:
    """A person in a shirt and a cap of the colour, with dark trousers, who walks or runs: arms swing against the legs."""
    s = Sketch()
    cycle = 2.7 if gait.running else 1.7
    phase = gait.distance / cycle
    moving, mood = min(1.0, abs(gait.speed) / 0.6), gait.mood
    air = gait.lift > 0.05
    lean = 0.10 * moving * math.copysign(1, gait.speed or 1) if gait.running else 0.0
    lean += mood.slump
    bob = 0.04 * moving * math.cos(4 * math.pi * phase) * mood.bounce + mood.sway(gait.time)
    trousers = (0.16, 0.18, 0.26) if max(colour) > 0.2 else (0.34, 0.36, 0.44)
    hip = np.array([0, 0, 1.36 + bob - (0.06 * moving if gait.running else 0.0)])
    carry = 0.32 if gait.running else 0.5  # of a cycle a foot is down; runners fly
    up = turned("y", lean)
    s.add("ellipsoid", (0.27, 0.40, 0.60), hip + up @ [0, 0, 0.52], colour, up, True)
    s.add("ellipsoid", (0.25, 0.34, 0.22), hip + up @ [0, 0, 0.02], trousers)
    s.limb(hip + up @ [0, 0, 1.0], hip + up @ [0, 0, 1.2], 0.12, SKIN)
    head = hip + up @ [0.03 + mood.droop * 0.4, 0, 1.42 - mood.droop * 0.3]
    s.ball(head, 0.33, SKIN)
    s.add("ellipsoid", (0.35, 0.35, 0.24), head + up @ [-0.04, 0, 0.15], colour)
    s.add("ellipsoid", (0.24, 0.24, 0.035), head + up @ [0.25, 0, 0.14], shade(colour, 0.7))
    s.add("ellipsoid", (0.3, 0.32, 0.26), head + up @ [-0.07, 0, -0.03], HAIR)
    s.ball(head + up @ [0.33, 0, -0.04], 0.06, shade(SKIN, 0.9))
    for side in (1, -1):
        if mood.eye > 1:
            s.ball(head + up @ [0.25, side * 0.13, 0.05], 0.105, EYE)
        s.ball(head + up @ [0.29, side * 0.12, 0.05], 0.055, DARK)
        lid(s, head + up @ [0.29, side * 0.12, 0.05], 0.075, mood, SKIN)
        forward, lift = step(phase + (0.0 if side > 0 else 0.5), cycle * carry * moving, (0.45 if gait.running else 0.22) * moving, carry)
        if air:
            forward, lift = 0.1 * side, 0.18
        foot = (forward, side * 0.19, 0.16 + lift)
        leg(s, (hip[0], side * 0.19, hip[2]), foot, (0.64, 0.62), 0.17, 1, trousers, trousers)
        s.add("ellipsoid", (0.23, 0.12, 0.11), (forward + 0.1, side * 0.19, 0.11 + lift), DARK)
        swing = -math.cos(2 * math.pi * (phase + (0.0 if side > 0 else 0.5))) * moving * (0.75 if gait.running else 0.5)
        if air:
            swing = 2.4
        swing += mood.arms * (1 + 0.12 * math.sin(2 * math.pi * 1.4 * gait.time)) if mood.arms else 0.0
        shoulder = hip + up @ [0, side * 0.46, 0.88]
        elbow = shoulder + turned("y", -swing) @ [0, side * 0.06, -0.45]
        bend = 1.3 if gait.running and moving > 0.3 else 0.25
        bend = 1.5 if mood.quiver else bend
        hand = elbow + turned("y", -swing - bend) @ [0, 0, -0.42]
        s.limb(shoulder, elbow, 0.13, colour, True)
        s.limb(elbow, hand, 0.10, SKIN)
        s.ball(hand, 0.12, SKIN)
    return s


def _thing(kind: str, colour: tuple[float, ...], whole: bool) -> Sketch:
    s = Sketch()
    half = HALF[kind]
    shape = {"ball": "ellipsoid", "cube": "box", "cylinder": "cylinder", "cone": "cone"}[kind]
    s.add(shape, half, (0, 0, 0) if whole else ABSENT, colour, None, True)
    if kind == "cylinder":  # lids of a darker shade show which way it lies
        for side in (1, -1):
            s.add("cylinder", (half[0] * 0.97, half[0] * 0.97, 0.02), (0, 0, side * half[2]) if whole else ABSENT, shade(colour, 0.7) if max(colour) > 0.2 else (0.2, 0.2, 0.22))
    return s


_FIGURES: dict[str, Callable[[tuple[float, ...], Gait], Sketch]] = {"dog": _dog, "turtle": _turtle, "car": _car, "person": _person, **MENAGERIE}


def paint(colour: str, material: str) -> tuple[float, ...]:
    """Red, green, blue of a coat in [0, 1]: matte ones are duller, since a highlight alone does not show on every shape."""
    return tuple(0.80 * c + 0.06 for c in COLOURS[colour]) if material == "matte" else COLOURS[colour]


def sketch(kind: str, colour: tuple[float, ...], gait: Gait) -> Sketch:
    """The parts of a subject of this kind and colour at a moment of its gait, at scale 1 (things: about their centre)."""
    return _FIGURES[kind](colour, gait) if kind in _FIGURES else Sketch() if kind in APPARATUS else _thing(kind, colour, gait.level > 0)
