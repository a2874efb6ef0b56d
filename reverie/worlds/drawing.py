"""What figures and props are drawn with: sketches of a few primitives, the gait that moves them, limbs, and what a manner does to a body."""

import math
from dataclasses import dataclass, field

import numpy as np

DARK = (0.07, 0.07, 0.08)
EYE = (0.98, 0.98, 0.98)
ABSENT = np.array([0.0, 0.0, -90.0])  # where a part waits that is not there (yet, or any more): below the ground, left out of every box


@dataclass(frozen=True)
class Mood:
    """bounce: of the body's bob; slump: radians that the body leans forward; droop: metres that the head hangs; crouch: metres lower on its legs; quiver: metres of
    trembling; lid: share of the eye that is shut; eye: size of the eyes; tail: metres that its tip is higher; wag: of the tail; arms: radians that they are raised; hop: metres of
    bouncing on the spot."""

    bounce: float = 1.0
    slump: float = 0.0
    droop: float = 0.0
    crouch: float = 0.0
    quiver: float = 0.0
    lid: float = 0.0
    eye: float = 1.0
    tail: float = 0.0
    wag: float = 1.0
    arms: float = 0.0
    hop: float = 0.0

    def sway(self, time: float) -> float:
        """Metres by which the body is higher at a moment, whatever its feet do: it hops up and down, crouches, trembles."""
        return self.hop * abs(math.sin(2 * math.pi * 1.4 * time)) - self.crouch + self.quiver * math.sin(2 * math.pi * 9.3 * time)


MOODS = {
    "": Mood(), "happy": Mood(bounce=3.0, droop=-0.15, tail=0.3, wag=2.2, arms=2.4, hop=0.16), "tired": Mood(bounce=0.5, slump=0.42, droop=0.7, crouch=0.05, lid=0.6, tail=-0.5, wag=0.15),
    "frightened": Mood(slump=-0.18, crouch=0.32, quiver=0.05, eye=2.0, tail=-0.9, wag=0.0, arms=0.7),
}  # fmt: skip
MANNERS = tuple(name for name in MOODS if name)


@dataclass(frozen=True)
class Gait:
    """What a figure's limbs do at a moment: distance walked (metres, backwards is less), speed (m/s), whether it runs, height above the
    ground of a jump or flight (metres), turn of its wheels (radians, left positive), seconds since the start, its manner (a word of MOODS), and
    what is left of it from 1 to 0 (a candle that burns, a burger that is eaten, a lamp that is off)."""

    distance: float = 0.0
    speed: float = 0.0
    running: bool = False
    lift: float = 0.0
    steer: float = 0.0
    time: float = 0.0
    manner: str = ""
    level: float = 1.0

    @property
    def mood(self) -> "Mood":
        """What the manner does to the body."""
        return MOODS[self.manner]


@dataclass
class Sketch:
    """Parts of something in its own frame: shape, size, colour, position [3], rotation [3 3]; `painted` parts carry the subject's material."""

    shapes: list[str] = field(default_factory=list)
    sizes: list[tuple[float, float, float]] = field(default_factory=list)
    colours: list[tuple[float, ...]] = field(default_factory=list)
    painted: list[bool] = field(default_factory=list)
    positions: list[np.ndarray] = field(default_factory=list)
    rotations: list[np.ndarray] = field(default_factory=list)

    def add(
        self, shape: str, size: tuple[float, float, float], at: tuple[float, ...] | np.ndarray, colour: tuple[float, ...], rotation: np.ndarray | None = None, painted: bool = False
    ) -> None:
        """One part: ellipsoid, box, cylinder, capsule (half sizes; cylinder and capsule: radius, radius, half length along z), cone, cabin or body."""
        self.shapes.append(shape)
        self.sizes.append(size)
        self.colours.append(colour)
        self.painted.append(painted)
        self.positions.append(np.asarray(at, float))
        self.rotations.append(np.eye(3) if rotation is None else rotation)

    def ball(self, at: tuple[float, ...] | np.ndarray, radius: float, colour: tuple[float, ...], painted: bool = False) -> None:
        """A sphere."""
        self.add("ellipsoid", (radius, radius, radius), at, colour, None, painted)

    def limb(
        self, start: tuple[float, ...] | np.ndarray, end: tuple[float, ...] | np.ndarray, radius: float, colour: tuple[float, ...], painted: bool = False, shape: str = "capsule"
    ) -> None:
        """A capsule from point to point; where it is thin, a box will do, which costs a twentieth."""
        a, b = np.asarray(start, float), np.asarray(end, float)
        length = float(np.linalg.norm(b - a))
        self.add(shape, (radius, radius, length / 2), (a + b) / 2, colour, along((b - a) / max(length, 1e-9)), painted)


