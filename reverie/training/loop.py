"""The training loop: one for every network; only the objective and the batches differ.

All randomness of a step comes from (seed, step), and a batch is a function of its step: so the whole state is the weights,
their average, the optimisers' moments and the number of the step, and a resumed run repeats the uninterrupted one.
"""

import ctypes
import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reverie.config import to_dict
from reverie.training import checkpoint, ema
from reverie.training.optim import make_optimizers, rate_factor

logger = logging.getLogger(__name__)

# objective(network, batch, generator) -> (loss, figures to log)
Objective = Callable[[nn.Module, Any, torch.Generator], tuple[Tensor, dict[str, float]]]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long, how fast. A rate of 0 for Muon gives its matrices to AdamW; `decay_share` is the last part of the run."""

    num_steps: int
    batch_size: int
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

    def __post_init__(self) -> None:
        if min(self.num_steps, self.batch_size, self.log_every, self.sample_every) < 1:
            raise ValueError("num_steps, batch_size, log_every and sample_every must be at least 1")
        if not 0 < self.decay_share <= 1 or not 0 <= self.ema_decay < 1 or not self.learning_rate > 0:
            raise ValueError("decay_share must lie in (0, 1], ema_decay in [0, 1), learning_rate above 0")


def train(
    *, network: nn.Module, objective: Objective, batch_at: Callable[[int], Any], config: TrainingConfig, folder: Path, about: dict[str, Any],
    sample: Callable[[nn.Module, dict[str, Tensor], Path], None] | None = None, progress: Callable[[int, dict[str, float]], None] | None = None,
) -> dict[str, Tensor]:  # fmt: skip
    """Train `network` to the end of `config`, resuming from the newest checkpoint in `folder`; returns its average.

    about: what the run is (network config, data, precision), compared with the checkpoint's. Figures go to FOLDER/metrics.jsonl,
    sheets by `sample` to FOLDER/samples. Raises ValueError if the folder holds another run, KeyboardInterrupt, after
    saving, when interrupted.
    """
    _keep_freed_memory()
    about = {**about, "training": to_dict(config)}
    averaged = ema.start(network)
    optimizers = make_optimizers(network, config.learning_rate, config.muon_learning_rate, config.weight_decay)
    step = _resume(folder, about, network, averaged, optimizers)
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(about, indent=1))
    saved, seconds = time.monotonic(), time.monotonic()
    with open(folder / "metrics.jsonl", "a") as log, _stop_flag() as stop, _prefetch(batch_at, step, config.num_steps) as batches:
        for batch in batches:
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
            loss, figures = objective(network, batch, generator)
            if not torch.isfinite(loss):
                raise RuntimeError(f"step {step + 1}: the loss is {loss.item()}; stopped with the weights untouched, the last checkpoint is good")
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_([p for p in network.parameters() if p.grad is not None], config.clip_norm)
            factor = rate_factor(step, config.num_steps, config.warmup_steps, config.decay_share)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["peak"] * factor
                optimizer.step()
            ema.update(averaged, network, config.ema_decay, step)
            step += 1
            figures = {"loss": loss.item(), **figures, "gradient_norm": float(norm), "rate": factor}
            if step % config.log_every == 0:
                now = time.monotonic()
                figures["seconds_per_step"] = (now - seconds) / config.log_every
                seconds = now
                log.write(json.dumps({"step": step, **figures}) + "\n")
                log.flush()
            if progress:
                progress(step, figures)
            if sample and step % config.sample_every == 0:
                sample(network, averaged, folder / "samples" / f"{step:08d}.png")
                seconds = time.monotonic()
            if stop.is_set() or step == config.num_steps or time.monotonic() - saved > 60 * config.checkpoint_minutes:
                checkpoint.save(folder, step, network, averaged, optimizers, {"about": about})
                saved = time.monotonic()
            if stop.is_set():
                raise KeyboardInterrupt
    return averaged


def _resume(folder: Path, about: dict[str, Any], network: nn.Module, averaged: dict[str, Tensor], optimizers: list[torch.optim.Optimizer]) -> int:
    """The step at which to go on (0 in a new folder), with everything loaded; metrics beyond it are dropped."""
    folder.mkdir(parents=True, exist_ok=True)
    found = checkpoint.checkpoints(folder)
    if not found:
        (folder / "metrics.jsonl").unlink(missing_ok=True)
        return 0
    before = json.loads((found[-1] / "state.json").read_text())["about"]
    for name in _differences(before, about):
        raise ValueError(f"{folder} holds a run with another {name}: choose another --run folder, or repeat its settings (run.json)")
    step = int(checkpoint.load(found[-1], network, averaged, optimizers)["step"])
    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    metrics.write_text("".join(line + "\n" for line in lines if line.endswith("}") and json.loads(line)["step"] <= step))
    logger.info("resuming %s at step %d", folder, step)
    return step


def _differences(a: Any, b: Any, name: str = "") -> Iterator[str]:
    """Dotted names of the values that differ between two nested dicts."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from _differences(a.get(key), b.get(key), f"{name}.{key}" if name else key)
    elif a != b:
        yield name


def _keep_freed_memory() -> None:
    """Tell glibc to reuse large blocks instead of returning them to the system: a CPU step of the autoencoder takes a quarter less."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another libc: nothing to tell
    mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
    mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


@contextmanager
def _stop_flag() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that a step is never cut in half; a second signal acts as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handler(*_: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _prefetch(batch_at: Callable[[int], Any], first: int, last: int, ahead: int = 3) -> Iterator[Iterator[Any]]:
    """Batches first..last-1 in order, made by a thread a few steps ahead."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(batch_at, step) for step in range(first, min(first + ahead, last))]

        def batches() -> Iterator[Any]:
            for step in range(first, last):
                batch = waiting.pop(0).result()
                if step + ahead < last:
                    waiting.append(pool.submit(batch_at, step + ahead))
                yield batch

        try:
            yield batches()
        finally:
            for future in waiting:
                future.cancel()
