"""The mix of noise patterns that makes one model do every task: which level each token of a training clip gets.

| share | pattern | serves |
|---|---|---|
| 62% | shared: one level for the whole clip | text to video |
| 10% | causal: latents see only what came before; a prefix is known (none, up to all but one), each other latent has a level of its own | play |
| 9% | known frames: the first 3.5, a longer prefix 1.5, a suffix 1.5, both ends of any length 1.5, at random 1 | image to video, extension, loops, filling, transitions |
| 12% | box: two thirds hide what stands out most from its row, through all frames; else a box of the token grid, in all frames or a span of them, is unknown and the rest known, or the reverse | inpainting, outpainting |
| 2% | capped: one level with a cap s < 1 on frames or on a box: min(u, s); in half of them frames are known as well | repainting |
| 1% | independent: a level of its own for each latent frame (Diffusion Forcing, arXiv 2407.01392) | any mixture |
| 1% | ramp: not decreasing in time | streaming |
| 1% | dropped: a prefix or a suffix at level 1, the rest shared (history guidance, arXiv 2502.06764) | guidance by history |
| 1% | keyframe: a still of the clip at its own time, not shown, and a shared level; in a third of them a prefix is known as well | stills at any time, anchors |
| 1% | reference: a still of another clip of the same subject, four seconds before (patches/positions.py), and the same | what persists |

Shares are of the clips of more than one latent frame; an image (5% of a batch) gets a box in a tenth of the cases, else one level. Where a
clip has no reference it falls to the other patterns. Of a clip that begins inside its film (a tenth of a batch at most) a prefix or a suffix is known, a still stands beside it or
not: so every window of a long film but the first begins, or ends where it is filled backwards. Which clips get stills is decided where they are read (data/latents.py).
Half of the clips of which it is known what a driver did are causal: that is what playing asks.

Known tokens are clean half of the time and carry a small true noise the other half. The network is told every level as it is: a
dropped frame has level 1 and is noise. The loss is over all tokens that are not known.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from reverie.data.latents import KEYFRAME_SHARE, REFERENCE_SHARE
from reverie.diffusion.schedules import shifted

STEERED_SHARE = 0.5  # of the clips with known actions: causal ones
TEXT_DROPOUT = 0.1
CONTEXT_NOISE = 0.05  # the most that a known token carries
IMAGE_BOX_SHARE = 0.1  # of the images
AIMED_SHARE = 2 / 3  # of the boxes in clips of more than one latent frame: they hide what stands out
PREFIX_SHARE = 1 / 3  # of the clips with a still that is not shown: the first latents are known as well

SHARES = {
    "shared": 0.62, "causal": 0.1, "known": 0.09, "box": 0.12, "capped": 0.02, "independent": 0.01, "ramp": 0.01, "dropped": 0.01, "keyframe": KEYFRAME_SHARE, "reference": REFERENCE_SHARE,
}  # fmt: skip
PATTERNS = tuple(SHARES)
STILLS = ("keyframe", "reference")
DRAWN = tuple(name for name in PATTERNS if name not in STILLS)  # among which a clip without a still chooses


@dataclass(frozen=True)
class Draw:
    """A pattern's name, its levels [t h w] in [0, 1] (float32) and which tokens are known, bool [t h w]: never all of them."""

    name: str
    levels: np.ndarray
    known: np.ndarray


