"""What a simulated world says about a clip: the `World` protocol, `Format`, and the `Scene` schema (docs/worlds.md explains every field).

A world is a pure function of (world, seed, index): the same scene always, and the same pixels on the same renderer.
`scene` draws the intention; `film` simulates it in a format and returns the footage together with the scene completed by what
*happened*: tracks, boxes, visibility, camera poses, contacts, events and captions. Captions are made from what happened only.

Coordinates are the scene's own, in metres: x to the camera's right at the start, y away from it, z up, the ground at z = 0.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from reverie.video import Video

SCHEMA = 2
STYLES = ("natural", "cartoon", "pixel art", "pencil sketch", "black-and-white film")
WEATHERS = ("fog", "snowfall", "rain")

Rows = tuple[tuple[float, ...], ...]  # one row of numbers per frame


@dataclass(frozen=True, kw_only=True)
class Format:
    """Size in pixels, number of frames, frames per second; `maps` asks for depth, masks and flow as well."""

    width: int
    height: int
    num_frames: int
    fps: float = 8.0
    maps: bool = False

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 16:
            raise ValueError(f"size {self.width}x{self.height}: both sides need at least 16 pixels")
        if self.num_frames < 1 or not 0.1 <= self.fps <= 240:
            raise ValueError(f"{self.num_frames} frames at {self.fps} fps: at least one frame and a rate between 0.1 and 240 are needed")

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (self.num_frames - 1) / self.fps


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One thing: what it is and is meant to do, and after filming where it was in every frame and what it did.

    intention: action (one of the world's words) with a goal ("stop", "turn" or none), at (shares of the visible width; its middle, or its start), lane (metres
    away), height (share of the visible height), vigour and moment in [0, 1] (how fast or high; when), heading (degrees from x), lying
    track: per frame [x, y, z] of its centre; rotation: per frame the quaternion [w, x, y, z]; heading of a figure is its x axis
    screen: per frame the projected centre in [0, 1] x [0, 1], origin at the top left (outside that range: outside the picture)
    boxes: per frame [left, top, right, bottom] on the same scale, of all of it, hidden or outside parts included
    visible: per frame the share of its silhouette that is seen: 1 all, 0 hidden or outside; behind: what covers most of the rest:
    "subject 1", "prop 0", "frame" (it is outside) or ""
    facts: what the track shows, in order (for example "roll_left"); steering: per frame what its driver did, if it has one
    physics: scale, mass (kg), friction, restitution
    """

    kind: str
    colour: str
    size: str
    material: str
    action: str
    goal: str = ""
    at: float = 0.0
    lane: float = 0.0
    height: float = 0.0
    vigour: float = 0.5
    moment: float = 0.0
    heading: float = 0.0
    lying: bool = False
    steering: tuple[str, ...] = ()
    track: Rows = ()
    rotation: Rows = ()
    screen: Rows = ()
    boxes: Rows = ()
    visible: tuple[float, ...] = ()
    behind: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    physics: dict[str, float] = field(default_factory=dict)
    manner = ""  # no fields here: of WideSubject
    state = tuple[str, ...]()
    level = tuple[float, ...]()


