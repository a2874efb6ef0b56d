"""One loss per network, in the form that training/loop.py asks for."""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from reverie.autoencoder.autoencoder import FRAMES, Autoencoder
from reverie.autoencoder.losses import reconstruction_loss
from reverie.data.latents import Clip
from reverie.data.sampling import CUTS, NOISE
from reverie.diffusion.flow import loss_weight, mix, to_clean
from reverie.diffusion.schedules import resolution_shift
from reverie.patches.packing import Piece, extras_of, pack
from reverie.patches.patches import PATCH, patchify
from reverie.patches.positions import token_positions
from reverie.randomness import generator as philox
from reverie.text.encoder import TextEncoder
from reverie.text.refiner import pad_texts
from reverie.training import patterns
from reverie.training.state import Figures
from reverie.transformer.dit import Transformer

LATENT_NOISE = 0.1  # of raw latents, upper end of a uniform draw per clip


@dataclass(frozen=True)
class Cuts:
    """What the autoencoder learns from: groups [2n t H W 12] of the samples with `numbers`, two cuts of each."""

    groups: Tensor
    numbers: range


def autoencoder_objective(flops_per_cut: float, network: nn.Module, cuts: Cuts, seed: int) -> tuple[Tensor, float, Figures]:
    """Reconstruct cuts through slightly noisy latents. The loss is summed over cuts."""
    assert isinstance(network, Autoencoder)
    raw = network.encode_raw(cuts.groups)
    noise = []
    for number in cuts.numbers:
        rng = philox(seed, number, NOISE)
        level = LATENT_NOISE * rng.random((CUTS, 1, 1, 1, 1), np.float32)
        noise.append(torch.from_numpy(level * rng.standard_normal((CUTS, *raw.shape[1:]), np.float32)))
    decoded, _ = network.decode_raw(raw + torch.cat(noise))
    to_video = "b t h w (f c) -> b c (t f) h w"
    decoded, video = rearrange(decoded, to_video, f=FRAMES), rearrange(cuts.groups, to_video, f=FRAMES)
    count = len(video)
    loss = reconstruction_loss(decoded, video) * count
    error = (decoded.detach() - video).square().mean()
    return loss, count, {"psnr": (float(10 * torch.log10(4 / error)) * count, count), "tokens": (raw[..., 0].numel(), 0.0), "flops": (flops_per_cut * count, 0.0)}


def transformer_objective(encoder: TextEncoder, network: nn.Module, clips: list[Clip], seed: int) -> tuple[Tensor, float, Figures]:
    """Predict clean tokens of clips that are noisy by the mix of patterns (training/patterns.py), under their captions.

    The loss is the weighted squared error, summed over the tokens that are not known. The figures are the errors, not weighted, per
    fifth of the noise levels (error_0.4: above 0.4, up to 0.6) and per pattern.
    """
    assert isinstance(network, Transformer)
    features = encoder.encode([clip.caption for clip in clips])
    pieces, clean, kinds, flops = [], [], [], 0
    for i, clip in enumerate(clips):
        rng = philox(seed, clip.number, NOISE)
        frames, height, width = clip.latents.shape[1], clip.latents.shape[2] // PATCH, clip.latents.shape[3] // PATCH
        pattern, levels = patterns.draw(rng, frames, resolution_shift(clip.latents.numel()))
        sigma, latents = torch.from_numpy(levels), patchify(clip.latents)
        level_ids = torch.arange(frames).repeat_interleave(height * width)
        noise = torch.from_numpy(rng.standard_normal(tuple(latents.shape), np.float32))
        scale = float(2 ** rng.uniform(-0.137, 0.137))  # 10% of jitter in the scale of the picture plane
        pieces.append(Piece(
            tokens=mix(latents, noise, sigma[level_ids, None]), positions=token_positions(clip.times - clip.times[0], (height, width), scale),
            sigma=sigma, level_ids=level_ids, extras=extras_of(clip.width, clip.height, clip.fps), causal=bool(rng.random() < patterns.CAUSAL_SHARE),
            actions=_actions(clip, network.config.action_width),
        ))  # fmt: skip
        if rng.random() < patterns.TEXT_DROPOUT:
            features[i] = features[i][:0]
        clean.append(latents)
        kinds.append(patterns.PATTERNS.index(pattern))
        flops += 3 * network.estimate_flops(len(latents))  # the backward pass takes twice the forward one
    order = sorted(range(len(pieces)), key=lambda i: (len(pieces[i].tokens), len(pieces[i].sigma), pieces[i].causal))
    packed = pack([pieces[i] for i in order])
    condition = network.prepare(*pad_texts([features[i] for i in order], network.config.text_width))
    sigma = packed.sigma[packed.level_ids]
    predicted = to_clean(network.denoise(packed, condition), packed.tokens, sigma[:, None], network.config.prediction)
    error = (predicted - torch.cat([clean[i] for i in order])).square().mean(-1)
    unknown = sigma > 0
    loss = (error * loss_weight(sigma) * unknown).sum()
    pattern_ids = torch.tensor([kinds[i] for i in order])[packed.sample_ids]
    groups = {f"error_{low:.1f}": (sigma > low) & (sigma <= low + 0.2) for low in (0.0, 0.2, 0.4, 0.6, 0.8)}
    groups |= {f"error_{name}": unknown & (pattern_ids == i) for i, name in enumerate(patterns.PATTERNS)}
    figures = {name: (float(error.detach()[members].sum()), float(members.sum())) for name, members in groups.items()}
    return loss, float(unknown.sum()), {**figures, "tokens": (len(sigma), 0.0), "flops": (flops, 0.0)}


def _actions(clip: Clip, width: int) -> Tensor | None:
    """A row per latent frame, zeros where nothing is known, for a network that can be steered."""
    if not width:
        return None
    return torch.zeros(clip.latents.shape[1], width) if clip.actions is None else clip.actions
