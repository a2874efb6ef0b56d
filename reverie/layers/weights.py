"""Network files: safetensors with the config and what belongs together in the metadata. No pickle."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reverie.video import whole_file


def digest(tensors: dict[str, Tensor]) -> str:
    """Sixteen hexadecimal digits that name a set of weights: of their names, shapes and bf16 values."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().to("cpu", torch.bfloat16).contiguous()
        total.update(f"{name}{list(value.shape)}".encode())
        total.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]


def save_weights(path: Path, tensors: dict[str, Tensor], about: dict[str, Any], dtype: torch.dtype = torch.bfloat16) -> None:
    """Write weights (rounded to `dtype`) with `about` and their digest in the metadata; whole or not at all."""
    rounded = {name: value.detach().cpu().to(dtype).contiguous() for name, value in tensors.items()}
    metadata = {"reverie": json.dumps({**about, "digest": digest(rounded)})}
    with whole_file(path) as temporary:
        save_file(rounded, temporary, metadata)


def load_weights(path: Path, network: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of a `network` (autoencoder, transformer, probe) in fp32 and what the file says about them.

    ValueError, in one line, for a missing, damaged or foreign file.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such weights file")
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("reverie", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path}: damaged, or not a safetensors file ({error})") from error
    if not isinstance(about, dict) or "digest" not in about:
        raise ValueError(f"{path}: a safetensors file, but not one of Reverie's (no config in its metadata)")
    if digest(tensors) != about["digest"]:
        raise ValueError(f"{path}: damaged (its weights have digest {digest(tensors)}, its metadata says {about['digest']})")
    if about.get("network") != network:
        raise ValueError(f"{path}: holds the weights of a network called {about.get('network')}, not of {network}")
    return {name: value.float() for name, value in tensors.items()}, about
