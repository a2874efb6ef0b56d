"""What a run writes about itself: RUN/metrics.jsonl (one line per `log_every` steps, and events) and RUN/run.json; one trainer per folder."""

import json
import logging
import math
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from reverie import __version__
from reverie.layers.precision import peak_memory
from reverie.training.distributed import World
from reverie.training.state import Figures, State

logger = logging.getLogger(__name__)


@contextmanager
def claimed(folder: Path, world: World) -> Iterator[None]:
    """The run's folder, made if it is not there, for this trainer alone. ValueError if another one has it or it holds something else."""
    lock = FileLock(folder / ".lock", timeout=0)

    def claim() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        strangers = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
        if strangers and not (folder / "run.json").exists():
            raise ValueError(f"{folder} holds no run but other things ({sorted(strangers)[0]}): choose another --run folder")
        try:
            lock.acquire()
        except Timeout as error:
            raise ValueError(f"another trainer is at work in {folder}: wait for it, stop it, or choose another --run folder") from error

    world.on_first(claim)
    try:
        yield
    finally:
        if world.first and [path.name for path in folder.iterdir()] == [".lock"]:
            shutil.rmtree(folder)  # nothing was begun
        lock.release()


def describe(folder: Path, about: dict[str, Any]) -> None:
    """RUN/run.json: what the run is, and the versions that it began with."""
    note = folder / "run.json"
    made = json.loads(note.read_text())["made"] if note.exists() else versions()
    temporary = folder / ".run.json.tmp"
    with open(temporary, "w") as file:
        json.dump({**about, "made": made}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())  # a power cut leaves the old one or the new one
    os.replace(temporary, note)


def versions() -> dict[str, str]:
    """The program, its commit if it runs from its own git repository, and what it stands on."""
    found = {"reverie": __version__, "torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version(), "system": platform.platform()}
    root = Path(__file__).parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return found
    answer = subprocess.run([git, "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"], capture_output=True, text=True, check=False)
    return found | ({"commit": answer.stdout.strip()} if answer.returncode == 0 else {})


class Record:
    """The metrics file of a run, written by the first process; speeds are those of all processes since the last line.

    A disk that is full does not end the run: lines are lost then, which is said once.
    """

    def __init__(self, folder: Path, world: World, peak_flops: float) -> None:
        self.path, self.world, self.peak = folder / "metrics.jsonl", world, peak_flops
        self.complained = False
        self._lap()

    def _lap(self) -> None:
        self.seconds, self.steps, self.tokens, self.flops = 0.0, 0, 0.0, 0.0
        self.began = time.monotonic()

    def count(self, tokens: float, flops: float) -> None:
        """A step was done, with so many tokens and floating-point operations in all processes."""
        now = time.monotonic()
        self.seconds, self.began = self.seconds + now - self.began, now
        self.steps, self.tokens, self.flops = self.steps + 1, self.tokens + tokens, self.flops + flops

    def pause(self) -> None:
        """What was done since the last count (a sheet, a checkpoint) is no part of the speed."""
        self.began = time.monotonic()

    def line(self, state: State, num_steps: int, **more: float) -> dict[str, float]:
        """Write the means of the state's tally with speeds, memory and the time left; returns them and empties the tally."""
        pace = self.seconds / max(1, self.steps)
        row = {name: total / weight for name, (total, weight) in state.tally.items() if weight}
        row |= {"gradient_limit": state.health.limit()} if math.isfinite(state.health.limit()) else {}
        row |= {"seconds_per_step": pace, "tokens_per_second": self.tokens / self.seconds if self.seconds else 0.0}
        if self.flops and self.seconds:
            row["share_of_peak"] = self.flops / self.seconds / (self.peak * self.world.size)
        row |= {"memory_gb": peak_memory() / 1e9, "seconds_left": (num_steps - state.step) * pace, **more}
        self._write({"step": state.step, "cursor": state.cursor, **row})
        state.tally = {}
        self._lap()
        return row

    def also(self, state: State, figures: dict[str, float]) -> None:
        """Write figures of a step that are not means over steps, if there are any."""
        if figures:
            self._write({"step": state.step, "cursor": state.cursor, **figures})

    def event(self, step: int, text: str, **more: Any) -> None:
        """Write down that something happened, and say it."""
        if self.world.first:
            logger.info("step %d: %s", step, text)
        self._write({"step": step, "event": text, **more})

    def drop_after(self, step: int) -> None:
        """Forget the lines beyond a step, to which the run goes back, and half a line of a killed process."""
        if not self.world.first or not self.path.exists():
            return
        lines = [line for line in self.path.read_text().splitlines() if _step_of(line) <= step]
        temporary = self.path.with_name(".metrics.jsonl.tmp")
        temporary.write_text("".join(line + "\n" for line in lines))
        os.replace(temporary, self.path)

    def _write(self, row: dict[str, Any]) -> None:
        if not self.world.first:
            return
        try:
            with open(self.path, "a") as file:
                file.write(("\n" if self.complained else "") + json.dumps(row) + "\n")  # what a full disk tore off stays a line of its own
        except OSError as error:
            if not self.complained:
                logger.warning("cannot write %s (%s): the run goes on without its lines", self.path, error.strerror)
            self.complained = True


def _step_of(line: str) -> float:
    """The step of a line of metrics; infinite if it is torn."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def merged(world: World, parts: list[Figures], wishes: list[bool]) -> tuple[Figures, list[bool]]:
    """The figures of all parts of a batch in all processes, added up, and for each wish whether any process has it. One message.

    Every part has the same names.
    """
    names = list(parts[0])
    total = world.sum([*(sum(part[name][i] for part in parts) for name in names for i in (0, 1)), *map(float, wishes)])
    return {name: (total[2 * n], total[2 * n + 1]) for n, name in enumerate(names)}, [wish > 0 for wish in total[2 * len(names) :]]


def add_to(tally: Figures, figures: Figures) -> None:
    """Add figures to a tally."""
    for name, (total, weight) in figures.items():
        before = tally.get(name, (0.0, 0.0))
        tally[name] = (before[0] + total, before[1] + weight)
