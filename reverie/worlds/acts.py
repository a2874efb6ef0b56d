"""Acts that change the world for good: thirteen small plays, each with its state per frame and with causes strictly before effects.

`perform` plays an act in a format: a Take to be filmed, what caused what, and the events that are clear enough to be told. What is free moves by rigid-body
physics (MuJoCo); gears turn in the exact ratio of their teeth; burger, candle, brush and lamp follow a plan. What `state` and `level` of a subject mean is in docs/worlds.md.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from reverie.randomness import generator
from reverie.worlds.drawing import ABSENT, DARK, Gait, Sketch, shade, turned
from reverie.worlds.figures import HALF, SIZES, paint
from reverie.worlds.filming import Take
from reverie.worlds.menagerie import BROWN, CHEESE, CREAM, SLICES, STEEL, cup_walls
from reverie.worlds.motion import SPEEDS, Motion, simulate, visible
from reverie.worlds.rig import Frames, Rig, free, quat, words
from reverie.worlds.scene import Cause, Event, Format, Scene, Subject

LAG = 0.03  # seconds from a planned cause to its effect


@dataclass
class Played:
    """An act as it was played."""

    take: Take
    causes: list[Cause] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def perform(scene: Scene, format: Format) -> Played:
    """Play the act that the scene's plot names. A pure function of scene and format."""
    return ACTS[scene.plot](scene, format)


def _moved(frames: Frames, subject: Subject, extras: tuple[Sketch, ...] = (), state: tuple[str, ...] = (), level: tuple[float, ...] = (), gaits: tuple[Gait, ...] = ()) -> Motion:
    return Motion(frames[0], frames[1], gaits or tuple(Gait() for _ in frames[0]), (), {"scale": SIZES[subject.size]}, extras, state, level)


def _still(at: tuple[float, float, float], heading: float, count: int) -> Frames:
    return np.tile(np.array(at, float), (count, 1)), np.tile(turned("z", math.radians(heading)), (count, 1, 1))


def _roller(name: str, subject: Subject, x: float, y: float) -> tuple[str, float]:
    """(a ball that is to roll, its radius)."""
    radius = HALF["ball"][0] * SIZES[subject.size]
    return free(name, (x, y, radius), f'type="sphere" size="{radius}" density="160"'), radius


def _blocks(bodies: list[Frames], halves: list[np.ndarray], colours: list[tuple[float, ...]], painted: bool = True) -> tuple[Sketch, ...]:
    sketches = []
    for t in range(len(bodies[0][0])):
        s = Sketch()
        for (places, turns), half, colour in zip(bodies, halves, colours, strict=True):
            s.add("box", tuple(half), places[t], colour, turns[t], painted)
        sketches.append(s)
    return tuple(sketches)


def _event(kind: str, n: int, start: float, end: float, other: str = "") -> Event:
    return Event(kind=kind, subject=n, other=other, start=round(float(start), 4), end=round(float(max(start, end)), 4))


def _fell(places: np.ndarray) -> bool:
    """Whether a track [T 3] comes down from high enough to be called a fall."""
    return bool(places[0, 2] > 1.6 and places[0, 2] - places[:, 2].min() > 0.85)


def _cause(n: int, cause: str, time: float, effect: str, effect_time: float) -> Cause:
    return Cause(subject=n, cause=cause, time=round(float(time), 4), effect=effect, effect_time=round(float(effect_time), 4))


# --- what breaks and falls ---


