"""Attention within the clips of a packed sequence, behind one function.

CPU: one call of torch's fused kernel (or plain products, where `attend` finds them faster) per run of neighbouring clips with equal lengths. No token is padded; only the words that such a run looks at
are, to its longest text. CUDA: FlexAttention with a mask of
clips and times (its results are tested on the CPU; no GPU has run it yet).
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.utils.rnn import pad_sequence

MANY, ROWS = 1024, 512  # keys, from which on heads are taken one by one where that is faster; queries at a time
AMX = bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)())  # with tile products torch's fused kernel is the faster one (a private function of torch: it may go)


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

    With gradients on a CPU the plain products are faster than the fused kernel's backward, the more so the fewer keys there are.
    """
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if q.requires_grad and q.device.type == "cpu":
        scores = q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)
        scores = scores if mask is None else scores.masked_fill(~mask, float("-inf"))
        return (scores.softmax(-1) @ v).transpose(1, 2)  # softmax runs in fp32 inside
    if mask is None and q.dtype == torch.bfloat16 and k.shape[2] >= MANY and q.device.type == "cpu" and not AMX:
        return _head_by_head(q, k, v).transpose(1, 2)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


def _head_by_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention [B N l K] by plain products, a head and ROWS queries at a time, so that their scores stay in the cache; without gradients."""
    out, q = torch.empty_like(q, memory_format=torch.contiguous_format), q * q.shape[-1] ** -0.5
    for clip, head in itertools.product(range(q.shape[0]), range(q.shape[1])):
        for queries, into in zip(q[clip, head].split(ROWS), out[clip, head].split(ROWS), strict=True):
            torch.mm((queries @ k[clip, head].T).softmax(-1), v[clip, head], out=into)
    return out


@dataclass(frozen=True)
class Sight:
    """What the tokens of a packed sequence see: their own clip; in a causal clip their own and earlier times only.

    lengths: tokens (queries) per clip; past: keys of earlier calls per clip, which stand before the clip's own; then, for the CPU, segments: runs of
    clips of equal shape, how many and which keys their queries may see (bool [n 1 l S], None: all); or blocks: the same for FlexAttention.
    """

    lengths: tuple[int, ...]
    past: tuple[int, ...]
    segments: tuple[tuple[int, Tensor | None], ...] = ()
    blocks: BlockMask | None = None

    @classmethod
    def of(
        cls, lengths: tuple[int, ...], causal: tuple[bool, ...], times: Tensor, past: tuple[int, ...] = (), past_times: Tensor | None = None, flex: bool | None = None
    ) -> "Sight":  # fmt: skip
        """Clips with tokens at `times` [L], each with a past of `past` keys at past_times [S] or without one; flex: by default on CUDA."""
        past = past or (0,) * len(lengths)
        key_times = times if past_times is None else joined(past_times, times, past, lengths)
        key_lengths = [old + new for old, new in zip(past, lengths, strict=True)]
        if times.device.type == "cuda" if flex is None else flex:
            return cls(lengths, past, blocks=_blocks(lengths, key_lengths, causal, times, key_times))
        pairs = zip(times.split(list(lengths)), key_times.split(key_lengths), causal, strict=True)
        masks = [_mask(q, k) if strict else None for q, k, strict in pairs]
        runs = runs_of([(new, old, mask is None) for new, old, mask in zip(lengths, past, masks, strict=True)])
        stacked = [None if masks[first] is None else torch.stack([m for m in masks[first:last] if m is not None])[:, None] for first, last in runs]
        return cls(lengths, past, tuple((last - first, mask) for (first, last), mask in zip(runs, stacked, strict=True)))


def _blocks(lengths: Sequence[int], key_lengths: Sequence[int], causal: Sequence[bool], times: Tensor, key_times: Tensor) -> BlockMask:
    """FlexAttention's mask (arXiv 2412.05496): documents are clips, causality is by time; blocks in which nothing is seen are never computed."""
    device = times.device
    clips = torch.arange(len(lengths), device=device)
    clip, key_clip = (torch.repeat_interleave(clips, torch.tensor(counts, device=device)) for counts in (lengths, key_lengths))
    strict = torch.tensor(causal, device=device)[clip]

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (clip[query] == key_clip[key]) & (~strict[query] | (times[query] >= key_times[key]))

    return create_block_mask(sees, None, None, len(clip), len(key_clip), device=str(device))


@functools.cache
def _flex(device: str) -> Any:
    """FlexAttention; on a GPU compiled, since only that is fused."""
    return flex_attention if device == "cpu" else torch.compile(flex_attention, dynamic=True)


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
    if sight.blocks is not None:
        return _flex(q.device.type)(*(x.transpose(0, 1)[None] for x in (q, k, v)), block_mask=sight.blocks)[0].transpose(0, 1)
    firsts = list(accumulate((count for count, _ in sight.segments), initial=0))[:-1]
    shapes = [(count, sight.lengths[first], sight.past[first]) for (count, _), first in zip(sight.segments, firsts, strict=True)]
    news, alls = [count * new for count, new, _ in shapes], [count * (new + old) for count, new, old in shapes]
    parts = (q.split(news), k.split(alls), v.split(alls))  # not slices: the backward of each would fill and add a whole tensor
    out = []
    for (count, mask), qkv in zip(sight.segments, zip(*parts, strict=True), strict=True):
        qi, ki, vi = (x.unflatten(0, (count, -1)) for x in qkv)
        out.append(attend(qi, ki, vi, mask).flatten(0, 1))
    return out[0] if len(out) == 1 else torch.cat(out)


def packed_cross_attention(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int], key_lengths: Sequence[int]) -> Tensor:
    """Each span's tokens look at their own text: q [L N K], k and v [S N K], lengths and key_lengths of the B spans and their texts -> [L N K]."""
    runs = runs_of(lengths)
    queries = q.split([lengths[first] * (last - first) for first, last in runs])
    keys, values = k.split(list(key_lengths)), v.split(list(key_lengths))
    out = []
    for (first, last), qi in zip(runs, queries, strict=True):
        ki, vi = (pad_sequence(x[first:last], batch_first=True) for x in (keys, values))
        counts, words = key_lengths[first:last], None
        if min(counts) < max(counts):
            words = (torch.arange(ki.shape[1], device=q.device) < torch.tensor(counts, device=q.device)[:, None])[:, None, None]
        out.append(attend(qi.unflatten(0, (last - first, -1)), ki, vi, words).flatten(0, 1))
    return out[0] if len(out) == 1 else torch.cat(out)