def shade(colour: tuple[float, ...], share: float) -> tuple[float, ...]:
    """A colour darkened (below 1) or lightened towards white (above 1)."""
    return tuple(c * share if share <= 1 else 1 - (1 - c) * (2 - share) for c in colour)


def turned(axis: str, radians: float) -> np.ndarray:
    """The rotation [3 3] about x, y or z."""
    c, s = math.cos(radians), math.sin(radians)
    return np.array({"x": [[1, 0, 0], [0, c, -s], [0, s, c]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]], "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]]}[axis], float)


def along(direction: np.ndarray) -> np.ndarray:
    """A rotation whose z axis is `direction`."""
    x, y, z = (float(v) for v in direction)
    if z < -0.999999:
        return np.diag([1.0, -1.0, -1.0])
    k = 1 / (1 + z)  # the shortest turn from (0, 0, 1)
    return np.array([[1 - x * x * k, -x * y * k, x], [-x * y * k, 1 - y * y * k, y], [-x, -y, z]])


def joint(start: np.ndarray, end: np.ndarray, upper: float, lower: float, bend: float) -> np.ndarray:
    """The knee between two points in the x-z plane; bend +1: it points forward, -1 backward."""
    span = end - start
    reach = min(float(np.linalg.norm(span)), (upper + lower) * 0.999)
    unit = span / max(float(np.linalg.norm(span)), 1e-9)
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    aside = math.sqrt(max(upper**2 - along**2, 0.0))
    forward = np.array([-unit[2], 0.0, unit[0]])  # a quarter turn of the leg, forward for a leg that points down
    return start + unit * along + forward * aside * (1 if forward[0] * bend > 0 else -1)


def step(phase: float, stride: float, lift: float, carry: float = 0.5) -> tuple[float, float]:
    """Where a foot is in its cycle (phase in turns): (forward, up) of its middle; on the ground for the share `carry`."""
    phase %= 1.0
    if phase < carry:
        return stride * (0.5 - phase / carry), 0.0
    share = (phase - carry) / (1 - carry)
    return stride * (share - 0.5), lift * math.sin(math.pi * share)


def leg(
    sketch: Sketch, hip: tuple[float, float, float], foot: tuple[float, float, float], lengths: tuple[float, float], radius: float, bend: float,
    colour: tuple[float, ...], lower_colour: tuple[float, ...], painted: bool = False,
) -> None:  # fmt: skip
    """A leg of two bones from hip to foot whose knee bends forward (bend +1) or backward (-1)."""
    start, end = np.array(hip), np.array(foot)
    span = end - start
    if np.linalg.norm(span) > sum(lengths):  # a foot out of reach hangs below the hip, as in a jump
        end = start + span / np.linalg.norm(span) * sum(lengths) * 0.999
    knee = joint(start, end, *lengths, bend)
    sketch.limb(start, knee, radius, colour, painted)
    sketch.limb(knee, end, radius * 0.8, lower_colour)


def lid(sketch: Sketch, at: np.ndarray, radius: float, mood: Mood, skin: tuple[float, ...]) -> None:
    """A lid over the upper part of an eye, if the mood shuts it."""
    if mood.lid:
        sketch.ball(at + [0.02 * radius, 0, radius * (1.75 - 1.6 * mood.lid)], radius * 1.12, shade(skin, 0.8))