def _shatter(scene: Scene, format: Format) -> Played:
    """A glass thing falls and breaks at the step after it met the ground; its pieces stay."""
    (subject,), rng = scene.subjects, generator(scene.seed, scene.index, 51)
    _, high = visible(format)
    half = np.array(HALF[subject.kind]) * SIZES[subject.size] * 0.92
    turn = turned("z", math.radians(subject.heading)) @ turned("x", 0.5 * subject.vigour) @ turned("y", 0.4)
    drop = min(subject.height * high, 4.9 * (0.55 * max(format.seconds, 0.1)) ** 2 + 0.4)
    shape = (
        f'type="sphere" size="{half[0]}"'
        if subject.kind == "ball"
        else f'type="{"box" if subject.kind == "cube" else "cylinder"}" size="{half[0]} {words(half[1:]) if subject.kind == "cube" else half[2]}"'
    )
    whole = Rig(scene, format, free("whole", (subject.at, subject.lane, drop + half.max() * 1.2), shape, turn))
    poses, broke = whole.run(each=lambda time: whole.touching("whole", "world"))
    frames, count = poses["whole"], format.num_frames
    if len(frames[0]) == count:
        return Played(Take([_moved(frames, subject, state=("whole",) * count, level=(0.0,) * count)]))
    at, turn, velocity = whole.data.body("whole").xpos.copy(), whole.data.body("whole").xmat.reshape(3, 3).copy(), whole.data.body("whole").cvel[3:].copy()
    cuts = [np.concatenate([[-1], np.sort(rng.uniform(-0.6, 0.6, 2)), [1]]) for _ in range(3)]
    bodies, halves, speeds = "", [], []
    for n, (i, j, k) in enumerate((i, j, k) for i in range(3) for j in range(3) for k in range(3)):
        low, top = (np.array([c[m + o] for c, m in zip(cuts, (i, j, k), strict=True)]) for o in (0, 1))
        size = np.maximum((top - low) / 2, 0.08) * half * (0.75 if subject.kind == "ball" else 0.93)
        centre = at + turn @ ((low + top) / 2 * half * 0.9)
        centre[2] = max(centre[2], np.abs(turn[2]) @ size + 0.005)
        bodies += free(f"p{n}", centre, f'type="box" size="{words(size)}"', turn)
        halves.append(size)
        away = centre - at + rng.normal(0, 0.12, 3)
        speeds.append(velocity * [0.4, 0.4, -0.12] + away / max(np.linalg.norm(away), 0.1) * rng.uniform(0.5, 2.2) + [0, 0, 0.7])
    pieces = Rig(scene, format, bodies)
    for n, speed in enumerate(speeds):
        pieces.put(f"p{n}", speed, rng.normal(0, 4, 3))
    first = broke + 1
    later, _ = pieces.run(first)
    late = [later[f"p{n}"] for n in range(27)]
    before, after = count - len(late[0][0]), len(late[0][0])
    gone = np.tile(ABSENT, (before, 1)), np.tile(np.eye(3), (before, 1, 1))
    joined = [(np.concatenate([gone[0], p]), np.concatenate([gone[1], r])) for p, r in late]
    middle = np.mean([p for p, _ in late], 0) if after else np.zeros((0, 3))
    track = np.concatenate([frames[0][:before], middle]), np.concatenate([frames[1][:before], np.tile(np.eye(3), (after, 1, 1))])
    spread = [0.0] * before + [float(np.linalg.norm([p[t] - middle[t] for p, _ in late], axis=1).max()) for t in range(after)]
    hit, broken = broke * whole.substep, first * whole.substep
    colour = paint(subject.colour, subject.material)
    motion = _moved(
        track, subject, _blocks(joined, halves, [colour] * 27), ("whole",) * before + ("broken",) * after, tuple(spread),
        tuple(Gait(level=1.0 if t < before else 0.0) for t in range(count)),
    )  # fmt: skip
    told = ([_event("fall", 0, 0.0, hit)] if _fell(track[0]) else []) + ([_event("shatter", 0, broken, format.seconds)] if after >= 2 and spread[-1] > 0.5 else [])
    return Played(Take([motion]), [_cause(0, "hits the ground", hit, "shatters", broken)], told)


def _struck(scene: Scene, format: Format, bodies: str, names: list[str], x: float, speed: float) -> tuple[dict[str, Frames], float, float]:
    """A ball (subject 0) rolls from the left into bodies: (poses, seconds of the first touch or -1, its radius)."""
    ball, radius = _roller("ball", scene.subjects[0], x, scene.subjects[0].lane)
    rig = Rig(scene, format, ball + bodies)
    rig.put("ball", np.array([speed, 0, 0]), np.array([0, speed / radius, 0]))
    touch = [-1.0]

    def each(time: float) -> bool:
        if touch[0] < 0 and rig.touching("ball", *names):
            touch[0] = time
        return False

    return rig.run(each=each)[0], touch[0], radius


def _tower(scene: Scene, format: Format) -> Played:
    """A ball rolls into a tower of five blocks."""
    ball, tower = scene.subjects
    half, x = 0.29 * SIZES[tower.size] / 0.9, 0.75
    names = [f"b{n}" for n in range(5)]
    bodies = "".join(free(name, (x + 0.03 * (-1) ** n, ball.lane, half * (2 * n + 1)), f'type="box" size="{half} {half} {half}" density="55"') for n, name in enumerate(names))
    start = x - half - HALF["ball"][0] * SIZES[ball.size]
    speed = 2.3 + 0.9 * ball.vigour
    way = min(1.5, 0.4 * format.seconds * speed)
    poses, touch, _ = _struck(scene, format, bodies, names, start - way, speed)
    colour = paint(tower.colour, tower.material)
    blocks = [poses[name] for name in names]
    height = blocks[-1][0][:, 2] + half  # of the block that was on top
    fallen = np.flatnonzero(height < 0.6 * height[0])
    state = tuple("standing" if t not in fallen else "fallen" for t in range(format.num_frames))
    places = np.mean([p for p, _ in blocks], 0), np.tile(np.eye(3), (format.num_frames, 1, 1))
    tones = [colour if n % 2 == 0 else shade(colour, 0.7) for n in range(5)]
    take = Take(
        [_moved(poses["ball"], ball), _moved(places, tower, _blocks(blocks, [np.full(3, half)] * 5, tones), state, tuple(height))], ((0, 1, round(touch, 4)),) if touch > 0 else ()
    )
    if not len(fallen) or touch < 0:
        return Played(take)
    begin = max(fallen[0] / format.fps, touch + LAG)
    first = np.flatnonzero(height < height[0] - 0.05)[0] / format.fps
    return Played(take, [_cause(1, "is hit by subject 0", touch, "topples", max(first, touch + LAG))], [_event("topple", 1, max(first, touch + LAG), max(begin, first))])