@dataclass(frozen=True, kw_only=True)
class WideSubject(Subject):
    """A subject of the wide world: its manner ("happy", "tired", "frightened" or none), and where an act changes it, per frame its state in a word and the level
    that goes with it (docs/worlds.md says which)."""

    manner: str = ""
    state: tuple[str, ...] = ()
    level: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Prop:
    """A thing that never moves: kind, position [x, y], scale, heading in degrees; seen: share of the first picture that it fills."""

    kind: str
    position: tuple[float, float]
    scale: float = 1.0
    heading: float = 0.0
    seen: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Camera:
    """kind: static, orbit, pan, dolly, crane or drone; amount: degrees (orbit, pan), last distance over first (dolly), degrees of elevation (crane).

    pose: per frame [x, y, z, azimuth, elevation]: the eye in metres, the direction of view in degrees (azimuth 90 looks along y, elevation
    below the horizon is negative; the picture is level). intrinsics: [focal length in pixels, centre x, centre y in pixels], pinhole, square pixels.
    """

    kind: str
    amount: float = 0.0
    elevation: float = 12.0
    field_of_view: float = 40.0
    pose: Rows = ()
    intrinsics: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Event:
    """kind of what happened, to which subject, with whom ("subject 1", "prop 0" or ""), from when to when in seconds."""

    kind: str
    subject: int
    other: str = ""
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Maps:
    """Per frame on a grid of cells of 16x16 pixels (the picture divided evenly into ceil(H/16) x ceil(W/16) cells).

    depth: float16 [T h w], metres along the view, the median of a cell, sky at most 300; masks: uint8 [T N h w], the share (0-255) of a cell
    that subject n fills as seen; flow: float16 [T h w 2], pixels (x, y) that what is seen in the cell moves until the next frame, the
    mean over the cell (last frame: zero).
    """

    depth: np.ndarray
    masks: np.ndarray | None = None  # games know neither masks nor flow
    flow: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A stretch of a clip between cuts: kind ("wide", "close", "reverse" or "place"), its first frame and that frame's time in seconds, where and when of day it plays."""

    kind: str
    first: int
    start: float
    surroundings: str
    time: str


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What made subject n change for good: `cause` happened at `time`, `effect` began at `effect_time`, which is later (seconds)."""

    subject: int
    cause: str
    time: float
    effect: str
    effect_time: float


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A clip's ground truth. Only the first three fields and the captions are asked of every world."""

    world: str
    seed: int
    index: int
    surroundings: str = ""
    time: str = ""  # of day
    plot: str = ""  # what the scene is composed around: wall, leave, enter, return, collide, follow, behind or nothing
    subjects: tuple[Subject, ...] = ()
    props: tuple[Prop, ...] = ()
    camera: Camera = Camera(kind="static")
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)  # where the ground's pattern lies: metres x, y, degrees
    sun: tuple[float, float, float] = (0.0, 0.0, -1.0)  # the direction in which its light goes
    gravity: float = 9.81
    schema: int = SCHEMA
    width: int = 0
    height: int = 0
    num_frames: int = 0
    fps: float = 0.0
    contacts: tuple[tuple[int, int, float], ...] = ()  # subjects that touched, seconds of the first touch
    events: tuple[Event, ...] = ()
    held_out: tuple[str, ...] = ()  # combinations shown that training must not see
    captions: tuple[str, ...] = ()  # of the clip
    still_captions: tuple[str, ...] = ()  # of its first frame
    timed_captions: tuple[tuple[str, float, float], ...] = ()  # what, from when to when in seconds
    maps: Maps | None = field(default=None, compare=False, repr=False)
    style = "natural"  # no fields here: of WideScene
    weather = ""
    shots = tuple[Shot, ...]()
    causes = tuple[Cause, ...]()
    brightness = tuple[float, ...]()


@dataclass(frozen=True, kw_only=True)
class WideScene(Scene):
    """A clip of the wide world: its style, its weather ("fog", "snowfall", "rain" or none), its shots if there are several (their cuts are where shots begin), what
    caused what, and per frame how bright the light is (1: as the time of day has it; empty: always 1)."""

    style: str = "natural"
    weather: str = ""
    shots: tuple[Shot, ...] = ()
    causes: tuple[Cause, ...] = ()
    brightness: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GameScene(Scene):
    """A clip of a game: which one (`surroundings` is its level), the aim that the policy plays for, and per frame what the player does from that frame on, where it is
    (docs/worlds.md says in which units), what it has and how well it is. Events tell what the player did, as measured; their subject is always 0."""

    aim: str = ""
    actions: tuple[str, ...] = ()
    positions: Rows = ()
    inventory: tuple[dict[str, float], ...] = ()
    health: tuple[float, ...] = ()


def truth_of(scene: Scene) -> dict[str, Any]:
    """The scene as JSON values; maps are kept apart, in an array file."""
    truth = dataclasses.asdict(dataclasses.replace(scene, maps=None))
    del truth["maps"]
    return truth


class World(Protocol):
    """A simulator that makes footage with exact ground truth. An installed package offers one under the entry point group `reverie.worlds`.

    name: as people type it; spec: the words of every attribute. A world travels to other processes, so it must be picklable.
    """

    name: str

    @property
    def spec(self) -> dict[str, tuple[str, ...]]: ...

    def scene(self, seed: int, index: int) -> Scene: ...

    def film(self, scene: Scene, format: Format) -> tuple[Video, Scene]: ...
