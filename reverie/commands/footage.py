"""Commands that make footage: worlds."""

import argparse
import itertools
import os
import time
from typing import Any

from reverie.commands.talking import progress, say


def worlds(options: argparse.Namespace) -> dict[str, Any]:
    """What each world can show."""
    from reverie.worlds.installed import load_world, world_names

    specs = {name: load_world(name).spec for name in world_names()}
    say(options, "\n".join(f"{name}\n" + "\n".join(f"  {attribute}: {', '.join(values)}" for attribute, values in spec.items()) for name, spec in specs.items()))
    return specs


def show(options: argparse.Namespace) -> dict[str, Any]:
    """One clip of a world to a file, with what it is told as."""
    from reverie.sampling.tasks import parse_size
    from reverie.video import Video, check_target
    from reverie.worlds.installed import load_world
    from reverie.worlds.scene import Format, truth_of

    width, height = parse_size(options.size)
    format = Format(width=width, height=height, num_frames=options.num_frames, fps=options.fps)
    check_target(options.output, format.num_frames, width, height)
    if options.index < 0:
        raise ValueError(f"--index {options.index}: at least 0 is needed")
    world = load_world(options.world)
    video, scene = world.film(world.scene(options.seed, options.index), format)
    Video(video.frames, video.fps, {"prompt": scene.captions[0], "world": world.name, "seed": options.seed, "index": options.index}).save(options.output)
    timed = [f"{start:.1f}-{end:.1f} s: {text}" for text, start, end in scene.timed_captions]
    say(options, "\n".join([str(options.output), *scene.captions, *timed]))
    return {"files": [str(options.output)], "scene": truth_of(scene)}


def render(options: argparse.Namespace) -> dict[str, Any]:
    """A world to shards of footage."""
    from reverie.data.render import render
    from reverie.sampling.tasks import parse_size
    from reverie.worlds.installed import load_world
    from reverie.worlds.scene import Format

    if options.processes < 1:
        raise ValueError(f"--processes {options.processes}: at least 1 is needed")
    sizes = [parse_size(size) for size in options.sizes]
    formats = [
        Format(width=width, height=height, num_frames=num_frames, fps=fps, maps=options.maps)
        for num_frames, fps, (width, height) in itertools.product(options.num_frames, options.fps, sizes)
    ]
    os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's software renderer: processes scale, its threads do not
    start, done = time.perf_counter(), 0
    with progress("rendering") as advance:
        for done, total in render(load_world(options.world), options.seed, options.num_clips, formats, options.output, options.processes):
            advance(done, total)
    seconds = time.perf_counter() - start
    say(options, f"{options.output}  {done} clips in {seconds:.0f} s")
    return {"clips": done, "elapsed_seconds": round(seconds, 1), "folder": str(options.output)}


def check(options: argparse.Namespace) -> dict[str, Any]:
    """The clause checker over footage: every clause of every caption against the ground truth."""
    from reverie.data.shards import Footage
    from reverie.worlds.clauses import check_scene
    from reverie.worlds.scene import SCHEMA

    footage = Footage(options.folder)
    clauses, wrong = 0, []
    with progress("checking") as advance:
        for index in range(len(footage)):
            truth = footage.scene(index)
            if truth.get("world") not in ("diorama", "toys", "driven", "wide") or truth.get("schema") != SCHEMA:
                raise ValueError(
                    f"{options.folder}: clip {footage.entries[index].key} is of {truth.get('world', 'no world')}, schema {truth.get('schema', 'unknown')}: "
                    f"diorama, toys, driven and wide of schema {SCHEMA} are checked; render footage anew"
                )
            count, complaints = check_scene(truth)
            clauses += count
            wrong += complaints
            advance(index + 1, len(footage))
    say(options, "\n".join([*wrong[:20], f"{len(footage)} clips, {clauses} clauses, {len(wrong)} wrong"]))
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {clauses} clauses are wrong, the first: {wrong[0]}")
    return {"clips": len(footage), "clauses": clauses, "wrong": len(wrong), "complaints": wrong[:20]}
