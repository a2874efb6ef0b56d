"""Checkpoints of a run: RUN/step-00000123 with the state's tensors, state.json and SHA256SUMS.

Tensors are written by every process through torch's distributed checkpoints in safetensors files (no pickle), so that a run may
go on with another number of processes. A checkpoint is written beside, synced, named, and never overwritten; the last two
and milestones are kept. `sha256sum -c SHA256SUMS` checks one by hand.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import CheckpointException, HuggingFaceStorageReader, HuggingFaceStorageWriter

from reverie.training.distributed import World
from reverie.training.state import State

KEEP = 2
SUMS = "SHA256SUMS"
STATE = "state.json"
MILESTONE = "milestone"  # an empty file: this checkpoint is never removed
LINE = re.compile(r"([0-9a-f]{64})  ([\w.-]+)\n")

logger = logging.getLogger(__name__)


def save(folder: Path, state: State, about: dict[str, Any], world: World, milestone: bool = False) -> Path:
    """Write FOLDER/step-STEP whole or not at all, then remove all but the last two and milestones; returns its path.

    OSError, in every process, if it cannot be written (a full disk): what was there before is untouched. RuntimeError for a state
    with something that is not a number.
    """
    if not world.all(state.is_finite()):
        raise RuntimeError(f"step {state.step}: the state holds something that is not a number; the checkpoints before are good")
    target = path_of(folder, state.step)
    temporary = folder / f".{target.name}.tmp"
    notes = {**state.notes(), "about": about}

    def begin() -> None:
        sweep(folder)
        temporary.mkdir()

    def finish() -> None:
        (temporary / STATE).write_text(json.dumps(notes))
        if milestone:
            (temporary / MILESTONE).touch()
        _seal(temporary)
        os.rename(temporary, target)
        _sync(folder)
        _prune(folder, state.decay_from)

    if world.from_first(target.exists()):
        return target
    try:
        world.on_first(begin)
        try:
            dcp.save(state.tensors(), storage_writer=HuggingFaceStorageWriter(str(temporary), save_distributed=True))
        except CheckpointException as error:  # raised in every process if one of them fails
            causes = [wrapped[0] if isinstance(wrapped, tuple) else wrapped for wrapped in error.failures.values()]
            if not all(isinstance(cause, OSError) for cause in causes):
                raise RuntimeError(f"writing {temporary}: {causes[0]}") from error
            raise OSError(*causes[0].args) from error
        world.on_first(finish)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return target


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(folder.glob("step-" + 8 * "[0-9]"))


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return folder / f"step-{step:08d}"


def step_of(path: Path) -> int:
    """The step at which a checkpoint was written."""
    return int(path.name.removeprefix("step-"))


def newest(folder: Path) -> int | None:
    """The step of the newest good checkpoint; damaged ones that are newer are set aside (renamed to damaged-...), which is said.

    None in a folder without checkpoints; ValueError if all of them are damaged.
    """
    for path in reversed(checkpoints(folder)):
        problem = damage(path)
        if not problem:
            return step_of(path)
        aside = _aside(path, "damaged")
        logger.warning("%s is damaged (%s): set aside as %s, using the one before", path, problem, aside.name)
    if any(folder.glob("damaged-*")):
        raise ValueError(f"{folder} has no good checkpoint left, only damaged-* ones: choose another --run folder, or remove them to begin anew")
    return None


def exactly(folder: Path, step: int) -> int:
    """`step`, if there is a good checkpoint of it. ValueError if it is missing or damaged."""
    path = path_of(folder, step)
    if not path.is_dir():
        there = ", ".join(str(step_of(p)) for p in checkpoints(folder)) or "none"
        raise ValueError(f"--resume {step}: {folder} has no checkpoint of that step (there are: {there})")
    problem = damage(path)
    if problem:
        raise ValueError(f"--resume {step}: {path} is damaged ({problem}); nothing else is used in its place")
    return step


def abandon_after(folder: Path, step: int) -> None:
    """Set newer checkpoints than that of `step` aside (abandoned-...): the run goes another way from there."""
    for later in checkpoints(folder):
        if step_of(later) > step:
            logger.warning("%s is newer than step %d: set aside as %s", later, step, _aside(later, "abandoned").name)


def about(folder: Path, step: int) -> dict[str, Any]:
    """What the run of a checkpoint is."""
    return json.loads((path_of(folder, step) / STATE).read_text())["about"]


def load(folder: Path, step: int, state: State) -> None:
    """Put a checkpoint's values into `state`, whichever number of processes wrote it and reads it."""
    path = path_of(folder, step)
    dcp.load(state.tensors(), storage_reader=HuggingFaceStorageReader(str(path)))
    state.restore(json.loads((path / STATE).read_text()))


def damage(path: Path) -> str:
    """What is wrong with a checkpoint, in a few words; empty if every byte is as it was written."""
    try:
        text = (path / SUMS).read_text()
        found = {name: digest for digest, name in LINE.findall(text)}
        if "".join(f"{digest}  {name}\n" for name, digest in found.items()) != text or not found:
            return f"{SUMS} is not as it was written"
        files = {file.name for file in path.iterdir()} - {SUMS}
        for name in sorted(files ^ {*found}):
            return f"{name} is {'missing' if name in found else 'not its own'}"
        for name, digest in found.items():
            if _digest(path / name) != digest:
                return f"{name} is not as it was written"
    except (OSError, UnicodeDecodeError) as error:
        return str(error)
    return ""


def sweep(folder: Path) -> None:
    """Remove what a killed process left unfinished."""
    for left in (*folder.glob(".step-*.tmp"), *folder.glob(".step-*.old")):
        shutil.rmtree(left)


def _seal(folder: Path) -> None:
    files = sorted(folder.iterdir())
    (folder / SUMS).write_text("".join(f"{_digest(file)}  {file.name}\n" for file in files))
    for file in (*files, folder / SUMS, folder):
        _sync(file)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows syncs files only
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _prune(folder: Path, decay_from: int) -> None:
    plain = [path for path in checkpoints(folder) if not (path / MILESTONE).exists() and step_of(path) != decay_from]  # where the run may stand already as it is told to end
    for old in plain[:-KEEP]:
        gone = old.with_name(f".{old.name}.old")  # no longer a checkpoint before its first file goes
        os.rename(old, gone)
        shutil.rmtree(gone)


def _aside(path: Path, why: str) -> Path:
    number, target = 0, path.with_name(f"{why}-{path.name}")
    while target.exists():
        number += 1
        target = path.with_name(f"{why}-{path.name}-{number}")
    os.rename(path, target)
    return target
