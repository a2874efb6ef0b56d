"""Batches as a pure function of their samples' numbers: which clips, which part of each."""

import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reverie.data.shards import Entry, Footage
from reverie.randomness import generator

CHOICES, NOISE = 1, 2  # counters of a sample's random numbers: what of its clip is seen, and what training does with it
CUTS = 2  # of each clip, for the autoencoder
LOOKAHEAD = 48  # samples among which a pack looks for those that fill it
PACKS = 64  # the last ones are kept: of several threads and processes each asks for its own


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


@dataclass(frozen=True)
class Carry:
    """Where packing stands: the number of the next sample to be looked at, and those that wait, oldest first, with their tokens. JSON values."""

    next: int = 0
    waiting: tuple[tuple[int, int], ...] = ()


def next_pack(carry: Carry, tokens_of: Callable[[int], int], budget: int) -> tuple[list[tuple[int, int]], Carry]:
    """A pack [(sample, tokens)] of at most `budget` tokens, and what is carried on. A pure function: every sample comes once, none waits for ever.

    The oldest sample that waits comes next; where it does not fit, the largest one that does, of LOOKAHEAD that wait.
    """
    number, waiting = carry.next, list(carry.waiting)
    pack: list[tuple[int, int]] = []
    room = budget
    while True:
        while len(waiting) < LOOKAHEAD:
            waiting.append((number, tokens_of(number)))
            number += 1
        if not pack and waiting[0][1] > budget:
            raise ValueError(f"a clip of {waiting[0][1]} tokens does not fit into packs of {budget}: raise tokens_per_step")
        fitting = [sample for sample in waiting if sample[1] <= room]
        if not fitting:
            return pack, Carry(number, tuple(waiting))
        chosen = waiting[0] if waiting[0][1] <= room else max(fitting, key=lambda sample: (sample[1], -sample[0]))
        waiting.remove(chosen)
        pack.append(chosen)
        room -= chosen[1]


class Packs:
    """Pack n of a run as a function of n alone: packing is repeated from its beginning (it reads no clip), so that a run's cursor is one integer."""

    def __init__(self, tokens_of: Callable[[int], int], budget: int) -> None:
        self.tokens_of, self.budget = tokens_of, budget
        self.packs: dict[int, list[tuple[int, int]]] = {}
        self.made, self.carry, self.lock = 0, Carry(), threading.Lock()

    def numbers(self, pack: int, part: int, parts: int) -> list[int]:
        """The samples of a part of a pack: the longest first, each to the part that has the fewest tokens yet."""
        with self.lock:
            if pack < self.made - PACKS:
                self.made, self.carry = 0, Carry()
            while self.made <= pack:
                self.packs[self.made], self.carry = next_pack(self.carry, self.tokens_of, self.budget)
                self.packs.pop(self.made - PACKS, None)
                self.made += 1
            samples = self.packs[pack]
        shares: list[list[int]] = [[] for _ in range(parts)]
        loads = [0] * parts
        for number, tokens in sorted(samples, key=lambda sample: (-sample[1], sample[0])):
            least = loads.index(min(loads))
            shares[least].append(number)
            loads[least] += tokens
        assert all(shares)  # check_budget saw to it
        return sorted(shares[part])


def check_budget(budget: int, longest: int, parts: int) -> None:
    """ValueError unless packs of `budget` tokens hold a clip for each of `parts` parts, the `longest` ones too."""
    if budget < longest * parts:
        raise ValueError(
            f"tokens_per_step {budget} is too little for {parts} parts (processes x --accumulate) and clips of up to {longest} tokens: at least {longest * parts} are needed"
        )


def check_batch(batch_size: int, count: int, parts: int, unit: int = 1) -> None:
    """ValueError unless batches of `batch_size` (`unit` of each clip) can be made of `count` clips and shared between `parts`."""
    if batch_size % (unit * parts):
        of = f"{unit} cuts of each clip, " if unit > 1 else ""
        raise ValueError(f"batch_size {batch_size} cannot be shared out ({of}{parts} parts: processes x --accumulate): make it a multiple of {unit * parts}")
    if batch_size // unit > count:
        raise ValueError(f"batch_size {batch_size} needs {batch_size // unit} clips and there are {count}: make more, or set a smaller batch_size")


def check_crops(entries: Iterable[Entry], side: int = 96, num_groups: int = 3) -> None:
    """ValueError, naming the first, if clips are too small for `crops_at`."""
    for entry in entries:
        if entry.num_frames < 4 * num_groups or min(entry.height, entry.width) < side:
            raise ValueError(f"clip {entry.key} has {entry.num_frames} frames of {entry.width}x{entry.height}: at least {4 * num_groups} of {side}x{side} are needed")


def crops_at(footage: Footage, numbers: range, seed: int, side: int = 96, num_groups: int = 3) -> Tensor:
    """For the autoencoder: random cuts in time and space as groups of four frames, float [2n t side side 12] in [-1, 1].

    Two cuts of each of the n samples (decoding costs more than cutting); a quarter of the cuts begins with a frame's lead (three
    copies), as an image does; half are mirrored.
    """
    cuts: list[np.ndarray] = []
    for number in numbers:
        index, rng = index_of(number, len(footage), seed), generator(seed, number, CHOICES)
        check_crops([footage.entries[index]], side, num_groups)
        frames = footage.video(index).frames
        for _ in range(CUTS):
            lead = 3 if rng.random() < 0.25 else 0
            wanted = 4 * num_groups - lead
            t, y, x = (int(rng.integers(0, a - b + 1)) for a, b in zip(frames.shape[:3], (wanted, side, side), strict=True))
            cut = frames[t : t + wanted, y : y + side, x : x + side, :]
            cut = cut[:, :, ::-1] if rng.random() < 0.5 else cut
            cuts.append(np.concatenate([cut[:1]] * lead + [cut]))
    batch = torch.from_numpy(np.stack(cuts)).float() / 127.5 - 1
    return batch.unflatten(1, (num_groups, 4)).permute(0, 1, 3, 4, 2, 5).flatten(-2)
