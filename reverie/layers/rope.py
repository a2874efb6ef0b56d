"""Rotary position embedding in three dimensions, interleaved pairs (RoFormer, arXiv 2104.09864; Wan's split of the head)."""

import torch
from torch import Tensor

AXES = (24, 20, 20)  # of 64 head dimensions: time, row, column
THETA = 10_000.0


def rotations(positions: Tensor, head_width: int = 64) -> Tensor:
    """positions [L 3] (t, y, x; any real numbers) -> complex64 [L 1 head_width / 2], the rotation of each pair.

    The head is split 24 : 20 : 20 between the axes, each part rounded to even numbers, the rest going to time.
    """
    side = head_width * AXES[1] // sum(AXES) // 2 * 2
    parts = (head_width - 2 * side, side, side)
    angles = []
    for axis, width in enumerate(parts):
        rates = THETA ** (-torch.arange(0, width, 2, dtype=torch.float32, device=positions.device) / width)
        angles.append(positions[:, axis, None].float() * rates)
    turn = torch.cat(angles, -1)
    return torch.polar(torch.ones_like(turn), turn)[:, None]


class _Rotate(torch.autograd.Function):
    """Turning pairs; the backward is turning back. (Autograd's own keeps fp32 copies and takes twice as long.)"""

    @staticmethod
    def forward(ctx, x: Tensor, rotation: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(rotation)
        return _turn(x, rotation)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return _turn(gradient, ctx.saved_tensors[0].conj_physical()), None


def _turn(x: Tensor, rotation: Tensor) -> Tensor:
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation).flatten(-2).to(x.dtype)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """x [L N K] turned by rotation [L 1 K/2], in fp32, returned in the dtype of x."""
    return _Rotate.apply(x, rotation)
