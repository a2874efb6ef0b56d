"""The training loop: one for every network, with one process or many; only the objective and the batches differ.

Batches and all randomness are functions of the seed and of the numbers of the samples, so a resumed run repeats the uninterrupted one,
whatever the number of processes. The order of a step is the order of the lines below: batch, loss, backward, health, clip,
step, average, log, sample, save.
"""

import ctypes
import itertools
import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from reverie.config import to_dict
from reverie.layers.precision import peak_flops
from reverie.training import checkpoint, ema
from reverie.training.distributed import World, full, recompute_activations, shard
from reverie.training.health import ROLLBACKS, TOO_MANY
from reverie.training.optim import gradient_norm, make_optimizers, rate_factor, scale_gradients
from reverie.training.record import Record, add_to, claimed, describe, merged, versions
from reverie.training.state import Figures, State

# objective(network, part, seed) -> (loss summed over what counts, how much counts, figures)
# figures: (sum, weight) by name; "tokens" and "flops" (of this part, forward and backward) are sums with weight 0
Objective = Callable[[nn.Module, Any, int], tuple[Tensor, float, Figures]]
BatchAt = Callable[[int, int, int], Any]  # (number of the batch, part, parts) -> that part of it
Sample = Callable[[dict[str, Tensor], Path], dict[str, float] | None]  # averaged weights -> a sheet at a path, and figures of theirs


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long, how fast. A rate of 0 for Muon gives its matrices to AdamW; `decay_share` is the last part of the run.

    batch_size: clips per step (of the autoencoder cuts, two of each clip); tokens_per_step: if not 0, as many clips as fit into so many tokens instead (of the transformer only);
    clip_norm bounds the gradient's norm from the first step on, health.py tightens it; milestone_every: checkpoints at multiples of it
    are never removed (0: only the one where the rate begins to fall); precision auto: the faster of the two on this machine.
    """

    num_steps: int
    batch_size: int
    tokens_per_step: int = 0
    learning_rate: float
    muon_learning_rate: float = 0.0
    weight_decay: float = 0.01
    warmup_steps: int = 100
    decay_share: float = 0.25
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    seed: int = 0
    log_every: int = 10
    sample_every: int = 500
    checkpoint_minutes: float = 10.0
    milestone_every: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        rules = {
            "at least 1": (("num_steps", "batch_size", "log_every", "sample_every"), lambda value: value >= 1),
            "at least 0": (("milestone_every", "tokens_per_step", "warmup_steps", "weight_decay", "muon_learning_rate", "checkpoint_minutes"), lambda value: value >= 0),
            "above 0": (("learning_rate", "clip_norm"), lambda value: value > 0), "above 0, at most 1": (("decay_share",), lambda value: 0 < value <= 1),
            "at least 0, below 1": (("ema_decay",), lambda value: 0 <= value < 1),
        }  # fmt: skip
        for allowed, (names, fine) in rules.items():
            for name in names:
                if not fine(getattr(self, name)):
                    raise ValueError(f"{name} is {getattr(self, name)}: {allowed} is allowed" + (" (1e9 clips nothing)" if name == "clip_norm" else ""))


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """How this stretch of a run is done. Of what is learned only `decay_from` decides; it is remembered by later stretches.

    resume: the step of the checkpoint to go on from (default: the newest); deadline: time.monotonic() at which to stop at a checkpoint;
    decay_from: the step at which the rate begins to fall; accumulate: parts in which a process takes its share of a batch;
    recompute: activations in the backward pass instead of keeping them; workers: threads that read ahead.
    """

    resume: int | None = None
    deadline: float = math.inf
    decay_from: int | None = None
    accumulate: int = 1
    recompute: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        if min(self.accumulate, self.workers) < 1:
            raise ValueError(f"--accumulate {self.accumulate}, --workers {self.workers}: at least 1 of each is needed")


class Trained(nn.Module):
    """A network with its objective as one module, whose forward pass is the whole way from a part of a batch to the loss."""

    def __init__(self, network: nn.Module, objective: Objective, seed: int) -> None:
        super().__init__()
        self.network, self.objective, self.seed = network, objective, seed

    def forward(self, part: Any) -> tuple[Tensor, float, Figures]:
        return self.objective(self.network, part, self.seed)


def train(
    *, network: nn.Module, objective: Objective, batch_at: BatchAt, config: TrainingConfig, folder: Path, about: dict[str, Any], world: World, stretch: Stretch,
    sample: Sample | None = None, progress: Callable[[int, dict[str, float]], None] | None = None,
) -> dict[str, Tensor] | None:  # fmt: skip
    """Train `network` to the end of `config`, going on from the newest checkpoint in `folder`; returns its average, whole, in every process.

    None if it was stopped before the end, after saving (SIGTERM, deadline). about: what the run is (network config, data, precision),
    compared with the checkpoint's. Figures go to FOLDER/metrics.jsonl, those of `sample` too, its sheets to FOLDER/samples. Raises ValueError if
    the folder holds another run, KeyboardInterrupt, after saving, when interrupted, RuntimeError if the run cannot go on.
    """
    _keep_freed_memory()
    about = {**about, "training": to_dict(config)}
    module = Trained(network, objective, config.seed)
    if stretch.recompute:
        recompute_activations(module)
    shard(module, world)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizers = make_optimizers(network, config.learning_rate, config.muon_learning_rate, config.weight_decay)
    decay_from = config.num_steps - max(1, round(config.num_steps * config.decay_share))
    state = State(network, ema.start(network), optimizers, decay_from)
    mine = range(world.rank * stretch.accumulate, (world.rank + 1) * stretch.accumulate)  # the parts of each batch that fall to this process

    def parts_at(number: int) -> list[Any]:
        return [batch_at(number, part, world.size * stretch.accumulate) for part in mine]

    with claimed(folder, world), _stop_flag() as stop:
        record = Record(folder, world, peak_flops(getattr(network, "compute_dtype", torch.float32)))
        _resume(folder, about, state, record, world, stretch, config.num_steps)
        saved, ending, interrupt, owed, failed = time.monotonic(), False, False, False, False
        record.pause()
        with _prefetch(parts_at, state.cursor, stretch.workers) as batches:
            while state.step < config.num_steps and not ending:
                # batch, loss, backward
                seen: list[Figures] = []
                for part in next(batches):
                    loss, count, figures = module(part)
                    loss.backward()
                    seen.append({"loss": (float(loss.detach()), count), **figures})
                due = world.first and time.monotonic() - saved > 60 * config.checkpoint_minutes
                late = world.first and time.monotonic() > stretch.deadline
                figures, (save, ending, interrupt) = merged(world, seen, [due, late or stop.terminate or stop.interrupt, stop.interrupt])

                # health, clip, step, average
                unit = world.size / figures["loss"][1]  # gradients are of sums, and shards have averaged them over the processes
                norm = gradient_norm(parameters) * unit
                limit = min(config.clip_norm, state.health.limit())
                rate = rate_factor(state.step, config.num_steps, config.warmup_steps, state.decay_from)
                problem = state.health.judge(figures["loss"][0] / figures["loss"][1], norm)
                if not problem:
                    scale_gradients(parameters, unit * min(1.0, limit / (norm + 1e-6)))
                    for optimizer in optimizers:
                        for group in optimizer.param_groups:
                            group["lr"] = group["peak"] * rate
                        optimizer.step()
                    ema.update(state.averaged, network, config.ema_decay, state.step)
                    add_to(state.tally, {**figures, "gradient_norm": (norm, 1.0)})
                for optimizer in optimizers:
                    optimizer.zero_grad(set_to_none=True)
                state.step, state.cursor = state.step + 1, state.cursor + 1
                if problem:
                    record.event(state.step, f"skipped: {problem}")
                if state.health.bad >= TOO_MANY:
                    _roll_back(folder, state, record, world)
                    continue

                # log, sample, save
                record.count(figures["tokens"][0], figures["flops"][0])
                if state.step % config.log_every == 0:
                    record.line(state, config.num_steps, rate=rate)
                if progress:
                    progress(state.step, {name: total / weight for name, (total, weight) in figures.items() if weight})
                if sample and state.step % config.sample_every == 0:
                    _sample(sample, folder, state, record, world)
                owed = owed or state.step == state.decay_from or (config.milestone_every > 0 and state.step % config.milestone_every == 0)
                due = (save or (owed and not failed)) and not problem  # a milestone whose step was skipped, or not written, is kept later
                if ending or due or state.step == config.num_steps:
                    failed = not _save(folder, about, state, record, world, owed, must=ending)
                    saved, owed = time.monotonic(), owed and failed
                record.pause()
        if interrupt:
            raise KeyboardInterrupt
        if state.step < config.num_steps:
            record.event(state.step, f"stopped, {config.num_steps - state.step} steps are left; the same command goes on")
            return None
        record.event(state.step, "finished")
        return {name: full(value) for name, value in state.averaged.items()}


def _resume(folder: Path, about: dict[str, Any], state: State, record: Record, world: World, stretch: Stretch, num_steps: int) -> None:
    """Fill `state` from the newest checkpoint, or the one that is asked for; write the first one in a new folder."""

    def choose() -> int:
        checkpoint.sweep(folder)
        restarted = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0  # by torchrun, after a process died: not back again
        step = checkpoint.newest(folder) if stretch.resume is None or restarted else checkpoint.exactly(folder, stretch.resume)
        if step is not None:
            for name, before, now in _differences(checkpoint.about(folder, step), about):
                raise ValueError(f"{folder} holds a run with another {name} ({before}, not {now}): choose another --run folder, or repeat its settings (run.json)")
        return -1 if step is None else step

    step = int(world.on_first(choose))
    if step >= 0:
        checkpoint.load(folder, step, state)
    if stretch.decay_from is not None and stretch.decay_from != state.decay_from:
        if not state.step <= min(stretch.decay_from, state.decay_from) or stretch.decay_from >= num_steps:
            falls = f", and the rate falls since step {state.decay_from}" if state.step > state.decay_from else ""
            raise ValueError(f"--decay-from {stretch.decay_from}: the run is at step {state.step} of {num_steps}{falls}: give a step between, or go back with --resume")
        state.decay_from = stretch.decay_from

    def settle() -> None:
        if step >= 0:
            checkpoint.abandon_after(folder, step)
        describe(folder, about)

    world.on_first(settle)
    record.drop_after(step)
    if step < 0:
        checkpoint.save(folder, state, about, world)
    record.event(state.step, "goes on" if step >= 0 else "begins", state=state.digest(), processes=world.size, accumulate=stretch.accumulate, **versions())


def _save(folder: Path, about: dict[str, Any], state: State, record: Record, world: World, milestone: bool, must: bool) -> bool:
    """Write a checkpoint; if that fails (a full disk), say so and go on, unless the run ends here. Whether it is there."""
    if not state.health.bad:
        state.health.rollbacks = 0
    try:
        checkpoint.save(folder, state, about, world, milestone)
    except OSError as error:
        last = checkpoint.step_of(checkpoint.checkpoints(folder)[-1])
        record.event(state.step, f"no checkpoint could be written ({error.strerror or error}); the one of step {last} is good")
        if must:
            raise
        return False
    return True


def _roll_back(folder: Path, state: State, record: Record, world: World) -> None:
    """Back to the last checkpoint, but not to its data: the batches since then are skipped; where the rate begins to fall stays, too."""
    step, cursor, decay_from, rollbacks = state.step, state.cursor, state.decay_from, state.health.rollbacks + 1
    if rollbacks > ROLLBACKS:
        raise RuntimeError(
            f"step {step}: {TOO_MANY} bad steps in a row, again after going back {ROLLBACKS} times: lower the rates, or look at the data; the last checkpoint is good"
        )
    checkpoint.load(folder, int(world.on_first(lambda: checkpoint.newest(folder))), state)
    first, state.cursor, state.decay_from = state.cursor, cursor, decay_from
    state.health.bad, state.health.rollbacks = 0, rollbacks
    record.drop_after(state.step)
    record.event(state.step, f"back from step {step} after {TOO_MANY} bad steps in a row; batches {first} to {cursor - 1} are skipped")


def _sample(sample: Sample, folder: Path, state: State, record: Record, world: World) -> None:
    averaged = {name: full(value) for name, value in state.averaged.items()}
    if world.first:
        try:
            (folder / "samples").mkdir(exist_ok=True)
            record.also(state, sample(averaged, folder / "samples" / f"{state.step:08d}.png") or {})
        except (OSError, ValueError) as error:  # of a folder or file that has gone, too: no reason to lose the run
            record.event(state.step, f"no sheet could be drawn ({getattr(error, 'strerror', None) or error})")


def _differences(a: Any, b: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted name, value, value) of what differs between two nested dicts. What `a` does not name was off: it is from before there was a choice."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from _differences(a.get(key), b.get(key), f"{name}.{key}" if name else key)
    elif a != b and (a is not None or b):
        yield name, type(b)() if a is None else a, b


def _keep_freed_memory() -> None:
    """Tell glibc to reuse large blocks instead of returning them to the system."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another libc: nothing to tell
    mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
    mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


@dataclass
class _Stop:
    terminate: bool = False
    interrupt: bool = False


@contextmanager
def _stop_flag() -> Iterator[_Stop]:
    """What SIGTERM and SIGINT asked for, so that a step is never cut in half; a second SIGINT acts as usual."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handler(number: int, _: Any) -> None:
        if number == signal.SIGTERM:
            stop.terminate = True
        elif stop.interrupt:
            raise KeyboardInterrupt
        else:
            stop.interrupt = True

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _prefetch(parts_at: Callable[[int], Any], first: int, workers: int) -> Iterator[Iterator[Any]]:
    """Batches first, first + 1, ... in order, made a few steps ahead by `workers` threads."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(workers) as pool:

        def batches() -> Iterator[Any]:
            for number in itertools.count(first):
                while len(waiting) < workers + 2:
                    waiting.append(pool.submit(parts_at, number + len(waiting)))
                yield waiting.popleft().result()

        try:
            yield batches()
        finally:
            for future in waiting:
                future.cancel()
