"""Photographs under a moving camera: real textures for the autoencoder, from the wallpapers that are installed on a system.

Debian's packages gnome-backgrounds, lomiri-wallpapers, mate-backgrounds and plasma-workspace-wallpapers bring free ones. Even
seeds show four fifths of the sources, odd seeds the others, so that `--seed 1` is footage that nothing has learned from.
"""

import dataclasses
import functools
import hashlib
import math
import re
from pathlib import Path

import numpy as np
from PIL import Image

from reverie.randomness import generator
from reverie.video import Video
from reverie.worlds.scene import Format, Scene

FOLDERS = (Path("/usr/share/backgrounds"), Path("/usr/share/wallpapers"))
THEMES = FOLDERS[1]  # holds a folder per picture, in several sizes
SMALLEST = 1000  # pixels of a side; smaller files are previews
WORKING = 1400  # pixels of the longer side, in which the camera moves
HELD_OUT = 5  # one of so many sources


@functools.cache
def sources(folders: tuple[Path, ...] = FOLDERS) -> dict[str, Path]:
    """The photographs by name: JPEG files with large sides (drawings are PNG or SVG), one of those that differ in size only."""
    found: dict[str, tuple[int, Path]] = {}
    for path in sorted(p for folder in folders for p in folder.rglob("*.jp*g")):
        with Image.open(path) as picture:
            width, height = picture.size
        if min(width, height) >= SMALLEST:
            name = path.relative_to(THEMES).parts[0] if path.is_relative_to(THEMES) else re.sub(r"_\d+x\d+$", "", path.stem)
            found[name] = max(found.get(name, (0, path)), (width * height, path))
    return {name: path for name, (_, path) in sorted(found.items())}


def held_out(name: str) -> bool:
    """Whether a source is kept for testing: by the SHA-256 of its name."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_OUT == 0


@functools.lru_cache(maxsize=64)
def _picture(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.draft("RGB", (2 * WORKING, 2 * WORKING))  # JPEG decodes at a fraction of its size
        whole = picture.convert("RGB")
    scale = WORKING / max(whole.size)
    return whole.resize((round(whole.width * scale), round(whole.height * scale)), Image.Resampling.LANCZOS)


class Photographs:
    """A world of pictures; the camera pans, zooms and rolls evenly. `place` of a scene: its centre in the picture's shares, and the roll in degrees."""

    name = "photographs"

    def __init__(self, folders: tuple[Path, ...] = FOLDERS) -> None:
        self.folders = folders

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {"surroundings": tuple(sources(self.folders))}

    def scene(self, seed: int, index: int) -> Scene:
        """Raises ValueError where no photographs are installed."""
        names = [name for name in sources(self.folders) if held_out(name) == bool(seed % 2)]
        if not names:
            raise ValueError(f"no photographs in {' or '.join(map(str, self.folders))}: install for example Debian's mate-backgrounds and lomiri-wallpapers")
        rng = generator(seed, index)
        return Scene(world=self.name, seed=seed, index=index, surroundings=str(rng.choice(names)))

    def film(self, scene: Scene, format: Format) -> tuple[Video, Scene]:
        picture, rng = _picture(sources(self.folders)[scene.surroundings]), generator(scene.seed, scene.index, 1)
        seconds = max(format.seconds, 1 / format.fps)
        largest = 0.9 * min(picture.width / format.width, picture.height / format.height)  # pixels of the picture per pixel of the frame
        ratio = math.exp(rng.uniform(math.log(max(1.0, 0.3 * largest)), math.log(largest)))
        zoom, roll = rng.uniform(-0.15, 0.15), rng.uniform(-6, 6) * math.pi / 180  # per second
        speed, heading, tilt = rng.uniform(0, 0.35), rng.uniform(0, 2 * math.pi), rng.uniform(-0.1, 0.1)  # widths per second; radians
        centre = np.array([rng.uniform(0.35, 0.65) * picture.width, rng.uniform(0.35, 0.65) * picture.height])
        course = speed * ratio * format.width * np.array([math.cos(heading), math.sin(heading)])
        smaller = max(1, int(ratio))
        small, frames = picture.reduce(smaller), []
        for frame in range(format.num_frames):
            moment = frame / format.fps - seconds / 2
            x, y = centre + course * moment
            scale, angle = ratio * math.exp(zoom * moment), tilt + roll * moment
            frames.append(_view(small, x / smaller, y / smaller, scale / smaller, angle, format.width, format.height))
        return Video(np.stack(frames), format.fps), dataclasses.replace(
            scene, captions=("a photograph, the camera moves",), still_captions=("a photograph",), place=(float(centre[0] / picture.width), float(centre[1] / picture.height), math.degrees(tilt)),
            width=format.width, height=format.height, num_frames=format.num_frames, fps=format.fps,
        )  # fmt: skip


def _view(picture: Image.Image, x: float, y: float, scale: float, angle: float, width: int, height: int) -> np.ndarray:
    """What a camera over (x, y) sees: uint8 [height width 3]. Where it looks over the edge, the picture is mirrored."""
    fine = max(1, round(scale))  # samples per pixel and axis, averaged
    c, s = scale / fine * math.cos(angle), scale / fine * math.sin(angle)
    columns, rows = np.meshgrid(np.arange(width * fine) + 0.5 - width * fine / 2, np.arange(height * fine) + 0.5 - height * fine / 2)
    across, down = x + c * columns - s * rows, y + s * columns + c * rows
    left, top = (max(0, int(v.min()) - 2) for v in (across, down))
    box = (min(left, picture.width - 2), min(top, picture.height - 2), min(picture.width, int(across.max()) + 3), min(picture.height, int(down.max()) + 3))
    array = np.asarray(picture.crop(box), np.float32)
    u, v = _mirrored(across - box[0] - 0.5, array.shape[1]), _mirrored(down - box[1] - 0.5, array.shape[0])
    u0, v0 = np.minimum(u.astype(int), array.shape[1] - 2), np.minimum(v.astype(int), array.shape[0] - 2)
    a, b = (u - u0)[..., None], (v - v0)[..., None]
    sampled = (1 - b) * ((1 - a) * array[v0, u0] + a * array[v0, u0 + 1]) + b * ((1 - a) * array[v0 + 1, u0] + a * array[v0 + 1, u0 + 1])
    return sampled.reshape(height, fine, width, fine, 3).mean((1, 3)).round().astype(np.uint8)


def _mirrored(places: np.ndarray, length: int) -> np.ndarray:
    """Places on [0, length - 1], reflected at both ends."""
    last = length - 1
    places = np.abs(places) % (2 * last)
    return np.where(places > last, 2 * last - places, places)
