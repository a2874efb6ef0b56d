"""Diorama: balls, cubes, cylinders and cones that roll, slide, fall, jump and spin on five kinds of ground (MuJoCo, EGL).

Things are about two metres across, so that gravity (9.81 m/s^2) looks unhurried. The picture is drawn at twice its size and
averaged, which is the only anti-aliasing. A clip is composed for its format: speeds and heights are shares of what the
camera sees. What the captions say is decided by `facts_of`, from the simulated track.
"""

import functools
import io
import math
from dataclasses import replace

import numpy as np
from PIL import Image

from reverie.randomness import generator
from reverie.video import Video
from reverie.worlds import captions
from reverie.worlds.scene import Camera, Format, Scene, Subject

SHAPES = ("ball", "cube", "cylinder", "cone")
COLOURS = {
    "red": (0.85, 0.07, 0.06), "orange": (0.95, 0.42, 0.04), "yellow": (0.93, 0.82, 0.08), "green": (0.08, 0.62, 0.16),
    "blue": (0.08, 0.22, 0.88), "purple": (0.50, 0.12, 0.70), "white": (0.95, 0.95, 0.95), "black": (0.05, 0.05, 0.06),
}  # fmt: skip
# ground tone, grain, sky at the horizon, sky above, brightness of the sun
SURROUNDINGS = {
    "snow": ((0.92, 0.94, 0.98), 0.05, (0.86, 0.90, 0.96), (0.62, 0.74, 0.90), 0.55),
    "grass": ((0.30, 0.42, 0.16), 0.22, (0.80, 0.90, 0.98), (0.35, 0.60, 0.92), 0.70),
    "desert": ((0.80, 0.66, 0.44), 0.12, (0.98, 0.90, 0.74), (0.55, 0.72, 0.92), 0.70),
    "night": ((0.16, 0.18, 0.28), 0.18, (0.08, 0.09, 0.22), (0.01, 0.01, 0.06), 0.45),
    "wooden floor": ((0.58, 0.38, 0.22), 0.10, (0.90, 0.86, 0.78), (0.82, 0.76, 0.66), 0.60),
}
RADIUS = 1.0  # metres: a ball's
REST_HEIGHT = {"ball": 1.0, "cube": 0.85, "cylinder": 0.95, "cone": 0.95}  # metres from the ground to the body's origin, upright
PARKED = 500.0  # metres: where the bodies wait that a scene does not use
ACTIONS = {
    "ball": ("roll_left", "roll_right", "roll_left", "roll_right", "fall", "fall", "jump", "jump", "stand"),
    "cube": ("slide_left", "slide_right", "fall", "fall", "jump", "jump", "spin", "stand"),
    "cylinder": ("roll_left", "roll_right", "slide_left", "slide_right", "fall", "fall", "jump", "jump", "spin", "stand"),
    "cone": ("slide_left", "slide_right", "slide_left", "slide_right", "fall", "fall", "jump", "jump", "stand"),
}
SUBSTEP = 0.002  # seconds
SUPERSAMPLING = 2


def _visible(format: Format) -> tuple[float, float]:
    """Metres that the camera sees at the subject's distance: (width, height); their product is the same for every format."""
    aspect = format.width / format.height
    return 8.0 * math.sqrt(aspect), 8.0 / math.sqrt(aspect)


