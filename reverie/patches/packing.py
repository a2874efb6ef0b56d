"""Clips of any size and length in one sequence without padding (NaViT, arXiv 2307.06304)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pack:
    """A packed sequence: L tokens of B clips with G noise levels.

    tokens [L C]; positions [L 3]; sigma [G] in [0, 1]; level_ids [L] which level a token has; sample_ids [L] which clip;
    extras [B 3] (log2 of the area over 128x128, log2 of the aspect ratio, log2 of fps over 8); causal: per clip, whether a token
    sees only its own and earlier times; lengths: tokens per clip; spans: tokens per text (a clip follows one text or several,
    one after the other); actions [G A]: what is done at each level (patches/actions.py), zeros where that is not known, None if nowhere;
    steps [G]: how far down the next step goes from each level, which networks that learned shortcuts are told (0: no distance, the flow itself).
    """

    tokens: Tensor
    positions: Tensor
    sigma: Tensor
    level_ids: Tensor
    sample_ids: Tensor
    extras: Tensor
    causal: tuple[bool, ...]
    lengths: tuple[int, ...]
    spans: tuple[int, ...]
    steps: Tensor
    actions: Tensor | None = None


@dataclass(frozen=True)
class Piece:
    """One clip before packing: tokens [l C], positions [l 3], sigma [g], level_ids [l] in [0, g), extras [3], spans adding up to l, actions [g A], steps [g]."""

    tokens: Tensor
    positions: Tensor
    sigma: Tensor
    level_ids: Tensor
    extras: Tensor
    causal: bool = False
    spans: tuple[int, ...] = ()  # one text for all
    actions: Tensor | None = None  # none is known
    steps: Tensor | None = None  # 0 everywhere


def number_levels(frames: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A noise level for each sigma that occurs in a run of tokens of one latent, numbered from run to run.

    frames [l]: which latent a token belongs to; sigma [l] -> (sigma [g], level_ids [l], frames [g]: the latent of each level).
    """
    runs, run = torch.unique_consecutive(frames, return_inverse=True)
    pairs, level_ids = torch.unique(torch.stack([run.float(), sigma], 1), dim=0, return_inverse=True)
    return pairs[:, 1], level_ids, runs[pairs[:, 0].long()]


def extras_of(width: int, height: int, fps: float) -> Tensor:
    """What a clip's frame around it is like, about unit scale: [3]."""
    return torch.tensor([width * height / 128**2, width / height, fps / 8.0]).log2()


def pack(pieces: Sequence[Piece]) -> Pack:
    """Put clips one after the other."""
    lengths = tuple(len(p.tokens) for p in pieces)
    levels = torch.tensor([0] + [len(p.sigma) for p in pieces]).cumsum(0)
    width = next((p.actions.shape[1] for p in pieces if p.actions is not None), None)
    return Pack(
        tokens=torch.cat([p.tokens for p in pieces]),
        positions=torch.cat([p.positions for p in pieces]),
        sigma=torch.cat([p.sigma for p in pieces]),
        level_ids=torch.cat([p.level_ids + int(start) for p, start in zip(pieces, levels[:-1], strict=True)]),
        sample_ids=torch.repeat_interleave(torch.arange(len(pieces)), torch.tensor(lengths)),
        extras=torch.stack([p.extras for p in pieces]),
        causal=tuple(p.causal for p in pieces),
        lengths=lengths,
        spans=tuple(span for p in pieces for span in p.spans or (len(p.tokens),)),
        steps=torch.cat([torch.zeros_like(p.sigma) if p.steps is None else p.steps for p in pieces]),
        actions=None if width is None else torch.cat([torch.zeros(len(p.sigma), width) if p.actions is None else p.actions for p in pieces]),
    )


def unpack(tokens: Tensor, lengths: Sequence[int]) -> list[Tensor]:
    """The clips' tokens again."""
    return list(tokens.split(list(lengths)))
