"""Batches as a pure function of their step: which clips, which part of each."""

import functools

import numpy as np
import torch
from torch import Tensor

from reverie.data.shards import Footage
from reverie.randomness import generator


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return generator(seed, epoch).permutation(count)


def indices_at(step: int, batch_size: int, count: int, seed: int) -> list[int]:
    """The clips of a step: every clip once per epoch, each epoch in its own order. No step repeats or skips one."""
    numbers = range(step * batch_size, (step + 1) * batch_size)
    return [int(_order(seed, n // count, count)[n % count]) for n in numbers]


def crops_at(footage: Footage, step: int, batch_size: int, seed: int, side: int = 96, num_groups: int = 3) -> Tensor:
    """For the autoencoder: random cuts in time and space as groups of four frames, float [B t side side 12] in [-1, 1].

    Two cuts of each clip (decoding costs more than cutting); a quarter of the cuts begins with a frame's lead (three copies), as
    an image does; half are mirrored.
    """
    rng = generator(seed, step)
    cuts: list[np.ndarray] = []
    for index in indices_at(step, -(-batch_size // 2), len(footage), seed):
        frames = footage.video(index).frames
        if frames.shape[0] < 4 * num_groups or min(frames.shape[1:3]) < side:
            raise ValueError(f"clip {footage.entries[index].key} is {list(frames.shape)}: at least {4 * num_groups} frames of {side}x{side} are needed")
        for _ in range(min(2, batch_size - len(cuts))):
            lead = 3 if rng.random() < 0.25 else 0
            wanted = 4 * num_groups - lead
            t, y, x = (int(rng.integers(0, a - b + 1)) for a, b in zip(frames.shape[:3], (wanted, side, side), strict=True))
            cut = frames[t : t + wanted, y : y + side, x : x + side, :]
            cut = cut[:, :, ::-1] if rng.random() < 0.5 else cut
            cuts.append(np.concatenate([cut[:1]] * lead + [cut]))
    batch = torch.from_numpy(np.stack(cuts)).float() / 127.5 - 1
    return batch.unflatten(1, (num_groups, 4)).permute(0, 1, 3, 4, 2, 5).flatten(-2)
