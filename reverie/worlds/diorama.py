"""Diorama: toy things and figures that roll, fall, run, crawl and drive in six kinds of surroundings (MuJoCo, EGL).

`scene` draws who, where and what (attributes near-uniform, held-out combinations never); `film` has it simulated and drawn (filming.py), reads
from the result what happened (events.py) and tells it (captions.py).
"""

from dataclasses import replace

import numpy as np

from reverie.randomness import generator
from reverie.video import Video
from reverie.worlds import captions
from reverie.worlds.cameras import CAMERAS, draw_camera
from reverie.worlds.events import events_of, facts_of
from reverie.worlds.figures import COLOURS, FIGURES, KINDS, MATERIALS, RIGID, SIZES, THINGS
from reverie.worlds.filming import shoot
from reverie.worlds.heldout import VERBS, held_out_pairs, held_out_triples, shown
from reverie.worlds.motion import GAITS, STEERING, verb_and_way
from reverie.worlds.scene import Format, Prop, Scene, Subject
from reverie.worlds.sets import LIGHTS, PROPS, SURROUNDINGS, TIMES, props_of

NUM_SUBJECTS = {1: 0.70, 2: 0.25, 3: 0.05}
PLOTS = {1: {"": 0.70, "wall": 0.13, "leave": 0.06, "enter": 0.06, "return": 0.05}, 2: {"": 0.34, "collide": 0.26, "follow": 0.20, "behind": 0.20}, 3: {"": 1.0}}
STEADY = ("leave", "enter", "return", "wall", "behind")  # plots that a camera which turns or follows would spoil
STEADY_CAMERAS = ("static", "dolly", "crane")
LANES = {1: (0.0,), 2: (-0.9, 1.5), 3: (-1.1, 0.9, 2.8)}
HOMES = {1: (0.0,), 2: (-0.22, 0.22), 3: (-0.27, 0.27, 0.0)}


class Diorama:
    """The world that ships. `spec` lists the words of every attribute; docs/worlds.md shows them."""

    name = "diorama"
    edition = 2  # another number: other clips for the same seed

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {
            "subject": KINDS, "colour": tuple(COLOURS), "size": tuple(SIZES), "material": MATERIALS, "surroundings": SURROUNDINGS, "time": TIMES, "prop": PROPS,
            "action": tuple(sorted({v for verbs in VERBS.values() for v in verbs})), "plot": tuple(p for plots in PLOTS.values() for p in plots if p),
            "camera": CAMERAS, "steering": STEERING,
        }  # fmt: skip

    def scene(self, seed: int, index: int) -> Scene:
        """The intention of clip `index` of `seed`."""
        rng = generator(seed, index)
        count = int(rng.choice(list(NUM_SUBJECTS), p=list(NUM_SUBJECTS.values())))
        surroundings, time, camera = str(rng.choice(SURROUNDINGS)), str(rng.choice(TIMES)), str(rng.choice(CAMERAS))
        plots = {plot: weight for plot, weight in PLOTS[count].items() if plot not in STEADY or camera in STEADY_CAMERAS}
        plot = str(rng.choice(list(plots), p=np.array(list(plots.values())) / sum(plots.values())))
        cast: list[Subject] = []
        for n in range(count):
            cast.append(_subject(rng, n, count, surroundings, plot, camera, cast))
        _, way = verb_and_way(cast[0].action)
        props = props_of(rng, surroundings) if rng.random() < 0.8 or surroundings == "wooden room" else ()
        if plot == "wall":
            scale = {"large": 0.92, "small": 0.8 if cast[0].kind == "person" else 0.64}[cast[0].size]
            props = (*props[:4], Prop(kind="wall", position=(float(rng.uniform(-0.3, 0.3)), -0.9), scale=scale))
        steep = max(LIGHTS[time][5], 1.0 if surroundings == "wooden room" else 0.0)
        return Scene(
            world=self.name, seed=seed, index=index, surroundings=surroundings, time=time, plot=plot, subjects=tuple(cast), props=props,
            camera=draw_camera(rng, camera, {"left": -1.0, "right": 1.0}.get(way, 0.0)),
            place=(float(rng.uniform(-60, 60)), float(rng.uniform(-60, 60)), 0.0 if surroundings == "street" else float(rng.uniform(0, 360))),
            sun=(float(rng.uniform(-0.55, 0.55)), float(rng.uniform(0.3, 0.55)), -steep),
        )  # fmt: skip

    def film(self, scene: Scene, format: Format) -> tuple[Video, Scene]:
        """Simulate and draw: the footage, and the scene with its ground truth, events and captions.

        Raises RuntimeError, naming the packages, where MuJoCo or EGL is not to be had.
        """
        frames, scene = shoot(scene, format)
        scene = replace(scene, events=events_of(scene))
        scene = replace(scene, subjects=tuple(replace(s, facts=facts_of(scene, n)) for n, s in enumerate(scene.subjects)))
        scene = replace(scene, held_out=shown(scene))
        return Video(frames=frames, fps=format.fps), captions.tell(scene)


