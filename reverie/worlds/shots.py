"""Clips of several shots, and relations of place: where cuts lie, what each shot's camera sees, a shot as a scene of its own; who is left, right, behind, on.

A clip of wide, close and reverse shots is one simulation that several cameras watch in turn; a clip of "place" shots shows the same subject in
different places. Relations are those of the view: a camera that goes around things changes them.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from reverie.worlds.cameras import poses_of
from reverie.worlds.events import events_of, facts_of
from reverie.worlds.figures import CENTRED, HALF, SIZES
from reverie.worlds.scene import Event, Format, Rows, Scene, Shot, Subject, WideScene

LEAST = 4  # frames of a shot: fewer show no motion
OPEN = ("snow", "grass", "desert", "beach", "street", "mountain road", "ravine", "sea")  # surroundings that can be seen from the other side


def cut(scene: WideScene, format: Format) -> tuple[Shot, ...]:
    """The intended shots at their times in a format, evenly long; as many as have room for LEAST frames, none if that is one."""
    count = min(len(scene.shots), format.num_frames // LEAST)
    if count < 2:
        return ()
    firsts = [round(n * format.num_frames / count) for n in range(count)]
    return tuple(replace(shot, first=first, start=round(first / format.fps, 4)) for shot, first in zip(scene.shots, firsts, strict=False))


def poses_of_shots(scene: WideScene, format: Format, leader: np.ndarray) -> Rows:
    """Rows of Camera.pose for a clip of wide, close and reverse shots; leader [T 3]: the first subject."""
    rows, _ = poses_of(replace(scene.camera, kind="static"), format, leader)
    eye, elevation = np.array(rows[0][:3]), rows[0][4]
    subject = scene.subjects[0]
    high = 2 * HALF[subject.kind][2] * SIZES[subject.size]
    result = []
    for t, row in enumerate(rows):
        kind = [shot.kind for shot in scene.shots if shot.first <= t][-1]
        if kind == "wide":
            result.append(row)
            continue
        azimuth, slope = (90.0, -9.0) if kind == "close" else (270.0, elevation)
        middle = leader[t] + [0, 0, 0.0 if subject.kind in CENTRED else 0.55 * high]
        target = np.array([0.0, 0.0, 0.29 * 6.6]) if kind == "reverse" else middle
        away = 0.5 * np.linalg.norm(eye) if kind == "close" else np.linalg.norm(eye - target)
        theta, phi = math.radians(azimuth), math.radians(slope)
        place = target - away * np.array([math.cos(theta) * math.cos(phi), math.sin(theta) * math.cos(phi), math.sin(phi)])
        result.append(tuple(round(float(v), 4) for v in (*place, azimuth, slope)))
    return tuple(result)


def part_of(scene: WideScene, number: int) -> WideScene:
    """One shot of a filmed clip as a scene of its own, with its own events; its first frame is at second 0."""
    shot = scene.shots[number]
    a, b = shot.first, [*(s.first for s in scene.shots), scene.num_frames][number + 1]
    rows = ("track", "rotation", "screen", "boxes", "visible", "behind", "state", "level", "steering")
    part = replace(
        scene, surroundings=shot.surroundings, time=shot.time, num_frames=b - a, shots=(), subjects=tuple(_with(s, {row: getattr(s, row)[a:b] for row in rows}) for s in scene.subjects),
        camera=replace(scene.camera, kind=shot.kind, pose=scene.camera.pose[a:b]), contacts=tuple((i, j, round(t - a / scene.fps, 4)) for i, j, t in scene.contacts if a <= t * scene.fps < b),
        brightness=scene.brightness[a:b],
    )  # fmt: skip
    # a shot may begin while something bounces: what comes down from no great height has not fallen "from above"
    low = {n for n, s in enumerate(part.subjects) if s.track[0][2] < 1.6}
    part = replace(part, events=tuple(e for e in events_of(part) if e.subject not in low or e.kind not in ("fall", "bounce")))
    return replace(part, subjects=tuple(replace(s, facts=facts_of(part, n)) for n, s in enumerate(part.subjects)))


def _with(subject: Subject, rows: dict[str, Any]) -> Subject:
    return replace(subject, **rows)


def spliced(parts: list[WideScene], shots: tuple[Shot, ...]) -> WideScene:
    """Clips of the same subjects, filmed one by one, as one clip of several shots; props are those of the first."""
    first, rows = parts[0], ("track", "rotation", "screen", "boxes", "visible", "behind", "state", "level", "steering")
    subjects = tuple(_with(s, {row: sum((getattr(p.subjects[n], row) for p in parts), ()) for row in rows}) for n, s in enumerate(first.subjects))
    return replace(
        first, subjects=subjects, shots=shots, num_frames=sum(p.num_frames for p in parts), camera=replace(first.camera, pose=sum((p.camera.pose for p in parts), ())),
        contacts=tuple((i, j, round(t + shot.start, 4)) for shot, p in zip(shots, parts, strict=True) for i, j, t in p.contacts), held_out=tuple(dict.fromkeys(h for p in parts for h in p.held_out)),
    )  # fmt: skip


def relations_of(scene: Scene) -> list[Event]:
    """Where the first subject and what lies on a table are to the others, in the view of the first and of the last frame, and between which of them it went."""
    end, found = (scene.num_frames - 1) / scene.fps, []
    last = scene.num_frames - 1
    for n, subject in enumerate(scene.subjects):
        for m, other in enumerate(scene.subjects):
            if n == m or other.kind != "table" or subject.kind == "table":
                continue
            a, b = np.array(subject.track), np.array(other.track)
            gap = np.linalg.norm((a - b)[:, :2], axis=1)
            name, reach = f"subject {m}", sum(max(HALF[s.kind][:2]) * SIZES[s.size] for s in (subject, other))
            if n > 0:
                if gap[0] < 0.6 and a[0, 2] > 2 * HALF["table"][2] * SIZES[other.size]:
                    found.append(Event(kind="on", subject=n, other=name, start=0.0, end=round(end, 3)))
                continue
            if gap[0] < 0.6 * reach + 0.4 and gap[-1] - gap[0] > 1.2:
                found.append(Event(kind="depart", subject=n, other=name, start=0.0, end=round(end, 3)))
            if gap[-1] < 0.6 * reach + 0.4 and gap[0] - gap[-1] > 1.2:
                found.append(Event(kind="arrive", subject=n, other=name, start=round(end / 2, 3), end=round(end, 3)))
            for t, when in ((0, "first"), (last, "last")):
                nearer = all(gap[t] <= float(np.linalg.norm((a - np.array(s.track))[t, :2])) for s in scene.subjects if s.kind == "table")
                if not nearer or min(subject.visible[t], other.visible[t]) < 0.4:
                    continue
                azimuth = math.radians(scene.camera.pose[t][3])
                away = float((a - b)[t, :2] @ [math.cos(azimuth), math.sin(azimuth)])
                across = subject.screen[t][0] - other.screen[t][0]
                side = ("left" if across < 0 else "right") if abs(across) > 0.13 else "" if abs(across) > 0.1 or abs(away) < 0.9 else "behind" if away > 0 else "before"
                if side:
                    found.append(Event(kind=f"{side}_{when}", subject=n, other=name, start=round(t / scene.fps, 3), end=round(t / scene.fps, 3)))
    return found
