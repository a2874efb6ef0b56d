"""Diorama: toy things and figures that roll, fall, run, crawl and drive in six kinds of surroundings (MuJoCo, EGL).

`scene` draws who, where and what (attributes near-uniform, held-out combinations never); `film` has it simulated and drawn (filming.py), reads
from the result what happened (events.py) and tells it (captions.py).
"""

import math
from dataclasses import replace

import numpy as np

from reverie.randomness import generator
from reverie.video import Video
from reverie.worlds import captions
from reverie.worlds.cameras import CAMERAS, draw_camera
from reverie.worlds.events import events_of, facts_of
from reverie.worlds.figures import COLOURS, FIGURES, KINDS, MATERIALS, SIZES, THINGS
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
        subjects = self._cast(rng, surroundings, count, plot, camera)
        _, way = verb_and_way(subjects[0].action)
        props = props_of(rng, surroundings) if rng.random() < 0.8 or surroundings == "wooden room" else ()
        if plot == "wall":
            props = (*props[:4], Prop(kind="wall", position=(float(rng.uniform(-0.3, 0.3)), -0.9), scale=(0.64 if subjects[0].size == "small" else 0.92) * (1.25 if subjects[0].kind == "person" else 1)))
        steep = LIGHTS[time][5] if surroundings != "wooden room" else max(LIGHTS[time][5], 1.0)
        return Scene(
            world=self.name, seed=seed, index=index, surroundings=surroundings, time=time, plot=plot, subjects=subjects, props=props,
            camera=draw_camera(rng, camera, {"left": -1.0, "right": 1.0}.get(way, 0.0)),
            place=(float(rng.uniform(-60, 60)), float(rng.uniform(-60, 60)), 0.0 if surroundings == "street" else float(rng.uniform(0, 360))),
            sun=(float(rng.uniform(-0.55, 0.55)), float(rng.uniform(0.3, 0.55)), -steep),
        )  # fmt: skip

    def _cast(self, rng: np.random.Generator, surroundings: str, count: int, plot: str, camera: str) -> tuple[Subject, ...]:
        """The subjects, none of them held out here."""
        cast: list[Subject] = []
        for n in range(count):
            travels = (plot and n == 0) or plot == "follow" or (camera == "drone" and n == 0)
            kinds: tuple[str, ...] = KINDS
            if plot == "follow" or plot == "return":
                kinds = tuple(k for k in FIGURES if k != "turtle" or plot == "follow")
            elif plot in ("leave", "collide") and n == 0:
                kinds = tuple(k for k in KINDS if k != "turtle")
            elif plot == "collide":
                kinds = THINGS
            kinds = tuple(k for k in kinds if (k, surroundings) not in held_out_pairs())
            kind = str(rng.choice(kinds))
            action, goal = self._action(rng, kind, plot, n, bool(travels), cast)
            verb, _ = verb_and_way(action)
            shows = {verb, goal} | ({"walk", "turn"} if verb == "steer" and kind == "person" else {"drive", "turn"} if verb == "steer" else set())
            colours = [c for c in COLOURS if not any((kind, c, v) in held_out_triples() for v in shows)]
            size = str(rng.choice(list(SIZES)))
            if plot == "behind":
                size = "small" if n == 0 else "large"
            lane, home = LANES[count][n], HOMES[count][n] + float(rng.uniform(-0.05, 0.05))
            if plot in ("collide", "follow"):
                lane, home = 0.3, 0.0
            elif plot == "behind":
                lane, home = (1.9, 0.0) if n == 0 else (-0.9, float(rng.uniform(-0.05, 0.05)))
            elif count == 1:
                lane, home = float(rng.uniform(-0.2, 0.6)), float(rng.uniform(-0.12, 0.12))
            if plot == "collide" and n == 1:
                _, way = verb_and_way(cast[0].action)
                home = 0.14 if way == "right" else -0.14
            if plot == "wall":
                lane = 0.9
            cast.append(
                Subject(
                    kind=kind, colour=str(rng.choice(colours)), size=size, material=str(rng.choice(MATERIALS)), action=action, goal=goal, at=home, lane=lane,
                    height=float(rng.uniform(0.42, 0.56)), vigour=float(rng.uniform(0, 1)), moment=float(rng.uniform(0, 1)), heading=float(rng.uniform(-180, 180)),
                    lying=kind == "cylinder" and verb in ("roll", "spin"),
                )  # fmt: skip
            )
        return tuple(cast)

    def _action(self, rng: np.random.Generator, kind: str, plot: str, n: int, travels: bool, cast: list[Subject]) -> tuple[str, str]:
        """(action with its way, goal) of the next subject."""
        if plot == "follow" and n == 1:
            verb = str(rng.choice([v for v in GAITS[kind] if v != "run"]))
            return f"{verb}_{verb_and_way(cast[0].action)[1]}", ""
        if plot in ("collide", "behind") and n == 1:
            return "stand", ""
        if plot == "follow" and n == 0:
            return f"{[v for v in GAITS[kind] if v != 'run'][0]}_{rng.choice(['left', 'right'])}", ""
        if travels:
            return f"{rng.choice(GAITS[kind])}_{rng.choice(['left', 'right'])}", ""
        words = [*VERBS[kind], *(["steer"] * 2 if kind in ("car", "person") else [])]
        word = str(rng.choice(words))
        if n > 0 and rng.random() < 0.4:
            word = "stand"
        if word in ("stop", "turn"):
            gait = "slide" if kind in THINGS else str(rng.choice(GAITS[kind]))
            return f"{gait}_{rng.choice(['left', 'right'])}", word
        if word in GAITS[kind]:
            ways = ["left", "right"] if kind in THINGS or n > 0 or rng.random() < 0.7 else ["toward", "away"]
            return f"{word}_{rng.choice(ways)}", ""
        return word, ""

    def film(self, scene: Scene, format: Format) -> tuple[Video, Scene]:
        """Simulate and draw: the footage, and the scene with its ground truth, events and captions.

        Raises RuntimeError, naming the packages, where MuJoCo or EGL is not to be had.
        """
        frames, scene = shoot(scene, format)
        scene = replace(scene, events=events_of(scene))
        scene = replace(scene, subjects=tuple(replace(s, facts=facts_of(scene, n)) for n, s in enumerate(scene.subjects)))
        scene = replace(scene, held_out=shown(scene))
        return Video(frames=frames, fps=format.fps), captions.tell(scene)


assert math.isclose(sum(NUM_SUBJECTS.values()), 1)
