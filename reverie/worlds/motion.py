"""How subjects move: things by rigid-body physics (MuJoCo), figures along planned ways, with feet that do not slide.

A scene's intention is composed for a format here: ways are shares of what the camera sees and of the clip's length, speeds stay
within what suits the subject. Figures push things (they are moving boxes to the physics); nothing pushes figures.
"""

import math
from dataclasses import dataclass

import numpy as np

from reverie.config import did_you_mean
from reverie.patches.actions import ACTIONS as STEERING
from reverie.randomness import generator
from reverie.worlds.drawing import Gait, Sketch, turned
from reverie.worlds.figures import HALF, RIGID, SIZES
from reverie.worlds.scene import Format, Scene, Subject

SPAN = 6.6  # metres: the geometric mean of the visible width and height at the subject
SUBSTEP = 0.002  # seconds at most: frames lie on whole steps
HOVER = 1.3  # metres above the ground that birds and butterflies fly at scale 1
TICKS = 60  # per second, of planned ways
DIRECTIONS = {"left": 180.0, "right": 0.0, "away": 90.0, "toward": -90.0}
# metres per second at scale 1
SPEEDS = {"walk": (0.75, 1.15), "run": (1.95, 2.6), "crawl": (0.4, 0.75), "drive": (1.2, 2.6), "roll": (1.0, 2.3), "slide": (1.0, 2.3), "fly": (1.1, 2.4), "sail": (0.8, 1.7)}
RUNS_FROM = 1.5  # metres per second at scale 1: slower is a walk
GAITS: dict[str, tuple[str, ...]] = {
    "dog": ("walk", "run"), "person": ("walk", "run"), "turtle": ("crawl",), "car": ("drive",), "ball": ("roll",), "cylinder": ("roll", "slide"), "cube": ("slide",),
    "cone": ("slide",), "cat": ("walk", "run"), "monster": ("walk", "run"), "bird": ("fly",), "butterfly": ("fly",), "boat": ("sail",), "burger": ("slide",), "cup": ("slide",),
    **{kind: () for kind in ("candle", "table", "tree", "flower", "lamp")},
}  # fmt: skip


@dataclass(frozen=True)
class Motion:
    """One subject in every frame: positions [T 3] (things: of the centre; figures: of the ground below), rotations [T 3 3], gaits, steering."""

    positions: np.ndarray
    rotations: np.ndarray
    gaits: tuple[Gait, ...]
    steering: tuple[str, ...]
    physics: dict[str, float]
    extras: tuple[Sketch, ...] = ()  # per frame what belongs to it besides its own parts, in the scene's frame
    state: tuple[str, ...] = ()  # per frame a word, where an act changes it for good
    level: tuple[float, ...] = ()  # per frame the number that goes with it


def visible(format: Format) -> tuple[float, float]:
    """Metres that the camera sees at the subject's distance: (width, height); their product is the same for every format."""
    aspect = format.width / format.height
    return SPAN * math.sqrt(aspect), SPAN / math.sqrt(aspect)


def length_of(subject: Subject) -> float:
    """Metres from front to back."""
    return 2 * HALF[subject.kind][0] * SIZES[subject.size]


def verb_and_way(action: str) -> tuple[str, str]:
    """("run", "left") of "run_left"; the way is empty where there is none."""
    verb, _, way = action.partition("_")
    return verb, way


def simulate(scene: Scene, format: Format) -> tuple[list[Motion], tuple[tuple[int, int, float], ...]]:
    """Every subject in every frame, and which subjects touched when. A pure function of scene and format."""
    paths = {n: _plan(scene, n, format) for n, subject in enumerate(scene.subjects) if subject.kind not in RIGID}
    times = np.arange(format.num_frames) / format.fps
    motions: dict[int, Motion] = {n: path.motion(times, scene.subjects[n]) for n, path in paths.items()}
    contacts: tuple[tuple[int, int, float], ...] = ()
    if len(paths) < len(scene.subjects):
        things, contacts = _physics(scene, format, paths)
        motions |= things
    return [motions[n] for n in range(len(scene.subjects))], contacts


# --- figures ---


