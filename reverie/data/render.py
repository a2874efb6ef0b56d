"""Render clips of a world into shards, on several processes, resumable: a shard that exists is not made again."""

import json
import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

import numpy as np

from reverie.data.shards import write_shard
from reverie.video import whole_file
from reverie.worlds.scene import Format, World, truth_of

SHARD_CLIPS = 100
ATTEMPTS = 5
REPLACEMENTS = 50
STRIDE = 1 << 40  # from an index whose clip shows something held out to the next one tried in its place

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
    _claim(folder, world, seed, num_clips, formats)
    jobs = [(world, seed, start, min(start + SHARD_CLIPS, num_clips), tuple(formats), folder) for start in range(0, num_clips, SHARD_CLIPS)]
    waiting = [job for job in jobs if not _path(*job).with_suffix(".jsonl").exists()]
    done = num_clips - sum(job[3] - job[2] for job in waiting)
    yield done, num_clips
    if processes == 1 or len(waiting) < 2:
        for job in waiting:
            done += _shard(job)
            yield done, num_clips
        return
    for attempt in range(ATTEMPTS):
        pool = ProcessPoolExecutor(min(processes, len(waiting)), multiprocessing.get_context("spawn"), _end_with_parent)
        try:
            for future in as_completed([pool.submit(_shard, job) for job in waiting]):
                done += future.result()
                yield done, num_clips
            return
        except BrokenProcessPool as error:  # a driver's crash takes its process along; what is finished stays
            waiting = [job for job in waiting if not _path(*job).with_suffix(".jsonl").exists()]
            done = num_clips - sum(job[3] - job[2] for job in waiting)
            logger.warning("a rendering process died; %d clips of %d are to be made again", num_clips - done, num_clips)
            if attempt == ATTEMPTS - 1:
                raise RuntimeError(f"rendering processes died {ATTEMPTS} times; the same command goes on from clip {done}") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _claim(folder: Path, world: World, seed: int, num_clips: int, formats: Sequence[Format]) -> None:
    """Write down what the folder holds; ValueError if it holds other formats or differently cut shards of the same seed."""
    mine = json.dumps({"world": world.name, "edition": getattr(world, "edition", 1), "formats": [asdict(f) for f in formats]})
    note = folder / "render.json"
    if note.exists() and note.read_text() != mine:
        raise ValueError(f"{folder} holds clips of another world (or edition of it), size, length or rate ({note.name}): repeat those settings or choose another folder")
    with whole_file(note) as temporary:
        temporary.write_text(mine)
    for path in folder.glob(f"{world.name}-{seed}-*.jsonl"):
        first, last = (int(part) for part in path.stem.split("-")[-2:])
        if first < num_clips < last or (last - first != SHARD_CLIPS and last != num_clips):
            raise ValueError(
                f"{folder} holds clips {first} to {last - 1} of seed {seed} as one shard: ask for --num-clips {last} (or more, if it is full), or choose another folder"
            )


def _path(world: World, seed: int, start: int, stop: int, formats: tuple[Format, ...], folder: Path) -> Path:
    return folder / f"{world.name}-{seed}-{start:07d}-{stop:07d}.tar"


def _end_with_parent() -> None:
    """A process of the pool waits for ever for a parent that was killed; this one then ends at once."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _shard(job: tuple[World, int, int, int, tuple[Format, ...], Path]) -> int:
    world, seed, start, stop, formats, _ = job

    def clips():
        for index in range(start, stop):
            for attempt in range(REPLACEMENTS):  # what training must not see is never written
                video, filmed = world.film(world.scene(seed, index + attempt * STRIDE), formats[index % len(formats)])
                if not filmed.held_out:
                    break
            else:
                raise RuntimeError(f"clip {index} of {world.name} and {REPLACEMENTS - 1} in its place show what is held out: {', '.join(filmed.held_out)}")
            truth = truth_of(filmed)
            if filmed.maps is not None:
                truth["maps"] = {name: np.ascontiguousarray(value) for name, value in vars(filmed.maps).items() if value is not None}
            yield f"{seed}-{index:07d}", video, truth

    try:
        write_shard(_path(*job), clips())
    except KeyboardInterrupt:
        if multiprocessing.parent_process():  # a process of the pool would go on with the next shard
            os._exit(130)
        raise
    return stop - start