def _chain(scene: Scene, format: Format) -> Played:
    """A ball rolls into the first of eight dominoes."""
    ball, row = scene.subjects
    half, gap, x = np.array([0.09, 0.32, 0.62]) * SIZES[row.size] / 0.95, 0.42, -0.95
    names = [f"d{n}" for n in range(8)]
    bodies = "".join(free(name, (x + gap * n, ball.lane, half[2]), f'type="box" size="{words(half)}"') for n, name in enumerate(names))
    speed = 1.3 + 0.5 * ball.vigour
    way = min(0.8, 0.3 * format.seconds * speed)
    poses, touch, _ = _struck(scene, format, bodies, names, x - half[0] - HALF["ball"][0] * SIZES[ball.size] - way, speed)
    pieces = [poses[name] for name in names]
    down = np.array([[abs(r[t][2, 2]) < 0.75 for _, r in pieces] for t in range(format.num_frames)])
    count = down.sum(1)
    colour = paint(row.colour, row.material)
    state = tuple("standing" if c == 0 else "falling" if c < 8 else "fallen" for c in count)
    places = np.mean([p for p, _ in pieces], 0), np.tile(np.eye(3), (format.num_frames, 1, 1))
    extras = _blocks(pieces, [half] * 8, [colour if n % 2 == 0 else shade(colour, 0.75) for n in range(8)])
    take = Take([_moved(poses["ball"], ball), _moved(places, row, extras, state, tuple(float(c) for c in count))], ((0, 1, round(touch, 4)),) if touch > 0 else ())
    times = [float(np.flatnonzero(down[:, n])[0]) / format.fps for n in range(8) if down[:, n].any()]
    if touch < 0 or not times:
        return Played(take)
    causes = [_cause(1, "is hit by subject 0", touch, "domino 1 falls", max(times[0], touch + LAG))]
    causes += [_cause(1, f"domino {n} falls", a, f"domino {n + 1} falls", b) for n, (a, b) in enumerate(itertools.pairwise(times), 1) if b > a]
    return Played(take, causes, [_event("chain", 1, max(times[0], touch + LAG), times[-1])] if len(set(count)) >= 4 and count[-1] >= 5 else [])


def _tilt(scene: Scene, format: Format) -> Played:
    """A cube falls on the upper end of a seesaw."""
    cube, seesaw = scene.subjects
    side, half, drop = 0.36, 1.75, min(1.9, 4.9 * (0.5 * max(format.seconds, 0.1)) ** 2)
    lean = math.radians(13)
    scale = SIZES[cube.size]
    end = 1.3
    z = 0.62 + end * math.sin(lean) + HALF["cube"][0] * scale + 0.12 + drop
    plank = (
        f'<body name="plank" pos="0 {cube.lane} .62"><joint name="h" type="hinge" axis="0 1 0" limited="true" range="-13.5 13.5" damping=".6"/>'
        f'<geom type="box" size="{half} .42 .06" friction="1.2 .01 .001"/><geom type="box" pos="{-half + side} 0 .3" size="{side * 0.8} .3 .24" density="60"/></body>'
    )
    rig = Rig(scene, format, plank + free("cube", (end, cube.lane, z), f'type="box" size="{words(np.array(HALF["cube"]) * scale)}" density="130" friction="1.2 .01 .001"'))
    rig.data.qpos[0] = -lean
    touch = [-1.0]

    def each(time: float) -> bool:
        if touch[0] < 0 and rig.touching("cube", "plank"):
            touch[0] = time
        return False

    poses, _ = rig.run(each=each)
    places, turns = poses["plank"]
    angle = np.degrees(np.arcsin(np.clip(-turns[:, 2, 0], -1, 1)))  # positive: the right end is down
    colour = paint(seesaw.colour, seesaw.material)
    extras = []
    for t in range(format.num_frames):
        s = Sketch()
        s.add("box", (half, 0.42, 0.06), places[t], colour, turns[t], True)
        s.add("box", (side * 0.8, 0.3, 0.24), places[t] + turns[t] @ [-half + side, 0, 0.3], STEEL, turns[t])
        s.add("roof", (0.5, 0.4, 0.3), (0, cube.lane, 0.28), shade(colour, 0.6), turned("z", math.pi / 2))
        extras.append(s)
    state = tuple("left down" if a < -3 else "right down" if a > 3 else "level" for a in angle)
    take = Take([_moved(poses["cube"], cube), _moved((places, turns), seesaw, tuple(extras), state, tuple(angle))], ((0, 1, round(touch[0], 4)),) if touch[0] > 0 else ())
    risen = np.flatnonzero(angle > angle[0] + 1.5)
    risen = risen[risen / format.fps > touch[0]]
    if touch[0] < 0 or not len(risen) or angle.max() < 4 or state[0] != "left down":
        return Played(take, [], [])
    fell = [_event("fall", 0, 0.0, touch[0])] if _fell(poses["cube"][0]) else []
    return Played(
        take, [_cause(1, "is hit by subject 0", touch[0], "tilts", risen[0] / format.fps)], [*fell, _event("tilt", 1, risen[0] / format.fps, float(angle.argmax()) / format.fps)]
    )