def _texture(name: str, size: int = 256) -> bytes:
    """A tiling PNG for the ground: tone times smooth noise, with planks, ripples or stars where the place has them."""
    tone, grain, *_ = SURROUNDINGS[name]
    rng = generator(sum(name.encode()), 7)
    field = np.zeros((size, size))
    for cells in (4, 8, 16, 32, 64):
        coarse = rng.standard_normal((cells, cells))
        spectrum = np.zeros((size, size // 2 + 1), complex)
        half = np.fft.rfft2(coarse)
        spectrum[: cells // 2, : cells // 2 + 1] = half[: cells // 2]
        spectrum[-cells // 2 :, : cells // 2 + 1] = half[cells // 2 :]
        smooth = np.fft.irfft2(spectrum, (size, size))
        field += smooth / smooth.std() / math.sqrt(cells)
    field /= field.std()
    y, x = np.mgrid[0:size, 0:size] / size
    if name == "desert":
        field = 0.5 * field + np.sin(2 * np.pi * (8 * y + 0.3 * np.sin(2 * np.pi * 2 * x)))
    image = np.clip(np.array(tone) * (1 + grain * field[..., None] * 0.6), 0, 1)
    if name == "wooden floor":
        plank = (y * 8).astype(int)
        shade = rng.uniform(0.8, 1.1, 8)[plank]
        seam = ((y * 8) % 1 < 0.05) | (((x + 0.37 * plank) * 2) % 1 < 0.012)
        image = np.clip(image * (shade * np.where(seam, 0.55, 1.0))[..., None], 0, 1)
    buffer = io.BytesIO()
    Image.fromarray((image * 255).astype(np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def _model_xml(name: str) -> str:
    """One model per surroundings with every shape twice, so that a scene needs no compiling and no new GL context."""
    _, _, horizon, zenith, sun = SURROUNDINGS[name]
    geoms = {
        "ball": f'type="sphere" size="{RADIUS}"', "cube": 'type="box" size=".85 .85 .85"',
        "cylinder": 'type="cylinder" size=".85 .95"', "cone": 'type="mesh" mesh="cone"',
    }  # fmt: skip
    bodies = "".join(
        f'<body name="{shape}{slot}"><freejoint/><geom name="{shape}{slot}" {geom} density="100" condim="6" priority="1" '
        f'friction="1 .005 .002" solref="-9000 -22" material="thing"/></body>'
        for slot in range(2)
        for shape, geom in geoms.items()
    )
    colour = " ".join
    tint = ".75 .8 1" if name == "night" else "1 .98 .94"
    return f"""<mujoco><option timestep="{SUBSTEP}" density="0"/><statistic extent="10" center="0 0 0"/>
      <visual><rgba haze="{colour(map(str, horizon))} 1"/><quality shadowsize="512" offsamples="0"/><map znear=".05" zfar="30" shadowclip="1"/>
        <headlight ambient=".34 .34 .36" diffuse=".22 .22 .22" specular="0 0 0"/></visual>
      <asset><mesh name="cone" builtin="cone" params="28 0" scale="1.05 1.05 .95"/>
        <material name="thing" specular=".25" shininess=".4"/>
        <texture name="ground" type="2d" file="ground.png"/><material name="ground" texture="ground" texuniform="true" texrepeat=".08 .08" specular="0"/>
        <texture type="skybox" builtin="gradient" width="256" height="1536" rgb1="{colour(map(str, zenith))}" rgb2="{colour(map(str, horizon))}"
          {'mark="random" random=".004" markrgb=".9 .9 1"' if name == "night" else ""}/></asset>
      <worldbody><light name="sun" directional="true" castshadow="true" pos="0 0 12" dir=".35 .45 -1" diffuse="{" ".join([str(sun)] * 3)}" specular="{tint}"/>
        <geom name="ground" type="plane" size="0 0 .1" material="ground" friction=".02 .001 .0001" solref="-9000 -22"/>{bodies}</worldbody></mujoco>"""


class _Stage:
    """The compiled model of one kind of surroundings with its GL context: made once per process."""

    def __init__(self, name: str) -> None:
        try:
            import mujoco
        except ImportError as error:
            raise RuntimeError("the diorama needs MuJoCo: pip install 'reverie[worlds]'") from error
        try:
            from mujoco.egl import GLContext

            self.context = GLContext(1024, 1024)
        except Exception as error:  # EGL fails in many ways; all have the one remedy
            raise RuntimeError(f"no EGL for rendering ({error}): on Debian, apt-get install libegl1 libgl1-mesa-dri libegl-mesa0") from error
        self.mujoco = mujoco
        self.context.make_current()
        self.model = mujoco.MjModel.from_xml_string(_model_xml(name), {"ground.png": _texture(name)})
        self.data = mujoco.MjData(self.model)
        self.scene = mujoco.MjvScene(self.model, 50)
        self.option = mujoco.MjvOption()
        self.camera = mujoco.MjvCamera()
        self.buffer_side = 0

    def draw(self, width: int, height: int) -> np.ndarray:
        """The current state from the current camera, uint8 [height, width, 3]."""
        mj = self.mujoco
        self.context.make_current()
        wide, high = width * SUPERSAMPLING, height * SUPERSAMPLING
        if max(wide, high) > self.buffer_side:
            self.buffer_side = max(wide, high, 512)
            self.model.vis.global_.offwidth = self.model.vis.global_.offheight = self.buffer_side
            self.renderer = mj.MjrContext(self.model, mj.mjtFontScale.mjFONTSCALE_50)
            mj.mjr_setBuffer(mj.mjtFramebuffer.mjFB_OFFSCREEN, self.renderer)
        mj.mjv_updateCamera(self.model, self.data, self.camera, self.scene)  # else the endless ground is centred on the picture before
        mj.mjv_updateScene(self.model, self.data, self.option, None, self.camera, mj.mjtCatBit.mjCAT_ALL, self.scene)
        port = mj.MjrRect(0, 0, wide, high)
        pixels = np.empty((high, wide, 3), np.uint8)
        mj.mjr_render(port, self.scene, self.renderer)
        mj.mjr_readPixels(pixels, None, port, self.renderer)
        fine = pixels[::-1].reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3)
        return ((fine.sum((1, 3), dtype=np.uint32) + SUPERSAMPLING**2 // 2) // SUPERSAMPLING**2).astype(np.uint8)


@functools.cache
def _stage(name: str) -> _Stage:
    return _Stage(name)


def _multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    w, x, y, z = a
    return np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]]) @ b


def _turn(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    half = math.radians(degrees) / 2
    return np.array([math.cos(half), *(math.sin(half) * np.array(axis))])


def _turns(rotation: np.ndarray) -> np.ndarray:
    """Quaternions [T 4] -> the turn from each to the next as a world vector [T-1 3], radians (exact for small turns)."""
    a, b = rotation[:-1] * [1, -1, -1, -1], rotation[1:]
    real = (b[:, :1] * a[:, :1]) - (b[:, 1:] * a[:, 1:]).sum(1, keepdims=True)
    vector = b[:, :1] * a[:, 1:] + a[:, :1] * b[:, 1:] + np.cross(b[:, 1:], a[:, 1:])
    return 2 * np.sign(real) * vector


def facts_of(subject: Subject, format: Format, heading: float) -> tuple[str, ...]:
    """What a track shows: any of captions.FACTS, in the order in which they are told; empty if nothing clear happened.

    heading: degrees, of the scene's place. A sideways motion counts when the centre crosses at least a fifth of the picture,
    itself moves by at least 15% of what is seen, and stays inside; it is a roll when the thing turns about the level axis across
    its way by at least half of what rolling without slipping asks.
    """
    track, screen, rotation = np.array(subject.track), np.array(subject.screen), np.array(subject.rotation)
    inside = np.abs(screen - 0.5).max(1) < 0.5
    if len(track) < 4 or inside.mean() < 0.9:
        return ()
    facts = []
    across, world = screen[-1, 0] - screen[0, 0], track[-1, 0] - track[0, 0]
    low, start, top = track[:, 2].min(), track[0, 2], track[:, 2].max()
    turns = _turns(rotation)  # radians about x, y, z between frames
    turned, moved = np.linalg.norm(turns, axis=1).sum(), np.linalg.norm(track - track[0], axis=1).max()
    rest = REST_HEIGHT["cube" if subject.lying else subject.shape]
    if abs(across) > 0.2 and across * world > 0 and abs(world) > 0.15 * _visible(format)[0] and top - low < 0.3:
        level_axis = np.array([-math.sin(math.radians(heading)), math.cos(math.radians(heading)), 0])
        verb = "roll" if (turns @ level_axis).sum() / world > 0.5 / RADIUS else "slide"
        if verb == "roll" and subject.shape in ("cube", "cone"):
            return ()  # a tumble: no word for it here
        facts.append(f"{verb}_{'left' if across < 0 else 'right'}")
    elif start - low > 0.8 and top - start < 0.1 and (low - rest < 0.35 or track[:, 2].argmin() < len(track) - 1):  # it met the ground
        facts.append("fall")
        floor = int(track[:, 2].argmin())
        if floor < len(track) - 2 and track[floor:, 2].max() - low > 0.35:
            facts.append("bounce")
    elif top - start > 0.6 and start - low < 0.15 and abs(across) < 0.15 and track[track[:, 2].argmax() :, 2].min() < top - 0.3:  # and down again
        facts.append("jump")
    elif turned < 0.15 and moved < 0.1:
        facts.append("stand")
    elif turned > 1.2 and moved < 0.5:
        facts.append("spin")
    return tuple(facts)


class Diorama:
    """The world of issue-sized truth: see the module's docstring. `spec` lists the words of every attribute."""

    name = "diorama"

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {
            "shape": SHAPES, "colour": tuple(COLOURS), "surroundings": tuple(SURROUNDINGS),
            "action": tuple(sorted({a for many in ACTIONS.values() for a in many})), "camera": ("static", "orbit", "zoom"),
        }  # fmt: skip

    def scene(self, seed: int, index: int) -> Scene:
        """The intention of clip `index` of `seed`: attributes near-uniform, one thing in three quarters of the clips."""
        rng = generator(seed, index)
        count = 2 if rng.random() < 0.25 else 1
        subjects = tuple(self._subject(rng, slot, count) for slot in range(count))
        kind = str(rng.choice(["static", "static", "static", "orbit", "zoom"]))
        amount = {"static": 0.0, "orbit": float(rng.choice([-1, 1]) * rng.uniform(25, 50)), "zoom": float(rng.choice([rng.uniform(0.6, 0.75), rng.uniform(1.35, 1.65)]))}[kind]
        camera = Camera(kind=kind, amount=amount, elevation=float(rng.uniform(9, 16)), field_of_view=40.0)
        place = (float(rng.uniform(-60, 60)), float(rng.uniform(-60, 60)), float(rng.uniform(0, 360)))
        return Scene(world=self.name, seed=seed, index=index, surroundings=str(rng.choice(list(SURROUNDINGS))), subjects=subjects, camera=camera, place=place)

    def _subject(self, rng: np.random.Generator, slot: int, count: int) -> Subject:
        shape = str(rng.choice(SHAPES))
        action = str(rng.choice(ACTIONS[shape]))
        if slot == 1 and rng.random() < 0.4:
            action = "stand"
        verb, _, side = action.partition("_")
        sign = {"left": -1.0, "right": 1.0, "": 0.0}[side]
        lying = verb in ("roll", "spin") and shape == "cylinder"
        # of two things the first stands left and in front, the second right and behind, so that their ways do not cross
        lane = (0.0 if count == 1 else (-0.55, 0.55)[slot]) * 2.6
        home = rng.uniform(-0.2, 0.2) if count == 1 else (-0.24, 0.24)[slot] + rng.uniform(-0.06, 0.06)
        speed = rng.uniform(0.20, 0.31) if sign else 0.0  # visible widths per second
        x = -sign * rng.uniform(0.22, 0.34) if sign else home
        height = rng.uniform(0.40, 0.56) if verb == "fall" else 0.0  # visible heights
        lift = rng.uniform(0.26, 0.42) if verb == "jump" else 0.0
        spin = float(rng.choice([-1, 1]) * rng.uniform(1.6, 3.2)) if verb == "spin" else 0.0  # rad/s
        yaw = float(rng.uniform(0, 360)) if verb != "roll" else 0.0
        friction = {"roll": 1.0, "slide": 0.02, "spin": 0.01}.get(verb, 0.6)
        return Subject(
            shape=shape, colour=str(rng.choice(list(COLOURS))), action=action, start=(x, lane, height), velocity=(sign * speed, 0.0, lift),
            angular_velocity=(0.0, sign * speed if verb == "roll" else 0.0, spin), friction=friction, lying=lying, yaw=yaw,
        )  # fmt: skip

    def film(self, scene: Scene, format: Format) -> tuple[Video, Scene]:
        """Simulate and draw: the footage, and the scene with tracks, camera poses, facts and captions.

        Raises RuntimeError, naming the packages, where MuJoCo or EGL is not to be had.
        """
        stage = _stage(scene.surroundings)
        mj, model, data = stage.mujoco, stage.model, stage.data
        wide, high = _visible(format)
        heading = math.radians(scene.place[2])
        right, away = np.array([math.cos(heading), math.sin(heading), 0]), np.array([-math.sin(heading), math.cos(heading), 0])
        origin = np.array([scene.place[0], scene.place[1], 0.0])
        up = np.array([0, 0, 1.0])
        bodies = self._place(stage, scene, wide, high, origin, right, away)
        distance = high / 2 / math.tan(math.radians(scene.camera.field_of_view / 2)) + 0.6
        sun = model.light("sun").id
        model.light_dir[sun] = 0.5 * right + 0.5 * away - 1.1 * up
        model.light_pos[sun] = origin + 12 * up - 4 * right
        mj.mj_forward(model, data)
        frames, poses = [], []
        tracks: list[tuple[list, list, list]] = [([], [], []) for _ in bodies]
        duration = max((format.num_frames - 1) / format.fps, 1e-9)
        tangent = math.tan(math.radians(scene.camera.field_of_view / 2))
        for frame in range(format.num_frames):
            while data.time < frame / format.fps - SUBSTEP / 2:
                mj.mj_step(model, data)
            mj.mj_forward(model, data)
            share = frame / format.fps / duration
            azimuth = scene.place[2] + 90 + (scene.camera.amount * (share - 0.5) if scene.camera.kind == "orbit" else 0)
            zoom = scene.camera.amount**share if scene.camera.kind == "zoom" else 1.0
            start = 1.0 / math.sqrt(scene.camera.amount) if scene.camera.kind == "zoom" else 1.0
            camera = stage.camera
            camera.azimuth, camera.elevation, camera.distance = azimuth, -scene.camera.elevation, distance * zoom * start
            camera.lookat[:] = origin + 0.30 * high * up * (zoom * start if scene.camera.kind == "zoom" else 1.0)
            model.vis.global_.fovy = scene.camera.field_of_view
            frames.append(stage.draw(format.width, format.height))
            poses.append((azimuth, -scene.camera.elevation, camera.distance, *camera.lookat))
            theta, phi = math.radians(azimuth), math.radians(-scene.camera.elevation)
            forward = np.array([math.cos(theta) * math.cos(phi), math.sin(theta) * math.cos(phi), math.sin(phi)])
            side = np.array([math.sin(theta), -math.cos(theta), 0.0])
            eye = camera.lookat - camera.distance * forward
            for (track, rotation, screen), body in zip(tracks, bodies, strict=True):
                position = data.xpos[body].copy()
                offset = position - eye
                depth = offset @ forward
                track.append((float((position - origin) @ right), float((position - origin) @ away), float(position[2])))
                rotation.append(tuple(float(v) for v in data.xquat[body]))
                screen.append((float(0.5 + offset @ side / depth / tangent / 2 * format.height / format.width),
                               float(0.5 - offset @ np.cross(side, forward) / depth / tangent / 2)))  # fmt: skip
        subjects = []
        for subject, (track, rotation, screen) in zip(scene.subjects, tracks, strict=True):
            rounded = [tuple(tuple(round(v, 4) for v in row) for row in rows) for rows in (track, rotation, screen)]
            subject = replace(subject, track=rounded[0], rotation=rounded[1], screen=rounded[2])
            subjects.append(replace(subject, facts=facts_of(subject, format, scene.place[2])))
        camera_path = tuple(tuple(round(float(v), 4) for v in row) for row in poses)
        done = replace(scene, subjects=tuple(subjects), camera=replace(scene.camera, pose=camera_path), width=format.width, height=format.height, fps=format.fps)
        told = captions.tell(done)
        return Video(frames=np.stack(frames), fps=format.fps), replace(done, captions=told[0], still_captions=told[1])

    def _place(self, stage, scene: Scene, wide: float, high: float, origin, right, away) -> list[int]:
        """Put the scene's bodies where they start, park the others; returns the body ids in the order of the subjects."""
        mj, model, data = stage.mujoco, stage.model, stage.data
        mj.mj_resetData(model, data)
        model.geom_rgba[1:, 3] = 0
        model.geom_contype[1:] = model.geom_conaffinity[1:] = 0
        for body in range(1, model.nbody):
            at = model.jnt_qposadr[model.body_jntadr[body]]
            data.qpos[at : at + 7] = [PARKED + 5 * body, PARKED, 5, 1, 0, 0, 0]
            model.body_gravcomp[body] = 1
        chosen = []
        for slot, subject in enumerate(scene.subjects):
            body, geom = model.body(f"{subject.shape}{slot}").id, model.geom(f"{subject.shape}{slot}").id
            joint = model.body_jntadr[body]
            at, dof = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
            model.geom_rgba[geom] = [*COLOURS[subject.colour], 1]
            model.geom_contype[geom] = model.geom_conaffinity[geom] = 1
            model.geom_friction[geom, 0] = subject.friction
            model.body_gravcomp[body] = 0
            rest = REST_HEIGHT["cube" if subject.lying else subject.shape]  # a cylinder is as thick as the cube is wide
            heading = scene.place[2]
            turn = _turn((0, 0, 1), heading + subject.yaw)
            if subject.lying:
                turn = _multiply(_turn((0, 0, 1), heading + subject.yaw), _turn((1, 0, 0), 90))
            data.qpos[at : at + 3] = origin + right * subject.start[0] * wide + away * subject.start[1] + [0, 0, rest + subject.start[2] * high]
            data.qpos[at + 3 : at + 7] = turn
            speed = subject.velocity[0] * wide
            data.qvel[dof : dof + 3] = right * speed + np.array([0, 0, math.sqrt(2 * 9.81 * subject.velocity[2] * high)])
            radius = RADIUS if subject.shape == "ball" else 0.85
            rolling = away * (subject.angular_velocity[1] * wide / radius)
            spin = np.array([0, 0, subject.angular_velocity[2]])
            local = np.empty(3)  # the free joint's angular velocity is in the body's own frame
            inverse = turn * np.array([1, -1, -1, -1])
            mj.mju_rotVecQuat(local, rolling + spin, inverse)
            data.qvel[dof + 3 : dof + 6] = local
            chosen.append(body)
        return chosen
