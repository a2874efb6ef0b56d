"""One loss per network, in the form that training/loop.py asks for."""

import torch
from einops import rearrange
from torch import Tensor, nn

from reverie.autoencoder.autoencoder import FRAMES, Autoencoder
from reverie.autoencoder.losses import reconstruction_loss
from reverie.data.latents import Clip
from reverie.diffusion.flow import loss_weight, mix, to_clean
from reverie.diffusion.schedules import resolution_shift
from reverie.patches.packing import Piece, extras_of, pack
from reverie.patches.patches import PATCH, patchify
from reverie.patches.positions import token_positions
from reverie.randomness import generator as philox
from reverie.text.encoder import TextEncoder
from reverie.text.refiner import pad_texts
from reverie.training import patterns
from reverie.transformer.dit import Transformer

LATENT_NOISE = 0.1  # of raw latents, upper end of a uniform draw per clip


def autoencoder_objective(network: nn.Module, groups: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
    """Reconstruct groups [B t H W 12] through slightly noisy latents."""
    assert isinstance(network, Autoencoder)
    raw = network.encode_raw(groups)
    level = LATENT_NOISE * torch.rand(len(raw), 1, 1, 1, 1, generator=generator)
    decoded, _ = network.decode_raw(raw + level * torch.randn(raw.shape, generator=generator))
    to_video = "b t h w (f c) -> b c (t f) h w"
    decoded, video = rearrange(decoded, to_video, f=FRAMES), rearrange(groups, to_video, f=FRAMES)
    loss = reconstruction_loss(decoded, video)
    error = (decoded.detach() - video).square().mean()
    return loss, {"psnr": float(10 * torch.log10(4 / error))}


def transformer_objective(encoder: TextEncoder, network: nn.Module, clips: list[Clip], generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
    """Predict clean tokens of clips that are noisy by the mix of patterns (training/patterns.py), under their captions.

    The loss is the weighted squared error, averaged over the tokens of the whole pack that are not known.
    """
    assert isinstance(network, Transformer)
    features = encoder.encode([clip.caption for clip in clips])
    rng = philox(int(torch.randint(2**62, (), generator=generator)))
    pieces, clean = [], []
    for clip in clips:
        frames, height, width = clip.latents.shape[1], clip.latents.shape[2] // PATCH, clip.latents.shape[3] // PATCH
        shift = resolution_shift(clip.latents.numel())
        sigma = torch.from_numpy(patterns.draw(rng, frames, shift))
        latents = patchify(clip.latents)
        level_ids = torch.arange(frames).repeat_interleave(height * width)
        noise = torch.randn(latents.shape, generator=generator)
        scale = float(2 ** rng.uniform(-0.137, 0.137))  # 10% of jitter in the scale of the picture plane
        pieces.append(Piece(
            tokens=mix(latents, noise, sigma[level_ids, None]), positions=token_positions(clip.times - clip.times[0], (height, width), scale),
            sigma=sigma, level_ids=level_ids, extras=extras_of(clip.width, clip.height, clip.fps), causal=bool(rng.random() < patterns.CAUSAL_SHARE),
        ))  # fmt: skip
        clean.append(latents)
    order = sorted(range(len(pieces)), key=lambda i: (len(pieces[i].tokens), len(pieces[i].sigma), pieces[i].causal))
    packed = pack([pieces[i] for i in order])
    texts = [features[i][:0] if rng.random() < patterns.TEXT_DROPOUT else features[i] for i in order]
    condition = network.prepare(*pad_texts(texts, network.config.text_width))
    sigma = packed.sigma[packed.level_ids]
    predicted = to_clean(network.denoise(packed, condition), packed.tokens, sigma[:, None], network.config.prediction)
    error = (predicted - torch.cat([clean[i] for i in order])).square().mean(-1)
    unknown = (sigma > 0).float()
    loss = (error * loss_weight(sigma) * unknown).sum() / unknown.sum()
    bands = {f"error_{low:.1f}": error.detach()[(sigma > low) & (sigma <= low + 0.2)] for low in (0.0, 0.2, 0.4, 0.6, 0.8)}
    return loss, {**{name: float(band.mean()) for name, band in bands.items() if len(band)}, "tokens": float(len(sigma))}