# --- precise mechanics ---


def _swing(scene: Scene, format: Format) -> Played:
    """A pendulum without friction on a hinge."""
    (subject,) = scene.subjects
    length, top, scale = 2.1, 3.1, SIZES[subject.size]
    begin = math.radians(22 + 34 * subject.vigour) * (1 if subject.heading > 0 else -1)
    radius = 0.42 * scale
    rig = Rig(
        scene,
        format,
        f'<body name="bob" pos="0 {subject.lane} {top}"><joint type="hinge" axis="0 1 0"/><geom type="sphere" pos="0 0 {-length}" size="{radius}" contype="0" conaffinity="0"/></body>',
    )
    rig.data.qpos[0] = begin
    turns = rig.run()[0]["bob"][1]
    angle = np.degrees(np.arctan2(turns[:, 0, 2], turns[:, 2, 2]))
    pivot = np.array([subject.at, subject.lane, top])
    bob = pivot + turns @ np.array([0, 0, -length])
    extras = []
    for t in range(format.num_frames):
        s = Sketch()
        for x in (-1.5, 1.5):
            s.limb((pivot[0] + x, subject.lane + 0.5, 0), (pivot[0] + x * 0.9, subject.lane + 0.5, top), 0.065, BROWN, shape="box")
        s.add("box", (1.45, 0.08, 0.08), pivot + [0, 0.5, 0], BROWN)
        s.limb(pivot + [0, 0.5, 0], pivot - [0, 0.1, 0], 0.05, DARK, shape="box")
        s.limb(pivot, bob[t], 0.035, STEEL, shape="box")
        s.ball(bob[t], radius, paint(subject.colour, subject.material), True)
        extras.append(s)
    motion = _moved((bob, turns), subject, tuple(extras), ("swinging",) * format.num_frames, tuple(angle))
    return Played(Take([motion]), [], [_event("swing", 0, 0.0, format.seconds)] if angle.min() < -6 and angle.max() > 6 else [])


def _gears(scene: Scene, format: Format) -> Played:
    """Two gears that mesh: their angles are in the inverse ratio of their teeth, exactly."""
    first, _second = scene.subjects
    rng = generator(scene.seed, scene.index, 52)
    teeth = int(rng.integers(8, 15)), int(rng.integers(8, 15))
    module = 2.5 / sum(teeth)  # metres of radius per tooth
    rate = (0.6 + 0.9 * first.vigour) * (1 if first.heading > 0 else -1)
    times = np.arange(format.num_frames) / format.fps
    angles = [rate * times, -rate * times * teeth[0] / teeth[1] + math.pi / teeth[1] * (1 + teeth[1] % 2)]
    centre = [np.array([-module * teeth[1], first.lane, 1.75]), np.array([module * teeth[0], first.lane, 1.75])]
    motions = []
    for n, (subject, count, angle) in enumerate(zip(scene.subjects, teeth, angles, strict=True)):
        colour, radius, extras = paint(subject.colour, subject.material), module * count, []
        turns = np.array([turned("y", a) for a in angle])
        for turn in turns:
            s = Sketch()
            s.add("cylinder", (radius * 0.9, radius * 0.9, 0.14), centre[n], colour, turn @ turned("x", math.pi / 2), True)
            s.add("cylinder", (radius * 0.22, radius * 0.22, 0.17), centre[n], STEEL, turn @ turned("x", math.pi / 2))
            for k in range(count):
                spoke = turn @ turned("y", 2 * math.pi * k / count)
                s.add("box", (module * 1.0, 0.14, module * 0.62), centre[n] + spoke @ [radius, 0, 0], colour if k else shade(colour, 0.55), spoke)
            for k in range(4):
                spoke = turn @ turned("y", math.pi / 4 + math.pi * k / 2)
                s.add("cylinder", (radius * 0.17, radius * 0.17, 0.15), centre[n] + spoke @ [radius * 0.55, 0, 0], shade(colour, 0.6), spoke @ turned("x", math.pi / 2))
            s.limb(centre[n] + [0, 0.3, 0], (centre[n][0], first.lane + 0.3, 0), 0.075, BROWN, shape="box")
            extras.append(s)
        places = np.tile(centre[n], (format.num_frames, 1)), turns
        motions.append(_moved(places, subject, tuple(extras), ("turning",) * format.num_frames, tuple(np.degrees(angle - angle[0]))))
    if abs(rate) * format.seconds < 0.3:
        return Played(Take(motions))
    return Played(Take(motions), [], [_event("rotate", n, 0.0, format.seconds) for n in (0, 1)] + [_event("mesh", 0, 0.0, format.seconds, "subject 1")])


