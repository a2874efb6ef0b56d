"""From a simulated scene to frames and exact facts: boxes, visibility, who hides whom; depth, masks and flow where they are asked for."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from reverie.worlds.cameras import poses_of
from reverie.worlds.drawing import ABSENT, Sketch, turned
from reverie.worlds.figures import CENTRED, HALF, SIZES, paint, sketch
from reverie.worlds.motion import Motion, simulate
from reverie.worlds.scene import Format, Maps, Rows, Scene, Subject, WideScene
from reverie.worlds.sets import backdrop, prop_sketch
from reverie.worlds.stage import FAR, FINE, PLAIN, Parts, Stage, View, joined, outline, placed, stage

CELL = 16  # pixels of a map's cell
SAMPLES = 8  # per side of a cell
SOLO_MARGIN = 2.0  # a subject alone is drawn with a view this many times as wide


@dataclass(frozen=True)
class Take:
    """What is to be filmed: a motion per subject, who touched whom when; per frame perhaps parts that belong to no subject (in the scene's frame), how bright the
    light is, and lamps as (point, colour)."""

    motions: list[Motion]
    contacts: tuple[tuple[int, int, float], ...] = ()
    effects: tuple[Sketch, ...] = ()
    brightness: tuple[float, ...] = ()
    glows: tuple[tuple[tuple[np.ndarray, tuple[float, ...]], ...], ...] = ()


@dataclass(frozen=True)
class Sight:
    """A frame as drawn, for what is done to it afterwards: its number, uint8 [H W 3] pixels, the camera, and what can be asked for: `depth`, float32 [H W] metres along the
    view, and `look`, which draws once more for (per pixel the part: -1 sky, 0 ground; its owner: 0 the set, 1... the subjects, then the props; sharp metres)."""

    frame: int
    pixels: np.ndarray
    view: View
    depth: Callable[[], np.ndarray]
    look: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class _Actor:
    """A subject's parts through the clip: positions [T P 3], rotations [T P 3 3], and points of its outline [T K 3]."""

    parts: Parts
    positions: np.ndarray
    rotations: np.ndarray
    points: np.ndarray


def _actor(subject: Subject, motion: Motion, owner: int) -> _Actor:
    scale = SIZES[subject.size]
    frames = [
        placed(sketch(subject.kind, paint(subject.colour, subject.material), gait), scale, position, rotation, owner, subject.material, subject.colour)
        for gait, position, rotation in zip(motion.gaits, motion.positions, motion.rotations, strict=True)
    ]
    if motion.extras:
        more = [placed(extra, 1.0, np.zeros(3), np.eye(3), owner, subject.material, subject.colour) for extra in motion.extras]
        frames = [joined([own, extra]) for own, extra in zip(frames, more, strict=True)]
    return _acting(frames)


def _acting(frames: list[Parts]) -> _Actor:
    """The same parts in every frame, at their places."""
    positions, rotations = np.array([f.positions for f in frames]), np.array([f.rotations for f in frames])
    points = outline(frames[0].shapes, frames[0].sizes, positions, rotations)
    absent = points[..., 2] < ABSENT[2] / 2
    if absent.any():
        points = np.where(absent[..., None], points[np.arange(len(points)), absent.argmin(1)][:, None], points)
    return _Actor(frames[0], positions, rotations, points)


def _rows(numbers: np.ndarray) -> Rows:
    return tuple(tuple(round(float(v), 4) for v in row) for row in numbers)


def _quaternion(rotations: np.ndarray) -> np.ndarray:
    """[T 3 3] -> [T 4], w x y z, without jumps of sign."""
    result = np.empty((len(rotations), 4))
    for n, m in enumerate(rotations):
        k = np.array([
            [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0], [m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1], 0], [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m.trace()],
        ])  # fmt: skip
        x, y, z, w = np.linalg.eigh(k / 3)[1][:, 3]  # Bar-Itzhack 2000: the eigenvector of the largest eigenvalue
        result[n] = w, x, y, z
        result[n] *= -1 if (result[n] @ result[n - 1] if n else result[n, 0]) < 0 else 1
    return result