@dataclass
class _Path:
    """A figure's way at TICKS per second: x, y, heading (radians), lift, distance (metres), speed, steering angle, steering word."""

    rows: np.ndarray  # [ticks 7]
    words: list[str]

    def at(self, times: np.ndarray | float) -> np.ndarray:
        """Rows [... 7] between the ticks."""
        place = np.clip(np.asarray(times) * TICKS, 0, len(self.rows) - 1)
        low = np.minimum(place.astype(int), len(self.rows) - 2)
        share = (place - low)[..., None]
        return self.rows[low] * (1 - share) + self.rows[low + 1] * share

    def motion(self, times: np.ndarray, subject: Subject) -> Motion:
        """The way at these times."""
        scale, rows = SIZES[subject.size], self.at(times)
        positions = np.stack([rows[:, 0], rows[:, 1], rows[:, 3]], 1)
        rotations = np.array([turned("z", row[2]) for row in rows])
        gaits = tuple(
            Gait(distance=row[4] / scale, speed=row[5] / scale, running=abs(row[5]) / math.sqrt(scale) > RUNS_FROM, lift=row[3], steer=row[6], time=float(t), manner=subject.manner)
            for row, t in zip(rows, times, strict=True)
        )
        words = tuple(self.words[min(int(t * TICKS + 1e-6), len(self.words) - 1)] for t in times) if self.words else ()
        return Motion(positions, rotations, gaits, words, {"scale": scale})


def _speed(subject: Subject, verb: str, way: float, seconds: float) -> float:
    """Metres per second that cover `way` metres in `seconds`, as far as the verb allows."""
    low, high = (v * math.sqrt(SIZES[subject.size]) for v in SPEEDS[verb])
    return min(max(way / max(seconds, 1e-6), low), high) * (0.94 + 0.12 * subject.vigour)


def _course(scene: Scene, number: int, format: Format) -> tuple[float, float, float]:
    """Where a subject starts (x, y) and how fast it goes, for the plot of the scene."""
    subject = scene.subjects[number]
    wide, _ = visible(format)
    verb, way = verb_and_way(subject.action)
    length, seconds = length_of(subject), format.seconds
    if verb not in SPEEDS:
        return subject.at * wide, subject.lane, 0.0
    side = {"left": -1.0, "right": 1.0}.get(way, 0.0)
    if scene.plot == "collide" and number == 0:
        other = scene.subjects[1]
        gap = abs(other.at * wide + 0.42 * wide * side) - length / 2 - length_of(other) / 2
        return -0.42 * wide * side, subject.lane, _speed(subject, verb, max(gap, 0.5), 0.5 * seconds)
    if scene.plot == "follow":
        lead = scene.subjects[0]
        speed = min(_speed(s, verb_and_way(s.action)[0], 0.4 * wide, seconds) for s in scene.subjects[:2])
        offset = 0.18 * wide if number == 0 else 0.18 * wide - (length_of(lead) + length) / 2 - 0.5
        return side * (offset - min(speed * seconds / 2, 0.4 * wide)), subject.lane, speed
    if scene.plot == "leave" and number == 0:
        return side * subject.at * wide, subject.lane, _speed(subject, verb, 0.5 * wide + length, 0.75 * seconds)
    if scene.plot == "enter" and number == 0:
        return -side * (0.5 * wide + 0.6 * length + 0.4), subject.lane, _speed(subject, verb, 0.6 * wide + length, 0.9 * seconds)
    if scene.plot == "return" and number == 0:
        return side * 0.1 * wide, subject.lane, _speed(subject, verb, 1.3 * (0.5 * wide + length), seconds)
    if not side:
        depth = {"away": 1.0, "toward": -1.0}[way]
        speed = _speed(subject, verb, 3.6, seconds)
        return subject.at * wide, -depth * min(speed * seconds / 2, 1.8) + 0.4, speed
    reach = (0.8 if scene.plot == "wall" else 1.2 if subject.goal == "stop" and subject.kind in RIGID else 0.58) * wide  # what friction stops goes half as far
    speed = _speed(subject, verb, reach, seconds)
    return -side * min(speed * seconds / 2, 0.36 * wide) + 0.3 * subject.at * wide, subject.lane, speed


