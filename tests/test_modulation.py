"""Modulation per level: equal to gathering rows, forward and backward, with runs and without."""

import pytest
import torch

from reverie.layers.modulation import Levels, gated, modulate


@pytest.mark.parametrize("level_ids", [[0, 0, 0], [0, 0, 1, 1, 2], [0, 0, 0, 1, 2, 2], [2, 0, 1, 0, 2], list(range(40)), [n for n in range(20) for _ in range(1 + n % 3)]])
def test_rows_per_level_are_rows_per_token(level_ids: list[int]):
    ids = torch.tensor(level_ids)
    count, width = int(ids.max()) + 1, 6
    levels = Levels(ids, count)
    leaves = [torch.randn(len(ids) if n in (0, 3) else count, width, dtype=torch.float32, requires_grad=True) for n in range(5)]
    x, shift, scale, h, gate = leaves
    ours = gated(modulate(x, shift, scale, levels, torch.float32), h, gate, levels)
    plain = x * (1 + scale[ids]) + shift[ids] + gate[ids] * h
    assert torch.allclose(ours, plain, atol=1e-6)
    weight = torch.randn_like(plain)
    for mine, theirs in zip(torch.autograd.grad((ours * weight).sum(), leaves), torch.autograd.grad((plain * weight).sum(), leaves), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)  # fp32 sums in another order


def test_the_dtype_of_the_products_is_kept():
    levels = Levels(torch.tensor([0, 0, 1]), 2)
    rows = torch.randn(2, 4)
    out = modulate(torch.randn(3, 4), rows, rows, levels, torch.bfloat16)
    assert out.dtype == torch.bfloat16
    assert gated(torch.randn(3, 4), out, rows, levels).dtype == torch.float32
