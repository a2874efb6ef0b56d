"""How well a played world obeys: actions read back from the film, a player that stands still, two hundred actions without drift.

Classical image processing and the diorama's own kinematics, no network: the thing is found in every frame (prompts.py), and of all sequences
of actions the one is sought under which a driven car would have been seen there (a beam search over actions, heading, speed and the
camera's elevation). The world's own steered clips, judged in the same way, are the ceiling of this reading.

Every session begins with `forward` and `back`, which are not judged: they show which way is forward.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reverie.autoencoder.autoencoder import FRAMES
from reverie.evaluation.prompts import HUES, seen_in, thing, wilson
from reverie.patches.actions import ACTIONS

Player = Callable[[str, int, Sequence[str]], np.ndarray]  # (colour of the car, seed, an action per latent) -> frames uint8 [T H W 3]
FPS = 8.0
OPENING = ("forward", "back")
JUDGED = 6  # actions of a session after the opening
ROOM = 2.6  # metres from the middle that a still camera sees well
TURN = 1.4  # radians per second of a car that turns
BRAKE = 0.12  # seconds in which its speed follows an action
SUBSTEPS = 4  # per frame
BEAM = 600  # hypotheses that are kept
CLOSE = 0.012  # standard deviation of where the thing is found, as a share of the picture's height
FOCAL, AWAY, AIM, MIDDLE = 1.374, 9.67, 1.91, 0.4  # the diorama's still camera: focal length in heights; metres to and height of where it looks; height of a car's middle


@dataclass
class Cars:
    """Many guesses at once about one car: place x, y [n] (metres), heading, speed, top speed, elevation of the camera, error so far."""

    state: np.ndarray  # [n 7]

    @classmethod
    def anywhere(cls, place: np.ndarray) -> "Cars":
        """All headings, speeds and elevations of a car that is seen at `place`."""
        grid = np.array([
            (0, 0, heading, start * top, top, elevation, 0)
            for heading in np.linspace(0, 2 * np.pi, 24, endpoint=False) for top in (0.9, 1.3, 1.7, 2.1, 2.5) for start in (0, 1) for elevation in np.radians([10, 12.5, 15])
        ])  # fmt: skip
        cars = cls(grid)
        cars.state[:, :2] = cars.on_ground(place)
        return cars

    def drive(self, action: np.ndarray) -> None:
        """One frame under an index into ACTIONS for each guess: the kinematics of a steered car (worlds/motion.py)."""
        x, y, heading, speed, top = self.state[:, :5].T
        share, turn = np.array([0, 1, 0.75, 0.75, -0.6])[action], np.array([0, 0, TURN, -TURN, 0])[action]
        for _ in range(SUBSTEPS):
            seconds = 1 / FPS / SUBSTEPS
            speed += (share * top - speed) * (1 - np.exp(-seconds / BRAKE))
            heading += turn * np.minimum(1, np.abs(speed) / (0.5 * top)) * seconds
            x += speed * np.cos(heading) * seconds
            y += speed * np.sin(heading) * seconds

    def seen_at(self) -> np.ndarray:
        """Where the middle of each is seen: [n 2], (right of the middle, below it) in picture heights."""
        x, y, tilt = self.state[:, 0], self.state[:, 1], self.state[:, 5]
        forward, down = y * np.cos(tilt) + AWAY + (AIM - MIDDLE) * np.sin(tilt), (AIM - MIDDLE) * np.cos(tilt) - y * np.sin(tilt)
        return FOCAL * np.stack([x / forward, down / forward], 1)

    def on_ground(self, place: np.ndarray) -> np.ndarray:
        """The place [n 2] in metres of a car that is seen at `place`."""
        tilt, below = self.state[:, 5], place[1] / FOCAL
        y = ((AIM - MIDDLE) * np.cos(tilt) - below * (AWAY + (AIM - MIDDLE) * np.sin(tilt))) / (np.sin(tilt) + below * np.cos(tilt))
        forward = y * np.cos(tilt) + AWAY + (AIM - MIDDLE) * np.sin(tilt)
        return np.stack([place[0] / FOCAL * forward, y], 1)

    def look(self, place: np.ndarray) -> None:
        """Count how far each is from where the car is seen, and move it half of the way (less in depth, which is seen badly)."""
        self.state[:, 6] += np.square((self.seen_at() - place) / CLOSE).sum(1)
        self.state[:, :2] += np.array([0.5, 0.15]) * (self.on_ground(place) - self.state[:, :2])


def places_of(frames: np.ndarray) -> np.ndarray:
    """Where the thing is in each frame: [T 2], (right of the middle, below it) in picture heights; nan where it is not seen."""
    mask = thing(frames)
    height, width = mask.shape[1:]
    seen = seen_in(mask)
    middles = [(np.median(np.nonzero(m)[1]), np.median(np.nonzero(m)[0])) if s else (np.nan, np.nan) for m, s in zip(mask, seen, strict=True)]
    return (np.array(middles) + 0.5 - [width / 2, height / 2]) / height


def read_actions(places: np.ndarray) -> list[str]:
    """places [4 n, 2] of a car -> the n actions, one per latent, that explain them best; the opening is taken for granted."""
    if np.isnan(places[0]).any():
        return ["unseen"] * (len(places) // FRAMES)
    cars = Cars.anywhere(places[0])
    told = np.zeros((len(cars.state), 0), np.int64)
    for latent in range(len(places) // FRAMES):
        choices = np.array([ACTIONS.index(OPENING[latent])]) if latent < len(OPENING) else np.arange(len(ACTIONS))
        bends = np.array([0.0]) if latent < len(OPENING) else np.array([-0.12, 0.0, 0.12])  # the car's heading need not be one of the grid
        count = len(cars.state)
        action = np.repeat(np.tile(choices, count), len(bends))
        cars = Cars(np.repeat(cars.state, len(choices) * len(bends), 0))
        cars.state[:, 2] += np.tile(bends, count * len(choices))
        told = np.concatenate([np.repeat(told, len(choices) * len(bends), 0), action[:, None]], 1)
        for frame in range(FRAMES * latent, FRAMES * (latent + 1)):
            cars.drive(action)  # an action moves from its frame to the next
            if frame + 1 < len(places) and not np.isnan(places[frame + 1]).any():
                cars.look(places[frame + 1])
        best = np.argsort(cars.state[:, 6], kind="stable")[:BEAM]
        cars, told = Cars(cars.state[best]), told[best]
    return [ACTIONS[n] for n in told[0]]


def sessions(count: int) -> Iterator[tuple[str, int, list[str]]]:
    """(colour, seed, actions): the opening and JUDGED actions, each drawn, all as often, among those that keep a car within ROOM of where it began: `stand` comes most, where others lead away."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        words: list[str] = []
        while len(words) < len(OPENING) + JUDGED:
            word = OPENING[len(words)] if len(words) < len(OPENING) else str(rng.choice(ACTIONS))
            car = Cars(np.array([[0, 0, 0, 0, 1.9, 0, 0]], np.float64))
            for action in [ACTIONS.index(done) for done in [*words, word] for _ in range(FRAMES)]:
                car.drive(np.array([action]))
            if float(np.hypot(*car.state[0, :2])) < ROOM:
                words.append(word)
        yield list(HUES)[seed % len(HUES)], seed, words


