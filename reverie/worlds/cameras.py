"""Six cameras: static, orbit, pan, dolly, crane, and a drone that follows the first subject. Poses are exact, per frame."""

import math

import numpy as np

from reverie.worlds.motion import visible
from reverie.worlds.scene import Camera, Format, Rows

CAMERAS = ("static", "orbit", "pan", "dolly", "crane", "drone")


def draw_camera(rng: np.random.Generator, kind: str, side: float) -> Camera:
    """How the camera of this kind moves; `side` is the way of the first subject (-1 left, 1 right, 0 none), along which it pans."""
    sign = float(rng.choice([-1, 1]))
    elevation = float(rng.uniform(9, 16))
    if kind == "orbit":
        amount = sign * float(rng.uniform(28, 52))
    elif kind == "pan":
        amount = (-side or sign) * float(rng.uniform(12, 20))
    elif kind == "dolly":
        amount = float(rng.uniform(0.58, 0.72)) if sign > 0 else float(rng.uniform(1.4, 1.7))
    elif kind == "crane":
        amount = sign * float(rng.uniform(15, 24))
    else:
        amount = 0.0
        elevation = float(rng.uniform(20, 28)) if kind == "drone" else elevation
    return Camera(kind=kind, amount=amount, elevation=elevation, field_of_view=40.0)


def poses_of(camera: Camera, format: Format, leader: np.ndarray) -> tuple[Rows, tuple[float, ...]]:
    """(rows of Camera.pose, Camera.intrinsics) for a format; leader [T 3]: where the first subject is in every frame."""
    _, high = visible(format)
    tangent = math.tan(math.radians(camera.field_of_view / 2))
    away = high / 2 / tangent + 0.6
    rows = []
    for frame in range(format.num_frames):
        share = frame / max(format.num_frames - 1, 1)
        azimuth, elevation, distance = 90.0, camera.elevation, away
        target = np.array([0, 0, 0.29 * high])
        if camera.kind == "orbit":
            azimuth += camera.amount * (share - 0.5)
        elif camera.kind == "dolly":
            distance *= camera.amount ** (share - 0.5)
        elif camera.kind == "crane":
            elevation = max(8.0, elevation - min(camera.amount, 0) / 2 - 2) + camera.amount * share
        elif camera.kind == "drone":
            target[:2] = 0.9 * leader[frame, :2]
        theta, phi = math.radians(azimuth), math.radians(-elevation)
        eye = target - distance * np.array([math.cos(theta) * math.cos(phi), math.sin(theta) * math.cos(phi), math.sin(phi)])
        if camera.kind == "pan":
            azimuth += camera.amount * (share - 0.5)
        rows.append(tuple(round(float(v), 4) for v in (*eye, azimuth, -elevation)))
    return tuple(rows), (round(format.height / 2 / tangent, 4), format.width / 2, format.height / 2)


def camera_move(camera: Camera, leader: Rows) -> str:
    """What the poses show: static, orbit, pan_left, pan_right, in, out, up, down, follow; empty if it is not clear.

    leader: the track of the first subject.
    """
    if camera.kind == "close":  # which follows whatever the subject does: nothing to be told
        return ""
    pose = np.array(camera.pose)
    if len(pose) < 2 or np.abs(pose - pose[0]).max() < 1e-3:
        return "static"
    moved, turned, tilted = pose[-1, :3] - pose[0, :3], pose[-1, 3] - pose[0, 3], pose[-1, 4] - pose[0, 4]
    theta, phi = np.radians(pose[0, 3:5])
    forward = np.array([np.cos(theta) * np.cos(phi), np.sin(theta) * np.cos(phi), np.sin(phi)])
    length = float(np.linalg.norm(moved))
    if length < 0.05:
        return "" if abs(turned) < 6 else "pan_left" if turned > 0 else "pan_right"
    if abs(turned) > 10:
        return "orbit"
    if abs(turned) < 0.5 and abs(tilted) < 0.5:
        if abs(moved @ forward) > 0.97 * length and length > 1:
            return "in" if moved @ forward > 0 else "out"
        path = np.array(leader)[:, :2]
        along = path[-1] - path[0]
        if np.linalg.norm(along) > 1 and np.linalg.norm(moved[:2] - along) < 0.25 * np.linalg.norm(along):
            return "follow"
    if abs(tilted) > 8 and abs(moved[2]) > 1:
        return "up" if moved[2] > 0 else "down"
    return ""
