"""The stage: draws parts with MuJoCo's renderer (EGL, offscreen), once as a picture, once as who-is-where.

The picture is drawn at twice its size and averaged, which is the only anti-aliasing. One model per time of day holds the
grounds, the stripes and the sky; everything else is handed over part by part, so a new scene compiles nothing. Made once per process.
"""

import contextlib
import functools
import importlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reverie.worlds.drawing import ABSENT, Sketch
from reverie.worlds.figures import COLOURS
from reverie.worlds.sets import GROUNDS, LIGHTS, ground_texture, stripes

SUPERSAMPLING = 2
FAR = 300.0  # metres
NEAR = 0.3
MOST_PARTS = 900
FINE, PLAIN = "", 'numslices="20" numstacks="10" numquads="1"'  # facets of round parts and of boxes: as MuJoCo has them (28, 16, 4), or a third of the corners
CLEARNESS = {"glass": 0.4, "haze": 0.55}  # opacity of what can be seen through
# corners of the meshes at half size 1
MESHES: dict[str, list[tuple[float, float, float]]] = {
    "cabin": [(-1, -1, -1), (1, -1, -1), (1, 1, -1), (-1, 1, -1), (-0.62, -0.84, 1), (0.5, -0.84, 1), (0.5, 0.84, 1), (-0.62, 0.84, 1)],
    "body": [(x, y, z) for y in (-1, 1) for x, z in ((-0.97, -1), (-1, 0.1), (-0.95, 1), (0.55, 1), (0.94, 0.62), (1, -0.1), (0.96, -1))],
    "hull": [(-1, -0.8, 1), (-1, 0.8, 1), (0.35, -0.85, 1), (0.35, 0.85, 1), (1, 0, 1.15), (-0.9, -0.5, -1), (-0.9, 0.5, -1), (0.4, -0.45, -1), (0.4, 0.45, -1), (0.75, 0, -1)],
    "sail": [(x, y, z) for y in (-1, 1) for x, z in ((-0.9, -1), (0.42, -1), (0.42, 1))],
    "jib": [(x, y, z) for y in (-1, 1) for x, z in ((-1, -1), (1, -1), (-1, 1))],
    "slice": [(r * math.cos(a), r * math.sin(a), z) for z in (-1, 1) for r, a in ((0.0, 0.0), (1.0, 0.0), (1.0, math.pi / 8), (1.0, math.pi / 4))],
    "roof": [(-1, -1, -1), (1, -1, -1), (1, 1, -1), (-1, 1, -1), (-0.85, 0, 1), (0.85, 0, 1)],
}


@dataclass(frozen=True)
class Parts:
    """What is to be drawn, in the scene's frame: P parts of all subjects and props with the number of their owner (0: the set)."""

    shapes: list[str]
    sizes: np.ndarray  # [P 3] half sizes
    colours: np.ndarray  # [P 3]
    materials: list[str]  # "", "matte", "shiny", "glass", "haze", "lit" or "striped COLOUR"
    positions: np.ndarray  # [P 3]
    rotations: np.ndarray  # [P 3 3]
    owners: np.ndarray  # [P]


def placed(sketch: Sketch, scale: float, position: np.ndarray, rotation: np.ndarray, owner: int, paint: str = "", coat: str = "") -> Parts:
    """A sketch at its place; `paint` is the material of its painted parts and `coat` that of a coloured stripe. A shape "lit:cylinder" has a material of its own."""
    materials = [
        shape.partition(":")[0] if shape == "lit" or ":" in shape else (f"striped {coat}" if paint == "striped" else paint) if painted else ""
        for shape, painted in zip(sketch.shapes, sketch.painted, strict=True)
    ]
    positions = position + scale * np.array(sketch.positions).reshape(-1, 3) @ rotation.T
    return Parts(
        ["box" if shape == "lit" else shape.rpartition(":")[2] for shape in sketch.shapes], scale * np.array(sketch.sizes, float).reshape(-1, 3), np.array(sketch.colours, float).reshape(-1, 3),
        materials, positions, rotation @ np.array(sketch.rotations).reshape(-1, 3, 3), np.full(len(sketch.shapes), owner),
    )  # fmt: skip