def measure_play(player: Player, num_cases: int = 32, num_steps: int = 200) -> dict[str, Any]:
    """What a player of the world does as it is told: two figures with their intervals (95%), and how steady it is, under seeds 0, 1, ...

    recovered: the share of judged actions that are read from the film, per action, and the mean of these five (what always shows the same has a fifth). still: the share of half
    seconds under `stand`, the first excepted, in which the thing moves less than 1% of the picture's height. steady: `num_steps` turns to the left
    on the spot: in how many frames of the last quarter it is still seen, how far colours drift (of 255), sharpness at the end over the beginning.
    """
    right: dict[str, list[bool]] = {word: [] for word in ACTIONS}
    for colour, seed, actions in sessions(num_cases):
        read = read_actions(places_of(player(colour, seed, actions)))
        for asked, found in list(zip(actions, read, strict=True))[len(OPENING) :]:
            right[asked].append(asked == found)
    still: list[list[bool]] = []
    for seed in range(max(1, num_cases // 4)):
        places = places_of(player(list(HUES)[seed % len(HUES)], seed, [*OPENING, *["stand"] * 5]))
        steps = np.linalg.norm(places[FRAMES::FRAMES] - places[:-FRAMES:FRAMES], axis=1)[len(OPENING) + 1 :]
        still.append([bool(step < 0.01) for step in steps])  # a lost thing (nan) is no still one
    per_action = {word: round(float(np.mean(hits)), 3) for word, hits in right.items() if hits}
    recovered = by_case(float(np.mean([*per_action.values()])), num_cases, sum(map(len, right.values())))
    return {
        "recovered": {**recovered, "per_action": per_action}, "still": by_case(float(np.mean(still)), len(still), sum(map(len, still))),
        "steady": steadiness(player("red", 0, ["left"] * num_steps)),
    }  # fmt: skip


def steadiness(frames: np.ndarray) -> dict[str, float]:
    """What changes between the first and the last quarter of a film in which nothing should."""
    quarter = max(1, len(frames) // 4)
    first, last = frames[:quarter], frames[-quarter:]
    colours = [np.median(part, axis=(0, 1, 2)) for part in (first, last)]
    sharpness = [float(np.abs(np.diff(part.astype(np.float32), axis=2)).mean()) for part in (first, last)]
    return {
        "frames": len(frames), "seen": round(float(seen_in(thing(last)).mean()), 3),
        "colour_drift": round(float(np.abs(colours[1] - colours[0]).max()), 2), "sharpness": round(sharpness[1] / max(1e-6, sharpness[0]), 3),
    }  # fmt: skip


def share(right: Sequence[bool]) -> dict[str, Any]:
    """A share with its interval."""
    low, high = wilson(sum(right), len(right))
    return {"share": round(sum(right) / len(right), 3), "interval": [round(low, 3), round(high, 3)], "cases": len(right)}


def by_case(part: float, cases: int, readings: int) -> dict[str, Any]:
    """A share of several readings of each case, with the interval of as many cases as there are: readings of one case say the same thing several times."""
    low, high = wilson(part * cases, cases)
    return {"share": round(part, 3), "interval": [round(low, 3), round(high, 3)], "cases": cases, "readings": readings}


def dreamed(dreamer: Any, size: str = "128x128") -> Player:
    """A `Reverie` as a player. ValueError if its weights have not learned actions."""

    def play(colour: str, seed: int, actions: Sequence[str]) -> np.ndarray:
        session = dreamer.play(f"a {colour} car drives in the snow, static camera", seed=seed, fps=FPS, size=size)
        if not session.steers:
            raise ValueError(f"model {dreamer.digest} has not learned actions: there is nothing to measure")
        return np.concatenate([session.advance(action) for action in actions])

    return play


def simulated(side: int = 128) -> Player:
    """The diorama itself as a player: what these measures give at best. Needs MuJoCo."""
    from reverie.worlds.diorama import Diorama
    from reverie.worlds.scene import Camera, Format, Scene, Subject

    def play(colour: str, seed: int, actions: Sequence[str]) -> np.ndarray:
        rng = np.random.default_rng(seed)
        words = tuple(word for word in actions for _ in range(FRAMES))
        car = Subject(
            kind="car", colour=colour, size="large", material="matte", action="steer", steering=words, vigour=float(rng.random()), heading=float(rng.uniform(-180, 180)), lane=0.4
        )  # fmt: skip
        camera = Camera(kind="static", elevation=float(rng.uniform(9, 16)))
        scene = Scene(world="diorama", seed=seed, index=0, surroundings="snow", time="day", subjects=(car,), camera=camera, sun=(0.3, 0.4, -1.2))
        return Diorama().film(scene, Format(width=side, height=side, num_frames=len(words), fps=FPS))[0].frames

    return play
