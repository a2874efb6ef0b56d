"""The diffusion transformer: noisy spacetime patches in, clean ones out. Read this first.

Wan's block layout (arXiv 2503.20314): one shared time projection plus a learned table per block, self-attention with QK-norm
and 3D RoPE, cross-attention to the text behind an affine norm, a GELU feed-forward; residual stream and modulation in fp32,
matrix products in the input's dtype. Beyond Wan, a token is told where it is when it enters: rotations say only how far
tokens are apart, and "rolls to the left" begins on the right. Tokens of many clips lie in one sequence (patches/packing.py); a clip may have several
noise levels at once, normally one per latent frame, and the modulation is computed once per level.

Not here: noise, losses and solvers (diffusion/), how requests become tokens (sampling/).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reverie.diffusion.flow import Prediction
from reverie.layers.attention import Sight, joined, packed_attention, packed_cross_attention
from reverie.layers.modulation import Levels, gated, modulate
from reverie.layers.norms import LayerNorm, RMSNorm, layer_norm
from reverie.layers.precision import Linear
from reverie.layers.rope import rotations
from reverie.patches.packing import Pack
from reverie.text.refiner import TextRefiner, sinusoids

FREQUENCIES = 256  # of the noise level's embedding
PLACE = (32, 64.0)  # sinusoids of each coordinate of a token: how many, and the longest wave over 2 pi
STEP = (64, 64.0)  # the same of a step's size, in octaves


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """token_width: numbers per spacetime patch; text_width: of the frozen text features; head width is width / heads.

    action_width: numbers per noise level that say what a player does (patches/actions.py); 0: the network cannot be steered.
    skip: what is seen of a token is added to what is said of it, each number by a gain of its own at each level: details that are nearly clean need no way through the blocks.
    shortcut: the network is told how far each step goes and learns to arrive there at once (arXiv 2410.12557), so that few steps are enough.
    """

    token_width: int = 64
    text_width: int = 1280
    width: int = 320
    depth: int = 10
    heads: int = 5
    feedforward: int = 1024
    prediction: Prediction = "clean"
    action_width: int = 0
    skip: bool = False
    shortcut: bool = False

    def __post_init__(self) -> None:
        if self.heads < 1 or self.width % self.heads or self.width // self.heads % 4:
            raise ValueError(f"width {self.width} must be a multiple of 4 x heads {self.heads}")
        if min(self.token_width, self.text_width, self.width, self.depth, self.feedforward) < 1:
            raise ValueError("token_width, text_width, width, depth and feedforward must be at least 1")
        if self.action_width < 0:
            raise ValueError(f"action_width is {self.action_width}: 0 (none) or more is allowed")


@dataclass(frozen=True)
class Condition:
    """What B texts say to every block: keys and values [S N K] per block, one text behind the other, and how many belong to each."""

    keys_values: tuple[tuple[Tensor, Tensor], ...]
    lengths: tuple[int, ...]

    def rows(self, ids: Sequence[int]) -> "Condition":
        """The texts `ids`, in this order, as often as they are named."""
        if list(ids) == list(range(len(self.lengths))):
            return self
        places = torch.arange(sum(self.lengths)).split(list(self.lengths))
        index = torch.cat([places[i] for i in ids]).to(self.keys_values[0][0].device)
        return Condition(tuple((keys[index], values[index]) for keys, values in self.keys_values), tuple(self.lengths[i] for i in ids))


KeysValues = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Cache:
    """What finished latents say to later ones: per block rotated keys and values [S N K], clip after clip; times [S] and lengths of the clips.

    Made by `Transformer.remember`. A cache belongs to the texts it was made with: keys and values of a block follow what the blocks
    before it read there.
    """

    keys_values: tuple[KeysValues, ...]
    times: Tensor
    lengths: tuple[int, ...]


class SelfAttention(nn.Module):
    """Attention within a clip. x [L D] -> [L D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (Linear(width, width) for _ in range(4))
        self.norm_q, self.norm_k = RMSNorm(width), RMSNorm(width)

    def forward(self, x: Tensor, rotation: Tensor, sight: Sight, past: KeysValues | None = None, kept: list[KeysValues] | None = None) -> Tensor:
        """past: keys and values [S N K] of earlier calls, seen too; kept: a list that takes those of this call with them."""
        q = self.norm_q(self.q(x), rotation).unflatten(-1, (self.heads, -1))  # [L N K]
        k = self.norm_k(self.k(x), rotation).unflatten(-1, (self.heads, -1))
        v = self.v(x).unflatten(-1, (self.heads, -1))
        if past is not None:
            k, v = (joined(old, new, sight.past, sight.lengths) for old, new in zip(past, (k, v), strict=True))  # [S + L N K]
        if kept is not None:
            kept.append((k, v))
        return self.out(packed_attention(q, k, v, sight).flatten(-2))


class CrossAttention(nn.Module):
    """Tokens look at their text. x [L D] -> [L D]; keys and values are made once per text by `prepare`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (Linear(width, width) for _ in range(4))
        self.norm_q, self.norm_k = RMSNorm(width), RMSNorm(width)

    def prepare(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """text [S D] -> keys, values [S N K]."""
        return self.norm_k(self.k(text)).unflatten(-1, (self.heads, -1)), self.v(text).unflatten(-1, (self.heads, -1))

    def forward(self, x: Tensor, keys_values: tuple[Tensor, Tensor], spans: Sequence[int], words: Sequence[int]) -> Tensor:
        q = self.norm_q(self.q(x)).unflatten(-1, (self.heads, -1))  # [L N K]
        return self.out(packed_cross_attention(q, *keys_values, spans, words).flatten(-2))


class Block(nn.Module):
    """Self-attention, cross-attention, feed-forward. x [L D] fp32 -> [L D] fp32."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.table = nn.Parameter(torch.randn(6, width) / width**0.5)
        self.attention = SelfAttention(width, config.heads)
        self.norm_cross = LayerNorm(width, bias=True)
        self.cross = CrossAttention(width, config.heads)
        self.wide, self.narrow = Linear(width, config.feedforward), Linear(config.feedforward, width)

    def forward(self, x: Tensor, modulation: Tensor, levels: Levels, dtype: torch.dtype, rotation: Tensor, sight: Sight, spans: Sequence[int],
                text: KeysValues, words: Sequence[int], past: KeysValues | None = None, kept: list[KeysValues] | None = None) -> Tensor:  # fmt: skip
        shift1, scale1, gate1, shift2, scale2, gate2 = (modulation + self.table).unbind(1)  # each [G D]
        h = modulate(layer_norm(x), shift1, scale1, levels, dtype)  # [L D]
        x = gated(x, self.attention(h, rotation, sight, past, kept), gate1, levels)
        x = x + self.cross(self.norm_cross(x).to(dtype), text, spans, words)
        h = modulate(layer_norm(x), shift2, scale2, levels, dtype)
        h = self.narrow(self.wide(h, gelu=True))
        return gated(x, h, gate2, levels)


class Transformer(nn.Module):
    """`denoise(pack, condition)` -> clean tokens [L C] (or velocities: config.prediction says which)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.text = TextRefiner(config.text_width, width, config.heads)
        self.embed = Linear(config.token_width, width)
        self.place = Linear(3 * PLACE[0], width)
        self.time1, self.time2 = Linear(FREQUENCIES, width), Linear(width, width)
        self.extras1, self.extras2 = Linear(3, width), Linear(width, width)
        self.actions = Linear(config.action_width, width, bias=False) if config.action_width else None
        self.steps = nn.Sequential(Linear(STEP[0], width), nn.SiLU(), Linear(width, width)) if config.shortcut else None
        self.modulation = Linear(width, 6 * width)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.depth)])
        self.table = nn.Parameter(torch.randn(2, width) / width**0.5)
        self.out = Linear(width, config.token_width)
        self.skip = Linear(width, config.token_width) if config.skip else None
        self.compute_dtype = torch.float32
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in (self.time1, self.time2, self.extras1, self.extras2, self.modulation):
            nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.place.weight)
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)
        if self.actions is not None:
            nn.init.zeros_(self.actions.weight)
        if self.steps is not None:
            nn.init.zeros_(self.steps.get_parameter("2.weight"))
        for block in self._blocks():
            nn.init.zeros_(block.cross.out.weight)

    def _blocks(self) -> Iterator[Block]:
        for block in self.blocks:
            assert isinstance(block, Block)
            yield block

    def prepare(self, texts: Sequence[Tensor]) -> Condition:
        """Frozen token features of B texts, each [s F] -> the condition of B clips, once per prompt."""
        text, lengths = self.text([features.to(self.compute_dtype) for features in texts])
        return Condition(tuple(block.cross.prepare(text) for block in self._blocks()), lengths)

    def denoise(self, pack: Pack, condition: Condition, cache: Cache | None = None, kept: list[KeysValues] | None = None) -> Tensor:
        """Span b of the pack (a clip, or a part of one) under text b of the condition: tokens [L C] at their levels -> [L C], fp32.

        cache: the finished latents of each clip, which every token of it sees: what comes out is what the whole clips would give under the
        causal mask. kept: a list that takes the keys and values of every block (`remember` asks for them).
        """
        dtype = self.compute_dtype
        levels = Levels(pack.level_ids, len(pack.sigma))
        level_samples = torch.zeros_like(pack.sigma, dtype=torch.long).scatter_(0, pack.level_ids, pack.sample_ids)  # [G]
        rotation = rotations(pack.positions, self.config.width // self.config.heads)  # [L 1 K/2]
        sight = Sight.of(pack.lengths, pack.causal, pack.positions[:, 0], *((cache.lengths, cache.times) if cache else ()))

        time = self.time2(F.silu(self.time1(sinusoids(1000 * pack.sigma, FREQUENCIES))))  # [G D]
        time = time + self.extras2(F.silu(self.extras1(pack.extras.float())))[level_samples]  # [G D]
        if pack.actions is not None:
            time = time + self._steered(pack.actions)  # [G D]
        if self.steps is not None:
            time = time + self.steps(sinusoids((1 + 1000 * pack.steps).log2(), *STEP))  # [G D]
        modulation = self.modulation(F.silu(time)).unflatten(-1, (6, -1))  # [G 6 D]
        place = self.place(sinusoids(pack.positions, *PLACE).flatten(-2).to(dtype))  # [L D]
        x = self.embed(pack.tokens.to(dtype)).float() + place.float()  # [L D]
        pasts = cache.keys_values if cache else (None,) * len(self.blocks)
        for block, text, past in zip(self.blocks, condition.keys_values, pasts, strict=True):
            x = block(x, modulation, levels, dtype, rotation, sight, pack.spans, text, condition.lengths, past, kept)
        shift, scale = (time[:, None] + self.table).unbind(1)  # [G D]
        said = self.out(modulate(layer_norm(x), shift, scale, levels, dtype)).float()  # [L C]
        return said if self.skip is None else said + pack.tokens * self.skip(F.silu(time))[pack.level_ids]

    def remember(self, pack: Pack, condition: Condition, cache: Cache | None = None) -> Cache:
        """The cache with the latents of the pack (finished ones, at the small noise of context) behind it. Its clips must be causal."""
        assert all(pack.causal), "only what never sees later latents can be remembered"
        kept: list[KeysValues] = []
        self.denoise(pack, condition, cache, kept)
        times = pack.positions[:, 0]
        if cache is None:
            return Cache(tuple(kept), times, pack.lengths)
        lengths = tuple(old + new for old, new in zip(cache.lengths, pack.lengths, strict=True))
        return Cache(tuple(kept), joined(cache.times, times, cache.lengths, pack.lengths), lengths)

    def _steered(self, actions: Tensor) -> Tensor:
        """actions [G A] -> [G D]. ValueError if this network was not made to be steered, or otherwise."""
        if self.actions is None or actions.shape[1] != self.config.action_width:
            raise ValueError(f"actions of {actions.shape[1]} numbers for a model whose action_width is {self.config.action_width}: it cannot be steered by them")
        return self.actions(actions)

    def estimate_flops(self, num_tokens: int, num_words: int = 64) -> int:
        """Floating-point operations of one forward pass of one clip under a text whose keys and values are there: all products that grow with the tokens."""
        unused = (".cross.k.", ".cross.v.", ".table")  # grow with the text; no product
        matrices = sum(p.numel() for name, p in self.blocks.named_parameters() if p.ndim == 2 and not any(part in f".{name}." for part in unused))
        matrices += sum(layer.weight.numel() for layer in (self.embed, self.place, self.out))
        return 2 * num_tokens * (matrices + 2 * self.config.depth * self.config.width * (num_tokens + num_words))
