"""Render clips of a world into shards, on several processes, resumable: a shard that exists is not made again."""

import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

from reverie.data.shards import write_shard
from reverie.worlds.scene import Format, World

SHARD_CLIPS = 100
ATTEMPTS = 5

logger = logging.getLogger(__name__)


def render(world: World, seed: int, num_clips: int, formats: Sequence[Format], folder: str | os.PathLike[str], processes: int = 1) -> Iterator[tuple[int, int]]:
    """Make clips 0..num_clips-1 of `seed`, clip i in formats[i % len(formats)]. Yields (clips done, clips in all).

    The files do not depend on `processes`. Raises ValueError for an unusable folder, RuntimeError without a renderer.
    """
    folder = Path(folder)
    if num_clips < 1:
        raise ValueError(f"--num-clips {num_clips}: at least 1 is needed")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot write in {folder}: {error.strerror}") from error
    starts = list(range(0, num_clips, SHARD_CLIPS))
    jobs = [(world, seed, start, min(start + SHARD_CLIPS, num_clips), tuple(formats), folder) for start in starts]
    waiting = [job for job in jobs if not _paths(*job)[1].exists()]
    done = sum(job[3] - job[2] for job in jobs if job not in waiting)
    yield done, num_clips
    if processes == 1 or len(waiting) < 2:
        for job in waiting:
            done += _shard(job)
            yield done, num_clips
        return
    for attempt in range(ATTEMPTS):
        try:
            with ProcessPoolExecutor(min(processes, len(waiting)), multiprocessing.get_context("spawn")) as pool:
                for future in as_completed([pool.submit(_shard, job) for job in waiting]):
                    done += future.result()
                    yield done, num_clips
            return
        except BrokenProcessPool as error:  # a driver's crash takes its process along; what is finished stays
            waiting = [job for job in waiting if not _paths(*job)[1].exists()]
            done = num_clips - sum(job[3] - job[2] for job in waiting)
            logger.warning("a rendering process died; %d clips of %d are to be made again", num_clips - done, num_clips)
            if attempt == ATTEMPTS - 1:
                raise RuntimeError(f"rendering processes died {ATTEMPTS} times; the same command goes on from clip {done}") from error


def _paths(world: World, seed: int, start: int, stop: int, formats: tuple[Format, ...], folder: Path) -> tuple[Path, Path]:
    tar = folder / f"{world.name}-{seed}-{start:07d}-{stop:07d}.tar"  # type: ignore[attr-defined]
    return tar, tar.with_suffix(".jsonl")


def _shard(job: tuple[World, int, int, int, tuple[Format, ...], Path]) -> int:
    world, seed, start, stop, formats, _ = job

    def clips():
        for index in range(start, stop):
            video, scene = world.film(world.scene(seed, index), formats[index % len(formats)])
            yield f"{seed}-{index:07d}", video, asdict(scene)

    write_shard(_paths(*job)[0], clips())
    return stop - start
