"""How a wide world's frames look: weather that fills the space, and five styles, made from colours, depth and masks after the drawing.

`finisher` returns the function that filming.shoot calls with every frame. Fog thickens with the depth, flakes and drops fall through the scene and
vanish behind what is nearer; outlines follow the masks. What is drawn depends on the scene and the frame's time alone.
"""

from collections.abc import Callable

import numpy as np

from reverie.randomness import generator
from reverie.worlds.filming import Sight
from reverie.worlds.scene import Format, Scene
from reverie.worlds.stage import View

FOG = {"day": (206, 213, 220), "sunset": (214, 172, 148), "night": (38, 44, 66)}
BOX = np.array([[-9.0, -9.0, 0.0], [9.0, 14.0, 8.0]])  # metres: where flakes and drops are
NEAREST = 4.0  # metres: what falls nearer to the camera would be a blot
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def finisher(scene: Scene, format: Format) -> Callable[[Sight], np.ndarray] | None:
    """The function that makes a frame's pixels from what was seen; None where nothing is to be done."""
    if not scene.weather and scene.style == "natural":
        return None
    rng = generator(scene.seed, scene.index, 41)
    drops = rng.uniform(BOX[0], BOX[1], (900, 3))
    paper = rng.normal(0, 2.5, (format.height, format.width, 1))
    noises = rng.normal(0, 4.5, (4, format.height, format.width, 1))
    side = max(2, round((format.height * format.width) ** 0.5 / 48)) if scene.style == "pixel art" else 1  # of a cell

    def finish(sight: Sight) -> np.ndarray:
        image: np.ndarray = _cells(sight.pixels.astype(np.float32), side)
        depth = _cells(sight.depth()[..., None], side)[..., 0] if scene.weather else None  # before anything else is drawn
        if scene.style == "cartoon":
            image = _cartoon(image, sight)
        elif scene.style == "pencil sketch":
            image = _pencil(image, sight) + paper
        if depth is not None:
            image = _weather(image, depth, side, scene, sight.view, drops[::side], sight.frame / format.fps)
        if scene.style == "pixel art":
            image = _palette(image).repeat(side, 0)[: format.height].repeat(side, 1)[:, : format.width]
        elif scene.style == "black-and-white film":
            image = _film(image) + noises[sight.frame % 4]
        return np.clip(np.rint(image), 0, 255).astype(np.uint8)

    return finish


def _weather(image: np.ndarray, depth: np.ndarray, side: int, scene: Scene, view: View, drops: np.ndarray, seconds: float) -> np.ndarray:
    """An image of pixels or of cells of side x side with its weather, as coarse as it is itself; on paper fog leaves it blank, and flakes and drops are grey."""
    drawn = scene.style == "pencil sketch"
    fog = np.array((246, 246, 246) if drawn else FOG[scene.time], np.float32)
    if scene.weather == "fog":
        share = 1 - np.exp(-np.maximum(depth - 6.5, 0) / 6.5)[..., None]
        return image * (1 - share) + fog * share
    rain = scene.weather == "rain"
    velocity = np.array([0.5, 0.0, -8.5] if rain else [0.35, 0.0, -1.2])
    drift = np.zeros_like(drops) if rain else 0.25 * np.sin(1.7 * seconds + drops[:, [1, 2, 0]] * 5) * [1, 1, 0]
    places = BOX[0] + (drops + velocity * seconds + drift - BOX[0]) % (BOX[1] - BOX[0])
    if rain:
        places = (places[:, None] - velocity * np.linspace(0, 0.055, 16)[:, None]).reshape(-1, 3)
        image = image * 0.9
    tone = np.full(3, 96, np.float32) if drawn else 0.25 * fog + 0.75 * np.array([232, 238, 246], np.float32)
    cover = _splat(places, view, depth, side * (0.012 if rain else 0.055))[..., None]
    strength = 0.75 if scene.time != "night" or drawn else 0.55
    return image * (1 - strength * cover) + tone * strength * cover


