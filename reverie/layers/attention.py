"""Attention within the clips of a packed sequence, behind one function.

CPU: one call of torch's fused kernel per run of neighbouring clips with equal lengths. No token is padded. (FlexAttention for
GPUs belongs behind the same function.)
"""

from collections.abc import Sequence
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


def packed_attention(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int], masks: Sequence[Tensor | None]) -> Tensor:
    """Self-attention inside each clip: q, k, v [L N K] -> [L N K].

    lengths: tokens per clip, in order, adding up to L. masks: per clip None or a bool [l l], True where a query (row) may
    look at a key (column).
    """
    runs = runs_of([(length, mask is None) for length, mask in zip(lengths, masks, strict=True)])
    sizes = [lengths[first] * (last - first) for first, last in runs]
    out = []
    for (first, last), *parts in zip(runs, q.split(sizes), k.split(sizes), v.split(sizes), strict=True):
        mask = None if masks[first] is None else torch.stack([m for m in masks[first:last] if m is not None])[:, None]
        qi, ki, vi = (x.unflatten(0, (last - first, -1)) for x in parts)
        out.append(attend(qi, ki, vi, mask).flatten(0, 1))
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
