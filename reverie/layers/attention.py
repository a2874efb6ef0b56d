"""Attention within the clips of a packed sequence, behind one function.

CPU: one call of torch's fused kernel per run of neighbouring clips with equal lengths. No token is padded. (FlexAttention for
GPUs belongs behind the same function.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor


def runs_of(values: Sequence[object]) -> list[tuple[int, int]]:
    """[(first, last + 1)] of the runs of equal neighbours."""
    runs, start = [], 0
    for _, group in groupby(values):
        stop = start + sum(1 for _ in group)
        runs.append((start, stop))
        start = stop
    return runs


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """q [B l N K], k and v [B S N K], mask bool broadcast to [B N l S], True where a query may look -> [B l N K].

    With gradients on a CPU the plain products are 1.3 (256 keys) to 2.8 times (24 keys) as fast as the fused kernel's backward.
    """
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if q.requires_grad and q.device.type == "cpu":
        scores = q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)
        scores = scores if mask is None else scores.masked_fill(~mask, float("-inf"))
        return (scores.softmax(-1) @ v).transpose(1, 2)  # softmax runs in fp32 inside
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


@dataclass(frozen=True)
class Sight:
    """What the tokens of a packed sequence see: their own clip; in a causal clip their own and earlier times only.

    Per clip: lengths (queries), past (keys of earlier calls, in front of the clip's own), causal. times: [L] of the queries, key_times
    [S + L] of the keys, the past of each clip before its own.
    """

    lengths: tuple[int, ...]
    past: tuple[int, ...]
    causal: tuple[bool, ...]
    times: Tensor
    key_times: Tensor

    @classmethod
    def of(cls, lengths: tuple[int, ...], causal: tuple[bool, ...], times: Tensor, past: tuple[int, ...] = (), past_times: Tensor | None = None) -> "Sight":
        """The sight of clips without a past, or with one of `past` keys each at past_times [S]."""
        key_times = times if past_times is None else joined(past_times, times, past, lengths)
        return cls(lengths, past or (0,) * len(lengths), causal, times, key_times)

    @property
    def key_lengths(self) -> tuple[int, ...]:
        """Keys per clip."""
        return tuple(old + new for old, new in zip(self.past, self.lengths, strict=True))

    @cached_property
    def segments(self) -> list[tuple[int, Tensor | None]]:
        """Runs of clips of equal shape: how many, and which keys their queries may see, bool [n 1 l S] (None: all)."""
        masks = [
            _mask(q, k) if causal else None for q, k, causal in zip(self.times.split(list(self.lengths)), self.key_times.split(list(self.key_lengths)), self.causal, strict=True)
        ]
        runs = runs_of([(new, old, mask is None) for new, old, mask in zip(self.lengths, self.past, masks, strict=True)])
        return [(last - first, None if masks[first] is None else torch.stack([m for m in masks[first:last] if m is not None])[:, None]) for first, last in runs]


def _mask(times: Tensor, key_times: Tensor) -> Tensor | None:
    """times [l], key_times [S] -> bool [l S]: a token sees its own and earlier times; None if that is all of them."""
    mask = times[:, None] >= key_times
    return None if bool(mask.all()) else mask


def joined(before: Tensor, after: Tensor, before_lengths: Sequence[int], after_lengths: Sequence[int]) -> Tensor:
    """Clip by clip, what was before and then what comes after: [S ...] and [L ...] -> [S + L ...]."""
    pairs = zip(before.split(list(before_lengths)), after.split(list(after_lengths)), strict=True)
    return torch.cat([part for pair in pairs for part in pair])


def packed_attention(q: Tensor, k: Tensor, v: Tensor, sight: Sight) -> Tensor:
    """Self-attention inside each clip: q [L N K], k and v [S + L N K] -> [L N K]."""
    counts = [count for count, _ in sight.segments]
    firsts = [sum(counts[:n]) for n in range(len(counts))]
    sizes = [count * sight.lengths[first] for count, first in zip(counts, firsts, strict=True)]
    key_sizes = [count * sight.key_lengths[first] for count, first in zip(counts, firsts, strict=True)]
    out = [
        attend(qi.unflatten(0, (count, -1)), ki.unflatten(0, (count, -1)), vi.unflatten(0, (count, -1)), mask).flatten(0, 1)
        for (count, mask), qi, ki, vi in zip(sight.segments, q.split(sizes), k.split(key_sizes), v.split(key_sizes), strict=True)
    ]
    return out[0] if len(out) == 1 else torch.cat(out)


def packed_cross_attention(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int], key_mask: Tensor) -> Tensor:
    """Each span's tokens look at their own text: q [L N K], k and v [B S N K], key_mask bool [B S], lengths of the B spans -> [L N K]."""
    runs = runs_of(lengths)
    counts = [last - first for first, last in runs]
    queries = q.split([lengths[first] * (last - first) for first, last in runs])
    out = [
        attend(qi.unflatten(0, (count, -1)), ki, vi, mask[:, None, None]).flatten(0, 1)
        for count, qi, ki, vi, mask in zip(counts, queries, k.split(counts), v.split(counts), key_mask.split(counts), strict=True)
    ]
    return out[0] if len(out) == 1 else torch.cat(out)
