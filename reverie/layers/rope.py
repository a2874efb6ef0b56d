"""Rotary position embedding in three dimensions, interleaved pairs (RoFormer, arXiv 2104.09864; Wan's split of the head)."""

import torch
from torch import Tensor

THETA = 10_000.0


def rotations(positions: Tensor, head_width: int = 64) -> Tensor:
    """positions [L 3] (t, y, x; any real numbers) -> complex64 [L 1 head_width / 2], the rotation of each pair.

    Rows and columns get a third of the head each, rounded down to even numbers, time the rest: 24, 20 and 20 of 64.
    """
    side = head_width // 6 * 2
    parts = (head_width - 2 * side, side, side)
    angles = []
    for axis, width in enumerate(parts):
        rates = THETA ** (-torch.arange(0, width, 2, dtype=torch.float32, device=positions.device) / width)
        angles.append(positions[:, axis, None].float() * rates)
    turn = torch.cat(angles, -1)
    return torch.polar(torch.ones_like(turn), turn)[:, None]


def turn(x: Tensor, rotation: Tensor) -> Tensor:
    """x fp32 [L D], heads side by side, turned in place by rotation [L 1 K/2]. (Its gradient is turned back by the conjugate.)"""
    torch.view_as_complex(x.unflatten(-1, (-1, rotation.shape[-1], 2))).mul_(rotation)
    return x