# --- what is left behind ---


def _track(scene: Scene, format: Format) -> Played:
    """A ball rolls through snow; a groove stays where it was."""
    (subject,) = scene.subjects
    motions, _ = simulate(scene, format)
    motion, radius, gap = motions[0], HALF["ball"][0] * SIZES[subject.size], 0.11
    path = motion.positions[:, :2]
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    count = max(1, min(90, int(way[-1] / gap)))
    marks = gap * np.arange(count)
    spots = np.stack([np.interp(marks, way, path[:, k]) for k in (0, 1)], 1)
    laid = way[:, None] >= marks + 0.6 * gap  # the ball's middle is past a mark before it is there
    effects = []
    for t in range(format.num_frames):
        s = Sketch()
        for n, (x, y) in enumerate(spots):
            s.add("box", (0.5 * gap, 0.5 * radius, 0.012), (x, y, 0.004) if laid[t, n] else ABSENT, ((0.42, 0.49, 0.66), (0.58, 0.64, 0.78))[n % 3 == 0])
        effects.append(s)
    level = gap * laid.sum(1)
    took = [np.interp(m, way, np.arange(format.num_frames)) / format.fps for m in (0.3, 0.3 + 0.6 * gap)] if way[-1] > 1 else []
    told = [_event("track", 0, took[1], format.seconds)] if took and level[-1] > 0.8 else []
    motion = Motion(motion.positions, motion.rotations, motion.gaits, (), motion.physics, (), ("rolling",) * format.num_frames, tuple(level))
    return Played(Take([motion], effects=tuple(effects)), [_cause(0, "presses the snow", took[0], "leaves a track", took[1])] if told else [], told)


def _dust(scene: Scene, format: Format) -> Played:
    """Running feet raise dust, which drifts up and is gone after a second."""
    (_subject,), rng = scene.subjects, generator(scene.seed, scene.index, 53)
    motion = simulate(scene, format)[0][0]
    fine = np.arange(0, format.seconds + 1e-9, 0.02)
    rows = np.stack([np.interp(fine, np.arange(format.num_frames) / format.fps, motion.positions[:, k]) for k in (0, 1)], 1)
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(rows, axis=0), axis=1))])
    steps = [float(fine[np.searchsorted(way, d)]) for d in np.arange(0.25, way[-1] - 0.05, 0.5)]  # seconds at which a foot comes down
    puffs = []
    for time in steps[:30]:
        x, y = (float(np.interp(time, fine, rows[:, k])) for k in (0, 1))
        puffs += [
            (time + LAG, np.array([x, y, 0.08]) + rng.normal(0, [0.14, 0.12, 0.02]), rng.uniform([-0.15, -0.1, 0.3], [0.15, 0.1, 0.9]), rng.uniform(0.15, 0.3)) for _ in range(4)
        ]
    effects = []
    for t in range(format.num_frames):
        s, now = Sketch(), t / format.fps
        for begin, at, drift, size in puffs:
            s.add("haze:ellipsoid", (size, size, size * 0.8), at + drift * (now - begin) if begin < now < begin + 1.0 else ABSENT, (0.93, 0.86, 0.72))
        effects.append(s)
    level = tuple(float(sum(time + LAG < t / format.fps for time in steps)) for t in range(format.num_frames))
    motion = Motion(motion.positions, motion.rotations, motion.gaits, (), motion.physics, (), ("running",) * format.num_frames, level)
    told = [_event("dust", 0, steps[0] + LAG, format.seconds)] if level[-1] >= 3 else []
    return Played(Take([motion], effects=tuple(effects)), [_cause(0, "steps on the ground", time, "raises dust", time + LAG) for time in steps[:30]], told)


