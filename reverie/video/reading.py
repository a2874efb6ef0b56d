"""Files to clips: the parent's side. Every file is decoded by a child process with limits (decoding.py has the why and the protocol).

A child that crashes, hangs or grows is one line of error here. Names reach nobody but the operating system: the child gets an open file.
"""

import json
import os
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import reverie
from reverie.video import memory
from reverie.video.clip import Audio, Video, frames_of_span
from reverie.video.naming import shown

LIMITS = {
    "max_pixels": 1 << 26,  # of one frame: 8192 x 8192
    "most_frames": 20_000,
    "most_bytes": 4 << 30,  # of all frames
    "memory": 4 << 30,  # bytes of address space of the child
    "seconds": 600,  # of the child: of the processor, and by the clock
}
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from reverie.video.decoding import main; main()"
MAX_JSON = 1 << 25  # bytes


def read(source: str | os.PathLike[str] | bytes, max_frames: int | None = None) -> Video:
    """A file, a folder of images, or a file's bytes -> the clip as it is meant to be seen: upright, square pixels, constant rate, RGB of BT.709.

    All frames of the first video with their sound, what the file remembers, its latents, and notes on what was changed; or the first
    `max_frames` without sound and latents. Raises ValueError, in one line, for what cannot be read.
    """
    if max_frames is not None and max_frames < 1:
        raise ValueError(f"max_frames is {max_frames}: at least 1 is needed")
    answer = _ask(source, "read", max_frames)
    facts = answer.facts
    frames = np.frombuffer(answer.frames, np.uint8).reshape(-1, answer.height, answer.width, 3)
    if facts["pick"] is not None:
        frames = frames[facts["pick"]]
    samples = np.frombuffer(answer.samples, np.int16).reshape(-1, facts["sound_channels"]) if answer.samples else None
    metadata, latents, odd = memory.from_text(facts["memory"])
    if latents is None and metadata and not isinstance(source, bytes):
        latents, more = memory.load_beside(Path(source))
        odd += more
    if latents is not None and (max_frames is not None or not _same_clip(metadata, frames)):
        if max_frames is None:
            odd += ("its latents belong to a clip of another size or length and are left out",)
        latents = None
    audio = None if samples is None else Audio(samples, facts["sound_rate"])
    return Video(frames, facts["fps"], metadata, latents, audio, (*facts["notes"], *odd))


def read_spans(source: str | os.PathLike[str] | bytes, spans: Sequence[tuple[float, float]]) -> list[Video]:
    """What lies at spans (from, to) of a clip's seconds, as `read` gives it, without latents. No other frame is kept: the whole may be larger than LIMITS."""
    answer = _ask(source, "read", None, spans)
    facts, (metadata, _, odd) = answer.facts, memory.from_text(answer.facts["memory"])
    order, parts = range(facts["num_frames"]) if facts["pick"] is None else facts["pick"], []
    ranges = [frames_of_span(start, stop, len(order), facts["fps"]) for start, stop in spans]
    frames = np.frombuffer(answer.frames, np.uint8).reshape(-1, answer.height, answer.width, 3)
    samples = np.frombuffer(answer.samples, np.int16).reshape(-1, facts["sound_channels"]) if answer.samples else None
    places = {number: place for place, number in enumerate(facts.get("sent", range(len(frames))))}
    for first, last in ranges:
        if not places.keys() >= set(order[first:last]):
            raise ValueError(f"{'these bytes' if isinstance(source, bytes) else shown(source)}: its frames are too far out of order to be cut")
        heard = slice(*(round(frame / facts["fps"] * facts.get("sound_rate", 0)) for frame in (first, last)))
        audio = None if samples is None else Audio(samples[heard], facts["sound_rate"])
        parts.append(Video(frames[[places[number] for number in order[first:last]]], facts["fps"], metadata, None, audio, (*facts["notes"], *odd)).cut(0, last - first))
    return parts


def probe(source: str | os.PathLike[str] | bytes) -> dict[str, Any]:
    """What a file holds, from its structure and its first frame: container, codec, size, num_frames, fps, seconds, colours, sound, notes, made.

    `num_frames_estimated` marks a number that the container does not state and that would take long to count. ValueError as `read`.
    """
    answer = _ask(source, "probe", 1)
    facts = answer.facts
    made, latents, odd = memory.from_text(facts.pop("memory"))
    facts.pop("pick")
    notes = [*facts.pop("notes"), *odd]
    first: dict[str, Any] = {key: facts.pop(key) for key in ("container", "codec") if key in facts}
    facts = {**first, "size": f"{answer.width}x{answer.height}", "num_frames": facts.pop("num_frames"), "fps": facts.pop("fps"), **facts}
    facts["seconds"] = round(facts["num_frames"] / facts["fps"], 9)
    if latents is not None:
        facts["latents"] = list(latents.shape)
    return {**facts, **({"notes": notes} if notes else {}), **({"made": made} if made else {})}


