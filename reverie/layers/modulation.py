"""Scale, shift and gate per noise level, over the tokens of each level, without ever writing them out per token.

In a packed sequence the levels' tokens lie in order; neighbouring levels with equally many tokens make a run, over which a row per
level broadcasts. (Gathering a row per token instead costs three more passes over the sequence, forward and backward.)
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from reverie.layers.attention import runs_of

MAX_RUNS = 32  # beyond which, or where levels are not in order, rows are gathered per token


class Levels:
    """Which noise level each of L tokens has: level_ids [L] in [0, num_levels)."""

    def __init__(self, level_ids: Tensor, num_levels: int) -> None:
        self.level_ids, self.num_levels = level_ids, num_levels
        counts = torch.bincount(level_ids, minlength=num_levels).tolist()
        runs = runs_of(counts)
        in_order = len(runs) <= MAX_RUNS and bool((level_ids[1:] >= level_ids[:-1]).all())
        self.runs = [(first, last, counts[first]) for first, last in runs if counts[first]] if in_order else None

    def spans(self, rows: tuple[Tensor, ...], *tokens: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Per run: each of `rows` [G D] as [n 1 D] and each of `tokens` [L D] as the view [n count D]; gathered rows if there are no runs."""
        if self.runs is None:
            yield *(r[self.level_ids][:, None] for r in rows), *(x[:, None] for x in tokens)
            return
        start = 0
        for first, last, count in self.runs:
            stop = start + (last - first) * count
            yield *(r[first:last, None] for r in rows), *(x[start:stop].unflatten(0, (last - first, count)) for x in tokens)
            start = stop

    def sums(self, parts: list[Tensor]) -> Tensor:
        """The sum over each level's tokens, from `spans` parts [n count D]: [num_levels D]."""
        if self.runs is None:
            return parts[0].new_zeros(self.num_levels, parts[0].shape[-1]).index_add_(0, self.level_ids, parts[0][:, 0])
        total = parts[0].new_zeros(self.num_levels, parts[0].shape[-1])
        for (first, last, _), part in zip(self.runs, parts, strict=True):
            total[first:last] = part.sum(1)
        return total


class _Modulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor, scale: Tensor, levels: Levels, dtype: torch.dtype) -> Tensor:
        out = torch.empty(x.shape, dtype=dtype, device=x.device)
        for a, b, tokens, into in levels.spans((shift, scale + 1), x, out):
            torch.addcmul(a, tokens, b, out=into)
        ctx.save_for_backward(x, scale)
        ctx.levels = levels
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, scale = ctx.saved_tensors
        gradient = gradient.float()
        of_x = torch.empty_like(x)
        products, plain = [], []
        for b, tokens, g, into in ctx.levels.spans((scale + 1,), x, gradient, of_x):
            torch.mul(g, b, out=into)
            products.append(g * tokens)
            plain.append(g)
        return of_x, ctx.levels.sums(plain), ctx.levels.sums(products), None, None


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, gate: Tensor, levels: Levels) -> Tensor:
        out = torch.empty_like(x)
        for g, tokens, update, into in levels.spans((gate,), x, h, out):
            torch.addcmul(tokens, update.float(), g, out=into)
        ctx.save_for_backward(h, gate)
        ctx.levels = levels
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        h, gate = ctx.saved_tensors
        of_h, products = torch.empty_like(h), []
        for b, update, g, into in ctx.levels.spans((gate,), h, gradient, of_h):
            into.copy_(g * b)
            products.append(g * update)
        return gradient, of_h, ctx.levels.sums(products), None


def modulate(x: Tensor, shift: Tensor, scale: Tensor, levels: Levels, dtype: torch.dtype) -> Tensor:
    """x * (1 + scale) + shift in fp32, rounded to dtype: x [L D], shift and scale [G D] per level."""
    return _Modulate.apply(x, shift, scale, levels, dtype)


def gated(x: Tensor, h: Tensor, gate: Tensor, levels: Levels) -> Tensor:
    """x + gate * h in fp32: x [L D] fp32, h [L D] of any dtype, gate [G D] per level."""
    return _Gate.apply(x, h, gate, levels)
