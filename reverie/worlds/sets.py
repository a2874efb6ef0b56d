"""Where a clip takes place: grounds, skies and lights, and the props that stand there (trees, rocks, houses, walls, a window).

`ground_texture` paints a ground; `LIGHTS` says what each time of day does to the light; `props_of` draws which props stand where;
`prop_sketch` and `backdrop` build them of the same parts as the figures.
"""

import functools
import io
import math

import numpy as np
from PIL import Image

from reverie.randomness import generator
from reverie.worlds.drawing import DARK, Sketch, shade, turned
from reverie.worlds.figures import COLOURS, GLASS, LAMP, LIGHT
from reverie.worlds.scene import Prop, Scene

SURROUNDINGS = ("snow", "grass", "desert", "beach", "street", "wooden room")
WIDE_SURROUNDINGS = (*SURROUNDINGS, "mountain road", "night city", "garden", "sea", "ravine")
# the tone of the ground, how strongly it varies
GROUNDS = {
    "snow": ((0.90, 0.92, 0.96), 0.05), "grass": ((0.30, 0.46, 0.16), 0.20), "desert": ((0.82, 0.64, 0.38), 0.12), "beach": ((0.90, 0.82, 0.62), 0.06),
    "street": ((0.34, 0.34, 0.36), 0.10), "wooden room": ((0.58, 0.38, 0.22), 0.10),
    "mountain road": ((0.40, 0.40, 0.42), 0.07), "night city": ((0.20, 0.20, 0.23), 0.10), "garden": ((0.34, 0.58, 0.20), 0.12), "sea": ((0.10, 0.36, 0.56), 0.16), "ravine": ((0.62, 0.40, 0.27), 0.14),
}  # fmt: skip
# sky at the horizon and above; light from everywhere, from the eye, from the sun; steepness of the sun
LIGHTS = {
    "day": ((0.80, 0.90, 0.98), (0.35, 0.60, 0.92), (0.34, 0.34, 0.35), (0.20, 0.20, 0.20), (0.62, 0.61, 0.58), 1.25),
    "sunset": ((0.99, 0.60, 0.30), (0.42, 0.30, 0.52), (0.34, 0.27, 0.27), (0.18, 0.15, 0.15), (0.68, 0.46, 0.28), 0.62),
    "night": ((0.08, 0.10, 0.24), (0.01, 0.01, 0.06), (0.19, 0.21, 0.30), (0.19, 0.20, 0.25), (0.20, 0.23, 0.34), 1.1),
}
TIMES = tuple(LIGHTS)
# props that may stand about: (kind, how many at most)
STANDING = {
    "snow": (("pine", 4), ("rock", 2), ("house", 1)), "grass": (("tree", 4), ("bush", 2), ("rock", 1), ("house", 1)), "desert": (("cactus", 3), ("rock", 3)),
    "beach": (("palm", 3), ("rock", 2)), "street": (("house", 3), ("lamp post", 2), ("tree", 2)), "wooden room": (("bookcase", 1), ("table", 1), ("plant", 2)),
    "mountain road": (("pine", 3), ("rock", 2)), "night city": (("lamp post", 2), ("tree", 1)), "garden": (("bush", 2), ("tree", 2)), "sea": (), "ravine": (("rock", 3), ("bush", 1)),
}  # fmt: skip
PROPS = tuple(sorted({kind for place in SURROUNDINGS for kind, _ in STANDING[place]} | {"wall", "window"}))
BARK, LEAF, STONE, BRICK, PLASTER = (0.36, 0.24, 0.14), (0.13, 0.36, 0.12), (0.46, 0.44, 0.42), (0.60, 0.30, 0.22), (0.86, 0.80, 0.68)
WHITE = (0.93, 0.95, 0.98)


