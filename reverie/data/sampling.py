"""Batches as a pure function of their samples' numbers: which clips, which part of each."""

import functools

import numpy as np
import torch
from torch import Tensor

from reverie.data.shards import Footage
from reverie.randomness import generator

CHOICES, NOISE = 1, 2  # counters of a sample's random numbers: what of its clip is seen, and what training does with it
CUTS = 2  # of each clip, for the autoencoder


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return generator(seed, epoch).permutation(count)


def numbers_of(batch: int, batch_size: int, part: int = 0, parts: int = 1) -> range:
    """The numbers of the samples of a part of a batch: samples are counted through the whole run, so one integer says where it is."""
    share = batch_size // parts
    return range(batch * batch_size + part * share, batch * batch_size + (part + 1) * share)


def index_of(number: int, count: int, seed: int) -> int:
    """Which of `count` clips a sample shows: every clip once per epoch, each epoch in its own order. None is repeated or lost."""
    return int(_order(seed, number // count, count)[number % count])


def check_batch(batch_size: int, count: int, parts: int, unit: int = 1) -> None:
    """ValueError unless batches of `batch_size` (`unit` of each clip) can be made of `count` clips and shared between `parts`."""
    if batch_size % (unit * parts):
        of = f"{unit} cuts of each clip, " if unit > 1 else ""
        raise ValueError(f"batch_size {batch_size} cannot be shared out ({of}{parts} parts: processes x --accumulate): make it a multiple of {unit * parts}")
    if batch_size // unit > count:
        raise ValueError(f"batch_size {batch_size} needs {batch_size // unit} clips and there are {count}: make more, or set a smaller batch_size")


def crops_at(footage: Footage, numbers: range, seed: int, side: int = 96, num_groups: int = 3) -> Tensor:
    """For the autoencoder: random cuts in time and space as groups of four frames, float [2n t side side 12] in [-1, 1].

    Two cuts of each of the n samples (decoding costs more than cutting); a quarter of the cuts begins with a frame's lead (three
    copies), as an image does; half are mirrored.
    """
    cuts: list[np.ndarray] = []
    for number in numbers:
        index, rng = index_of(number, len(footage), seed), generator(seed, number, CHOICES)
        frames = footage.video(index).frames
        if frames.shape[0] < 4 * num_groups or min(frames.shape[1:3]) < side:
            raise ValueError(f"clip {footage.entries[index].key} is {list(frames.shape)}: at least {4 * num_groups} frames of {side}x{side} are needed")
        for _ in range(CUTS):
            lead = 3 if rng.random() < 0.25 else 0
            wanted = 4 * num_groups - lead
            t, y, x = (int(rng.integers(0, a - b + 1)) for a, b in zip(frames.shape[:3], (wanted, side, side), strict=True))
            cut = frames[t : t + wanted, y : y + side, x : x + side, :]
            cut = cut[:, :, ::-1] if rng.random() < 0.5 else cut
            cuts.append(np.concatenate([cut[:1]] * lead + [cut]))
    batch = torch.from_numpy(np.stack(cuts)).float() / 127.5 - 1
    return batch.unflatten(1, (num_groups, 4)).permute(0, 1, 3, 4, 2, 5).flatten(-2)
