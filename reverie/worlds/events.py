"""What happened, read from the measured scene alone: motions with their times, contacts, hiding, leaving and entering.

The thresholds ask for what an onlooker would call by that word; where nothing is clear there is no event, so nothing is told.
"""

import math
from dataclasses import dataclass

import numpy as np

from reverie.worlds.figures import APPARATUS, HALF, RIGID, SIZES
from reverie.worlds.motion import GAITS, RUNS_FROM, SPAN
from reverie.worlds.scene import Event, Scene, Subject

WAYS = ("left", "right", "toward", "away")
SURE = 0.17  # the share by which a speed must differ from RUNS_FROM to be called a walk or a run
HIDDEN = 0.02  # seen less than this share: hidden


@dataclass(frozen=True)
class _Track:
    """A subject's numbers as arrays, with what follows from them at once."""

    subject: Subject
    position: np.ndarray  # [T 3]
    velocity: np.ndarray  # [T-1 3] between frames, m/s
    heading: np.ndarray  # [T] radians, without jumps: of the body's x axis
    spin: np.ndarray  # [T-1 3] world vector, radians between frames
    screen: np.ndarray
    boxes: np.ndarray
    seen: np.ndarray
    scale: float
    fps: float


def _track(subject: Subject, fps: float) -> _Track:
    position, q = np.array(subject.track), np.array(subject.rotation)
    w, x, y, z = q.T
    heading = np.unwrap(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
    return _Track(
        subject, position, np.diff(position, axis=0) * fps, heading, turns(q), np.array(subject.screen), np.array(subject.boxes), np.array(subject.visible),
        SIZES[subject.size], fps,
    )  # fmt: skip


def turns(rotation: np.ndarray) -> np.ndarray:
    """Quaternions [T 4] -> the turn from each to the next as a world vector [T-1 3] in radians."""
    a, b = rotation[:-1] * [1, -1, -1, -1], rotation[1:]
    real = b[:, :1] * a[:, :1] - (b[:, 1:] * a[:, 1:]).sum(1, keepdims=True)
    vector = b[:, :1] * a[:, 1:] + a[:, :1] * b[:, 1:] + np.cross(b[:, 1:], a[:, 1:])
    sine = np.linalg.norm(vector, axis=1, keepdims=True)
    angle = 2 * np.arctan2(sine, np.abs(real))
    return np.sign(np.where(real == 0, 1, real)) * vector / np.maximum(sine, 1e-12) * angle


def wide_of(scene: Scene) -> float:
    """Metres that the picture shows from left to right at the subjects (as composed)."""
    return SPAN * math.sqrt(scene.width / scene.height)


def events_of(scene: Scene) -> tuple[Event, ...]:
    """All events, in the order of their beginning. Clips of fewer than four frames show none but hiding."""
    tracks = [_track(s, scene.fps) for s in scene.subjects]
    found: list[Event] = []
    for n, track in enumerate(tracks):
        if scene.num_frames >= 4 and track.subject.kind not in APPARATUS:
            found += _motions(scene, n, track)
        found += _hidings(scene, n, track)
    if scene.num_frames >= 4:
        found += _contacts(scene, tracks) + _followings(scene, tracks, found)
    return tuple(sorted(found, key=lambda e: (e.start, e.subject, e.end)))


def facts_of(scene: Scene, number: int) -> tuple[str, ...]:
    """The kinds of one subject's own motions, in order, each once."""
    return tuple(dict.fromkeys(e.kind for e in scene.events if e.subject == number and not e.other and e.kind.partition("_")[0] not in ("leave", "enter", "hidden", "pass")))


def _event(scene: Scene, kind: str, n: int, first: int, last: int, other: str = "") -> Event:
    return Event(kind=kind, subject=n, other=other, start=round(first / scene.fps, 3), end=round(last / scene.fps, 3))


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Maximal stretches of True as (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


# --- one subject ---


def _motions(scene: Scene, n: int, track: _Track) -> list[Event]:
    in_sight = track.seen > 0.25
    if in_sight.mean() < 0.35:
        return []
    vertical = _vertical(scene, n, track)
    if vertical:
        return vertical
    moved = np.linalg.norm(track.position - track.position[0], axis=1).max()
    turned = np.linalg.norm(track.spin, axis=1).sum()
    last = scene.num_frames - 1
    if moved < 0.1 and turned < 0.15:
        return [_event(scene, "stand", n, 0, last)] if in_sight.mean() > 0.6 else []
    about = track.spin[:, 2]
    if abs(about.sum()) > 1.0 and moved < 0.45 and np.linalg.norm(track.spin[:, :2], axis=1).sum() < 0.5:
        return [_event(scene, "spin", n, 0, last)] if in_sight.mean() > 0.6 else []
    return _travels(scene, n, track, in_sight)


def _vertical(scene: Scene, n: int, track: _Track) -> list[Event]:
    """Falls with their bounce, and jumps."""
    z, last = track.position[:, 2], scene.num_frames - 1
    half = HALF[track.subject.kind]
    low, rest = float(z.min()), min(half[0], half[2]) * track.scale
    if track.seen[[0, last]].min() < 0.5:
        return []
    if z[0] - low > 0.8 and z.max() - z[0] < 0.1 and (low - rest < 0.35 or z.argmin() < last):  # it met the ground
        floor = int(np.flatnonzero(z < low + 0.25)[0])
        begin = max(int(np.flatnonzero(z < z[0] - 0.02)[0]) - 1, 0)
        found = [_event(scene, "fall", n, begin, floor)]
        after = z[floor:]
        if len(after) > 2 and after.max() - after[: int(after.argmax()) + 1].min() > 0.3:
            found.append(_event(scene, "bounce", n, floor, floor + int(after.argmax())))
        return found
    top = int(z.argmax())
    drift = np.linalg.norm(track.position[-1, :2] - track.position[0, :2])
    if z[top] - z[0] > 0.33 and z[0] - low < 0.15 and z[top:].min() < z[top] - 0.5 * (z[top] - z[0]) and 0 < top < last and drift < 0.2 * wide_of(scene):
        begin = int(np.flatnonzero(z[:top] < z[0] + 0.05)[-1])
        down = np.flatnonzero(z[top:] < z[0] + 0.2)
        return [_event(scene, "jump", n, begin, top + int(down[0]) if len(down) else last)]
    return []


def _way(scene: Scene, track: _Track, a: int, b: int) -> str:
    """The way of going from frame a to frame b as the camera sees it; empty if oblique or not clear on the screen."""
    pose = np.array(scene.camera.pose)
    azimuth = math.radians(float(pose[(a + b) // 2, 3]))
    step = track.position[b, :2] - track.position[a, :2]
    across = float(step @ [math.sin(azimuth), -math.cos(azimuth)])
    away = float(step @ [math.cos(azimuth), math.sin(azimuth)])
    on_screen = float(track.screen[b, 0] - track.screen[a, 0])
    follows = bool(np.linalg.norm(pose[b, :3] - pose[a, :3]) > 0.5 * np.linalg.norm(step) and scene.camera.kind in ("drone", "close"))
    if abs(across) > 1.6 * abs(away):
        clear = on_screen * across > 0 and abs(on_screen) > 0.1
        return ("left" if across < 0 else "right") if clear or follows else ""
    if abs(away) > 1.6 * abs(across) and abs(away) > 1.2:
        return "away" if away > 0 else "toward"
    return ""


def _travels(scene: Scene, n: int, track: _Track, in_sight: np.ndarray) -> list[Event]:
    """Ways along the ground, cut where the direction changes; stops and turns."""
    speed = np.linalg.norm(track.velocity[:, :2], axis=1)
    angle = np.unwrap(np.arctan2(track.velocity[:, 1], track.velocity[:, 0]))
    moving = speed > 0.25 * track.scale
    found: list[Event] = []
    wide = wide_of(scene)
    for a, b in _runs(moving):  # of intervals; frames a..b
        straight = _runs(np.concatenate([[False], np.abs(np.diff(angle[a:b])) * track.fps < 0.5, [False]])) if b - a > 2 else [(0, b - a + 1)]
        for first, past in straight:
            i, j = a + max(first - 1, 0), min(a + past, b)
            length = float(np.linalg.norm(track.position[j, :2] - track.position[i, :2]))
            if length < 0.13 * wide or in_sight[i : j + 1].mean() < 0.35:
                continue
            way = _way(scene, track, i, j)
            verb = _verb(track, i, j)
            if verb and (way or verb != "go"):
                found.append(_event(scene, f"{verb}_{way or 'about'}", n, i, j))
        path = float(speed[a:b].sum() / track.fps)
        if b < scene.num_frames - 2 and (scene.num_frames - 1 - b) / scene.fps >= 0.3 and not moving[b:].any() and path > 0.12 * wide and in_sight[max(b - 1, 0) :].all():
            found.append(_event(scene, "stop", n, b, b))
        if track.subject.kind not in RIGID:
            found += _bends(scene, n, track, a, b)
    return found


def _bends(scene: Scene, n: int, track: _Track, a: int, b: int) -> list[Event]:
    """Turns of a moving figure: its heading changes by 60 degrees or more on one bend."""
    found = []
    rate = np.diff(track.heading) * track.fps
    for sign in (1, -1):
        for i, j in _runs(rate[a:b] * sign > 0.5):
            angle = abs(float(track.heading[a + j] - track.heading[a + i]))
            if angle > math.radians(60) and track.seen[a + i : a + j + 1].mean() > 0.6:
                found.append(_event(scene, "turn_around" if angle > math.radians(150) else "turn", n, a + i, a + j))
    return found


def _verb(track: _Track, a: int, b: int) -> str:
    """How a subject goes from frame a to b."""
    kind = track.subject.kind
    step = track.position[b, :2] - track.position[a, :2]
    length = float(np.linalg.norm(step))
    pace = length * track.fps / (b - a)
    if kind not in RIGID:
        middle = track.heading[(a + b) // 2]
        forward = float(step @ [math.cos(middle), math.sin(middle)]) / length
        if forward < -0.7:
            return "reverse"
        if GAITS[kind] != ("walk", "run"):
            return GAITS[kind][0]
        pace /= math.sqrt(track.scale)
        return "run" if pace > RUNS_FROM * (1 + SURE) else "walk" if pace < RUNS_FROM * (1 - SURE) else "go"
    axis = np.array([-step[1], step[0], 0.0]) / length
    rolled = float((track.spin[a:b] @ axis).sum())
    asked = length / (HALF[kind][0] * track.scale)
    if rolled > 0.6 * asked:
        return "roll" if kind in ("ball", "cylinder") else ""  # a tumble: no word for it here
    return "slide" if np.linalg.norm(track.spin[a:b], axis=1).sum() < 0.35 * asked + 0.2 else "go"


def _hidings(scene: Scene, n: int, track: _Track) -> list[Event]:
    """Where it cannot be seen: behind something, or out of the picture; and half hidden while it passes."""
    found = []
    boxes, seen = track.boxes, track.seen
    outside = (boxes[:, 2] <= 0) | (boxes[:, 0] >= 1) | (boxes[:, 3] <= 0) | (boxes[:, 1] >= 1)
    inside = (boxes[:, 0] > -0.02) & (boxes[:, 2] < 1.02)
    for a, b in _runs(outside):
        side = "left" if boxes[a, 2] <= 0 else "right" if boxes[a, 0] >= 1 else ""
        if not side:
            continue
        if a > 0 and seen[:a].max() > 0.5:
            found.append(_event(scene, f"leave_{side}", n, max(int(np.flatnonzero(inside[:a] | (np.arange(a) == 0))[-1]), 0), a))
        if b < scene.num_frames and seen[b:].max() > 0.5:
            whole = np.flatnonzero(inside[b:])
            found.append(_event(scene, f"enter_{'left' if boxes[b - 1, 2] <= 0 else 'right'}", n, b - 1, b + int(whole[0]) if len(whole) else scene.num_frames - 1))
    others = np.array([other if other.startswith(("subject", "prop")) else "" for other in track.subject.behind])
    for other in sorted({str(o) for o in others if o}):
        for a, b in _runs((others == other) & (seen < 0.7)):
            hidden = _runs(seen[a:b] <= HIDDEN)
            for i, j in hidden:
                found.append(_event(scene, "hidden", n, a + i, a + j - 1, other))
            moved = float(np.linalg.norm(track.position[min(b, scene.num_frames - 1), :2] - track.position[max(a - 1, 0), :2]))
            if moved > 0.6 and (seen[a:b].min() < 0.5):
                found.append(_event(scene, "pass_behind", n, a, b - 1, other))
    return found


# --- two subjects ---


def _contacts(scene: Scene, tracks: list[_Track]) -> list[Event]:
    """First touches after the beginning that both are seen in."""
    found = []
    for a, b, time in scene.contacts:
        frame = round(time * scene.fps)
        before = max(math.ceil(time * scene.fps) - 2, 0)
        if time < 0.06 or frame > scene.num_frames - 1 or min(tracks[a].seen[frame], tracks[b].seen[frame]) < 0.25:
            continue
        speeds = [float(np.linalg.norm(tracks[n].velocity[min(before, scene.num_frames - 2)])) for n in (a, b)]
        if max(speeds) > 0.4:
            mover, other = (a, b) if speeds[0] >= speeds[1] else (b, a)
            found.append(Event(kind="collide", subject=mover, other=f"subject {other}", start=time, end=time))
    return found


def _followings(scene: Scene, tracks: list[_Track], found: list[Event]) -> list[Event]:
    """One goes behind another on the same way for more than half of the clip."""
    result = []
    for a in range(len(tracks)):
        for b in range(len(tracks)):
            if a == b or any({i, j} == {a, b} for i, j, _ in scene.contacts):  # what is pushed is not followed
                continue
            first, second = tracks[a], tracks[b]
            both = (np.linalg.norm(first.velocity[:, :2], axis=1) > 0.3 * first.scale) & (np.linalg.norm(second.velocity[:, :2], axis=1) > 0.3 * second.scale)
            if not both.any() or min(first.seen.min(), second.seen.min()) < 0.3:
                continue
            unit = second.velocity[:, :2] / np.maximum(np.linalg.norm(second.velocity[:, :2], axis=1, keepdims=True), 1e-9)
            gap = second.position[:-1, :2] - first.position[:-1, :2]
            along = (gap * unit).sum(1)
            aside = np.abs(gap[:, 0] * unit[:, 1] - gap[:, 1] * unit[:, 0])
            same = (first.velocity[:, :2] * unit).sum(1) > 0.8 * np.linalg.norm(first.velocity[:, :2], axis=1)
            mask = both & same & (along > 0.8) & (along < 6.5) & (aside < 0.9)
            stretch = max(_runs(mask), key=lambda r: r[1] - r[0], default=(0, 0))
            if stretch[1] - stretch[0] > 0.55 * len(mask) and any(e.subject == a and e.kind.endswith(WAYS) for e in found):
                result.append(_event(scene, "follow", a, stretch[0], stretch[1], f"subject {b}"))
    return result
