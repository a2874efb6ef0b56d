"""The measures of the tasks against tricks: what shows the truth reaches every goal, and no lazy dreamer reaches all goals of any task."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reverie.evaluation import tasks as measures
from reverie.evaluation.prompts import Facts, look_at_all
from reverie.sampling.canvas import consistent
from reverie.sampling.tasks import resized
from reverie.video import Video
from reverie.worlds import words

PAINTS = {"red": (220, 30, 30), "yellow": (220, 200, 20), "blue": (30, 60, 220), "orange": (230, 110, 20), "green": (20, 150, 40), "purple": (140, 30, 200)}
COLOURS = ("red", "blue", "yellow")
ROLLERS = ("ball", "cylinder")
SIDE, COUNT = 96, 16


def ground(seed: int, width: int = SIDE) -> np.ndarray:
    """Gray, in patches, grained and lit from one side: [H W 3]."""
    rng = np.random.default_rng(seed)
    patches = np.kron(rng.integers(-25, 26, (SIDE // 8, width // 8)), np.ones((8, 8), int))
    return np.clip(90 + 40 * (seed % 4) + patches + rng.integers(-4, 5, (SIDE, width)) + np.linspace(0, 20, width), 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


def told(clip: np.ndarray, kind: str, surroundings: str, time: str) -> np.ndarray:
    """The clip with a corner that says what, where and when, for `reader`."""
    clip = clip.copy()
    clip[:, :6, :6] = 20 + 120 * ROLLERS.index(kind) + 40 * measures.EVEN.index(surroundings) + 20 * ("day", "night").index(time)
    return clip


def reader(clips: Any) -> list[Facts]:
    """A look that reads all that a probe does."""
    facts = look_at_all(clips := list(clips))
    corners = [round((float(np.median(clip[:, :6, :6])) - 20) / 20) for clip in clips]
    places = [{"kind": ROLLERS[n // 6 % 2], "surroundings": measures.EVEN[n // 2 % 3] if 0 <= n < 12 else "none", "time": ("day", "night")[n % 2]} for n in corners]
    return [{**fact, **place, "camera": "static"} for fact, place in zip(facts, places, strict=True)]


def rolling(n: int, colour: str, frames: int = COUNT, seed: int | None = None, start: int | None = None, wrap: bool = False) -> np.ndarray:
    """A chequered square that goes left (n even) or right over the ground of `seed`; wrap: round the picture once."""
    square = np.uint8(np.kron(np.random.default_rng(n).uniform(0.4, 1, (5, 8, 1)), np.ones((3, 2, 1))) * PAINTS[colour])  # [15 16 3]
    clip = ground(n if seed is None else seed)[None].repeat(frames, 0)
    step, first = (-1 if n % 2 == 0 else 1) * (SIDE // frames if wrap else 2), (74 - 7 * n if n % 2 == 0 else 2 + 7 * n) if start is None else start
    for t in range(frames):
        columns = np.arange(first + step * t, first + step * t + 16)
        seen = (columns >= 0) & (columns < SIDE) | wrap
        clip[t, 55:70, columns[seen] % SIDE] = square[:, seen].swapaxes(0, 1)
    return clip


def case(n: int) -> measures.Case:
    way = "left" if n % 2 == 0 else "right"
    truth = {"kind": "ball", "colour": COLOURS[n], "motion": way, "fact": f"roll_{way}", "surroundings": measures.EVEN[n % 3], "time": ("day", "night")[n % 2], "camera": "static"}
    clip = told(rolling(n, COLOURS[n]), truth["kind"], truth["surroundings"], truth["time"])
    grain = np.random.default_rng(n).integers(-2, 3, (1, 2 * SIDE, 2 * SIDE, 1))
    return measures.Case(Video(clip), truth, Video(np.clip(clip.repeat(2, 1).repeat(2, 2) + grain, 0, 255).astype(np.uint8)))


CASES = [case(n) for n in range(3)]
Stills = list[tuple[Video, float]]  # pictures at their seconds


def colour_in(prompt: str) -> str:
    return next(word for word in prompt.split() if word in PAINTS)


def as_told(clip: np.ndarray, prompt: str) -> Video:
    """The clip with the corner that its prompt asks for."""
    places = ((ROLLERS, words.KINDS), (measures.EVEN, words.PLACES), (("day", "night"), words.TIMES))
    return Video(told(clip, *(next(key for key in keys if said[key][0] in prompt) for keys, said in places)))


class Truth:
    """What a perfect model would make of the cases; seeds say which case is meant."""

    def generate(self, prompt: str, seed: int, **how: Any) -> Video:
        n = COLOURS.index(colour_in(prompt))
        return as_told(rolling(n, colour_in(prompt), seed=seed + 50, start=(45 + 7 * (seed % 4)) if n % 2 == 0 else 7 * (seed % 4)), prompt)

    def animate(self, images: Stills, prompt: str, num_frames: int, seed: int) -> Video:
        return Video(rolling(seed, COLOURS[seed], num_frames))

    def extend(self, video: Video, prompt: str, seed: int, seconds: float = 0, before: float = 0) -> Video:
        return CASES[seed].video

    def loop(self, prompt: str, video: Video | None = None, *, seconds: float, seed: int) -> Video:
        return Video(rolling(seed, COLOURS[seed], wrap=True))

    def connect(self, first: Video, second: Video, prompt: str, seconds: float, seed: int) -> Video:
        """The camera pans over from the one to the other, through a third place."""
        wide = np.concatenate([first.frames[-1], ground(seed + 77), second.frames[0]], 1)
        return Video(np.concatenate([first.frames, *(wide[None, :, x : x + SIDE] for x in np.linspace(0, 2 * SIDE, 10)[1:-1].astype(int)), second.frames]))

    def blend(self, first: Video, second: Video, prompt: str, seed: int) -> Video:
        wide = np.concatenate([first.frames, ground(seed + 77)[None].repeat(COUNT, 0), second.frames], 2)
        return Video(np.stack([frame[:, x : x + SIDE] for frame, x in zip(wide, np.linspace(0, 2 * SIDE, COUNT).astype(int), strict=True)]))

    def fill(self, video: Video, prompt: str, missing: list[int], seed: int) -> Video:
        return video

    def edit(self, video: Video, prompt: str, strength: float, seed: int) -> Video:
        return as_told(rolling(seed, colour_in(prompt)), prompt)

    def inpaint(self, video: Video, mask: np.ndarray, prompt: str, seed: int) -> Video:
        if len(mask) > 1:
            return Video(np.where(mask[..., None], rolling(seed, colour_in(prompt)), video.frames))
        frames, (rows, columns) = video.frames.copy(), (np.nonzero(mask[0].any(axis))[0] for axis in (1, 0))
        square = np.kron(np.random.default_rng(seed).uniform(0.6, 1, (4, 4, 1)), np.ones((4, 4, 1)))
        frames[:, rows[8] : rows[24], columns[8] : columns[24]] = np.uint8(square * PAINTS[colour_in(prompt)])
        return Video(frames)

    def outpaint(self, video: Video, prompt: str, size: str, left: int, seed: int) -> Video:
        return CASES[seed].video

    def refine(self, video: Video, prompt: str, size: str, seed: int) -> Video:
        return {"256x256": video, CASES[seed].large.size: CASES[seed].large}.get(size, CASES[seed].video)


class Trick(Truth):
    """One trick for every task: `between(before, after, count)` makes up `count` frames after and before known ones (either may be none)."""

    def __init__(self, between: Callable[[np.ndarray, np.ndarray, int], np.ndarray]) -> None:
        self.between = between

    def _alone(self) -> Video:
        return Video(self.between(CASES[0].video.frames[:8], CASES[0].video.frames[:0], COUNT))

    def generate(self, prompt: str, seed: int, **how: Any) -> Video:
        return self._alone()

    def animate(self, images: Stills, prompt: str, num_frames: int, seed: int) -> Video:
        first, last = (np.concatenate([images[0][0].frames[:0], *[still.frames for still, at in images if (at > 0) == late]]) for late in (False, True))
        return Video(np.concatenate([first, self.between(first, last, num_frames - len(images)), last]))

    def extend(self, video: Video, prompt: str, seed: int, seconds: float = 0, before: float = 0) -> Video:
        none = video.frames[:0]
        return Video(np.concatenate([video.frames, self.between(video.frames, none, 8)] if seconds else [self.between(none, video.frames, 8), video.frames]))

    def loop(self, prompt: str, video: Video | None = None, *, seconds: float, seed: int) -> Video:
        clip = rolling(seed, COLOURS[seed])[:8] if video is None else video.frames
        return Video(np.concatenate([clip, self.between(clip, clip, COUNT - len(clip))]))

    def connect(self, first: Video, second: Video, prompt: str, seconds: float, seed: int) -> Video:
        return Video(np.concatenate([first.frames, self.between(first.frames, second.frames, 8), second.frames]))

    def blend(self, first: Video, second: Video, prompt: str, seed: int) -> Video:
        return Video(np.concatenate([first.frames[:1], self.between(first.frames[:7], second.frames[9:], 14), second.frames[-1:]]))

    def fill(self, video: Video, prompt: str, missing: list[int], seed: int) -> Video:
        frames, spans = video.frames.copy(), np.split(missing, np.nonzero(np.diff(missing) > 1)[0] + 1)
        for span in spans:
            frames[span] = self.between(frames[: span[0]], frames[span[-1] + 1 :], len(span))
        return Video(frames)

    def edit(self, video: Video, prompt: str, strength: float, seed: int) -> Video:
        return Video(np.concatenate([video.frames[:1], self.between(video.frames[:1], video.frames[:0], COUNT - 1)]))

    def inpaint(self, video: Video, mask: np.ndarray, prompt: str, seed: int) -> Video:
        return Video(np.where(mask[..., None], self.between(video.frames[:4], video.frames[4:], COUNT), video.frames))

    def outpaint(self, video: Video, prompt: str, size: str, left: int, seed: int) -> Video:
        return Video(np.pad(video.frames, [(0, 0), (0, 0), (left, SIDE - left - video.frames.shape[2]), (0, 0)], mode="edge"))

    def refine(self, video: Video, prompt: str, size: str, seed: int) -> Video:
        side = int(size.split("x")[0])
        return Video(resized(video, side, side).frames)


def frozen(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    return np.stack([*[before[-1]] * (count // 2), *[after[0]] * (count - count // 2)] if len(before) and len(after) else [(before[-1] if len(before) else after[0])] * count)


def there_and_back(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    if not len(before):
        return there_and_back(after[::-1], before, count)[::-1]
    return np.concatenate([before[::-1], before] * count)[:count]


def cross_fade(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    first, last = (before[-1] if len(before) else after[0]), (after[0] if len(after) else before[0])
    return np.stack([((1 - share) * first + share * last).round().astype(np.uint8) for share in np.linspace(0, 1, count + 2)[1:-1]])


def gray(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    return np.full((count, *(before if len(before) else after).shape[1:]), 128, np.uint8)


def through_gray(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    half, first = gray(before, after, 1), (count + 1) // 2
    return np.concatenate([cross_fade(before, half, first), cross_fade(half, after if len(after) else before, first)])[:count]


def noise(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    known = before if len(before) else after
    return np.random.default_rng(len(known)).integers(0, 256, (count, *known.shape[1:]), np.uint8)


def through_a_third(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    """In four frames to a third picture, in four from there."""
    third, ends = ground(123)[None], (before if len(before) else after[::-1], after if len(after) else before[::-1])
    shares = [min(1.0, (k + 1) / 3, (count - k) / 3) for k in range(count)]
    return np.stack([((1 - share) * (ends[0][-1] if k < count / 2 else ends[1][0]) + share * third[0]).round().astype(np.uint8) for k, share in enumerate(shares)])


def by_one_mixture(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    """Cuts to a third picture and back, each through one frame that shows both: no step is large."""
    third, faded = ground(123), through_a_third(before, after, count)
    ends = (before if len(before) else after[::-1])[-1], (after if len(after) else before[::-1])[0]
    faded[1:-1] = third
    faded[0], faded[-1] = ((end.astype(np.float32) + third) / 2 for end in ends)
    return faded


def wipe(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    """The one picture slides over the other: no frame is mixed, each shows two places."""
    first, last = (before if len(before) else after[::-1])[-1], (after if len(after) else before[::-1])[0]
    return np.stack([np.where(np.arange(first.shape[1])[None, :, None] < first.shape[1] * (k + 1) / (count + 1), last, first) for k in range(count)])


def push(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    """The one picture pushes the other out of the frame."""
    both = np.concatenate([(before if len(before) else after[::-1])[-1], (after if len(after) else before[::-1])[0]], 1)
    return np.stack([both[:, x : x + both.shape[1] // 2] for x in (both.shape[1] // 2 * np.arange(1, count + 1) // (count + 1))])


def blinds(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    """The one picture comes out of the other in stripes."""
    first, last = (before if len(before) else after[::-1])[-1], (after if len(after) else before[::-1])[0]
    return np.stack([np.where((np.arange(first.shape[1]) % 16 < 16 * (k + 1) / (count + 1))[None, :, None], last, first) for k in range(count)])


class Painted(Trick):
    """Tricks of one task each: the asked colour over all of a mask or of a clip, a mirror outside, one moving clip for every shot and every seed."""

    def edit(self, video: Video, prompt: str, strength: float, seed: int) -> Video:
        return Video(np.full_like(video.frames, PAINTS[colour_in(prompt)]))

    def inpaint(self, video: Video, mask: np.ndarray, prompt: str, seed: int) -> Video:
        return Video(np.where(mask[..., None], np.uint8(PAINTS[colour_in(prompt)]), video.frames))

    def outpaint(self, video: Video, prompt: str, size: str, left: int, seed: int) -> Video:
        return Video(np.pad(video.frames, [(0, 0), (0, 0), (left, SIDE - left - video.frames.shape[2]), (0, 0)], mode="symmetric"))

    def generate(self, prompt: str, seed: int, **how: Any) -> Video:
        n = COLOURS.index(colour_in(prompt))
        return Video(rolling(n, COLOURS[n]))


class Sly(Trick):
    """What is hardest to tell from work: Lanczos that is brought back to the draft twice; one clip for every shot, each brighter and more tinted; a clip there and back as a loop;
    a flat patch of the asked colour under a mask; a mirror mixed with stretched border pixels outside."""

    def refine(self, video: Video, prompt: str, size: str, seed: int) -> Video:
        side = int(size.split("x")[0])
        return Video(consistent(consistent(resized(video, side, side).frames, video.frames), video.frames))

    def inpaint(self, video: Video, mask: np.ndarray, prompt: str, seed: int) -> Video:
        frames = video.frames.copy()
        for frame, part in zip(frames, np.broadcast_to(mask, frames.shape[:3]), strict=True):
            rows, columns = (np.nonzero(part.any(axis))[0] for axis in (1, 0))
            frame[rows[8] : rows[24], columns[8] : columns[24]] = PAINTS[colour_in(prompt)]
        return Video(frames)

    def outpaint(self, video: Video, prompt: str, size: str, left: int, seed: int) -> Video:
        around = [(0, 0), (0, 0), (left, SIDE - left - video.frames.shape[2]), (0, 0)]
        return Video((0.6 * np.pad(video.frames, around, mode="symmetric") + 0.4 * np.pad(video.frames, around, mode="edge")).round().astype(np.uint8))

    def generate(self, prompt: str, seed: int, **how: Any) -> Video:
        n, shot = COLOURS.index(colour_in(prompt)), seed % len(measures.SHOTS)
        clip = rolling(n, COLOURS[n]) * (0.7 + 0.05 * shot) + 10 * shot * np.array([1, 1.2, 0.8])
        return Video(np.clip(clip, 0, 255).astype(np.uint8))

    def loop(self, prompt: str, video: Video | None = None, *, seconds: float, seed: int) -> Video:
        clip = rolling(seed, COLOURS[seed]) if video is None else video.frames
        return Video(np.concatenate([clip, clip[::-1]] * COUNT)[:COUNT])


class Slier(Sly):
    """A loop that is the plain clip turned by half, its cut in the middle; the given still, sliding as the thing should; every second shot upside down, every fourth moved; a clip of another tint;
    the middle colour of each row, and grain, outside."""

    def loop(self, prompt: str, video: Video | None = None, *, seconds: float, seed: int) -> Video:
        clip = rolling(seed, COLOURS[seed])
        return Video(np.roll(clip, COUNT // 2, 0) if video is None else np.concatenate([video.frames, *[clip[-4:]] * 4])[:COUNT])

    def animate(self, images: Stills, prompt: str, num_frames: int, seed: int) -> Video:
        return Video(slid(images[0][0].frames[0], -2 if seed % 2 == 0 else 2, num_frames))

    def generate(self, prompt: str, seed: int, **how: Any) -> Video:
        n, shot = COLOURS.index(colour_in(prompt)), seed % len(measures.SHOTS) if how.get("references") else 0
        clip = rolling(n, COLOURS[n])[:, :: 1 - 2 * (shot % 2)]
        return Video(np.roll(clip, 30 * (shot % 4 > 1), 1))

    def edit(self, video: Video, prompt: str, strength: float, seed: int) -> Video:
        frames = rolling(seed, colour_in(prompt)).astype(np.float32)
        return Video(np.clip(frames * 0.7 + 0.3 * np.float32(PAINTS[colour_in(prompt)]), 0, 255).astype(np.uint8))

    def outpaint(self, video: Video, prompt: str, size: str, left: int, seed: int) -> Video:
        return Video(rows_outside(video.frames, left, SIDE - left - video.frames.shape[2]))


def slid(picture: np.ndarray, step: int, count: int) -> np.ndarray:
    """The picture [H W 3], moved sideways by `step` pixels per frame: [count H W 3]."""
    wide = np.pad(picture, [(0, 0), (count * abs(step),) * 2, (0, 0)], mode="edge")
    return np.stack([wide[:, (count * abs(step) - k * step) :][:, : picture.shape[1]] for k in range(count)])


def rows_outside(frames: np.ndarray, left: int, right: int) -> np.ndarray:
    """The median colour of each row on both sides, with a little grain that stands still."""
    middle = np.median(frames, (0, 2))[:, None]
    sides = [middle + np.random.default_rng(n).normal(0, 0.7, (len(middle), width, 3)) for n, width in enumerate((left, right))]
    one, other = (np.broadcast_to(np.clip(side.round(), 0, 255).astype(np.uint8), (len(frames), *side.shape)) for side in sides)
    return np.concatenate([one, frames, other], 2)


TRICKS: dict[str, Any] = {
    made.__name__: Trick(made) for made in (frozen, there_and_back, cross_fade, gray, through_gray, noise, through_a_third, by_one_mixture, wipe, push, blinds)
}
TRICKS |= {"painted": Painted(frozen), "sly": Sly(frozen), "slier": Slier(frozen)}
DREAMED = [name for name in measures.MEASURES if name != "play"]  # tests/test_play.py has the tricks of play


def failed(task: str, figures: dict[str, Any]) -> list[str]:
    """The goals that are measured and missed: one that is not measured stops no trick."""
    return [goal for goal in measures.missed(task, figures) if "not measured" not in goal]


@pytest.mark.parametrize("task", DREAMED)
def test_the_truth_reaches_every_goal_and_no_trick_does(task: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measures, "STRENGTHS", {"strong": 0.9})
    figures = measures.MEASURES[task](Truth(), CASES, [], reader)  # type: ignore[arg-type]
    assert measures.missed(task, figures) == [], figures
    if task == "loop":  # the tricks that stand in its table miss its goals
        for kind in ("plain", "cross_fade", "ping_pong"):
            assert failed(task, {name: figures[f"{name}_{kind}"] for name in measures.LOOP}), kind
    for name in ("frozen", "sly") if task == "refine" else TRICKS:  # all but the last refine alike
        trick = TRICKS[name]
        figures = measures.MEASURES[task](trick, CASES, [], look_at_all)
        wrong = failed(task, figures)
        assert {goal.split()[0] for goal in wrong} >= {"replaced", "found"} if task == "inpaint" else wrong, (name, figures)


def test_a_loop_must_hold_a_clip_and_an_image_too_and_be_better_than_the_tricks():
    class WordsOnly(Truth):
        def loop(self, prompt: str, video: Video | None = None, *, seconds: float, seed: int) -> Video:
            return Truth().loop(prompt, seconds=seconds, seed=seed) if video is None else Sly(frozen).loop(prompt, video, seconds=seconds, seed=seed)

    wrong = failed("loop", measures.loop(WordsOnly(), CASES, [], reader))  # type: ignore[arg-type]
    assert {goal.split()[1] for goal in wrong} == {"clip", "image"}, wrong

    class Faded(Truth):
        def loop(self, prompt: str, video: Video | None = None, *, seconds: float, seed: int) -> Video:
            plain, fade = rolling(seed, COLOURS[seed], COUNT + 4), np.linspace(0, 1, 6)[1:-1, None, None, None]
            return Video(np.concatenate([((1 - fade) * plain[-4:] + fade * plain[:4]).round().astype(np.uint8), plain[4:-4]]))

    figures = measures.loop(Faded(), CASES, [], reader)  # type: ignore[arg-type]
    assert figures["better_than_cross_fade"]["share"] == 0
    assert any(goal.startswith("better than cross fade 0 ") for goal in failed("loop", figures))


def test_filmed_clips_as_they_are_reach_the_goals_and_no_padding_or_projection_does():
    """On the footage that is measured, not on drawn squares."""
    cases = measures.film_cases(5, 1001)

    class Filmed(Truth):
        def animate(self, images: Stills, prompt: str, num_frames: int, seed: int) -> Video:
            return cases[seed].video

        def extend(self, video: Video, prompt: str, seed: int, seconds: float = 0, before: float = 0) -> Video:
            return cases[seed].video

        def outpaint(self, video: Video, prompt: str, size: str, left: int, seed: int) -> Video:
            return cases[seed].video

        def generate(self, prompt: str, seed: int, **how: Any) -> Video:
            return cases[seed].video

        def refine(self, video: Video, prompt: str, size: str, seed: int) -> Video:
            own = video.frames.shape[1:3] == (128, 128)
            return cases[seed].large if own or size == "256x256" else cases[seed].video

    class Padded(Filmed):
        def outpaint(self, video: Video, prompt: str, size: str, left: int, seed: int) -> Video:
            around = [(0, 0), (0, 0), (left, left), (0, 0)]
            return Video((0.6 * np.pad(video.frames, around, mode="symmetric") + 0.4 * np.pad(video.frames, around, mode="edge")).round().astype(np.uint8))

        def refine(self, video: Video, prompt: str, size: str, seed: int) -> Video:
            return Sly(frozen).refine(video, prompt, size, seed)

    class Rows(Padded):
        def outpaint(self, video: Video, prompt: str, size: str, left: int, seed: int) -> Video:
            return Video(rows_outside(video.frames, left, left))

        def animate(self, images: Stills, prompt: str, num_frames: int, seed: int) -> Video:
            return Video(slid(images[0][0].frames[0], -4 if "left" in prompt else 4, num_frames))

    for task in ("animate", "outpaint"):
        assert measures.missed(task, figures := measures.MEASURES[task](Rows(), cases, [], look_at_all)), (task, figures)  # type: ignore[arg-type]
    for task in ("animate", "extend", "outpaint", "refine"):
        assert measures.missed(task, figures := measures.MEASURES[task](Filmed(), cases, [], look_at_all)) == [], (task, figures)  # type: ignore[arg-type]
    for task in ("outpaint", "refine"):
        wrong = measures.missed(task, figures := measures.MEASURES[task](Padded(), cases, [], look_at_all))  # type: ignore[arg-type]
        assert any("against" in goal for goal in wrong), (task, figures)


def test_intervals_are_those_of_cases_and_of_few_of_them():
    assert measures._by_case([[True] * 5] * 7 + [[False] * 5]) == {"share": 0.875, "interval": [0.529, 0.978], "cases": 8, "readings": 40}
    gain = measures._gain([31.0, 33.0, 32.0, 31.5, 32.5], [30.0] * 5)
    assert (gain["gain"], gain["plus_minus"]) == (2.0, 0.98)  # 2.776 sigma / sqrt(5), of sigma 0.79
    assert measures.missed("fill", {"gap": gain, "rate": {**gain, "gain": 0.5}}) == ["rate -0.48 (at least 0.01)"]


def test_a_cut_is_seen_wherever_it_stands_in_a_loop():
    clip = rolling(0, "red")
    cuts = [measures.cut(np.roll(clip, turn, 0)) for turn in range(COUNT)]
    assert min(cuts) == pytest.approx(max(cuts))
    assert min(cuts) > 1.5 > 1.1 > measures.cut(rolling(0, "red", wrap=True))


@pytest.mark.parametrize("turned", [np.flipud, np.fliplr, lambda picture: np.roll(picture, 30, 0), lambda picture: np.roll(picture, -24, 1)])
def test_one_place_stays_that_place_upside_down_mirrored_and_moved(turned: Callable[[np.ndarray], np.ndarray]):
    picture = ground(3).astype(np.float32)
    assert measures.alike(picture, turned(picture)) > measures.ALIKE > measures.alike(picture, ground(4).astype(np.float32))


def test_a_still_that_slides_carries_its_ground_along():
    assert measures.carried(rolling(1, "blue")) == 0
    assert measures.carried(slid(rolling(1, "blue")[0], 3, COUNT)) == 3
    figures = measures.animate(Slier(frozen), CASES, [], look_at_all)  # type: ignore[arg-type]
    assert figures["right"]["share"] == 0


def test_a_clip_that_is_tinted_all_over_is_not_the_edit_that_was_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measures, "STRENGTHS", {"strong": 0.9})
    assert measures.edit(Slier(frozen), CASES, [], look_at_all)["strength_0.9"]["changed"]["share"] == 0  # type: ignore[arg-type]


def test_one_clip_that_is_relit_for_every_shot_shows_no_other_place():
    figures = measures.storyboard(Sly(frozen), CASES, [], look_at_all)  # type: ignore[arg-type]
    assert figures["kept"]["share"] == 1.0
    assert figures["other_place"]["share"] == 0
    assert measures.alike(np.full((96, 96, 3), 90.0), ground(1).astype(np.float32)) == 1  # an even picture shows no place


def test_what_takes_no_model_gains_nothing_in_refining():
    soft = [np.random.default_rng(n).integers(30, 220, (12, 12, 3), np.uint8) for n in range(3)]  # no grain, which nobody can know
    clips = [[Video(np.stack([np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))] * 2)) for picture in soft] for side in (SIDE // 2, SIDE)]
    cases = [replace(case, video=video, large=large) for case, video, large in zip(CASES, *clips, strict=True)]
    figures = measures.refine(Sly(frozen), cases, [], look_at_all)  # type: ignore[arg-type]
    wrong = measures.missed("refine", figures)
    for kind in ("", "large "):
        assert not any(goal.startswith(f"{kind}against lanczos") for goal in wrong), figures  # the easier goal alone does not see it
        assert any(goal.startswith(f"{kind}against back projection ") for goal in wrong), figures


@pytest.mark.parametrize("trick", [cross_fade, through_a_third, by_one_mixture, through_gray, wipe])
def test_transitions_that_show_two_pictures_at_once_are_doubly_exposed(trick: Callable[[np.ndarray, np.ndarray, int], np.ndarray]):
    clips = [(case.video.frames, other.video.frames) for case, other in zip(CASES, CASES[1:] + CASES[:1], strict=True)]
    doubled = [measures.doubleness(np.concatenate([a[7:8], trick(a[:8], b[8:], 8), b[8:9]])) for a, b in clips]
    assert float(np.median(doubled)) > measures.TRANSITION["doubleness"][1], doubled
