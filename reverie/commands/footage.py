"""Commands that make footage: worlds."""

import argparse
import os
import time
from typing import Any

from reverie.commands.talking import progress, say


def worlds(options: argparse.Namespace) -> dict[str, Any]:
    """What each world can show."""
    from reverie.worlds.diorama import Diorama

    world = Diorama()
    say(options, f"{world.name}: " + "; ".join(f"{name}: {', '.join(words)}" for name, words in world.spec.items()))
    return {world.name: world.spec}


def render(options: argparse.Namespace) -> dict[str, Any]:
    """A world to shards of footage."""
    from reverie.config import did_you_mean
    from reverie.data.render import render
    from reverie.sampling.tasks import parse_size
    from reverie.worlds.diorama import Diorama
    from reverie.worlds.scene import Format

    if options.world != Diorama.name:
        raise ValueError(f"no world {options.world!r}{did_you_mean(options.world, [Diorama.name])}")
    if options.processes < 1:
        raise ValueError(f"--processes {options.processes}: at least 1 is needed")
    sizes = [parse_size(size) for size in options.sizes]
    formats = [Format(width=width, height=height, num_frames=options.num_frames, fps=options.fps) for width, height in sizes]
    os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's software renderer: processes scale, its threads do not
    start, done = time.perf_counter(), 0
    with progress("rendering") as advance:
        for done, total in render(Diorama(), options.seed, options.num_clips, formats, options.output, options.processes):
            advance(done, total)
    seconds = time.perf_counter() - start
    say(options, f"{options.output}  {done} clips in {seconds:.0f} s")
    return {"clips": done, "elapsed_seconds": round(seconds, 1), "folder": str(options.output)}