def _splat(points: np.ndarray, view: View, far: np.ndarray, radius: float) -> np.ndarray:
    """How much small balls at points [N 3] cover of each pixel: float32 [H W] in [0, 1]; what lies behind something, which is `far` metres away, is not seen."""
    high, wide = far.shape
    screen, depth = view.project(points, wide / high)
    x, y = screen[:, 0] * wide - 0.5, screen[:, 1] * high - 0.5
    seen = (depth > NEAREST) & (x > -0.5) & (x < wide - 0.5) & (y > -0.5) & (y < high - 0.5)
    x, y, depth = x[seen], y[seen], depth[seen]
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    clear = depth < far[row, column]
    x, y, depth = x[clear], y[clear], depth[clear]
    area = np.minimum(np.pi * (radius * high / 2 / view.tangent / depth) ** 2, 1.6)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    cover = np.zeros((high + 2, wide + 2), np.float32)
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - (x - left)) * np.abs(1 - dy - (y - top))
            np.add.at(cover, (top + dy + 1, left + dx + 1), weight * area)
    return np.minimum(cover[1:-1, 1:-1], 1.0)


def _edges(who: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Where outlines run, bool [H W]: on the border of everything in `who` (int [H W]), and where the depth jumps."""
    depth = np.log(depth)
    edges = np.zeros(who.shape, bool)
    for axis in (0, 1):
        a, b = (np.take(who, range(who.shape[axis] - 1), axis), np.take(who, range(1, who.shape[axis]), axis))
        da, db = (np.take(depth, range(who.shape[axis] - 1), axis), np.take(depth, range(1, who.shape[axis]), axis))
        solid = np.maximum(a, b) > 0
        found = ((a != b) & solid) | ((np.abs(da - db) > 0.12) & solid)
        edges[tuple(slice(0, n) for n in found.shape)] |= found
    return edges


def _cartoon(image: np.ndarray, sight: Sight) -> np.ndarray:
    """Every part in one tone, and a darker one where it lies in shade; dark outlines."""
    parts, owners, depth = sight.look()
    part = (parts + 1).ravel()
    flat = image.reshape(-1, 3)
    count = np.maximum(np.bincount(part), 1)
    mean = np.stack([np.bincount(part, flat[:, c]) / count for c in range(3)], 1)
    grey = mean @ LUMINANCE
    vivid = np.clip(grey[:, None] + 1.35 * (mean - grey[:, None]), 0, 255) * 1.08
    shade = np.where(flat @ LUMINANCE < 0.72 * grey[part], 0.66, 1.0)
    result = (vivid[part] * shade[:, None]).reshape(image.shape)
    result[_edges(owners, depth)] *= 0.12
    return result


def _cells(image: np.ndarray, side: int) -> np.ndarray:
    """[H W C] -> the means of its cells of side x side pixels."""
    if side == 1:
        return image
    high, wide = (np.arange(0, n, side) for n in image.shape[:2])
    pixels = np.outer(np.diff(high, append=image.shape[0]), np.diff(wide, append=image.shape[1]))[..., None]
    means: np.ndarray = np.add.reduceat(np.add.reduceat(image, high, 0), wide, 1) / pixels.astype(np.float32)
    return means


def _palette(cells: np.ndarray) -> np.ndarray:
    """In few and vivid colours."""
    grey = cells @ LUMINANCE
    cells = np.clip(grey[..., None] + 1.25 * (cells - grey[..., None]), 0, 255)
    colours: np.ndarray = np.rint(cells * 9 / 255) * 255 / 9
    return colours


def _pencil(image: np.ndarray, sight: Sight) -> np.ndarray:
    """Graphite on paper: lines on every edge, hatching in one direction where it is dark, in two where it is darker."""
    parts, owners, depth = sight.look()
    light = image @ LUMINANCE / 255
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    tone = 246 - 46 * (1 - light)
    tone -= 70 * (light < 0.5) * ((x + y) % 4 < 1)
    tone -= 60 * (light < 0.28) * ((x - y) % 4 < 1)
    tone[_edges(parts, depth)] -= 70
    tone[_edges(owners, depth)] = 52
    return np.repeat(tone[..., None], 3, -1)


def _film(image: np.ndarray) -> np.ndarray:
    """Grey with more contrast, darker towards the corners; grain is added by the caller."""
    light = image @ LUMINANCE / 255
    light = light + 0.35 * light * (1 - light) * (2 * light - 1)
    y, x = (np.linspace(-1, 1, n) for n in light.shape)
    tone = 245 * light * (1 - 0.16 * (x[None, :] ** 2 + y[:, None] ** 2)) + 4
    return np.repeat(tone[..., None], 3, -1)
