"""Serialized mode: latents one after the other with a cache of keys and values equal the whole clip under the causal mask."""

from dataclasses import replace

import pytest
import torch

from reverie.layers.attention import Sight, packed_attention
from reverie.patches.packing import Piece, pack, unpack
from reverie.transformer.dit import Cache, Transformer
from tests.test_transformer import TEXTS, network, piece

CLOSE = 1e-4  # fp32: sums in another order


def cut(whole: Piece, first: int, last: int, plane: int) -> Piece:
    """The latents first .. last - 1 of a piece whose latents have `plane` tokens each."""
    tokens = slice(first * plane, last * plane)
    return replace(
        whole, tokens=whole.tokens[tokens], positions=whole.positions[tokens], sigma=whole.sigma[first:last], level_ids=whole.level_ids[tokens] - first, spans=(),
        actions=None if whole.actions is None else whole.actions[first:last],
    )  # fmt: skip


def serially(net: Transformer, wholes: list[Piece], planes: list[int], rows: list[list[int]], steps: list[list[int]]) -> list[torch.Tensor]:
    """What each clip gives when its latents come in `steps` (per clip, how many at a time), each step remembered; rows: a text per latent."""
    condition = net.prepare(TEXTS)
    cache: Cache | None = None
    results: list[list[torch.Tensor]] = [[] for _ in wholes]
    done = [0] * len(wholes)
    for counts in zip(*steps, strict=True):
        pieces, texts = [], []
        for n, count in enumerate(counts):
            part = cut(wholes[n], done[n], done[n] + count, planes[n])
            ids = rows[n][done[n] : done[n] + count]
            spans = tuple(ids.count(i) * planes[n] for i in dict.fromkeys(ids))
            pieces.append(replace(part, spans=spans))
            texts += list(dict.fromkeys(ids))
            done[n] += count
        packed = pack(pieces)
        new = condition.rows(texts)
        for n, tokens in enumerate(unpack(net.denoise(packed, new, cache), packed.lengths)):
            results[n].append(tokens)
        cache = net.remember(packed, new, cache)
    assert cache is not None and cache.lengths == tuple(len(p.tokens) for p in wholes)
    return [torch.cat(parts) for parts in results]


def at_once(net: Transformer, wholes: list[Piece], planes: list[int], rows: list[list[int]]) -> list[torch.Tensor]:
    """The same under the causal mask, without a cache."""
    condition = net.prepare(TEXTS)
    pieces = [replace(p, spans=tuple(ids.count(i) * plane for i in dict.fromkeys(ids))) for p, ids, plane in zip(wholes, rows, planes, strict=True)]
    packed = pack(pieces)
    return unpack(net.denoise(packed, condition.rows([i for ids in rows for i in dict.fromkeys(ids)])), packed.lengths)


@pytest.mark.parametrize("length", [1, 2, 5, 9])
def test_cached_equals_recomputed_for_any_length(length: int):
    net, whole = network(), piece(length, 3, 4, True, seed=length, steered=length < 6)
    with torch.no_grad():
        (serial,) = serially(net, [whole], [12], [[2] * length], [[1] * length])
        (exact,) = at_once(net, [whole], [12], [[2] * length])
    assert torch.allclose(serial, exact, atol=CLOSE)


def test_cached_equals_recomputed_for_mixed_clips_texts_and_step_sizes():
    net = network()
    wholes = [piece(4, 3, 5, True, seed=1), piece(4, 3, 5, True, seed=2), piece(5, 2, 2, True, seed=3, steered=True)]
    planes, rows = [15, 15, 4], [[0, 0, 0, 0], [2, 2, 3, 3], [4, 4, 4, 2, 2]]
    with torch.no_grad():
        serial = serially(net, wholes, planes, rows, [[1, 2, 1], [1, 2, 1], [3, 1, 1]])
        exact = at_once(net, wholes, planes, rows)
    for a, b in zip(serial, exact, strict=True):
        assert torch.allclose(a, b, atol=CLOSE)


def test_a_new_latent_sees_the_cache_and_its_text():
    net, whole = network(), piece(2, 3, 4, True, seed=7)
    condition = net.prepare(TEXTS)
    first, second = cut(whole, 0, 1, 12), cut(whole, 1, 2, 12)
    with torch.no_grad():
        cache = net.remember(pack([first]), condition.rows([2]))
        seen = net.denoise(pack([second]), condition.rows([2]), cache)
        alone = net.denoise(pack([second]), condition.rows([2]))
        told = net.denoise(pack([second]), condition.rows([3]), cache)
    assert not torch.allclose(seen, alone, atol=1e-2)
    assert not torch.allclose(seen, told, atol=1e-3)


def test_only_causal_clips_are_remembered():
    net, whole = network(), piece(2, 3, 4)
    with pytest.raises(AssertionError, match="never sees later latents"):
        net.remember(pack([whole]), net.prepare(TEXTS[:1]))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_sees_the_same():
    """The back end of GPUs, run on the CPU: mixed clips, causal and not, with a past and without."""
    lengths, past, causal = (6, 6, 4, 9), (0, 3, 0, 5), (False, True, True, False)
    g = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(n, 2, 16, generator=g) for n in (25, 33, 33))
    times = torch.cat([torch.arange(n).div(2, rounding_mode="floor") + 2.0 for n in lengths])
    past_times = torch.cat([torch.arange(n).float() / 2 for n in past])
    plain, flex = (Sight.of(lengths, causal, times, past, past_times, flex=choice) for choice in (False, True))
    assert flex.blocks is not None
    assert torch.allclose(packed_attention(q, k, v, plain), packed_attention(q, k, v, flex), atol=1e-5)  # fp32: sums in another order
    other = Sight.of(lengths, (False,) * 4, times, past, past_times)
    assert not torch.allclose(packed_attention(q, k, v, plain), packed_attention(q, k, v, other), atol=1e-3)