def shoot(scene: Scene, format: Format, take: Take | None = None, pose: Rows = (), finish: Callable[[Sight], np.ndarray] | None = None) -> tuple[np.ndarray, Scene]:
    """Simulate and draw: uint8 [T H W 3], and the scene with everything that was measured; no facts, events or captions yet.

    A `take` is filmed instead of what the scene intends, `pose` are the camera's if it is not the scene's, and `finish` makes the pixels of a frame from what was seen.
    """
    take = take or Take(*simulate(scene, format))
    motions, contacts = take.motions, take.contacts
    actors = [_actor(subject, motion, 1 + n) for n, (subject, motion) in enumerate(zip(scene.subjects, motions, strict=True))]
    moving = [*actors, *([_acting([placed(s, 1.0, np.zeros(3), np.eye(3), 0) for s in take.effects])] if take.effects and take.effects[0].shapes else [])]
    orbit, intrinsics = poses_of(scene.camera, format, motions[0].positions)
    pose = pose or orbit
    views = [View.of(row, scene.camera.field_of_view) for row in pose]
    scene = replace(
        scene, camera=replace(scene.camera, pose=pose, intrinsics=intrinsics), contacts=contacts, width=format.width, height=format.height,
        num_frames=format.num_frames, fps=format.fps, subjects=tuple(_measured(s, m, a, views, format) for s, m, a in zip(scene.subjects, motions, actors, strict=True)),
    )  # fmt: skip
    theatre, owners = _set_up(scene, moving, len(actors))
    frames = []
    grid = (-(-format.height // CELL) * SAMPLES, -(-format.width // CELL) * SAMPLES)
    visible = np.ones((len(actors), format.num_frames))
    behind = [[""] * format.num_frames for _ in actors]
    seen = np.zeros(len(scene.props))
    maps: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    aspect = format.width / format.height

    def look() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        parts, distance = theatre.identities(format.width, format.height)
        return parts, owners[parts], distance

    for t, view in enumerate(views):
        theatre.move(np.concatenate([a.positions[t] for a in moving]), np.concatenate([a.rotations[t] for a in moving]))
        theatre.look(view, aspect)
        if take.brightness or take.glows:
            theatre.shine(take.brightness[t] if take.brightness else 1.0, take.glows[t] if take.glows else ())
        pixels = theatre.picture(format.width, format.height)
        if finish:
            pixels = finish(Sight(t, pixels, view, partial(theatre.distance, format.width, format.height), look))
        frames.append(pixels)
        doubtful = [n for n in range(len(actors)) if _may_hide(scene, n, t)]
        if t > 0 and not doubtful and not format.maps:
            continue
        identity, depth = theatre.identities(grid[1], grid[0])
        who = owners[identity]
        if t == 0:
            seen = np.array([(who == 1 + len(actors) + n).mean() for n in range(len(scene.props))])
        for n in doubtful:
            visible[n, t], behind[n][t] = _visibility(theatre, moving, n, t, view, aspect, who, len(actors))
        if format.maps:
            last = t + 1 == format.num_frames or t + 1 in {shot.first for shot in scene.shots}  # nothing moves over a cut
            flow = np.zeros((*grid, 2)) if last else _flow(identity, depth, moving, t, view, views[t + 1], format)
            maps.append(_cells(who, depth, flow, len(actors)))
    scene = replace(
        scene,
        subjects=tuple(replace(s, visible=tuple(round(float(v), 3) for v in visible[n]), behind=tuple(behind[n])) for n, s in enumerate(scene.subjects)),
        props=tuple(replace(p, seen=round(float(seen[n]), 4)) for n, p in enumerate(scene.props)),
        maps=Maps(*(np.stack(m) for m in zip(*maps, strict=True))) if format.maps else None,
    )
    return np.stack(frames), scene


def _set_up(scene: Scene, actors: list[_Actor], num_subjects: int) -> tuple[Stage, np.ndarray]:
    """The stage with everything on it, and the owner of every identity: of 0 (the ground), 1..., and at the end of -1 (the sky)."""
    floor = backdrop(scene)
    still = [placed(floor, 1.0, np.zeros(3), np.eye(3), 0)] if floor.shapes else []
    for n, prop in enumerate(scene.props):
        turn = turned("z", math.radians(prop.heading))
        still.append(placed(prop_sketch(prop, scene), prop.scale, np.array([*prop.position, 0.0]), turn, 1 + num_subjects + n))
    everything = joined([*(a.parts for a in actors), *still])
    theatre = stage(scene.time, PLAIN if isinstance(scene, WideScene) else FINE)
    theatre.set_up(scene.sun, scene.surroundings, scene.place)
    theatre.show(everything)
    return theatre, np.concatenate([[0], everything.owners, [0]])


def _measured(subject: Subject, motion: Motion, actor: _Actor, views: list[View], format: Format) -> Subject:
    """The subject with its track, rotation, screen positions and boxes."""
    aspect = format.width / format.height
    scale = SIZES[subject.size]
    centres = motion.positions + ([0, 0, HALF[subject.kind][2] * scale] if subject.kind not in CENTRED else 0)
    screen = np.array([view.project(centre, aspect)[0] for view, centre in zip(views, centres, strict=True)])
    boxes = []
    for view, points in zip(views, actor.points, strict=True):
        flat = view.project(points, aspect)[0]
        boxes.append([*flat.min(0), *flat.max(0)])
    changed: dict[str, Any] = {"state": motion.state, "level": tuple(round(v, 4) for v in motion.level)} if motion.state else {}
    return replace(
        subject, track=_rows(centres), rotation=_rows(_quaternion(motion.rotations)), screen=_rows(screen), boxes=_rows(np.array(boxes)), steering=motion.steering,
        physics={name: round(value, 4) for name, value in motion.physics.items()},
        **changed,
    )  # fmt: skip


def _may_hide(scene: Scene, n: int, t: int) -> bool:
    """Whether subject n may be partly unseen in frame t: it crosses the border, or meets another subject's box, or there is a wall."""
    left, top, right, bottom = scene.subjects[n].boxes[t]
    if left < 0 or top < 0 or right > 1 or bottom > 1 or any(p.kind == "wall" for p in scene.props):
        return True
    others = (s.boxes[t] for m, s in enumerate(scene.subjects) if m != n)
    return any(left < o[2] and o[0] < right and top < o[3] and o[1] < bottom for o in others)


def _visibility(theatre: Stage, actors: list[_Actor], n: int, t: int, view: View, aspect: float, who: np.ndarray, num_subjects: int) -> tuple[float, str]:
    """(share of the silhouette that is seen, what covers most of the rest: "subject 1", "prop 0", "frame" or "")."""
    positions = [a.positions[t] if m == n else a.positions[t] - 1e4 * view.forward for m, a in enumerate(actors)]  # the others wait behind the camera
    theatre.move(np.concatenate(positions), np.concatenate([a.rotations[t] for a in actors]))
    theatre.limit(sum(len(a.parts.shapes) for a in actors))
    theatre.look(view, aspect, SOLO_MARGIN)
    rows, columns = who.shape
    wide_rows, wide_columns = int(rows * SOLO_MARGIN), int(columns * SOLO_MARGIN)
    alone = theatre.identities(wide_columns, wide_rows)[0] > 0
    theatre.limit(len(theatre.offsets))
    theatre.move(np.concatenate([a.positions[t] for a in actors]), np.concatenate([a.rotations[t] for a in actors]))
    theatre.look(view, aspect)
    inside = alone[(wide_rows - rows) // 2 : (wide_rows + rows) // 2, (wide_columns - columns) // 2 : (wide_columns + columns) // 2]
    whole = alone.sum()
    if not whole:
        return 0.0, "frame"
    share = float(min(1.0, ((who == 1 + n) & inside).sum() / whole))
    covering = who[inside & (who != 1 + n) & (who > 0)]
    outside = whole - inside.sum()
    if share > 0.97:
        return share, ""
    if outside >= len(covering):
        return share, "frame"
    owner = int(np.bincount(covering).argmax())
    return share, f"subject {owner - 1}" if owner <= num_subjects else f"prop {owner - 1 - num_subjects}"


def _flow(identity: np.ndarray, depth: np.ndarray, actors: list[_Actor], t: int, now: View, then: View, format: Format) -> np.ndarray:
    """Pixels that what is seen at every sample moves until the next frame, [rows columns 2]: each part moves rigidly."""
    rows, columns = identity.shape
    aspect = format.width / format.height
    y, x = np.mgrid[0:rows, 0:columns]
    screen = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], -1)
    points = now.unproject(screen, depth.astype(float), aspect)
    old, new = (np.concatenate([a.positions[k] for a in actors]) for k in (t, t + 1))
    old_turn, new_turn = (np.concatenate([a.rotations[k] for a in actors]) for k in (t, t + 1))
    gone = new[:, 2] < ABSENT[2] / 2  # what vanishes goes nowhere
    new, new_turn = np.where(gone[:, None], old, new), np.where(gone[:, None, None], old_turn, new_turn)
    part = identity - 1
    moving = (part >= 0) & (part < len(old))
    chosen = part[moving]
    local = np.einsum("nji,nj->ni", old_turn[chosen], points[moving] - old[chosen])
    points[moving] = new[chosen] + np.einsum("nij,nj->ni", new_turn[chosen], local)
    return (then.project(points, aspect)[0] - now.project(now.unproject(screen, depth.astype(float), aspect), aspect)[0]) * [format.width, format.height]


def _cells(who: np.ndarray, depth: np.ndarray, flow: np.ndarray, num_subjects: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples to cells: (depth [h w], masks [N h w], flow [h w 2]) as Maps has them."""
    h, w = who.shape[0] // SAMPLES, who.shape[1] // SAMPLES

    def grouped(field: np.ndarray) -> np.ndarray:
        return field.reshape(h, SAMPLES, w, SAMPLES, *field.shape[2:]).swapaxes(1, 2).reshape(h, w, SAMPLES * SAMPLES, *field.shape[2:])

    owners = grouped(who)
    masks = np.stack([np.rint(255 * (owners == 1 + n).mean(-1)) for n in range(num_subjects)])
    return np.minimum(np.median(grouped(depth), -1), FAR).astype(np.float16), masks.astype(np.uint8), grouped(flow).mean(2).astype(np.float16)