def _paint(scene: Scene, format: Format) -> Played:
    """A brush goes over a canvas on an easel; its strokes stay."""
    (subject,) = scene.subjects
    count, y, length = 44, subject.lane + 0.5, format.seconds
    rows, turns = 3, turned("x", 0.9) @ turned("y", 0.35)

    def tip(share: np.ndarray) -> np.ndarray:
        """The tip at shares of the way: along three rows, there and back."""
        place = np.clip(share, 0, 1) * rows
        row = np.minimum(place.astype(int), rows - 1)
        x = (place - row) * 2 - 1
        return np.stack([1.05 * np.where(row % 2, -x, x), np.full(place.shape, y - 0.1), 2.45 - 0.5 * (row + np.clip((place - row - 0.9) * 10, 0, 1)) + 0.1 * np.sin(9 * x)], -1)

    times = np.arange(format.num_frames) / format.fps
    share = times / max(length, 1e-6) * 0.97
    places, marks = tip(share), np.linspace(0, 1, count)
    spots = tip(marks)
    colour = paint(subject.colour, "shiny")
    laid = share[:, None] > marks + 0.012
    extras, effects = [], []
    for t in range(format.num_frames):
        s, easel = Sketch(), Sketch()
        bristle = places[t]
        s.limb(bristle + turns @ [0, 0, 0.35], bristle + turns @ [0, 0, 1.5], 0.08, (0.72, 0.50, 0.26))
        s.limb(bristle + turns @ [0, 0, 0.22], bristle + turns @ [0, 0, 0.4], 0.11, STEEL)
        s.limb(bristle + turns @ [0, 0, 0.05], bristle + turns @ [0, 0, 0.22], 0.13, colour)
        easel.add("box", (1.45, 0.03, 1.0), (0, y, 1.95), CREAM)
        easel.add("box", (1.52, 0.03, 1.07), (0, y + 0.03, 1.95), BROWN)
        for x in (-1.1, 1.1):
            easel.limb((x, y + 0.1, 0), (x * 0.7, y + 0.1, 3.2), 0.055, BROWN, shape="box")
        easel.add("box", (1.5, 0.12, 0.05), (0, y, 0.9), BROWN)
        for n in range(count):
            easel.add("ellipsoid", (0.13, 0.02, 0.12), np.array([spots[n, 0], y - 0.03, spots[n, 2]]) if laid[t, n] else ABSENT, colour)
        extras.append(s)
        effects.append(easel)
    level = tuple(float(v) for v in laid.sum(1) * 6.0 / count)
    motion = _moved((places, np.tile(turns, (format.num_frames, 1, 1))), subject, tuple(extras), ("painting",) * format.num_frames, level)
    touch, stroke = (v / 0.97 * length for v in (0.0, 0.012))
    told = [_event("paint", 0, stroke, length)] if level[-1] - level[0] > 1 and format.num_frames > 3 else []
    return Played(Take([motion], effects=tuple(effects)), [_cause(0, "touches the canvas", touch, "leaves a stroke", stroke)] if told else [], told)


# --- what is used up, spilled, lit ---


def _walker(subject: Subject, xs: np.ndarray, y: float, fps: float) -> Motion:
    """A figure that is at (x, y) in every frame and faces along x, with the gait that goes with it."""
    scale, way = SIZES[subject.size], np.concatenate([[0], np.cumsum(np.diff(xs))])
    speed = np.gradient(xs) * fps if len(xs) > 1 else np.zeros(1)
    gaits = tuple(Gait(distance=d / scale, speed=v / scale if abs(v) > 0.05 else 0.0, time=t / fps, manner=subject.manner) for t, (d, v) in enumerate(zip(way, speed, strict=True)))
    side = 0.0 if subject.action.endswith("right") else 180.0
    return Motion(np.stack([xs, np.full(len(xs), y), np.zeros(len(xs))], 1), np.tile(turned("z", math.radians(side)), (len(xs), 1, 1)), gaits, (), {"scale": scale})


