"""Noise levels: where training draws them and where sampling walks."""

import math

import torch
from torch import Tensor


def resolution_shift(num_tokens: int) -> float:
    """How far levels move towards noise for a clip of so many spacetime patches: 2.5 sqrt(n / 64) within 1 and 10 (SD3, eq. 23).

    What many places show together is drowned only by more noise; further channels of a place are detail and do not count. The factor
    is measured: more than half of the error that a network can still remove from a clip of 2 s at 128x128 it removes between sigma 1
    and 0.9, where without the factor lie a fifth of the levels. There it is decided what moves where.
    """
    return min(10.0, max(1.0, 2.5 * math.sqrt(num_tokens / 64)))


def shifted(u: Tensor, shift: float) -> Tensor:
    """u in [0, 1] -> shift * u / (1 + (shift - 1) * u), which keeps 0 and 1."""
    return shift * u / (1 + (shift - 1) * u)


def step_at(sigma: Tensor, shift: float, num_steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """The step of a run of num_steps that leads through sigma (in (0, 1]): where it begins, half of it, and where it ends. float32."""
    u = (shifted(sigma.double(), 1 / shift) * num_steps - 1e-3).ceil().clamp(1, num_steps)  # where a step ends, but for rounding, the next begins
    begin, middle, end = (shifted((u - done) / num_steps, shift).float() for done in (0, 0.5, 1))
    return begin, middle, end


def levels(num_steps: int, shift: float) -> Tensor:
    """The global levels of a sampling run, from 1 to 0: [num_steps + 1]."""
    return shifted(torch.linspace(1, 0, num_steps + 1, dtype=torch.float64), shift).float()  # float64, so that the ends are exact