def _plan(scene: Scene, number: int, format: Format) -> _Path:
    """A figure's whole way."""
    subject = scene.subjects[number]
    x, y, speed = _course(scene, number, format)
    verb, way = verb_and_way(subject.action)
    ticks = math.ceil(format.seconds * TICKS) + 2
    if verb == "steer":
        return _steered(scene, number, format, ticks)
    if subject.goal == "turn" or way:
        heading = math.radians(DIRECTIONS[way])
    else:
        heading = math.radians(subject.heading)
    wide, _ = visible(format)
    bound = 0.5 * wide + 0.75 * length_of(subject) if scene.plot in ("leave", "enter", "return") and number == 0 else 0.40 * wide
    turning, distance, rows = 0.0, 0.0, np.empty((ticks, 7))
    spin = (2.0 + 1.4 * subject.vigour) * (1 if subject.heading > 0 else -1) * (0.55 if subject.kind == "turtle" else 1.0)
    jump = math.sqrt(2 * scene.gravity * (0.5 + 0.35 * subject.vigour) * SIZES[subject.size]) if verb == "jump" else 0.0
    begin, flight = 0.1 + subject.moment * 0.3 * format.seconds, 2 * jump / scene.gravity
    sharp = math.radians(80 + 60 * subject.vigour) * (1 if subject.heading > 0 else -1)
    ahead = 1.0
    hover = HOVER * SIZES[subject.size] if verb == "fly" else 0.0
    for n in range(ticks):
        t = n / TICKS
        share = t / max(format.seconds, 1e-6)
        now, lift = speed, hover * (1 + 0.1 * math.sin(2 * math.pi * (0.5 * t + subject.moment)))
        if subject.goal == "stop":
            now = speed * min(1.0, max(0.0, (0.62 - share) / 0.08))
        if jump and begin < t < begin + flight:
            lift = jump * (t - begin) - scene.gravity / 2 * (t - begin) ** 2
        turn = spin if verb == "spin" else 0.0
        if subject.goal == "turn" and 0.35 <= share <= 0.6 and format.seconds:
            turn = sharp / (0.25 * format.seconds)
        elif turning:
            turn, now = math.copysign(min(2.8, abs(turning) * TICKS), turning), 0.4 * speed  # sharply, so that it stays in its lane
            turning -= turn / TICKS
            turning = turning if abs(turning) > 1e-6 else 0.0
        elif way and subject.goal != "turn":
            along = (x if way in ("left", "right") else y) * ahead * (1 if way in ("right", "away") else -1)
            if along > (bound if way in ("left", "right") else 2.4 if way == "toward" else 5.0) and scene.plot != "leave":
                turning, ahead = math.pi * (1 if subject.heading > 0 else -1), -ahead
        steer = max(-0.5, min(0.5, turn / max(now, 0.6) * 1.8)) if verb == "drive" else 0.0
        rows[n] = x, y, heading, lift, distance, now if verb != "spin" else 0.5, steer
        heading += turn / TICKS
        x += now * math.cos(heading) / TICKS
        y += now * math.sin(heading) / TICKS
        distance += (now if verb != "spin" else 0.5) / TICKS
    return _Path(rows, [])