def _eat(scene: Scene, format: Format) -> Played:
    """A monster or an animal takes bites of a burger; with each of them a slice is gone."""
    eater, burger = scene.subjects
    reach = (HALF[eater.kind][0] * SIZES[eater.size]) + HALF["burger"][0] * SIZES[burger.size]
    bites = max(1, min(SLICES - 1, int(format.seconds / 0.5)))
    times = np.arange(format.num_frames) / format.fps
    moments = [format.seconds * (n + 0.6) / (bites + 0.4) for n in range(bites)]
    lunge = np.max([np.exp(-(((times - m) / 0.11) ** 2)) for m in moments], 0) if format.seconds else np.zeros(1)
    side = 1 if eater.action.endswith("right") else -1
    x = 0.55 * side
    xs = x - side * (reach + 0.28 - 0.36 * lunge)
    slices = np.array([SLICES - sum(t > m + LAG for m in moments) for t in times])
    state = tuple("whole" if n == SLICES else "bitten" for n in slices)
    at = _still((x, eater.lane, HALF["burger"][2] * SIZES[burger.size]), 0.0 if side < 0 else 180.0, format.num_frames)
    meal = _moved(at, burger, (), state, tuple(n / SLICES for n in slices), tuple(Gait(level=n / SLICES) for n in slices))
    played = Played(Take([_walker(eater, xs, eater.lane, format.fps), meal]), [_cause(1, "is bitten by subject 0", m, "has a slice less", m + LAG) for m in moments])
    if slices[-1] <= SLICES - 3:
        played.events = [_event("bite", 0, moments[0], moments[-1], "subject 1"), _event("eaten", 1, moments[0] + LAG, format.seconds)]
    return played


def _melt(scene: Scene, format: Format) -> Played:
    """A candle burns down in the dark; its light follows a little later."""
    (subject,) = scene.subjects
    times = np.arange(format.num_frames) / format.fps
    low, begin = 0.1 + 0.35 * subject.vigour, 0.1 * format.seconds
    lag = max(0.08 * format.seconds, LAG)

    def left(t: np.ndarray | float) -> np.ndarray:
        return 1 - (1 - low) * np.clip((t - begin) / max(0.85 * format.seconds - begin, 1e-6), 0, 1)

    level, light = left(times), left(times - lag)
    scale = SIZES[subject.size]
    gaits = tuple(Gait(level=float(v), time=float(t)) for v, t in zip(level, times, strict=True))
    motion = _moved(_still((subject.at, subject.lane, 0.0), subject.heading, format.num_frames), subject, (), ("burning",) * format.num_frames, tuple(level), gaits)
    flame = [np.array([subject.at, subject.lane - 0.35, 0.3 + scale * (0.45 + 1.6 * float(v))]) for v in level]
    glows = tuple(((at, (0.95 * float(v), 0.62 * float(v), 0.28 * float(v))),) for at, v in zip(flame, light, strict=True))
    bright = tuple(round(float(0.25 + 0.75 * v), 4) for v in light)
    told = [_event("melt", 0, begin, 0.85 * format.seconds)] if level[0] - level[-1] > 0.25 else []
    return Played(Take([motion], brightness=bright, glows=glows), [_cause(0, "melts", begin, "its light dims", begin + lag)] if told else [], told)