def _same_clip(metadata: dict[str, Any], frames: np.ndarray) -> bool:
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    return metadata.get("num_frames", len(frames)) == len(frames) and metadata.get("size", size) == size


class _Answer:
    """What the child said."""

    def __init__(self) -> None:
        self.width = self.height = 0
        self.frames, self.samples = bytearray(), bytearray()
        self.facts: dict[str, Any] = {}


def _open(source: str | os.PathLike[str] | bytes) -> tuple[BinaryIO | int, str]:
    """An open file (or the handle of a folder) and what to call it in errors."""
    if isinstance(source, bytes):
        file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
        file.write(source)
        file.seek(0)
        return file, "these bytes"
    name = shown(source)
    try:
        handle = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise ValueError(f"{name}: no such file") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    status = os.fstat(handle)
    if stat.S_ISDIR(status.st_mode):
        return handle, name
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        os.close(handle)
        raise ValueError(f"{name}: " + ("the file is empty" if stat.S_ISREG(status.st_mode) else "neither a file nor a folder (a pipe, a socket or a device)"))
    return os.fdopen(handle, "rb"), name


def _ask(source: str | os.PathLike[str] | bytes, task: str, max_frames: int | None, spans: Sequence[tuple[float, float]] | None = None) -> _Answer:
    file, name = _open(source)
    folder = (file,) if isinstance(file, int) else ()  # Python refuses a folder as its standard input
    request = json.dumps({**LIMITS, "task": task, "max_frames": max_frames, "spans": spans, "handle": folder[0] if folder else 0})
    root = str(Path(reverie.__file__).parents[1])
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", START, root, request], stdin=subprocess.DEVNULL if folder else file, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=environment, bufsize=1 << 20, pass_fds=folder,
    )  # fmt: skip
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(LIMITS["seconds"], stop)
    timer.daemon = True
    timer.start()
    assert process.stdout is not None
    answer, ended = _Answer(), False
    try:
        for kind, payload in _records(process.stdout):  # type: ignore[arg-type]
            ended = _understand(answer, kind, payload, name)
        code = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.stdout.close()
        process.wait()
        os.close(file) if isinstance(file, int) else file.close()
    if not ended:
        limit = late.is_set() or code == -getattr(signal, "SIGXCPU", 0)
        cause = f"decoding it took more than {LIMITS['seconds']} s" if limit else f"the decoder died of it ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
        raise ValueError(f"{name}: {cause}: the file is damaged, hostile or too large")
    return answer


def _records(pipe: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The child's records; ends where the pipe does, also in the middle of one (the child died)."""
    while len(head := pipe.read(9)) == 9:
        kind, length = chr(head[0]), struct.unpack(">Q", head[1:])[0]
        if length > (LIMITS["max_pixels"] * 3 if kind == "F" else LIMITS["most_bytes"] if kind == "A" else MAX_JSON):
            return
        payload = pipe.read(length)
        if len(payload) < length:
            return
        yield kind, payload


def _understand(answer: _Answer, kind: str, payload: bytes, name: str) -> bool:
    """Take one record; True if it was the last. Raises what an error record says."""
    if kind == "H":
        size = json.loads(payload)
        answer.width, answer.height = size["width"], size["height"]
    elif kind == "F":
        if len(answer.frames) + len(payload) > LIMITS["most_bytes"] or len(payload) != answer.width * answer.height * 3:
            raise RuntimeError(f"{name}: the decoder broke its promises")
        answer.frames += payload
    elif kind == "A":
        answer.samples += payload
    elif kind == "E":
        answer.facts = json.loads(payload)
        return True
    elif kind == "X":
        error = json.loads(payload)
        if error["kind"] == "bug":
            raise RuntimeError(f"{name}: {error['text']} while decoding it")
        raise ValueError(f"{name}: " + (f"decoding it needs more than {LIMITS['memory'] / 2**30:.1f} GiB of memory" if error["kind"] == "memory" else error["text"]))
    return False
