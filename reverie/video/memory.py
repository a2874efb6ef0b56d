"""What a file remembers of how it was made: JSON in one text tag, the latents within it up to 1 MB, else in a file beside it."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

KEY = "reverie"
INSIDE = 1 << 20  # bytes of latents that a tag may hold
LARGEST = 1 << 28  # bytes of latents that are read from a file beside


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def frames_digest(frames: np.ndarray) -> str:
    """Thirty-two hexadecimal digits that name the frames, uint8 [T H W 3], bit by bit."""
    return hashlib.sha256(f"{list(frames.shape)}".encode() + frames.tobytes()).hexdigest()[:32]


def to_text(metadata: dict[str, Any], latents: np.ndarray | None) -> str:
    """One line of ASCII JSON, empty if there is nothing to remember. Latents that do not fit are left out: `save_beside`."""
    values = dict(metadata)
    if latents is not None and latents.nbytes <= INSIDE:
        data = np.ascontiguousarray(latents, "<f4").tobytes()
        values["latents"] = {"shape": list(latents.shape), "data": base64.b64encode(data).decode()}
    return json.dumps(values) if values else ""


def from_text(text: str) -> tuple[dict[str, Any], np.ndarray | None, tuple[str, ...]]:
    """(metadata, latents, notes) of a tag. What is not Reverie's JSON is told in a note and otherwise ignored."""
    try:
        values = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        return {}, None, ("what it remembers of how it was made is damaged",)
    inside = values.pop("latents", None)
    if inside is None:
        return values, None, ()
    try:
        latents = np.frombuffer(base64.b64decode(inside["data"], validate=True), "<f4").reshape(inside["shape"]).astype(np.float32)
        if latents.ndim != 4 or 0 in latents.shape or not np.isfinite(latents).all():
            raise ValueError("not [C t h w] of finite numbers")
    except (ValueError, TypeError, KeyError):
        return values, None, ("the latents inside it are damaged and left out",)
    return values, latents, ()


def beside(path: Path) -> Path:
    """Where the latents of `path` lie if they are too large to be inside."""
    return path.with_name(f"{path.name}.latents.safetensors")


def save_beside(path: Path, latents: np.ndarray, temporary: Path) -> None:
    """Write the latents of the finished file `path` to `temporary`, tied to its bytes."""
    from safetensors.numpy import save_file

    save_file({"latents": np.ascontiguousarray(latents, np.float32)}, temporary, {KEY: json.dumps({"of": file_digest(path)})})


def load_beside(path: Path) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """(latents, notes) from the file beside `path`; only if it was written for exactly these bytes."""
    from safetensors import SafetensorError, safe_open

    companion = beside(path)
    if not companion.is_file() or companion.stat().st_size > LARGEST:
        return None, ()
    try:
        with safe_open(companion, "np") as file:
            about = json.loads((file.metadata() or {}).get(KEY, "null"))
            if not isinstance(about, dict) or about.get("of") != file_digest(path):
                return None, (f"{companion.name} belongs to another file and is left out",)
            latents = file.get_tensor("latents")
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        return None, (f"{companion.name} is damaged and left out ({error})",)
    if latents.dtype != np.float32 or latents.ndim != 4 or 0 in latents.shape or not np.isfinite(latents).all():
        return None, (f"{companion.name} does not hold latents [C t h w] and is left out",)
    return latents, ()