def _subject(rng: np.random.Generator, n: int, count: int, surroundings: str, plot: str, camera: str, cast: list[Subject]) -> Subject:
    """Subject n of a scene, after those that are in `cast`; what it is meant to do is not held out."""
    kind = str(rng.choice([k for k in _kinds(n, plot) if (k, surroundings) not in held_out_pairs()]))
    action, goal = draw_action(rng, n, count, kind, plot, camera, cast)
    verb, _ = verb_and_way(action)
    shows = {"walk" if kind == "person" else "drive", "turn"} if verb == "steer" else {verb, goal}
    colours = [c for c in COLOURS if not any((kind, c, v) in held_out_triples() for v in shows)]
    size = str(rng.choice(list(SIZES)))
    at, lane = draw_place(rng, n, count, plot, cast)
    return Subject(
        kind=kind, colour=str(rng.choice(colours)), size=size if plot != "behind" else ("small", "large")[n], material=str(rng.choice(MATERIALS)), action=action, goal=goal, at=at,
        lane=lane, height=float(rng.uniform(0.42, 0.56)), vigour=float(rng.uniform(0, 1)), moment=float(rng.uniform(0, 1)), heading=float(rng.uniform(-180, 180)),
        lying=kind == "cylinder" and verb in ("roll", "spin"),
    )  # fmt: skip


def _kinds(n: int, plot: str) -> tuple[str, ...]:
    """What subject n may be in this plot."""
    if plot == "follow":
        return FIGURES
    if plot == "return":
        return tuple(k for k in FIGURES if k != "turtle")
    if plot in ("leave", "enter", "collide") and n == 0:
        return tuple(k for k in KINDS if k != "turtle")  # it would take too long
    return THINGS if plot == "collide" else KINDS


def draw_action(rng: np.random.Generator, n: int, count: int, kind: str, plot: str, camera: str, cast: list[Subject], doing: dict[str, tuple[str, ...]] = VERBS) -> tuple[str, str]:
    """(action with its way, goal) of subject n; doing: the verbs of every kind."""
    side = str(rng.choice(["left", "right"]))
    if plot == "follow":
        return f"{GAITS[kind][0]}_{verb_and_way(cast[0].action)[1] if cast else side}", ""
    if plot in ("collide", "behind") and n == 1:
        return "stand", ""
    if n == 0 and (plot or camera == "drone"):
        return f"{rng.choice(GAITS[kind])}_{side}", ""
    if n > 0 and rng.random() < 0.4:
        return "stand", ""
    roams = n == count - 1 and all(other.kind in RIGID for other in cast)  # figures would walk through each other
    verbs = [verb for verb in doing[kind] if verb != "turn" or roams]
    word = str(rng.choice([*verbs, *(["steer"] * 2 if roams and kind in ("car", "person") else [])]))
    if word in ("stop", "turn"):
        return f"{'slide' if kind in RIGID else rng.choice(GAITS[kind])}_{side}", word
    if word in GAITS[kind]:
        deep = kind not in RIGID and n == 0 and rng.random() < 0.3
        return f"{word}_{rng.choice(['toward', 'away']) if deep else side}", ""
    return word, ""


def draw_place(rng: np.random.Generator, n: int, count: int, plot: str, cast: list[Subject]) -> tuple[float, float]:
    """(share of the visible width, metres away) of subject n's middle."""
    loose = float(rng.uniform(-0.05, 0.05))
    if plot == "collide" and n == 1:
        return (0.14 if cast[0].action.endswith("right") else -0.14), 0.3
    if plot in ("collide", "follow"):
        return 0.0, 0.3
    if plot == "behind":
        return (0.0, 1.9) if n == 0 else (loose, -0.9)
    if plot == "wall":
        return 2 * loose, 0.9
    return (HOMES[count][n] + loose, LANES[count][n]) if count > 1 else (2.4 * loose, 0.2 + 8 * loose)
