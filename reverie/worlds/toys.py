"""Toys and driven: the clips of the diorama that are simple, with nothing standing about. One thing of four shapes, now and then two, mostly before a still camera; and one that is steered.

A small network that has hours, not weeks, learns from them what a thing is, and what a player does; the diorama adds the rest (docs/log.md).
"""

from collections.abc import Callable
from dataclasses import replace

from reverie.randomness import generator
from reverie.worlds.diorama import Diorama
from reverie.worlds.figures import THINGS
from reverie.worlds.scene import Scene

STILL, ALONE = 0.75, 0.85  # shares of clips: of a still camera, of one thing
TRIES = 10_000


class Toys(Diorama):
    """The diorama's stage, words and ground truth; of its scenes, in an order of its own, the first that is simple enough."""

    name = "toys"
    edition = 3  # of the diorama's second one, without props

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {**super().spec, "subject": THINGS, "prop": ()}

    def scene(self, seed: int, index: int) -> Scene:
        rng = generator(seed, index, 23)
        still, count = rng.random() < STILL, 1 if rng.random() < ALONE else 2

        def simple(scene: Scene) -> bool:
            return len(scene.subjects) == count and (scene.camera.kind == "static") == still and all(s.kind in THINGS for s in scene.subjects) and scene.plot != "wall"

        return self._first(seed, index, simple)

    def _first(self, seed: int, index: int, fits: Callable[[Scene], bool]) -> Scene:
        scenes = (Diorama.scene(self, seed, index * TRIES + attempt) for attempt in range(TRIES))
        return next(replace(scene, world=self.name, index=index, props=()) for scene in scenes if fits(scene))


class Driven(Toys):
    """A car or a person alone that has a driver, whose stream of actions is recorded, before a still camera."""

    name = "driven"

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {**super().spec, "subject": ("car", "person"), "action": ("steer",), "plot": (), "camera": ("static",)}

    def scene(self, seed: int, index: int) -> Scene:
        return self._first(seed, index, lambda scene: len(scene.subjects) == 1 and scene.subjects[0].action == "steer" and scene.camera.kind == "static" and not scene.plot)
