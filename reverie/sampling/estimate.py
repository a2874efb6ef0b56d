"""How long a request will take and how much memory, before it is begun: operations counted, the speed of both networks on this machine measured."""

import functools
import os
import time
from collections.abc import Sequence
from typing import Any

import torch

from reverie.autoencoder.autoencoder import SPATIAL
from reverie.diffusion.schedules import levels, resolution_shift
from reverie.sampling.canvas import Canvas
from reverie.sampling.sampler import MAX_TOKENS, SamplerConfig, sample, views
from reverie.sampling.stream import num_windows
from reverie.sampling.tasks import NATIVE_AREA, PIECE, text_to_video

PLACES = 2 * 16 * 16  # of the latents of eight frames of 128x128; four make a token
ATTENTION = 100e9  # operations per second of attention on a CPU


@functools.lru_cache(1)
def measured_seconds(dreamer: Any) -> tuple[float, float]:
    """Of eight frames of 128x128: one evaluation of the transformer and the decoding; the best of three, in the time that this process had of the CPU over its threads."""
    canvas = text_to_video("a ball", channels=dreamer.channels, width=128, height=128, num_frames=8, fps=8.0, seed=0)
    once, best = SamplerConfig(num_steps=1, guidance_scale=1.0), [float("inf")] * 2
    with torch.inference_mode():
        for _ in range(3):
            times = [time.process_time()]
            for work in (lambda: list(sample(dreamer.transformer, dreamer.encoder, [canvas], once)), lambda: dreamer.autoencoder.decode_piece(canvas.latents[None], None)):
                work()
                times.append(time.process_time())
            best = [min(least, (end - start) / torch.get_num_threads()) for least, start, end in zip(best, times, times[1:], strict=False)]
    return best[0], best[1]


def estimate(dreamer: Any, canvases: Sequence[Canvas], config: SamplerConfig, together: int = 1) -> tuple[float, float]:
    """(seconds, bytes) to fill canvases, `together` at a time, and decode them."""
    network, codec = dreamer.transformer, dreamer.autoencoder.config
    parameters = sum(p.numel() for p in network.parameters())
    encoding, decoding = (  # operations per place of a latent
        2 * (21 * blocks[1] * coarse**2 + 4 * (18 * blocks[0] * fine**2 + 9 * fine * 192))
        for (fine, coarse), blocks in ((codec.encoder_widths, codec.encoder_blocks), (codec.decoder_widths, codec.decoder_blocks))
    )
    evaluated, decoded = measured_seconds(dreamer)
    products, convolutions = 2 * parameters * PLACES / 4 / evaluated, decoding * PLACES / decoded  # per second
    weights = 4 * (parameters + sum(p.numel() for p in dreamer.autoencoder.parameters()))
    seconds, memory = 0.0, 0.0
    for canvas in canvases:
        tokens, copies = canvas.seen, 1 if config.guidance_scale == 1 or "draft" in canvas.about else 2  # of one view; a draft is enlarged without guidance
        below = levels(config.num_steps, resolution_shift(canvas.dreamed))[1:] < canvas.strength.max()  # steps that move anything
        seen = num_windows(canvas) * max(1, len(canvas.tiles)) if canvas.period is None else len(views(canvas, 0))
        evaluations = seen * copies * int(below.sum()) * (2 if config.solver == "heun" else 1)
        linear = 2 * parameters * tokens * evaluations
        attention = 4 * tokens**2 * network.config.width * network.config.depth * evaluations
        groups, plane = len(canvas.times), canvas.latents[0, 0].numel()
        turns = 4 * codec.decoder_blocks[1] if canvas.period is not None else 0  # of a loop's own end, in front of it
        coding = plane * ((groups + turns) * decoding + (groups + turns // 2 - 1) * (encoding + decoding) + (groups * encoding if canvas.tiles else 0))
        seconds += linear / products + coding / convolutions + attention / ATTENTION
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
