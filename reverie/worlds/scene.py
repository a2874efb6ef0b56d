"""What a simulated world says about a clip: the `World` protocol, `Format`, and the `Scene` schema.

A world is a pure function of (world, seed, index): the same scene always, and the same pixels on the same renderer.
`scene` draws the intention (who, where, which start velocities); `film` simulates it in a format and returns the
footage together with the scene completed by what *happened*: tracks, camera poses, facts and captions. Captions are made
from the simulated track only, never from the intention.
"""

from dataclasses import dataclass
from typing import Protocol

from reverie.video import Video


@dataclass(frozen=True, kw_only=True)
class Format:
    """Size in pixels, number of frames, frames per second."""

    width: int
    height: int
    num_frames: int
    fps: float = 8.0

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 16:
            raise ValueError(f"size {self.width}x{self.height}: both sides need at least 16 pixels")
        if self.num_frames < 1 or not 0.1 <= self.fps <= 240:
            raise ValueError(f"{self.num_frames} frames at {self.fps} fps: at least one frame and a rate between 0.1 and 240 are needed")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One thing: what it is, and after filming where it was in every frame and what it did.

    track: per frame [x, y, z] of its centre in metres, x to the camera's right at the start, y away from it, z up
    rotation: per frame the quaternion [w, x, y, z]
    screen: per frame the projected centre in [0, 1] x [0, 1], origin at the top left
    facts: what the track shows, of worlds/captions.py FACTS (for example "roll_left")
    """

    shape: str
    colour: str
    action: str
    start: tuple[float, float, float]
    velocity: tuple[float, float, float]
    angular_velocity: tuple[float, float, float]
    friction: float
    lying: bool
    yaw: float
    track: tuple[tuple[float, ...], ...] = ()
    rotation: tuple[tuple[float, ...], ...] = ()
    screen: tuple[tuple[float, ...], ...] = ()
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Camera:
    """kind: static, orbit or zoom; amount: degrees turned (orbit) or the final distance over the first (zoom).

    pose: per frame [azimuth degrees, elevation degrees, distance metres, look-at x, y, z]; vertical field of view in degrees.
    """

    kind: str
    amount: float
    elevation: float
    field_of_view: float
    pose: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A clip's ground truth. Lengths in `start` and `velocity` are shares of the visible width (x) and height (z) until filmed."""

    world: str
    seed: int
    index: int
    surroundings: str
    subjects: tuple[Subject, ...]
    camera: Camera
    place: tuple[float, float, float]  # where on the ground, metres x, y, and which way the camera looks, degrees
    width: int = 0
    height: int = 0
    fps: float = 0.0
    captions: tuple[str, ...] = ()  # of the clip
    still_captions: tuple[str, ...] = ()  # of its first frame


class World(Protocol):
    """A simulator that makes footage with exact ground truth."""

    name: str

    @property
    def spec(self) -> dict[str, tuple[str, ...]]: ...

    def scene(self, seed: int, index: int) -> Scene: ...

    def film(self, scene: Scene, format: Format) -> tuple[Video, Scene]: ...
