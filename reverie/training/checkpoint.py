"""Checkpoints of a run: a folder per step with safetensors and JSON, written beside and renamed; the last two are kept."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

KEEP = 2


def save(folder: Path, step: int, network: nn.Module, ema: dict[str, Tensor], optimizers: list[torch.optim.Optimizer], state: dict[str, Any]) -> Path:
    """Write FOLDER/step-00000123 whole or not at all, then remove all but the newest two."""
    target = folder / f"step-{step:08d}"
    temporary = folder / f".step-{step:08d}.tmp"
    for left in folder.glob(".step-*.tmp"):  # of a killed process
        shutil.rmtree(left)
    temporary.mkdir(parents=True)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, temporary / "network.safetensors")
    save_file({k: v.contiguous() for k, v in ema.items()}, temporary / "ema.safetensors")
    tensors = {f"{n}/{i}/{key}": value.contiguous() for n, o in enumerate(optimizers) for i, slot in o.state_dict()["state"].items() for key, value in slot.items()}
    save_file(tensors, temporary / "optimizers.safetensors")
    (temporary / "state.json").write_text(json.dumps({"step": step, **state}))
    for file in temporary.iterdir():
        with open(file, "rb") as handle:
            os.fsync(handle.fileno())
    shutil.rmtree(target, ignore_errors=True)
    os.replace(temporary, target)
    for old in checkpoints(folder)[:-KEEP]:
        shutil.rmtree(old)
    return target


def checkpoints(folder: Path) -> list[Path]:
    """The finished checkpoints of a run, oldest first."""
    return sorted(p for p in folder.glob("step-*") if (p / "state.json").is_file())


def load(path: Path, network: nn.Module, ema: dict[str, Tensor], optimizers: list[torch.optim.Optimizer]) -> dict[str, Any]:
    """Put a checkpoint's values into the network, its average and its optimisers; returns the state."""
    network.load_state_dict(load_file(path / "network.safetensors"))
    for key, value in load_file(path / "ema.safetensors").items():
        ema[key].copy_(value)
    tensors = load_file(path / "optimizers.safetensors")
    for n, optimizer in enumerate(optimizers):
        values = optimizer.state_dict()
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            which, index, key = name.split("/")
            if int(which) == n:
                slots.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": slots, "param_groups": values["param_groups"]})
    return json.loads((path / "state.json").read_text())
