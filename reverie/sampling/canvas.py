"""The canvas: everything that a request is. What is known, how freely each part is to be dreamed, when it happens, and the words.

    start  x_i = (1 - s_i) * latents_i + s_i * noise_i        level  sigma_i = min(u, s_i) while u goes 1 -> 0

A task is data, not a pipeline: a function in sampling/tasks.py that returns a canvas; sampling/sampler.py fills any of them.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from reverie.autoencoder.autoencoder import FRAMES
from reverie.patches.patches import PATCH

WINDOW = 5  # latents that weights see at once whose file does not say how many there were in the longest clip that they learned from
FADE = 8  # frames before a kept one over which what the autoencoder lost of it comes in (and after one that was not known, goes); so many are held back
SAME = (16, 48)  # levels of 255: a place that changed by no more than the first shows the same thing; from the second on another
PROJECTIONS = 3  # rounds of `consistent`
NEAR = 7  # pixels, odd: so wide a neighbourhood shows the same where one of its places does, or the outline of a thing that has left would stay
FEATHER = 4  # pixels, the same across the border of a kept region


@dataclass(frozen=True)
class Given:
    """Pixels that stay as they are: frames uint8 [T H W 3], and where: keep bool [T H W], [T 1 1] or [1 H W]. around: after the last frame comes the first."""

    frames: np.ndarray
    keep: np.ndarray
    around: bool = False

    @property
    def whole(self) -> np.ndarray:
        """Which frames are kept in all their pixels: bool [T]."""
        return np.broadcast_to(np.asarray(self.keep.all((1, 2))), len(self.frames))

    def over_pieces(self, pieces: Iterable[np.ndarray], known: np.ndarray) -> Iterator[np.ndarray]:
        """The frames of all `pieces` that were dreamed, uint8 [t H W 3], one by one with the kept pixels exactly as given. known: bool [T], those whose latents were kept.

        What the autoencoder lost of a kept frame is given back wherever the dream goes on to show the same (SAME, NEAR): of a known one until the next kept frame, whose loss
        comes in over FADE frames; of another, for FADE frames, and only where what was given was dreamed. Where parts of frames are kept, what they
        differ by from the dream fades out across the border.
        """
        keep = np.broadcast_to(self.keep, self.frames.shape[:3])
        whole, total = self.whole, len(self.frames)
        dreamed: Iterator[np.ndarray] = (frame for piece in pieces for frame in piece)
        if not np.array_equal(whole, keep.any((1, 2))):
            yield from (_beside(*parts)[None] for parts in zip(dreamed, self.frames, keep, strict=True))
            return
        coming: deque[np.ndarray] = deque(itertools.islice(dreamed, 1))
        if self.around:  # the first frame comes after the last
            dreamed, whole = itertools.chain(dreamed, [coming[0]]), np.append(whole, whole[0])
        before: tuple[np.ndarray, np.ndarray] | None = None  # the kept frame before, dreamed and given
        since = 0
        for t in range(total):
            coming.extend(itertools.islice(dreamed, FADE + 1 - len(coming)))
            frame = coming.popleft()
            if whole[t]:
                before, since = (frame, self.frames[t]), t
                yield self.frames[t : t + 1]
                continue
            n = next((n for n in range(len(coming)) if whole[t + 1 + n]), FADE)
            share, shown = 1 - (n + 1) / (FADE + 1), frame.astype(np.float32)
            if before:
                shown += (1 - share) * (1.0 if known[since] else max(0.0, 1 - (t - since) / (FADE + 1))) * _regained(frame, *before, bool(known[since]))
            if share:
                k = (t + 1 + n) % total
                shown += share * _regained(frame, coming[n], self.frames[k], bool(known[k]))
            yield np.clip(shown, 0, 255).round().astype(np.uint8)[None]


def _regained(shown: np.ndarray, dreamed: np.ndarray, given: np.ndarray, known: bool) -> np.ndarray:
    """What the autoencoder lost of a frame that was `given` and `dreamed`, as far as the dreamed frame `shown` shows the same there: float [H W 3].
    Of one that was not `known`, only where what was dreamed is itself the same as what was given.
    """
    lost, change = given.astype(np.float32) - dreamed, np.abs(shown.astype(np.int16) - dreamed).max(-1).astype(np.uint8)
    around = np.asarray(Image.fromarray(change).filter(ImageFilter.MaxFilter(NEAR)))
    return lost * _same(around) * (1.0 if known else _same(np.abs(lost).max(-1)))


def _same(change: np.ndarray) -> np.ndarray:
    """[H W 1] in [0, 1]: how far a change [H W] is none (SAME)."""
    return np.clip((SAME[1] - change[..., None].astype(np.float32)) / (SAME[1] - SAME[0]), 0, 1)


def _beside(dreamed: np.ndarray, given: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """A frame [H W 3] where the pixels `keep` [H W] are as given; what they differ by fades out beside them."""
    residual = np.where(keep[..., None], given.astype(np.float32) - dreamed, 0)
    share = np.maximum(_blurred(keep[..., None].astype(np.float32)), 0.5)  # a straight border has 0.4 beside it
    result = np.clip(dreamed + _blurred(residual) / share, 0, 255).round().astype(np.uint8)
    return np.where(keep[..., None], given, result)


def consistent(frames: np.ndarray, draft: np.ndarray) -> np.ndarray:
    """`frames` [T H W 3] whose means over the area of each of the draft's pixels are those of `draft` [T h w 3], h <= H and w <= W.

    Back-projection (Irani and Peleg 1991): what the shrunk result and the draft differ by is enlarged and added. A draft is known, so
    only what is finer than its pixels is for the model to say; without this the autoencoder's loss alone costs more than it adds. (Where that would take more than white, or less
    than black, as beside drawn lines, the means stay off: by up to 50 levels at hard edges of black and white.)
    """
    height, width = frames.shape[1:3]
    results = []
    for frame, small in zip(frames, draft, strict=True):
        planes = []
        for channel in range(3):
            plane, goal = frame[..., channel].astype(np.float32), small[..., channel].astype(np.float32)
            for smooth in (True,) * PROJECTIONS + (False,):  # the little that is left goes without overshoot
                shrunk = np.asarray(Image.fromarray(plane).resize(goal.shape[::-1], Image.Resampling.BOX))
                larger = Image.fromarray(goal - shrunk).resize((width, height), Image.Resampling.BICUBIC if smooth else Image.Resampling.BOX)
                plane = plane + np.asarray(larger)
            planes.append(plane)
        results.append(np.clip(np.stack(planes, -1), 0, 255).round().astype(np.uint8))
    return np.stack(results)


def _blurred(residual: np.ndarray) -> np.ndarray:
    """[H W C] float, averaged with a triangle of FEATHER pixels to each side along rows and columns."""
    weights = 1 - np.abs(np.arange(-FEATHER, FEATHER + 1)) / (FEATHER + 1)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(residual, [(FEATHER, FEATHER) if a == axis else (0, 0) for a in range(3)])
        residual = sum(weight * padded.take(range(k, k + residual.shape[axis]), axis) for k, weight in enumerate(weights))
    return residual


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """One clip to be filled in.

    latents [C t h w]: what is known, zeros where nothing is
    strength [t h/2 w/2]: in [0, 1] on the token grid; 0 keeps exactly, 1 dreams freely, between repaints
    times [t]: seconds, at the middle of the frames that a latent stands for
    shown [t]: False for context only (a reference, a keyframe), which is never decoded and stands behind what is
    finished [t]: dreamed before, now context: the little noise that it carries is not what it was dreamed from (None: nothing is)
    prompts: the words; prompt_ids [t]: which of them a latent follows, in spans that do not fall back (None: the first)
    negative_prompt: the words to stay away from
    period: seconds after which time closes on itself (a loop), or None
    window: how many shown latents the network sees at once: a fact of the weights (`Reverie.window`)
    tiles: windows (top, left, rows, columns) on the token grid, through which the network sees a canvas too large for it
    seed: of the noise; first: the absolute index of the first latent, from which its noise is counted
    variation, other_seed: how far in [0, 1] the noise turns from that of seed to that of other_seed
    width, height, num_frames, fps, lead: of the decoded clip (lead: frames trimmed from its front)
    draft: frames uint8 [T H' W' 3] of a smaller size that the result, shrunk, must equal; None where there is none
    given: pixels that the result shows exactly; about: what the result remembers of the task
    """

    latents: Tensor
    strength: Tensor
    times: Tensor
    shown: Tensor
    finished: Tensor | None = None
    prompts: tuple[str, ...]
    prompt_ids: Tensor | None = None
    negative_prompt: str = ""
    period: float | None = None
    window: int = WINDOW
    tiles: tuple[tuple[int, int, int, int], ...] = ()
    seed: int
    first: int = 0
    variation: float = 0.0
    other_seed: int = 0
    width: int
    height: int
    num_frames: int
    fps: float
    lead: int = 0
    draft: np.ndarray | None = None
    given: Given | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        t, h, w = self.latents.shape[1:]
        if tuple(self.strength.shape) != (t, h // PATCH, w // PATCH):
            raise ValueError(f"strength is {list(self.strength.shape)}: latents {list(self.latents.shape)} need {[t, h // PATCH, w // PATCH]}")
        if len(self.times) != t or len(self.shown) != t:
            raise ValueError(f"{len(self.times)} times and {len(self.shown)} shown flags for {t} latents")
        if bool((self.shown.int().diff() > 0).any()) or not bool(self.shown[0]):
            raise ValueError("latents that are not shown stand behind those that are, of which there is at least one")
        if not bool(((self.strength >= 0) & (self.strength <= 1)).all()):
            raise ValueError(f"strength is {float(self.strength.min()):g} to {float(self.strength.max()):g}: between 0 (kept) and 1 (dreamed) is allowed")
        if not 0 <= self.variation <= 1:
            raise ValueError(f"variation is {self.variation}: between 0 (the same clip) and 1 (another one) is allowed")
        if self.variation > 0 and self.other_seed == self.seed:
            raise ValueError(f"variation {self.variation:g} from seed {self.seed} towards the same seed: give other_seed another number")
        if self.prompt_ids is not None and (len(self.prompt_ids) != t or bool((self.prompt_ids.diff() < 0).any()) or int(self.prompt_ids[-1]) >= len(self.prompts)):
            raise ValueError(f"prompt_ids must name one of {len(self.prompts)} prompts for each of {t} latents, in spans")

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tokens along time, rows and columns."""
        t, h, w = self.strength.shape
        return t, h, w

    @property
    def seen(self) -> int:
        """How many tokens the network sees at once."""
        return self.dreamed + int((~self.shown).sum()) * (self.dreamed // min(int(self.shown.sum()), self.window))

    @property
    def dreamed(self) -> int:
        """How many of them are part of the film: by these the noise levels are chosen, as in training (diffusion/schedules.py)."""
        _, h, w = self.grid
        _, _, rows, columns = self.tiles[0] if self.tiles else (0, 0, h, w)
        return min(int(self.shown.sum()), self.window) * rows * columns

    @property
    def at_once(self) -> bool:
        """Whether the network sees all of its time at once; else it is filled window by window (sampling/stream.py)."""
        return int(self.shown.sum()) <= self.window or self.period is not None

    @property
    def known(self) -> np.ndarray:
        """Which frames show latents that are kept: bool [num_frames]."""
        kept = (self.strength.flatten(1).amax(1) == 0)[self.shown].numpy()
        return kept.repeat(FRAMES)[self.lead : self.lead + self.num_frames]

    def token_strength(self) -> Tensor:
        """[t*h*w, 1], for each token."""
        return self.strength.flatten()[:, None].to(torch.float32)
