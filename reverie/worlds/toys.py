"""Toys: the clips of the diorama that are simple. One thing of four shapes, now and then two, mostly before a still camera.

A small network that has hours, not weeks, learns from them what a thing is; the diorama adds the rest (docs/log.md).
"""

from dataclasses import replace

from reverie.randomness import generator
from reverie.worlds.diorama import Diorama
from reverie.worlds.figures import THINGS
from reverie.worlds.scene import Scene

STILL, ALONE = 0.75, 0.85  # shares of clips: of a still camera, of one thing
TRIES = 10_000


class Toys(Diorama):
    """The diorama's stage, words and ground truth; of its scenes, in order of its own index, the first that is simple enough."""

    name = "toys"

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {**super().spec, "subject": THINGS}

    def scene(self, seed: int, index: int) -> Scene:
        rng = generator(seed, index, 23)
        still, count = rng.random() < STILL, 1 if rng.random() < ALONE else 2
        for attempt in range(TRIES):
            scene = super().scene(seed, index * TRIES + attempt)
            if len(scene.subjects) == count and (scene.camera.kind == "static") == still and all(s.kind in THINGS for s in scene.subjects):
                return replace(scene, world=self.name, index=index)
        raise AssertionError("one scene in a hundred is simple")