def _spill(scene: Scene, format: Format) -> Played:
    """A ball rolls against a cup; it tips over; then its grains run out."""
    ball, cup = scene.subjects
    scale, rng = SIZES[cup.size], generator(scene.seed, scene.index, 54)
    grains, small, x = 30, 0.13, 0.25
    speed = 2.0 + 0.8 * ball.vigour
    radius = HALF["ball"][0] * SIZES[ball.size]
    way = min(1.3, 0.3 * format.seconds * speed)
    foot = np.array([x + 0.56 * scale, ball.lane, 0.0])  # the edge about which it tips
    walls = "".join(f'<geom type="box" pos="{words(p * scale)}" quat="{words(quat(r))}" size="{words(np.array(s) * scale)}"/>' for p, s, r in cup_walls())
    walls += f'<geom type="cylinder" pos="0 0 {-0.6 * scale}" size="{0.52 * scale} {0.05 * scale}"/>'
    middle = np.array([x, ball.lane, 0.66 * scale])
    bodies = f'<body name="cup" mocap="true" pos="{words(middle)}">{walls}</body>' + _roller("ball", ball, x - 0.58 * scale - radius - way, ball.lane)[0]
    for n in range(grains):
        layer, k = divmod(n, 6)  # five in a ring and one in the middle, turned from layer to layer, so that none overlap
        r, a = (0.0 if k == 5 else 0.275), 2 * math.pi * k / 5 + layer + float(rng.uniform(-0.1, 0.1))
        at = middle + [r * math.cos(a), r * math.sin(a), -0.54 * scale + small + 0.005 + 2.02 * small * layer * 0.95]
        bodies += free(f"g{n}", at, f'type="sphere" size="{small}" condim="3" friction=".4 .005 .0005" solref=".01 1"')
    rig = Rig(scene, format, bodies, warm_up=0.35)
    hit = [-1.0]
    lasts = min(0.55, 0.3 * max(format.seconds, 0.1))

    def pose(time: float) -> tuple[np.ndarray, np.ndarray]:
        share = 0.0 if hit[0] < 0 else min(max((time - hit[0] - LAG) / lasts, 0.0), 1.0)
        turn = turned("y", math.radians(93) * share * share * (3 - 2 * share))
        return foot + turn @ (middle - foot), turn

    def each(time: float) -> bool:
        if hit[0] < 0 and rig.touching("ball", "cup"):
            hit[0] = time
        at, turn = pose(time)
        rig.data.mocap_pos[0], rig.data.mocap_quat[0] = at, quat(turn)
        return False

    for _ in range(round(rig.warm_up / rig.substep)):  # the grains come to rest before the ball moves
        rig.mujoco.mj_step(rig.model, rig.data)
    rig.warm_up = 0.0
    rig.put("ball", np.array([speed, 0, 0]), np.array([0, speed / radius, 0]))
    poses, _ = rig.run(each=each)
    places, turns = poses["cup"]
    out = np.zeros(format.num_frames)
    extras = []
    for t in range(format.num_frames):
        s = Sketch()
        for n in range(grains):
            at = poses[f"g{n}"][0][t]
            local = turns[t].T @ (at - places[t])
            out[t] += local[2] > 0.85 * scale or math.hypot(local[0], local[1]) > 0.7 * scale
            s.ball(at, small, CHEESE if n % 3 else shade(CHEESE, 0.8))
        extras.append(s)
    angle = np.degrees(np.arccos(np.clip(turns[:, 2, 2], -1, 1)))
    state = tuple("upright" if a < 3 else "tipping" if a < 88 else "tipped" for a in angle)
    take = Take([_moved(poses["ball"], ball), _moved(poses["cup"], cup, tuple(extras), state, tuple(out))], ((0, 1, round(hit[0], 4)),) if hit[0] > 0 else ())
    if hit[0] < 0 or state[-1] == "upright":
        return Played(take)
    played = Played(take, [_cause(1, "is hit by subject 0", hit[0], "tips over", hit[0] + LAG)], [_event("tip", 1, hit[0] + LAG, hit[0] + LAG + lasts)])
    spilled = np.flatnonzero(out >= out[0] + 1)
    if len(spilled) and out[-1] - out[0] >= 6:
        begin = max(spilled[0] / format.fps, hit[0] + 2 * LAG)
        played.causes.append(_cause(1, "tips over", hit[0] + LAG, "spills its grains", begin))
        played.events.append(_event("spill", 1, begin, format.seconds))
    return played


def _light(scene: Scene, format: Format) -> Played:
    """A person goes to a lamp in the dark and switches it on."""
    person, lamp = scene.subjects
    side = 1 if person.action.endswith("right") else -1
    x, times = 0.9 * side, np.arange(format.num_frames) / format.fps
    goal = x - side * 1.0 * SIZES[person.size]
    speed = (SPEEDS["walk"][0] + SPEEDS["walk"][1]) / 2 * math.sqrt(SIZES[person.size])
    arrive = 0.5 * format.seconds
    xs = goal - side * np.clip(arrive - times, 0, None) * min(speed, 3.2 / max(arrive, 1e-6))
    pressed = arrive + 0.12 * format.seconds
    lit = times > pressed + LAG
    gaits = tuple(Gait(level=float(v)) for v in lit)
    lamp_motion = _moved(_still((x, person.lane + 0.5, 0.0), 0.0, format.num_frames), lamp, (), tuple("on" if v else "off" for v in lit), tuple(float(v) for v in lit), gaits)
    bulb = np.array([x, person.lane + 0.2, 2.1 * SIZES[lamp.size]])
    glows = tuple(((bulb, (0.9, 0.8, 0.55) if v else (0.0, 0.0, 0.0)),) for v in lit)
    played = Played(Take([_walker(person, xs, person.lane, format.fps), lamp_motion], brightness=tuple(1.15 if v else 0.6 for v in lit), glows=glows))
    if lit[-1] and not lit[0]:
        played.causes = [_cause(1, "is switched on by subject 0", pressed, "lights up", pressed + LAG)]
        played.events = [_event("switch", 0, pressed, pressed, "subject 1"), _event("light_up", 1, pressed + LAG, format.seconds)]
    return played


ACTS: dict[str, Callable[[Scene, Format], Played]] = {
    "shatter": _shatter, "topple": _tower, "chain": _chain, "swing": _swing, "mesh": _gears, "tilt": _tilt, "track": _track, "dust": _dust, "paint": _paint, "eaten": _eat, "melt": _melt,
    "spill": _spill, "light": _light,
}  # fmt: skip