def joined(groups: list[Parts]) -> Parts:
    """Several groups of parts as one."""
    return Parts(
        [s for g in groups for s in g.shapes], np.concatenate([g.sizes for g in groups]), np.concatenate([g.colours for g in groups]), [m for g in groups for m in g.materials],
        np.concatenate([g.positions for g in groups]), np.concatenate([g.rotations for g in groups]), np.concatenate([g.owners for g in groups]),
    )  # fmt: skip


@dataclass(frozen=True)
class View:
    """A camera at a moment: eye [3], unit vectors right, up, forward, and half the height of the picture at distance 1."""

    eye: np.ndarray
    right: np.ndarray
    up: np.ndarray
    forward: np.ndarray
    tangent: float

    @staticmethod
    def of(pose: tuple[float, ...], field_of_view: float) -> "View":
        """From a row of Camera.pose and the vertical field of view in degrees."""
        azimuth, elevation = math.radians(pose[3]), math.radians(pose[4])
        forward = np.array([math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)])
        right = np.array([math.sin(azimuth), -math.cos(azimuth), 0.0])
        return View(np.array(pose[:3]), right, np.cross(right, forward), forward, math.tan(math.radians(field_of_view) / 2))

    def project(self, points: np.ndarray, aspect: float) -> tuple[np.ndarray, np.ndarray]:
        """Points [... 3] -> (screen [... 2] in [0, 1] where seen, origin at the top left; depth [...] in metres)."""
        offset = points - self.eye
        depth = offset @ self.forward
        safe = np.maximum(depth, 0.05)
        return np.stack([0.5 + offset @ self.right / safe / self.tangent / aspect / 2, 0.5 - offset @ self.up / safe / self.tangent / 2], -1), depth

    def unproject(self, screen: np.ndarray, depth: np.ndarray, aspect: float) -> np.ndarray:
        """The inverse of `project`: points [... 3]."""
        x, y = (2 * screen[..., 0] - 1) * self.tangent * aspect, (1 - 2 * screen[..., 1]) * self.tangent
        return self.eye + depth[..., None] * (self.forward + x[..., None] * self.right + y[..., None] * self.up)


def _cloud(shape: str) -> np.ndarray:
    """Points [K 3] on a part of half sizes 1 whose bounds are the part's own (round ones within a percent)."""
    if shape in MESHES:
        return np.array(MESHES[shape], float)
    if shape == "box":
        return np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    ring = np.array([(math.cos(a), math.sin(a)) for a in np.arange(16) * math.pi / 8])
    if shape == "cylinder":
        return np.array([(*p, z) for p in ring for z in (-1, 1)])
    if shape == "cone":
        return np.array([(*p, -1) for p in ring] + [(0, 0, 1)])
    levels = np.array([-1, -0.92, -0.71, -0.38, 0, 0.38, 0.71, 0.92, 1])
    return np.array([(*(p * math.sqrt(1 - z * z)), z) for z in levels for p in ring])


_CLOUDS = {shape: _cloud(shape) for shape in ("box", "cylinder", "cone", "ellipsoid", *MESHES)}


