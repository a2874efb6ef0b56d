"""Noise that depends on nothing but (seed, stream, latent index, shape): numpy's counter-based Philox, fp32, on the CPU."""

import numpy as np
import torch
from torch import Tensor

from reverie.randomness import generator

STREAMS = ("start", "context")


def latent_noise(seed: int, first: int, shape: tuple[int, int, int, int], stream: str = "start") -> Tensor:
    """Standard normal noise [C t h w] for the latents first .. first + t - 1 of a video (negative indices allowed).

    Every latent has a generator of its own, keyed by (seed, stream) and counted by its index: the noise of a latent is the same
    whichever batch, window or chunk asks for it.
    """
    channels, count, height, width = shape
    which = STREAMS.index(stream)
    planes = [generator(seed, which, index).standard_normal((channels, height, width), dtype=np.float32) for index in range(first, first + count)]
    return torch.from_numpy(np.stack(planes, 1))
