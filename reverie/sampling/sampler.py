"""The sampler: fills any canvases, together, in one packed sequence. Euler steps of the flow with classifier-free guidance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.diffusion.flow import mix, step, to_clean
from reverie.diffusion.guidance import guide
from reverie.diffusion.noise import latent_noise
from reverie.diffusion.schedules import levels, resolution_shift
from reverie.patches.packing import Piece, extras_of, pack, unpack
from reverie.patches.patches import patchify, unpatchify
from reverie.patches.positions import token_positions
from reverie.sampling.canvas import Canvas
from reverie.text.encoder import TextEncoder
from reverie.text.refiner import pad_texts
from reverie.transformer.dit import Transformer


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """num_steps: evaluations of the network; guidance_scale: 1 is none."""

    num_steps: int = 25
    guidance_scale: float = 3.0

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= 1000:
            raise ValueError(f"num_steps is {self.num_steps}: between 1 and 1000 is allowed")
        if not 0 <= self.guidance_scale <= 30:
            raise ValueError(f"guidance_scale is {self.guidance_scale}: between 0 and 30 is allowed")


@torch.inference_mode()
def sample(network: Transformer, encoder: TextEncoder, canvases: Sequence[Canvas], config: SamplerConfig) -> Iterator[tuple[int, list[Tensor]]]:
    """Fill the canvases. Yields (steps done, latents [C t h w] of every canvas as clean as they are now), num_steps times.

    What the last step yields is the result. Where a canvas has strength 0 its latents come back unchanged, bit by bit.
    """
    copies = 1 if config.guidance_scale == 1 else 2  # with the prompt, and with the negative one
    texts = [c.prompt for c in canvases] + [c.negative_prompt for c in canvases] * (copies - 1)
    condition = network.prepare(*pad_texts(encoder.encode(texts), encoder.width))
    schedules = [levels(config.num_steps, resolution_shift(c.latents.numel())) for c in canvases]
    known = [patchify(c.latents) for c in canvases]
    noise = [patchify(latent_noise(c.seed, c.first, tuple(c.latents.shape))) for c in canvases]  # type: ignore[arg-type]
    strength = [c.token_strength() for c in canvases]
    x = [mix(k, n, s) for k, n, s in zip(known, noise, strength, strict=True)]
    for i in range(config.num_steps):
        sigma = [torch.minimum(u[i], s) for u, s in zip(schedules, strength, strict=True)]
        sigma_next = [torch.minimum(u[i + 1], s) for u, s in zip(schedules, strength, strict=True)]
        pieces = [_piece(c, tokens, level) for c, tokens, level in zip(canvases, x, sigma, strict=True)]
        packed = pack(pieces * copies)
        outputs = unpack(network.denoise(packed, condition), packed.lengths)
        clean = [to_clean(o, t, s, network.config.prediction) for o, t, s in zip(outputs, x * copies, sigma * copies, strict=True)]
        if copies == 2:
            clean = [guide(a, b, config.guidance_scale) for a, b in zip(clean[: len(x)], clean[len(x) :], strict=True)]
        x = [step(*values) for values in zip(x, clean, sigma, sigma_next, strict=True)]
        preview = x if i + 1 == config.num_steps else [torch.where(s > 0, c, t) for s, c, t in zip(sigma, clean, x, strict=True)]
        yield i + 1, [unpatchify(tokens, c.grid) for tokens, c in zip(preview, canvases, strict=True)]


def _piece(canvas: Canvas, tokens: Tensor, sigma: Tensor) -> Piece:
    """One canvas as a piece of a pack: a level for each (latent, sigma) that occurs."""
    t, h, w = canvas.grid
    frame = torch.arange(t).repeat_interleave(h * w)
    pairs, level_ids = torch.unique(torch.stack([frame.float(), sigma[:, 0]], 1), dim=0, return_inverse=True)
    positions = token_positions(canvas.times - canvas.times[canvas.shown][0], (h, w))
    return Piece(tokens, positions, pairs[:, 1], level_ids, extras_of(canvas.width, canvas.height, canvas.fps))
