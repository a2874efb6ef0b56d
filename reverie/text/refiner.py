"""The trainable part of the text side: two transformer layers that give frozen token features word order and context."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reverie.layers.attention import Sight, joined, packed_attention
from reverie.layers.norms import LayerNorm
from reverie.layers.precision import Linear


def sinusoids(positions: Tensor, width: int, longest: float = 10_000.0) -> Tensor:
    """Sinusoidal features of any real numbers [...] -> [... width], cosines first (DDPM's order)."""
    rates = torch.exp(-math.log(longest) * torch.arange(width // 2, dtype=torch.float32, device=positions.device) / (width // 2))
    angles = positions[..., None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], -1)


class RefinerLayer(nn.Module):
    """Pre-norm self-attention within each text, and feed-forward. x [S D], the words of all texts -> [S D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.qkv, self.out = LayerNorm(width), Linear(width, 3 * width), Linear(width, width)
        self.norm2, self.wide, self.narrow = LayerNorm(width), Linear(width, 2 * width), Linear(2 * width, width)

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(1)
        x = x + self.out(packed_attention(q, k, v, sight).flatten(-2))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x)), approximate="tanh"))


class TextRefiner(nn.Module):
    """Frozen token features of B texts, each [s F] -> the states of all, one text behind the other [S D], and how many belong to each.

    A learned token stands in front of each text, so that an empty prompt (the unconditional one) is that token alone.
    """

    def __init__(self, text_width: int, width: int, heads: int, num_layers: int = 2) -> None:
        super().__init__()
        self.project = Linear(text_width, width)
        self.start = nn.Parameter(0.1 * torch.randn(width))  # of zeros alone, as an empty text would be, norms have slopes of a thousand each
        self.blocks = nn.ModuleList([RefinerLayer(width, heads) for _ in range(num_layers)])
        self.norm = LayerNorm(width)

    def forward(self, texts: Sequence[Tensor]) -> tuple[Tensor, tuple[int, ...]]:
        counts = [len(text) for text in texts]
        places = torch.cat([torch.arange(count) for count in counts]).to(self.start.device)
        words = self.project(torch.cat(list(texts))) + 0.1 * sinusoids(places, self.start.numel()).to(texts[0].dtype)
        x = joined(self.start.to(words.dtype).expand(len(texts), -1), words, [1] * len(texts), counts)
        lengths = tuple(1 + count for count in counts)
        sight = Sight.of(lengths, (False,) * len(lengths), torch.zeros(len(x), device=x.device))
        for block in self.blocks:
            x = block(x, sight)
        return self.norm(x), lengths
