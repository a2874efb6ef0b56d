"""A world in forty lines: a ball swings on a string. `pip install examples/pendulum`, then `reverie worlds render --world pendulum`."""

import math

import numpy as np
from PIL import Image, ImageDraw

from reverie.randomness import generator
from reverie.video import Video
from reverie.worlds.scene import Format, Scene, Subject

COLOURS = {"red": (220, 40, 40), "green": (40, 160, 60), "blue": (40, 70, 220)}


class Pendulum:
    """Draws with Pillow, so it needs no simulator."""

    name = "pendulum"

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {"colour": tuple(COLOURS), "action": ("swing",)}

    def scene(self, seed: int, index: int) -> Scene:
        rng = generator(seed, index)
        ball = Subject(kind="ball", colour=str(rng.choice(list(COLOURS))), size="small", material="matte", action="swing", vigour=float(rng.uniform(0.3, 1.0)))
        return Scene(world=self.name, seed=seed, index=index, surroundings="grey", subjects=(ball,))

    def film(self, scene: Scene, format: Format) -> tuple[Video, Scene]:
        (ball,), w, h = scene.subjects, format.width, format.height
        frames = []
        for frame in range(format.num_frames):
            angle = ball.vigour * math.cos(2 * math.pi * 0.5 * frame / format.fps)  # a period of two seconds
            x, y, r = w / 2 + 0.6 * h * math.sin(angle), 0.6 * h * math.cos(angle), 0.1 * h
            picture = Image.new("RGB", (w, h), (150, 150, 150))
            ImageDraw.Draw(picture).line((w / 2, 0, x, y), (30, 30, 30))
            ImageDraw.Draw(picture).ellipse((x - r, y - r, x + r, y + r), COLOURS[ball.colour])
            frames.append(np.asarray(picture))
        told = {"captions": (f"a {ball.colour} ball swings on a string",), "still_captions": (f"a {ball.colour} ball on a string",)}
        return Video(np.stack(frames), format.fps), Scene(**{**vars(scene), **told, "width": w, "height": h, "num_frames": format.num_frames, "fps": format.fps})
