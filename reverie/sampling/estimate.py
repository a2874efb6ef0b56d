"""How long a request will take and how much memory, before it is begun: operations counted, this machine's speed measured."""

import os
from collections.abc import Sequence
from typing import Any

from reverie.layers.precision import peak_flops
from reverie.sampling.canvas import WINDOW, Canvas
from reverie.sampling.sampler import SamplerConfig
from reverie.sampling.stream import num_windows

SHARE = 0.15  # of the speed of a matrix product that the networks reach (docs/files.md has the measurement)
ATTENTION = 100e9  # operations per second of attention on a CPU


def estimate(dreamer: Any, canvases: Sequence[Canvas], config: SamplerConfig, together: int = 1) -> tuple[float, float]:
    """(seconds, bytes) to fill canvases of one shape, `together` at a time, and decode them."""
    network, autoencoder = dreamer.transformer, dreamer.autoencoder
    canvas, copies = canvases[0], 1 if config.guidance_scale == 1 else 2
    t, h, w = canvas.grid
    tokens, runs = (t if canvas.at_once else WINDOW) * h * w, num_windows(canvas)  # of one call; how many there are
    parameters = sum(p.numel() for p in network.parameters())
    evaluations = runs * copies * config.num_steps * (2 if config.solver == "heun" else 1)
    linear = 2 * parameters * tokens * evaluations
    attention = 4 * tokens**2 * network.config.width * network.config.depth * evaluations
    (fine, coarse), (fine_blocks, coarse_blocks) = autoencoder.config.decoder_widths, autoencoder.config.decoder_blocks
    latents = canvas.latents[0].numel()
    decode = 2 * latents * (coarse_blocks * 21 * coarse**2 + 4 * (fine_blocks * 18 * fine**2 + 9 * fine * 192))
    speed = peak_flops(network.compute_dtype) * SHARE
    seconds = len(canvases) * ((linear + decode) / speed + attention / ATTENTION)
    packed = min(together, len(canvases))
    weights = 4 * (parameters + sum(p.numel() for p in autoencoder.parameters()))
    sampling = packed * copies * tokens * network.config.width * 4 * 16  # hidden states of one block, wide ones included
    decoding = latents * (4 * fine * 4 * 8 + 768 * 4 * 4)  # fine features and frames; one clip is decoded at a time
    return seconds, weights + max(sampling, decoding) + 1e9  # torch and the text encoder


def total_memory() -> int:
    """Bytes of the machine's memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