def outline(shapes: list[str], sizes: np.ndarray, positions: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Points [T K 3] whose bounds are those of the parts in every frame: sizes [P 3], positions [T P 3], rotations [T P 3 3]."""
    points = []
    for n, shape in enumerate(shapes):
        if shape == "capsule":
            radius, _, half = sizes[n]
            local = np.concatenate([_CLOUDS["ellipsoid"] * radius + [0, 0, half], _CLOUDS["ellipsoid"] * radius - [0, 0, half]])
        else:
            local = _CLOUDS[shape] * sizes[n]
        points.append(positions[:, None, n] + np.einsum("tij,kj->tki", rotations[:, n], local))
    return np.concatenate(points, 1)


def _model_xml(time: str, quality: str) -> str:
    horizon, zenith, ambient, headlight, sun, _ = LIGHTS[time]

    def words(numbers: tuple[float, ...]) -> str:
        return " ".join(map(str, numbers))

    meshes = "".join(f'<mesh name="{name}" vertex="{" ".join(words(corner) for corner in corners)}"/>' for name, corners in MESHES.items())
    grounds = "".join(
        f'<texture name="{name}" type="2d" file="{name}.png"/><material name="{name}" texture="{name}" texuniform="true" texrepeat=".08 .08" specular="0"/>' for name in GROUNDS
    )
    coats = "".join(
        f'<texture name="striped {name}" type="cube" file="striped {name}.png"/><material name="striped {name}" texture="striped {name}" specular=".1" shininess=".3"/>'
        for name in COLOURS
    )
    return f"""<mujoco><statistic extent="10" center="0 0 0"/>
      <visual><rgba haze="{words(horizon)} 1"/><quality shadowsize="512" offsamples="0" {quality}/><map znear=".03" zfar="30" shadowclip="1" fogstart="3" fogend="12"/>
        <headlight ambient="{words(ambient)}" diffuse="{words(headlight)}" specular="0 0 0"/></visual>
      <asset>{meshes}<mesh name="cone" builtin="cone" params="28 0" scale="1 1 1"/>{grounds}{coats}
        <texture type="skybox" builtin="gradient" width="256" height="1536" rgb1="{words(zenith)}" rgb2="{words(horizon)}"
          {'mark="random" random=".004" markrgb=".9 .9 1"' if time == "night" else ""}/></asset>
      <worldbody><light name="sun" directional="true" castshadow="true" pos="0 0 12" dir="0 0 -1" ambient="0 0 0" diffuse="{words(sun)}" specular="{words(sun)}"/></worldbody></mujoco>"""


class Stage:
    """The compiled model of one time of day with its GL context."""

    def __init__(self, time: str, quality: str) -> None:
        context, mujoco = _graphics()
        self.mujoco, self.context = mujoco, context
        files = {f"{name}.png": ground_texture(name) for name in GROUNDS} | {f"striped {name}.png": stripes(name) for name in COLOURS}
        self.model = mujoco.MjModel.from_xml_string(_model_xml(time, quality), files)
        data = mujoco.MjData(self.model)
        mujoco.mj_forward(self.model, data)  # without it the first picture is empty sky
        self.scene = mujoco.MjvScene(self.model, MOST_PARTS)
        camera = mujoco.MjvCamera()
        mujoco.mjv_updateScene(self.model, data, mujoco.MjvOption(), None, camera, mujoco.mjtCatBit.mjCAT_ALL, self.scene)
        self.buffer_side = 0
        self.lights = [(np.array(light.ambient), np.array(light.diffuse), np.array(light.specular)) for light in self.scene.lights[: self.scene.nlight]]
        self.offsets: list[tuple[np.ndarray, np.ndarray] | None] = []
        self.kinds: list[int] = []  # of what shape each part is
        geoms = mujoco.mjtGeom
        self.shapes = {"ellipsoid": geoms.mjGEOM_ELLIPSOID, "box": geoms.mjGEOM_BOX, "cylinder": geoms.mjGEOM_CYLINDER, "capsule": geoms.mjGEOM_CAPSULE}
        self.meshes = {}  # the compiler moves a mesh to its centre and axes: what moves it back
        for name in (*MESHES, "cone"):
            number = self.model.mesh(name).id
            turn = np.empty(9)
            mujoco.mju_quat2Mat(turn, self.model.mesh_quat[number])
            self.meshes[name] = (2 * number, self.model.mesh_pos[number].copy(), turn.reshape(3, 3))
        self.meshes["cone"] = (self.meshes["cone"][0], np.array([0, 0, -0.5]), np.eye(3))
        self.materials = {name: self.model.material(name).id for name in (*GROUNDS, *(f"striped {c}" for c in COLOURS))}

    def set_up(self, sun: tuple[float, float, float], ground: str, place: tuple[float, float, float]) -> None:
        """The light's direction and the ground of a clip; parts follow through `show`."""
        light = self.scene.lights[1]
        direction = np.array(sun) / np.linalg.norm(sun)
        light.dir[:], light.pos[:] = direction, -direction * 14 + [0, 1.5, 0]
        turn = math.radians(place[2])
        rotation = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
        self.shine(1.0)
        self.scene.ngeom = 0
        size = np.array([150.0, 150.0, 1.0])
        geom = self._add(self.mujoco.mjtGeom.mjGEOM_PLANE, size, np.array([place[0], place[1], 0.0]), rotation, (1, 1, 1))
        geom.matid, geom.segid = self.materials[ground], 0
        geom.specular = 0.0

    def _add(self, kind: int, size: np.ndarray, position: np.ndarray, rotation: np.ndarray, colour: tuple[float, ...] | np.ndarray):  # type: ignore[no-untyped-def]
        geom = self.scene.geoms[self.scene.ngeom]
        self.mujoco.mjv_initGeom(geom, kind, size, position, rotation.ravel(), np.array([*colour, 1], np.float32))
        geom.category = self.mujoco.mjtCatBit.mjCAT_DYNAMIC
        self.scene.ngeom += 1
        return geom

    def show(self, parts: Parts) -> None:
        """What is to be seen besides the ground; part n gets the identity n + 1."""
        self.scene.ngeom = 1
        self.offsets, self.kinds = [], []
        for n, shape in enumerate(parts.shapes):
            position, rotation, size, material = parts.positions[n], parts.rotations[n], parts.sizes[n], parts.materials[n]
            if shape in self.meshes:
                number, offset, turn = self.meshes[shape]
                geom = self._add(self.mujoco.mjtGeom.mjGEOM_MESH, np.ones(3), position, rotation, parts.colours[n])
                geom.dataid = number
                self.offsets.append((size * offset, size[:, None] * turn))
            else:
                geom = self._add(self.shapes[shape], size if shape in ("ellipsoid", "box") else size[[0, 2, 1]], position, rotation, parts.colours[n])
                self.offsets.append(None)
            self.kinds.append(geom.type)
            geom.segid = 1 + n
            geom.specular, geom.shininess = (1.0, 0.8) if material == "shiny" else (0.0, 0.0) if material == "matte" else (0.1, 0.2)
            if material == "lit":
                geom.emission = 0.8
            elif material in CLEARNESS:
                geom.rgba[3], geom.transparent = CLEARNESS[material], 1
                geom.specular, geom.shininess = (1.0, 0.9) if material == "glass" else (0.0, 0.0)
            elif material.startswith("striped"):
                geom.matid = self.materials[material]
                geom.rgba[:3] = 1
        self.move(parts.positions, parts.rotations)

    def move(self, positions: np.ndarray, rotations: np.ndarray) -> None:
        """Put the first parts (all, or as many as are given) elsewhere: [P 3] and [P 3 3]."""
        geoms = self.scene.geoms
        away = positions[:, 2] < ABSENT[2] / 2  # what is not there costs nothing
        for n, (position, rotation) in enumerate(zip(positions, rotations, strict=True)):
            offset = self.offsets[n]
            geom = geoms[1 + n]
            geom.type = self.mujoco.mjtGeom.mjGEOM_NONE if away[n] else self.kinds[n]
            if offset is None:
                geom.pos[:], geom.mat[:] = position, rotation
            else:
                geom.pos[:], geom.mat[:] = position + rotation @ offset[0], rotation @ offset[1]

    def limit(self, num_parts: int) -> None:
        """Draw only the first so many parts."""
        self.scene.ngeom = 1 + num_parts

    def shine(self, brightness: float, glows: Sequence[tuple[np.ndarray, tuple[float, ...]]] = ()) -> None:
        """All lights at this share of their strength, and lamps at points with colours (which cast no shadow)."""
        for light, kept in zip(self.scene.lights, self.lights, strict=False):
            light.ambient[:], light.diffuse[:], light.specular[:] = (brightness * v for v in kept)
        self.scene.nlight = len(self.lights) + len(glows)
        for light, (at, colour) in zip(self.scene.lights[len(self.lights) :], glows, strict=False):
            light.pos[:], light.dir[:], light.diffuse[:], light.specular[:], light.ambient[:] = at, (0, 0, -1), colour, 0.3 * np.array(colour), 0.12 * np.array(colour)
            light.attenuation[:], light.cutoff, light.exponent = (1.0, 0.0, 0.045), 180, 0
            light.type, light.castshadow, light.headlight = self.mujoco.mjtLightType.mjLIGHT_POINT, 0, 0

    def look(self, view: View, aspect: float, wider: float = 1.0) -> None:
        """Aim the camera; `wider` shows more around the picture."""
        for eye in (0, 1):
            camera = self.scene.camera[eye]
            camera.pos[:], camera.forward[:], camera.up[:] = view.eye, view.forward, view.up
            camera.frustum_near, camera.frustum_far, camera.frustum_center = NEAR, FAR, 0.0
            camera.frustum_top = NEAR * view.tangent * wider
            camera.frustum_bottom = -camera.frustum_top
            camera.frustum_width = NEAR * view.tangent * wider * aspect

    def _render(self, width: int, height: int, depth: np.ndarray | None) -> np.ndarray:
        mj = self.mujoco
        self.context.make_current()
        if max(width, height) > self.buffer_side:
            self.buffer_side = max(width, height, 512)
            self.model.vis.global_.offwidth = self.model.vis.global_.offheight = self.buffer_side
            self.renderer = mj.MjrContext(self.model, mj.mjtFontScale.mjFONTSCALE_50)
        mj.mjr_setBuffer(mj.mjtFramebuffer.mjFB_OFFSCREEN, self.renderer)
        port = mj.MjrRect(0, 0, width, height)
        pixels = np.empty((height, width, 3), np.uint8)
        mj.mjr_render(port, self.scene, self.renderer)
        mj.mjr_readPixels(pixels, depth, port, self.renderer)
        return pixels[::-1]

    def distance(self, width: int, height: int) -> np.ndarray:
        """Metres along the view of what `picture` has just drawn, float32 [height width]: of a pixel's samples the harmonic mean."""
        raw = np.empty((height, SUPERSAMPLING, width, SUPERSAMPLING), np.float32)
        self.mujoco.mjr_readPixels(None, raw.reshape(height * SUPERSAMPLING, -1), self.mujoco.MjrRect(0, 0, width * SUPERSAMPLING, height * SUPERSAMPLING), self.renderer)
        return _metres(raw.mean((1, 3))[::-1])

    def picture(self, width: int, height: int) -> np.ndarray:
        """What the camera sees, uint8 [height width 3]."""
        fine = self._render(width * SUPERSAMPLING, height * SUPERSAMPLING, None)
        total = np.full((height, width, 3), SUPERSAMPLING**2 // 2, np.uint16)
        for row in range(SUPERSAMPLING):
            for column in range(SUPERSAMPLING):
                total += fine[row::SUPERSAMPLING, column::SUPERSAMPLING]
        return (total // SUPERSAMPLING**2).astype(np.uint8)

    def identities(self, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Which part is seen where: (int [height width], -1 for sky, 0 the ground, else as in `show`; depth in metres, float32)."""
        flags, flag = self.scene.flags, self.mujoco.mjtRndFlag
        before = flags.copy()
        flags[flag.mjRND_SEGMENT], flags[flag.mjRND_IDCOLOR] = 1, 1
        flags[flag.mjRND_SHADOW], flags[flag.mjRND_REFLECTION], flags[flag.mjRND_SKYBOX], flags[flag.mjRND_HAZE] = 0, 0, 0, 0
        raw = np.empty((height, width), np.float32)
        pixels = self._render(width, height, raw)
        flags[:] = before
        return pixels.astype(np.int32) @ np.array([1, 256, 65536]) - 1, _metres(raw[::-1])


def _metres(raw: np.ndarray) -> np.ndarray:
    """Values of the depth buffer as metres along the view, float32; the sky is FAR away."""
    metres: np.ndarray = (NEAR / np.maximum(1 - raw * (1 - NEAR / FAR), NEAR / FAR)).astype(np.float32)
    return metres


@functools.cache
def stage(time: str, quality: str = FINE) -> Stage:
    """The stage of a time of day, made once per process. RuntimeError names the packages where MuJoCo or EGL is not to be had."""
    return Stage(time, quality)


@functools.cache
def _graphics():  # type: ignore[no-untyped-def]
    """The GL context and the simulator, which is imported here and in motion.py only."""
    with contextlib.suppress(ImportError):  # of torch's CUDA build: it and Mesa's software renderer bring an LLVM each, and the process crashes where triton's is the second
        importlib.import_module("triton")
    try:
        import mujoco
    except ImportError as error:
        raise RuntimeError("the diorama needs MuJoCo: pip install 'reverie[worlds]'") from error
    logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it tells everybody which optional module it did without
    try:
        from mujoco.egl import GLContext

        context = GLContext(1024, 1024)
    except Exception as error:  # EGL fails in many ways; all have the one remedy
        raise RuntimeError(f"no EGL for rendering ({error}): on Debian, apt-get install libegl1 libgl1-mesa-dri libegl-mesa0") from error
    context.make_current()
    return context, mujoco