@functools.cache
def ground_texture(name: str, size: int = 256) -> bytes:
    """A tiling PNG for the ground: its tone times smooth noise, with planks or ripples where the place has them."""
    tone, grain = GROUNDS[name]
    rng = generator(sum(name.encode()), 7)
    noise = np.zeros((size, size))
    for cells in (4, 8, 16, 32, 64):
        spectrum = np.zeros((size, size // 2 + 1), complex)
        half = np.fft.rfft2(rng.standard_normal((cells, cells)))
        spectrum[: cells // 2, : cells // 2 + 1] = half[: cells // 2]
        spectrum[-cells // 2 :, : cells // 2 + 1] = half[cells // 2 :]
        smooth = np.fft.irfft2(spectrum, (size, size))
        noise += smooth / smooth.std() / math.sqrt(cells)
    noise /= noise.std()
    y, x = np.mgrid[0:size, 0:size] / size
    if name == "desert":
        noise = 0.5 * noise + np.sin(2 * np.pi * (8 * y + 0.3 * np.sin(2 * np.pi * 2 * x)))
    if name == "sea":
        noise = 0.45 * noise + 1.1 * np.sin(2 * np.pi * (6 * y + 0.35 * np.sin(2 * np.pi * 3 * x) + 0.2 * np.sin(2 * np.pi * (2 * x + y))))
    image = np.clip(np.array(tone) * (1 + grain * noise[..., None] * 0.6), 0, 1)
    if name == "wooden room":
        plank = (y * 8).astype(int)
        board = rng.uniform(0.8, 1.1, 8)[plank]
        seam = ((y * 8) % 1 < 0.05) | (((x + 0.37 * plank) * 2) % 1 < 0.012)
        image = np.clip(image * (board * np.where(seam, 0.55, 1.0))[..., None], 0, 1)
    return png(image)


@functools.cache
def stripes(colour: str, size: int = 64) -> bytes:
    """A PNG of upright stripes: the colour and white (white and grey; black and light grey)."""
    other = {"white": (0.55, 0.55, 0.58), "black": (0.75, 0.75, 0.77)}.get(colour, (0.97, 0.97, 0.97))
    column = np.arange(size) * 5 // size % 2
    return png(np.broadcast_to(np.where(column[None, :, None] == 0, COLOURS[colour], other), (size, size, 3)))


def png(image: np.ndarray) -> bytes:
    """Floats in [0, 1] as the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray((image * 255).astype(np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def props_of(rng: np.random.Generator, surroundings: str) -> tuple[Prop, ...]:
    """Up to five props behind the subjects, at drawn places that do not overlap; a room always has its window."""
    props = [Prop(kind="window", position=(float(rng.uniform(-3.5, 3.5)), 6.9))] if surroundings == "wooden room" else []
    taken = [p.position[0] for p in props] if surroundings == "wooden room" else []
    for kind, most in STANDING[surroundings]:
        for _ in range(int(rng.integers(0, most + 1))):
            far = {"house": (11.0, 14.0), "bookcase": (6.3, 6.3), "table": (5.2, 5.2), "lamp post": (4.4, 4.4)}.get(
                kind, (4.0, 5.8) if surroundings == "wooden room" else (4.2, 11.0)
            )
            y = float(rng.uniform(*far))
            x = float(rng.uniform(-0.5, 0.5) * (9.0 + 0.9 * y if surroundings != "wooden room" else 13.0))
            wide = {"house": 3.4, "bookcase": 2.2, "table": 2.4}.get(kind, 1.5)
            if len(props) < 5 and all(abs(x - other) > wide for other in taken):
                props.append(Prop(kind=kind, position=(x, y), scale=float(rng.uniform(0.8, 1.25)), heading=float(rng.uniform(-15, 15)) if kind != "bookcase" else 0.0))
                taken.append(x)
    return tuple(props)


def _pine(s: Sketch, scene: Scene) -> None:
    s.limb((0, 0, 0), (0, 0, 1.2), 0.18, BARK)
    for z, r in ((1.5, 1.15), (2.5, 0.9), (3.4, 0.62)):
        s.add("cone", (r, r, 0.8), (0, 0, z), (0.10, 0.28, 0.16))
        s.add("cone", (r * 0.62, r * 0.62, 0.5), (0, 0, z + 0.33), WHITE)


def _tree(s: Sketch, scene: Scene) -> None:
    s.limb((0, 0, 0), (0, 0, 1.9), 0.24, BARK)
    for at, r in (((0, 0, 3.0), 1.25), ((0.7, 0.2, 2.5), 0.8), ((-0.7, -0.1, 2.6), 0.85)):
        s.ball(at, r, LEAF)


def _bush(s: Sketch, scene: Scene) -> None:
    for at, r in (((0, 0, 0.4), 0.62), ((0.55, 0, 0.3), 0.45), ((-0.5, 0.1, 0.32), 0.48)):
        s.ball(at, r, (0.18, 0.42, 0.14))


def _rock(s: Sketch, scene: Scene) -> None:
    s.add("ellipsoid", (0.95, 0.7, 0.62), (0, 0, 0.25), STONE)
    s.add("ellipsoid", (0.55, 0.5, 0.45), (0.7, -0.2, 0.15), shade(STONE, 0.85))
    if scene.surroundings == "snow":
        s.add("ellipsoid", (0.66, 0.5, 0.22), (0, 0, 0.72), WHITE)


def _cactus(s: Sketch, scene: Scene) -> None:
    green = (0.20, 0.42, 0.22)
    s.limb((0, 0, 0), (0, 0, 2.6), 0.32, green)
    for side, z in ((1, 1.2), (-1, 1.6)):
        s.limb((0, 0, z), (side * 0.85, 0, z), 0.2, green)
        s.limb((side * 0.85, 0, z), (side * 0.85, 0, z + 0.8), 0.2, green)


def _palm(s: Sketch, scene: Scene) -> None:
    s.limb((0, 0, 0), (0.3, 0, 1.8), 0.2, (0.50, 0.38, 0.24))
    s.limb((0.3, 0, 1.8), (0.45, 0, 3.5), 0.17, (0.50, 0.38, 0.24))
    for n in range(7):
        turn = turned("z", 2 * math.pi * n / 7) @ turned("y", 0.45)
        s.add("ellipsoid", (0.85, 0.22, 0.07), np.array([0.45, 0, 3.55]) + turn @ [0.75, 0, 0], (0.16, 0.46, 0.16), turn)


def _house(s: Sketch, scene: Scene) -> None:
    s.add("box", (1.7, 1.4, 1.3), (0, 0, 1.3), PLASTER)
    s.add("roof", (1.95, 1.6, 0.75), (0, 0, 3.35), WHITE if scene.surroundings == "snow" else BRICK)
    s.add("box", (0.34, 0.05, 0.65), (0, -1.42, 0.65), BARK)
    for x in (-1.05, 1.05):
        s.add("box", (0.36, 0.05, 0.36), (x, -1.42, 1.55), (LAMP if scene.time == "night" else GLASS))


def _lamp_post(s: Sketch, scene: Scene) -> None:
    s.limb((0, 0, 0), (0, 0, 4.0), 0.09, DARK)
    s.limb((0, 0, 4.0), (0, -0.8, 4.1), 0.07, DARK)
    s.add("ellipsoid", (0.22, 0.3, 0.12), (0, -0.9, 4.0), LAMP if scene.time == "night" else LIGHT)


def _wall(s: Sketch, scene: Scene) -> None:
    s.add("box", (1.75, 0.18, 1.75), (0, 0, 1.75), BRICK)
    for row in range(5):
        s.add("box", (1.76, 0.185, 0.025), (0, 0, 0.35 + 0.7 * row), shade(LIGHT, 0.8))
        for n in range(4):
            s.add("box", (0.025, 0.185, 0.35), (-1.3 + 0.85 * n + 0.4 * (row % 2), 0, 0.7 * row + 0.35), shade(LIGHT, 0.8))
    s.add("box", (1.82, 0.26, 0.08), (0, 0, 3.5), shade(STONE, 1.2))


def _window(s: Sketch, scene: Scene) -> None:
    horizon, zenith, *_ = LIGHTS[scene.time]
    s.add("box", (1.35, 0.06, 1.15), (0, 0, 3.4), (0.95, 0.93, 0.88))
    s.add("lit", (1.18, 0.07, 0.5), (0, 0, 3.88), zenith)
    s.add("lit", (1.18, 0.07, 0.5), (0, 0, 2.9), horizon)
    s.add("box", (0.05, 0.09, 1.0), (0, 0, 3.4), (0.95, 0.93, 0.88))
    s.add("box", (1.55, 0.3, 0.07), (0, -0.22, 2.2), (0.95, 0.93, 0.88))


def _bookcase(s: Sketch, scene: Scene) -> None:
    s.add("box", (0.95, 0.3, 1.6), (0, 0, 1.6), (0.40, 0.25, 0.14))
    for n in range(3):
        for m in range(6):
            tone = shade([(0.55, 0.25, 0.2), (0.25, 0.35, 0.5), (0.5, 0.48, 0.3)][(n + m) % 3], 0.9)
            s.add("box", (0.11, 0.1, 0.34), (-0.7 + 0.28 * m, -0.24, 0.55 + n * 1.0), tone)


def _table(s: Sketch, scene: Scene) -> None:
    s.add("box", (1.1, 0.6, 0.07), (0, 0, 1.3), (0.48, 0.30, 0.16))
    for x, y in ((-0.95, -0.45), (0.95, -0.45), (-0.95, 0.45), (0.95, 0.45)):
        s.limb((x, y, 0.05), (x, y, 1.25), 0.08, (0.40, 0.25, 0.14))


def _plant(s: Sketch, scene: Scene) -> None:
    s.add("cylinder", (0.36, 0.36, 0.32), (0, 0, 0.32), (0.62, 0.36, 0.24))
    for n in range(6):
        turn = turned("z", 2 * math.pi * n / 6) @ turned("y", -0.9)
        s.add("ellipsoid", (0.55, 0.16, 0.05), np.array([0, 0, 0.9]) + turn @ [0.45, 0, 0], (0.16, 0.42, 0.18), turn)


_PROPS = {
    "pine": _pine, "tree": _tree, "bush": _bush, "rock": _rock, "cactus": _cactus, "palm": _palm, "house": _house, "lamp post": _lamp_post, "wall": _wall, "window": _window,
    "bookcase": _bookcase, "table": _table, "plant": _plant,
}  # fmt: skip


def prop_sketch(prop: Prop, scene: Scene) -> Sketch:
    """The parts of a prop in its own frame (origin on the ground below it), at scale 1."""
    s = Sketch()
    _PROPS[prop.kind](s, scene)
    return s


def backdrop(scene: Scene) -> Sketch:
    """What belongs to the place itself, in the scene's frame: the sea, the road, dunes, hills, the walls of the room."""
    s = Sketch()
    if scene.surroundings == "beach":
        s.add("box", (120, 57, 0.02), (0, 66.0, 0.02), (0.10, 0.40, 0.58))
        s.add("box", (120, 0.35, 0.02), (0, 9.0, 0.03), (0.95, 0.97, 0.98))
        s.add("box", (120, 0.12, 0.02), (0, 10.6, 0.05), (0.80, 0.90, 0.94))
    elif scene.surroundings == "street":
        s.add("box", (120, 3.0, 0.10), (0, 6.6, 0.10), (0.62, 0.61, 0.60))
        s.add("box", (120, 0.12, 0.12), (0, 3.6, 0.12), (0.74, 0.73, 0.72))
        s.add("box", (120, 30.0, 0.02), (0, 39.6, 0.02), (0.36, 0.44, 0.26))
        for n in range(-12, 13):
            s.add("box", (0.9, 0.09, 0.008), (3.2 * n + scene.place[0] % 3.2, 1.9, 0.008), (0.92, 0.92, 0.88))
    elif scene.surroundings == "desert":
        for n, x in enumerate((-34, -14, 9, 30)):
            s.add("ellipsoid", (15 + 3 * (n % 2), 6, 2.6 + n % 3 * 0.8), (x + scene.place[0] % 9, 38 + 4 * (n % 2), -0.2), (0.80, 0.62, 0.36))
    elif scene.surroundings in ("snow", "grass"):
        tone = (0.84, 0.88, 0.94) if scene.surroundings == "snow" else (0.26, 0.42, 0.17)
        for n, x in enumerate((-36, -12, 14, 38)):
            s.add("ellipsoid", (22, 10, 3.0 + n % 2 * 1.6), (x + scene.place[1] % 9, 58, -0.4), tone)
    elif scene.surroundings == "wooden room":
        paint = (0.84, 0.78, 0.66)
        s.add("box", (11.0, 0.1, 6.0), (0, 7.1, 6.0), paint)
        for side in (-1, 1):
            s.add("box", (0.1, 7.0, 6.0), (side * 9.5, 0.2, 6.0), shade(paint, 0.92))
            s.add("box", (0.06, 7.0, 0.14), (side * 9.38, 0.2, 0.14), (0.95, 0.93, 0.88))
        s.add("box", (11.0, 0.06, 0.14), (0, 6.98, 0.14), (0.95, 0.93, 0.88))
    elif scene.surroundings in _LANDSCAPES:
        _LANDSCAPES[scene.surroundings](s, scene)
    return s


def _mountain_road(s: Sketch, scene: Scene) -> None:
    s.add("box", (120, 30.0, 0.02), (0, 34.2, 0.02), (0.42, 0.50, 0.30))
    for y in (-3.4, 4.0):
        s.add("box", (120, 0.07, 0.008), (0, y, 0.008), (0.94, 0.94, 0.90))
    for n in range(-11, 12):
        x = 2.4 * n + scene.place[0] % 2.4
        s.limb((x, 4.6, 0), (x, 4.6, 0.82), 0.06, (0.90, 0.90, 0.88), shape="box")
    s.add("box", (60, 0.04, 0.13), (0, 4.52, 0.66), (0.72, 0.74, 0.77))
    for n, x in enumerate((-46, -24, -5, 17, 40)):
        high, at = 5.4 + 2.2 * (n * 2 % 3), (x + scene.place[1] % 11, 56 + 5 * (n % 2))
        s.add("cone", (17, 13, high), (*at, high - 2), (0.42, 0.42, 0.46))
        s.add("cone", (17 * 0.36, 13 * 0.36, high * 0.36), (*at, high - 2 + high * 0.65), WHITE)


def _night_city(s: Sketch, scene: Scene) -> None:
    s.add("box", (120, 1.2, 0.10), (0, 5.6, 0.10), (0.42, 0.42, 0.45))
    rng = generator(int(abs(scene.place[0]) * 1000), 5)
    for n, x in enumerate(np.arange(-21, 22, 4.6)):
        wide, high, y = float(rng.uniform(1.7, 2.2)), float(rng.uniform(3.2, 7.5)), 11.5 + 3.5 * (n % 2)
        s.add("box", (wide, 1.8, high), (float(x), y, high), shade((0.34, 0.35, 0.44), float(rng.uniform(0.6, 1.0))))
        for row in range(int(high * 2 / 1.25)):
            for column in (-0.6, 0.0, 0.6):
                if rng.random() < 0.55:
                    tone = ((1.0, 0.86, 0.45), (0.95, 0.93, 0.80), (0.55, 0.78, 0.98))[int(rng.integers(3))]
                    s.add("lit:box", (0.2 * wide, 0.04, 0.28), (float(x) + column * wide, y - 1.8, 0.8 + 1.25 * row), tone)
    for n, tone in enumerate(((0.98, 0.25, 0.45), (0.2, 0.85, 0.9), (0.98, 0.7, 0.15))):  # signs over the shops
        s.add("lit:box", (1.1, 0.06, 0.22), (-7.4 + 7.0 * n + scene.place[1] % 2, 9.6, 2.3), tone)


def _garden(s: Sketch, scene: Scene) -> None:
    s.add("box", (60, 0.55, 0.7), (0, 10.2, 0.7), (0.14, 0.38, 0.14))
    s.add("box", (60, 0.04, 0.05), (0, 8.3, 0.62), WHITE)
    for n in range(-16, 17):
        s.add("box", (0.13, 0.05, 0.48), (0.72 * n, 8.25, 0.48), WHITE)
    rng = generator(int(abs(scene.place[0]) * 1000), 6)
    tones = ((0.92, 0.20, 0.30), (0.98, 0.80, 0.20), (0.85, 0.35, 0.75), (0.97, 0.95, 0.92), (0.45, 0.35, 0.85))
    for n in range(46):
        x, y, z = float(rng.uniform(-9, 9)), float(rng.uniform(6.0, 7.9)), float(rng.uniform(0.3, 0.55))
        s.add("box", (0.03, 0.03, z / 2), (x, y, z / 2), LEAF)  # boxes: they are a few pixels high, and round ones cost ten times as much
        s.add("box", (0.11, 0.11, 0.09), (x, y, z), tones[n % 5], turned("y", math.pi / 4))


def _sea(s: Sketch, scene: Scene) -> None:
    for n in range(5):  # crests far out, and an island
        s.add("ellipsoid", (2.6, 0.12, 0.07), (-9 + 4.5 * n + scene.place[0] % 4, 9 + 4.0 * (n % 3), 0.0), (0.82, 0.90, 0.94))
    x = scene.place[1] % 30 - 15
    s.add("ellipsoid", (9, 4, 2.6), (x, 46, -0.3), (0.55, 0.48, 0.34))
    s.add("ellipsoid", (7, 3, 3.1), (x + 1, 47, -0.2), (0.22, 0.42, 0.18))


def _ravine(s: Sketch, scene: Scene) -> None:
    rng = generator(int(abs(scene.place[0]) * 1000), 7)
    for side in (-1, 1):
        for n in range(9):
            y, tone = -4 + 5.0 * n, float(rng.uniform(0.75, 1.1))
            x = side * float(rng.uniform(8.5, 10.5) - 0.085 * max(y, 0))
            for step in range(3):  # ledges: each higher one lies further back
                s.add(
                    "box",
                    (3.0, 3.1, 2.4),
                    (x + side * (0.9 * step + 0.5), y, 2.3 + 3.4 * step),
                    shade((0.66, 0.40, 0.26), min(1.0, tone * (0.82 + 0.09 * step))),
                    turned("z", float(rng.uniform(-0.25, 0.25))),
                )
    s.add("box", (30, 0.6, 0.012), (0, 6.5, 0.012), (0.30, 0.52, 0.62))


_LANDSCAPES = {"mountain road": _mountain_road, "night city": _night_city, "garden": _garden, "sea": _sea, "ravine": _ravine}