def draw(
    rng: Generator, grid: tuple[int, int, int], shift: float, name: str | None = None, stills: int = 0, within: bool = False, clean: Tensor | None = None
) -> Draw:  # fmt: skip
    """The levels of a clip of `grid` tokens (time, rows, columns), followed by `stills` frames that are not shown and always known.

    `shift` moves levels towards noise (schedules.py). `name`: this pattern; by default one is drawn. `within`: the clip begins inside its film, so one of its ends is known. `clean`: the tokens [l C] themselves,
    so that boxes can hide what stands out. Unknown tokens have levels above 0.
    """
    t = grid[0]
    u = 1 - rng.random(t)  # above 0
    each = shifted(torch.from_numpy(u), shift).numpy().astype(np.float32)
    name = name or _choose(rng, grid)
    levels, known = np.full(grid, each[0]), np.zeros(grid, bool)
    if name == "causal":
        levels[:] = each[:, None, None]
        known[: int(rng.integers(within, t))] = True
    elif within:
        name = name if name in STILLS else "known"
        known[_end(rng, t)] = True
    elif name == "independent":
        levels[:] = each[:, None, None]
    elif name == "known":
        known[_known(rng, t)] = True
    elif name == "dropped":
        levels[_end(rng, t)] = 1
    elif name == "box":
        aimed = t > 1 and grid[1] * grid[2] > 1 and rng.random() < AIMED_SHARE
        known = ~_hiding(rng, clean, grid) if clean is not None and aimed else _box(rng, grid) ^ (rng.random() < 0.5)
    elif name == "ramp":
        levels[:] = np.sort(each)[:, None, None]
    elif name == "capped":
        part = _box(rng, grid) if rng.random() < 0.5 else np.broadcast_to((rng.random(t) < 0.5)[:, None, None], grid)
        levels[part] = min(each[0], np.float32(1 - rng.random()))
        if t > 1 and rng.random() < 0.5:
            known[_known(rng, t)] = True
    elif name in STILLS and rng.random() < PREFIX_SHARE:
        known[: int(rng.integers(1, t))] = True
    levels = np.concatenate([levels, np.zeros((stills, *grid[1:]), np.float32)])
    known = np.concatenate([known, np.ones((stills, *grid[1:]), bool)])
    levels[known] = 0.0 if rng.random() < 0.5 else CONTEXT_NOISE * rng.random()
    return Draw(name, levels, known)


def _choose(rng: Generator, grid: tuple[int, int, int]) -> str:
    if grid[0] == 1:
        return "box" if rng.random() < IMAGE_BOX_SHARE and grid[1] * grid[2] > 1 else "shared"
    shares = np.array([SHARES[name] for name in DRAWN])
    return str(rng.choice(DRAWN, p=shares / shares.sum()))


def _known(rng: Generator, frames: int) -> np.ndarray:
    """Which frames are given: bool [frames], at least one of them and not all."""
    kind, count = rng.random(), int(rng.integers(1, frames))
    index = np.arange(frames)
    if kind < 7 / 18:
        return index < 1
    if kind < 10 / 18:
        return index < count
    if kind < 13 / 18:
        return index >= count
    if kind < 16 / 18 and frames > 2:
        first = int(rng.integers(1, frames - 1))
        return (index < first) | (index >= int(rng.integers(first + 1, frames)))
    return rng.permutation(frames) < count


def _end(rng: Generator, frames: int) -> np.ndarray:
    """A prefix or a suffix, as often the one as the other: bool [frames], not all."""
    count = int(rng.integers(1, frames))
    return np.arange(frames) < count if rng.random() < 0.5 else np.arange(frames) >= count


def _box(rng: Generator, grid: tuple[int, int, int]) -> np.ndarray:
    """A box of tokens, half of the time through all frames: bool [t h w], neither nothing nor everything."""
    sizes = [int(rng.integers(1, n + 1)) for n in grid]
    if rng.random() < 0.5:
        sizes[0] = grid[0]
    if tuple(sizes) == grid:
        longest = int(np.argmax(grid))
        sizes[longest] = grid[longest] // 2
    starts = [int(rng.integers(0, n - size + 1)) for n, size in zip(grid, sizes, strict=True)]
    box = np.zeros(grid, bool)
    box[tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))] = True
    return box


def _hiding(rng: Generator, clean: Tensor, grid: tuple[int, int, int]) -> np.ndarray:
    """A box through all frames, up to three quarters of each side, where most stands out: bool [t h w]. A random box rarely hides a thing whole, so nobody
    would learn to draw one of which only the words and the rest of the picture tell.
    """
    tokens = clean[: math.prod(grid)].unflatten(0, grid)
    median = tokens.transpose(0, 1).flatten(1, 2).median(1).values  # of each row
    apart = (tokens - median[:, None]).square().sum(-1).amax(0).square()  # the distance's fourth power: things, hardly textures
    sides = [min(int(rng.integers(3, max(3, 3 * n // 4) + 1)), max(1, n - 1)) for n in grid[1:]]
    weight = F.avg_pool2d(apart[None], sides, 1)[0].double().pow(8).numpy() + 1e-12
    top, left = divmod(int(rng.choice(weight.size, p=(weight / weight.sum()).ravel())), weight.shape[1])
    box = np.zeros(grid, bool)
    box[:, top : top + sides[0], left : left + sides[1]] = True
    return box
