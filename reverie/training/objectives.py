"""One loss per network, in the form that training/loop.py asks for."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.random import Generator
from torch import Tensor, nn

from reverie.autoencoder.autoencoder import FRAMES, Autoencoder
from reverie.autoencoder.losses import reconstruction_loss
from reverie.data.latents import Clip
from reverie.data.sampling import CUTS, NOISE
from reverie.diffusion.flow import loss_weight, mix, to_clean
from reverie.diffusion.schedules import resolution_shift
from reverie.patches.packing import Piece, extras_of, number_levels, pack
from reverie.patches.patches import PATCH, patchify
from reverie.patches.positions import token_positions
from reverie.randomness import generator as philox
from reverie.text.encoder import TextEncoder
from reverie.text.refiner import pad_texts
from reverie.training import patterns
from reverie.training.state import Figures
from reverie.transformer.dit import Transformer

LATENT_NOISE = 0.1  # of raw latents, upper end of a uniform draw per clip
NESTED_SHARE = 0.15  # of the cuts, seen through fewer channels


@dataclass(frozen=True)
class Cuts:
    """What the autoencoder learns from: groups [2n t H W 12] of the samples with `numbers`, two cuts of each."""

    groups: Tensor
    numbers: range


def autoencoder_objective(flops_per_cut: float, network: nn.Module, cuts: Cuts, seed: int) -> tuple[Tensor, float, Figures]:
    """Reconstruct cuts through slightly noisy latents, some of which have only a nested number of channels. The loss is summed over cuts."""
    assert isinstance(network, Autoencoder)
    with torch.set_grad_enabled(any(p.requires_grad for p in network.encoder.parameters())):
        raw = network.encode_raw(cuts.groups)
    noise, keep = [], torch.ones(len(raw), 1, 1, 1, raw.shape[-1])
    for i, number in enumerate(cuts.numbers):
        rng = philox(seed, number, NOISE)
        level = LATENT_NOISE * rng.random((CUTS, 1, 1, 1, 1), np.float32)
        noise.append(torch.from_numpy(level * rng.standard_normal((CUTS, *raw.shape[1:]), np.float32)))
        for cut in range(CUTS) if network.config.nested_channels and raw.requires_grad else ():
            if rng.random() < NESTED_SHARE:
                keep[CUTS * i + cut, ..., int(rng.choice(network.config.nested_channels)) :] = 0
    decoded, _ = network.decode_raw((raw + torch.cat(noise)) * keep)
    to_video = "b t h w (f c) -> b c (t f) h w"
    decoded, video = rearrange(decoded, to_video, f=FRAMES), rearrange(cuts.groups, to_video, f=FRAMES)
    count = len(video)
    loss = reconstruction_loss(decoded, video) * count
    error = (decoded.detach() - video).square().mean()
    return loss, count, {"psnr": (float(10 * torch.log10(4 / error)) * count, count), "tokens": (raw[..., 0].numel(), 0.0), "flops": (flops_per_cut * count, 0.0)}


def transformer_objective(encoder: TextEncoder, network: nn.Module, clips: list[Clip], seed: int, pattern: str | None = None) -> tuple[Tensor, float, Figures]:
    """Predict clean tokens of clips that are noisy by the mix of patterns (training/patterns.py), or all by one `pattern`, under their captions.

    The loss is the squared error, averaged over a token's numbers, times loss_weight of its level, summed over the tokens that are not known: every
    such token counts alike, so a clip counts by what is to be dreamed of it, and a known token, a still that is not shown, or a pack-mate changes
    nothing. The figures are the errors, not weighted, per fifth of the noise levels (error_0.4: above 0.4, up to 0.6) and per pattern.
    """
    assert isinstance(network, Transformer)
    features = encoder.encode([clip.caption for clip in clips])
    lessons = [make_lesson(clip, philox(seed, clip.number, NOISE), network.config.action_width, pattern) for clip in clips]
    # equal planes together for runs of levels (layers/modulation.py), then equal lengths for attention (layers/attention.py)
    order = sorted(range(len(clips)), key=lambda i: lessons[i].order)
    lessons = [lessons[i] for i in order]
    packed = pack([lesson.piece for lesson in lessons])
    texts = [features[i] if lesson.with_text else features[i][:0] for i, lesson in zip(order, lessons, strict=True)]
    condition = network.prepare(*pad_texts(texts, network.config.text_width))
    sigma = packed.sigma[packed.level_ids]
    predicted = to_clean(network.denoise(packed, condition), packed.tokens, sigma[:, None], network.config.prediction)
    error = (predicted - torch.cat([lesson.clean for lesson in lessons])).square().mean(-1)
    unknown = torch.cat([lesson.unknown for lesson in lessons])
    loss = (error * loss_weight(sigma) * unknown).sum()
    pattern_ids = torch.tensor([patterns.PATTERNS.index(lesson.pattern) for lesson in lessons])[packed.sample_ids]
    groups = {f"error_{low:.1f}": unknown & (sigma > low) & (sigma <= low + 0.2) for low in (0.0, 0.2, 0.4, 0.6, 0.8)}
    groups |= {f"error_{name}": unknown & (pattern_ids == i) for i, name in enumerate(patterns.PATTERNS)}
    figures = {name: (float(error.detach()[members].sum()), float(members.sum())) for name, members in groups.items()}
    flops = 3 * sum(network.estimate_flops(length) for length in packed.lengths)  # the backward pass takes twice the forward one
    return loss, float(unknown.sum()), {**figures, "tokens": (len(sigma), 0.0), "flops": (flops, 0.0)}


@dataclass(frozen=True)
class Lesson:
    """A clip as the network gets it to learn from: a noisy piece, its clean tokens [l C] and which of them are unknown [l], in the same order.

    order: what is to be neighbours in a pack.
    """

    piece: Piece
    clean: Tensor
    unknown: Tensor
    pattern: str
    with_text: bool
    order: tuple[bool, int, int, bool]


def make_lesson(clip: Clip, rng: Generator, action_width: int, pattern: str | None = None) -> Lesson:
    """A clip with noise by `pattern`, or one that is drawn. Tokens of a clip with a still that is not shown have its kind of pattern."""
    frames, height, width = clip.latents.shape[1], clip.latents.shape[2] // PATCH, clip.latents.shape[3] // PATCH
    shown = (frames - clip.stills, height, width)
    drawn = patterns.draw(rng, shown, resolution_shift(math.prod(shown)), clip.kind or pattern, clip.stills)
    clean, levels = patchify(clip.latents), torch.from_numpy(drawn.levels).flatten()
    noise = torch.from_numpy(rng.standard_normal(tuple(clean.shape), np.float32))
    scale = float(2 ** rng.uniform(-0.137, 0.137))  # 10% of jitter in the scale of the picture plane
    positions = token_positions(clip.times - clip.times[0], (height, width), scale)
    frame_ids = torch.arange(frames).repeat_interleave(height * width)
    mixed = bool((drawn.levels != drawn.levels[:, :1, :1]).any())  # within a latent: its tokens are put in the order of their levels
    order = torch.argsort(levels, stable=True) if mixed else torch.arange(len(levels))
    sigma, level_ids, level_frames = number_levels(frame_ids[order], levels[order])
    actions = None
    if action_width:
        actions = torch.zeros(len(sigma), action_width) if clip.actions is None else clip.actions[level_frames]
    causal, with_text = bool(rng.random() < patterns.CAUSAL_SHARE), bool(rng.random() >= patterns.TEXT_DROPOUT)
    piece = Piece(
        tokens=mix(clean, noise, levels[:, None])[order], positions=positions[order], sigma=sigma, level_ids=level_ids,
        extras=extras_of(clip.width, clip.height, clip.fps), causal=causal, actions=actions,
    )  # fmt: skip
    return Lesson(piece, clean[order], ~torch.from_numpy(drawn.known).flatten()[order], drawn.name, with_text, (mixed, height * width, len(levels), causal))
