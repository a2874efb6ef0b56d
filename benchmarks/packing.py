"""What packing is worth: clips and useful tokens per second, forward and backward, of packs, of padding to the longest, and of aspect buckets.

    python benchmarks/packing.py                    last line: JSON. Run it on an idle machine (minutes); rounds are interleaved, the median counts
    python benchmarks/packing.py --clips 60 --rounds 1 --preset tiny --budget 3000      a try

One mixed set: a fifth are images, the rest clips of 1 to 6 s at 8 fps, five aspect ratios from 9:16 to 16:9, planes of 36 to 81 tokens.
- packs: data/sampling.py, every clip at its native size, at most `budget` tokens;
- padded: as many clips as fit if each were as long as the longest of them, in the order in which they come. What is added is not masked, so this
  is the speed of padding at its best;
- buckets: three aspect ratios of 60 to 64 tokens, lengths of 1, 2, 4, 8 and 12 latents; a clip goes to the nearest aspect ratio and is trimmed to the next
  length below. Only what is left of it counts as useful; "kept" says how much that is.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict

import numpy as np
import torch

from reverie.data.sampling import Carry, next_pack
from reverie.layers.precision import fast_dtype
from reverie.patches.packing import Piece, extras_of, pack
from reverie.patches.positions import token_positions
from reverie.presets import PRESETS
from reverie.randomness import generator
from reverie.transformer.dit import Transformer

Grid = tuple[int, int, int]  # latents, rows, columns of tokens

ASPECTS = (9 / 16, 3 / 4, 1.0, 4 / 3, 16 / 9)
PLANES = ((10, 6), (8, 8), (6, 10))
LENGTHS = (1, 2, 4, 8, 12)
WORDS = 16


def mixed_set(count: int, seed: int) -> list[Grid]:
    """The grids of `count` clips."""
    rng, grids = generator(seed), []
    for _ in range(count):
        t = 1 if rng.random() < 0.2 else int(rng.integers(2, 13))
        area, aspect = rng.uniform(36, 81), rng.choice(ASPECTS)
        grids.append((t, max(1, round((area / aspect) ** 0.5)), max(1, round((area * aspect) ** 0.5))))
    return grids


def size(grid: Grid) -> int:
    """Tokens."""
    return int(np.prod(grid))


def packs(grids: list[Grid], budget: int) -> list[list[tuple[Grid, int]]]:
    """Batches of (grid, tokens with what is added)."""
    lengths = [size(grid) for grid in grids]
    batches, carry = [], Carry()
    while carry.next == 0 or carry.waiting[0][0] < len(grids):  # beyond the set are only clips that do not fit
        chosen, carry = next_pack(carry, lambda n: lengths[n] if n < len(lengths) else budget + 1, budget)
        batches.append([(grids[n], tokens) for n, tokens in chosen])
    return batches


def padded(grids: list[Grid], budget: int) -> list[list[tuple[Grid, int]]]:
    """Batches in which every clip is as long as the longest."""
    batches: list[list[Grid]] = [[]]
    for grid in grids:
        if max(map(size, [*batches[-1], grid])) * (len(batches[-1]) + 1) > budget:
            batches.append([])
        batches[-1].append(grid)
    return [[(grid, max(map(size, batch))) for grid in batch] for batch in batches]


def buckets(grids: list[Grid], budget: int) -> list[list[tuple[Grid, int]]]:
    """Batches of one shape each, in the order in which the buckets fill; what is left at the end makes smaller ones."""
    waiting: dict[Grid, list[Grid]] = defaultdict(list)
    batches = []
    for t, h, w in grids:
        plane = min(PLANES, key=lambda p: abs(np.log(p[1] / p[0] * h / w)))
        grid = (max(length for length in LENGTHS if length <= t), *plane)
        waiting[grid].append(grid)
        if (len(waiting[grid]) + 1) * size(grid) > budget:
            batches.append(waiting.pop(grid))
    return [[(grid, size(grid)) for grid in batch] for batch in [*batches, *waiting.values()]]


def step(network: Transformer, batch: list[tuple[Grid, int]]) -> None:
    """Forward and backward."""
    pieces = []
    for (t, h, w), length in sorted(batch, key=lambda item: (item[0][1] * item[0][2], item[1])):
        extra = length - t * h * w
        positions = torch.cat([token_positions(torch.arange(t) / 2, (h, w)), torch.zeros(extra, 3)])
        level_ids = torch.cat([torch.arange(t).repeat_interleave(h * w), torch.full((extra,), t - 1)])
        pieces.append(Piece(torch.randn(length, network.config.token_width), positions, torch.rand(t), level_ids, extras_of(16 * w, 16 * h, 8.0)))
    texts = [torch.randn(WORDS, network.config.text_width) for _ in pieces]
    network.denoise(pack(pieces), network.prepare(texts)).square().mean().backward()
    network.zero_grad(set_to_none=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--preset", default="small", choices=list(PRESETS))
    parser.add_argument("--budget", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    network = Transformer(PRESETS[options.preset]().transformer)
    network.compute_dtype = fast_dtype()
    grids = mixed_set(options.clips, options.seed)
    ways = {"packs": packs(grids, options.budget), "padded": padded(grids, options.budget), "buckets": buckets(grids, options.budget)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for batches in ways.values():
        step(network, batches[0])  # warms up
    for n in range(options.rounds):
        for name in [*ways][n % 3 :] + [*ways][: n % 3]:
            begin = time.perf_counter()
            for batch in ways[name]:
                step(network, batch)
            seconds[name].append(time.perf_counter() - begin)
    native = sum(map(size, grids))
    figures: dict[str, object] = {"clips": len(grids), "native_tokens": native, "preset": options.preset, "budget": options.budget, "seed": options.seed, "rounds": options.rounds}
    for name, batches in ways.items():
        assert sum(map(len, batches)) == len(grids)
        useful = sum(size(grid) for batch in batches for grid, _ in batch)
        moved = sum(length for batch in batches for _, length in batch)
        best = statistics.median(seconds[name])
        figures[name] = {
            "clips_per_second": round(len(grids) / best, 2), "useful_tokens_per_second": round(useful / best), "seconds": [round(value, 2) for value in seconds[name]],
            "batches": len(batches), "useful_of_moved": round(useful / moved, 3), "kept": round(useful / native, 3),
        }  # fmt: skip
    print(json.dumps({**figures, "dtype": str(network.compute_dtype), "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