def _steered(scene: Scene, number: int, format: Format, ticks: int) -> _Path:
    """A driver's stream of actions, drawn half a second at a time so that the subject stays in sight, or as the scene gives it per frame."""
    subject = scene.subjects[number]
    unknown = set(subject.steering) - set(STEERING)
    if unknown:
        raise ValueError(f"steering {sorted(unknown)[0]!r}{did_you_mean(sorted(unknown)[0], STEERING)}")
    wide, _ = visible(format)
    rng = generator(scene.seed, scene.index, 1 + number)
    low, high = SPEEDS["drive" if subject.kind == "car" else "walk"]
    top = (low + (high - low) * 0.5 * (1 + subject.vigour)) * math.sqrt(SIZES[subject.size])
    rate = 1.4 if subject.kind == "car" else 2.0
    state = np.array([subject.at * wide, subject.lane, math.radians(subject.heading)])
    speed, distance, word, rows = 0.0, 0.0, "stand", np.empty((ticks, 7))
    words: list[str] = []

    def moved(state: np.ndarray, word: str, speed: float, seconds: float) -> np.ndarray:
        x, y, heading = state
        heading += {"left": rate, "right": -rate}.get(word, 0.0) * seconds
        return np.array([x + speed * math.cos(heading) * seconds, y + speed * math.sin(heading) * seconds, heading])

    def goal(word: str) -> float:
        return {"stand": 0.0, "back": -0.6 * top}.get(word, top if word == "forward" else 0.75 * top)

    for n in range(ticks):
        if subject.steering:
            word = subject.steering[min(int(n / TICKS * format.fps + 1e-6), len(subject.steering) - 1)]
        elif n % (TICKS // 2) == 0:
            choices = [str(w) for w in rng.choice(["forward", "forward", "forward", "left", "right", "stand", "back"], 6)]
            inside = []
            for choice in [*choices, "left", "right", "back", "stand"]:
                place = moved(state, choice, goal(choice), 0.9)
                if abs(place[0]) < 0.34 * wide and -1.6 < place[1] < 2.6:
                    inside.append(choice)
            word = inside[0] if inside else "stand"
        speed += (goal(word) - speed) / TICKS / 0.12
        turn = {"left": rate, "right": -rate}.get(word, 0.0) * min(1.0, abs(speed) / (0.5 * top))
        rows[n] = *state, 0.0, distance, speed, 0.0
        rows[n, 6] = 0.45 * {"left": 1, "right": -1}.get(word, 0) if subject.kind == "car" else 0.0
        words.append(word)
        state[2] += turn / TICKS
        state = moved(state, "", speed, 1 / TICKS)
        distance += speed / TICKS
    return _Path(rows, words)


# --- things ---


def _rest(subject: Subject) -> float:
    """Metres from the ground to the centre at rest."""
    half = HALF[subject.kind]
    return half[0 if subject.lying else 2] * SIZES[subject.size]


def _friction(subject: Subject, speed: float, format: Format) -> float:
    verb, _ = verb_and_way(subject.action)
    if subject.goal == "stop":
        return speed / max(0.55 * format.seconds, 0.2) / 9.81  # it comes to rest after 55% of the clip
    return {"roll": 1.0, "slide": 0.015, "spin": 0.01}.get(verb, 0.6)


def _physics_xml(scene: Scene, frictions: dict[int, float], substep: float) -> str:
    bodies = []
    for n, subject in enumerate(scene.subjects):
        scale = SIZES[subject.size]
        half = [v * scale for v in HALF[subject.kind]]
        if subject.kind not in RIGID:
            box = " ".join(f"{v:.4f}" for v in half)
            bodies.append(f'<body name="{n}" mocap="true"><geom name="{n}" type="box" size="{box}" pos="0 0 {half[2]:.4f}" friction=".3" solref="-9000 -60"/></body>')
            continue
        shape = {
            "ball": f'type="sphere" size="{half[0]}"', "cube": f'type="box" size="{half[0]} {half[1]} {half[2]}"',
            "cylinder": f'type="cylinder" size="{half[0]} {half[2]}"', "cone": f'type="mesh" mesh="cone{n}"',
        }.get(subject.kind, f'type="cylinder" size="{half[0]} {half[2]}"')  # fmt: skip
        bodies.append(
            f'<body name="{n}"><freejoint/><geom name="{n}" {shape} density="100" condim="6" priority="1" '
            f'friction="{frictions[n]:.5f} .004 .0005" solref="-9000 {-22 if subject.kind == "ball" else -40}"/></body>'
        )
    walls = "".join(
        f'<geom type="box" size="{1.75 * p.scale} {0.18 * p.scale} {1.75 * p.scale}" pos="{p.position[0]} {p.position[1]} {1.75 * p.scale}"/>'
        for p in scene.props
        if p.kind == "wall"
    )
    meshes = "".join(
        f'<mesh name="cone{n}" builtin="cone" params="28 0" scale="{HALF["cone"][0] * SIZES[s.size]} {HALF["cone"][1] * SIZES[s.size]} {HALF["cone"][2] * SIZES[s.size]}"/>'
        for n, s in enumerate(scene.subjects)
        if s.kind == "cone"
    )
    return f"""<mujoco><option timestep="{substep!r}" gravity="0 0 {-scene.gravity}"/><asset>{meshes}</asset><worldbody>
      <geom type="plane" size="0 0 .1" friction=".02 .001 .0001" solref="-9000 -22"/>{walls}{"".join(bodies)}</worldbody></mujoco>"""


def _physics(scene: Scene, format: Format, paths: dict[int, _Path]) -> tuple[dict[int, Motion], tuple[tuple[int, int, float], ...]]:
    try:
        import mujoco
    except ImportError as error:
        raise RuntimeError("the diorama needs MuJoCo: pip install 'reverie[worlds]'") from error
    things = [n for n, s in enumerate(scene.subjects) if s.kind in RIGID]
    courses = {n: _course(scene, n, format) for n in things}
    per_frame = math.ceil(1 / format.fps / SUBSTEP - 1e-9)
    substep = 1 / format.fps / per_frame
    model = mujoco.MjModel.from_xml_string(_physics_xml(scene, {n: _friction(scene.subjects[n], courses[n][2], format) for n in things}, substep))
    data = mujoco.MjData(model)
    impulses = []
    for n in things:
        impulse = _start(mujoco, model, data, scene, n, courses[n], format)
        if impulse:
            impulses.append(impulse)
    _carry(model, data, paths, 0.0)
    mujoco.mj_forward(model, data)
    frames: list[tuple[np.ndarray, np.ndarray]] = []
    contacts: dict[tuple[int, int], float] = {}
    owner = {model.geom(str(n)).id: n for n in range(len(scene.subjects))}
    for frame in range(format.num_frames):
        goal = frame * per_frame
        while (now := round(data.time / substep)) < goal:
            for impulse in [i for i in impulses if i[0] <= now]:
                data.qvel[impulse[1]] += impulse[2]
                impulses.remove(impulse)
            if len(scene.subjects) == 1:
                mujoco.mj_step(model, data, min([goal, *(i[0] for i in impulses)]) - now)
                continue
            _carry(model, data, paths, data.time)
            mujoco.mj_step(model, data)
            for a, b in data.contact.geom:
                if a in owner and b in owner:
                    contacts.setdefault((min(owner[a], owner[b]), max(owner[a], owner[b])), float(data.time))
        _carry(model, data, paths, frame / format.fps)
        mujoco.mj_forward(model, data)
        frames.append((data.xpos.copy(), data.xmat.copy()))
    moves = {}
    for n in things:
        body = model.body(str(n)).id
        positions, rotations = np.array([f[0][body] for f in frames]), np.array([f[1][body].reshape(3, 3) for f in frames])
        physics = {"scale": SIZES[scene.subjects[n].size], "mass": float(model.body_mass[body]), "friction": float(model.geom_friction[model.geom(str(n)).id, 0])}
        moves[n] = Motion(positions, rotations, tuple(Gait() for _ in frames), (), physics)
    return moves, tuple((a, b, round(t, 4)) for (a, b), t in sorted(contacts.items()))


def _carry(model, data, paths: dict[int, _Path], time: float) -> None:  # type: ignore[no-untyped-def]
    """Put the figures' boxes where they are at `time`."""
    for n, path in paths.items():
        row = path.at(time)
        mocap = model.body(str(n)).mocapid[0]
        data.mocap_pos[mocap] = row[0], row[1], row[3]
        data.mocap_quat[mocap] = math.cos(row[2] / 2), 0, 0, math.sin(row[2] / 2)


def _start(mujoco, model, data, scene: Scene, number: int, course: tuple[float, float, float], format: Format):  # type: ignore[no-untyped-def]
    """Put a thing where it starts with its velocities; returns its jump as (step, degree of freedom, metres per second), if it jumps."""
    subject = scene.subjects[number]
    _, high = visible(format)
    verb, way = verb_and_way(subject.action)
    joint = model.body(str(number)).jntadr[0]
    at, dof = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
    x, y, speed = course
    scale = SIZES[subject.size]
    yaw = math.radians(DIRECTIONS[way]) if verb == "roll" else math.radians(subject.heading)
    rotation = turned("z", yaw) @ (turned("x", math.pi / 2) if subject.lying else np.eye(3))
    drop = subject.height * high if verb == "fall" else 0.0
    data.qpos[at : at + 3] = x, y, _rest(subject) + drop
    turn = np.empty(4)
    mujoco.mju_mat2Quat(turn, rotation.ravel())
    data.qpos[at + 3 : at + 7] = turn
    if way:
        direction = np.array([math.cos(math.radians(DIRECTIONS[way])), math.sin(math.radians(DIRECTIONS[way])), 0.0])
        data.qvel[dof : dof + 3] = speed * direction
        if verb == "roll":
            axis = np.array([-direction[1], direction[0], 0.0])
            data.qvel[dof + 3 : dof + 6] = rotation.T @ (axis * speed / (HALF[subject.kind][0] * scale))
    if verb == "spin":
        data.qvel[dof + 3 : dof + 6] = rotation.T @ np.array([0, 0, (1.8 + 1.4 * subject.vigour) * (1 if subject.heading > 0 else -1)])
    if verb == "jump":
        return round(subject.moment * 0.3 * format.seconds / model.opt.timestep), dof + 2, math.sqrt(2 * scene.gravity * (0.22 + 0.14 * subject.vigour) * high)
    return None
