"""How long a request will take and how much memory, before it is begun: operations counted, this machine's speed measured."""

import os
from collections.abc import Sequence
from typing import Any

from reverie.autoencoder.autoencoder import SPATIAL
from reverie.diffusion.schedules import levels, resolution_shift
from reverie.layers.precision import peak_flops
from reverie.sampling.canvas import Canvas
from reverie.sampling.sampler import MAX_TOKENS, SamplerConfig, views
from reverie.sampling.stream import num_windows
from reverie.sampling.tasks import NATIVE_AREA, PIECE

SHARE = 0.15  # of the speed of a matrix product that the networks reach (docs/files.md has the measurement)
ATTENTION = 100e9  # operations per second of attention on a CPU


def estimate(dreamer: Any, canvases: Sequence[Canvas], config: SamplerConfig, together: int = 1) -> tuple[float, float]:
    """(seconds, bytes) to fill canvases, `together` at a time, and decode them."""
    network, codec = dreamer.transformer, dreamer.autoencoder.config
    copies, speed = 1 if config.guidance_scale == 1 else 2, peak_flops(network.compute_dtype) * SHARE
    parameters = sum(p.numel() for p in network.parameters())
    encoding, decoding = (  # operations per place of a latent
        2 * (21 * blocks[1] * coarse**2 + 4 * (18 * blocks[0] * fine**2 + 9 * fine * 192))
        for (fine, coarse), blocks in ((codec.encoder_widths, codec.encoder_blocks), (codec.decoder_widths, codec.decoder_blocks))
    )
    weights = 4 * (parameters + sum(p.numel() for p in dreamer.autoencoder.parameters()))
    seconds, memory = 0.0, 0.0
    for canvas in canvases:
        tokens = canvas.seen  # of one view
        below = levels(config.num_steps, resolution_shift(canvas.dreamed))[1:] < canvas.strength.max()  # steps that move anything
        seen = num_windows(canvas) * max(1, len(canvas.tiles)) if canvas.period is None else len(views(canvas, 0))
        evaluations = seen * copies * int(below.sum()) * (2 if config.solver == "heun" else 1)
        linear = 2 * parameters * tokens * evaluations
        attention = 4 * tokens**2 * network.config.width * network.config.depth * evaluations
        groups, plane = len(canvas.times), canvas.latents[0, 0].numel()
        turns = 4 * codec.decoder_blocks[1] if canvas.period is not None else 0  # of a loop's own end, in front of it
        coding = plane * ((groups + turns) * decoding + (groups + turns // 2 - 1) * (encoding + decoding) + (groups * encoding if canvas.tiles else 0))
        seconds += (linear + coding) / speed + attention / ATTENTION
        packed = min(MAX_TOKENS, min(together, len(canvases)) * max(1, len(canvas.tiles)) * copies * tokens)
        sampling = packed * network.config.width * 4 * 16  # hidden states of one block, wide ones included
        at_once = min(canvas.latents[0].numel(), max(plane, PIECE * NATIVE_AREA // SPATIAL**2))  # what the autoencoder takes at once
        features = at_once * (4 * codec.decoder_widths[0] * 4 * 8 + 768 * 4 * 4)  # fine ones, and frames
        frames = 3 * canvas.width * canvas.height * canvas.num_frames * (3 if canvas.tiles else 1)  # and what lay under them
        memory = max(memory, max(sampling, features) + frames + 12 * canvas.latents.numel())
    return seconds, weights + memory + 1e9  # torch and the text encoder


def total_memory() -> int:
    """Bytes of the machine's memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
