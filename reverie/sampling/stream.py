"""Clips longer than the network sees at once: one canvas as a sequence of canvases, each of which remembers what came before."""

import dataclasses
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from reverie.patches.positions import REFERENCE_TIME
from reverie.sampling.canvas import Canvas


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """What a window sees of what is finished; each remedy against drift can be switched on and off.

    recent: finished latents beside it, 1 to two less than the network sees at once
    anchor: also the end of the clip that was finished first, as context that is not shown
    noise: strength of dreamed latents as context: a small true noise keeps errors from adding up (arXiv 2408.14837); 0 takes them as exact
    """

    recent: int = 2
    anchor: bool = False
    noise: float = 0.02

    def __post_init__(self) -> None:
        if self.recent < 1 or not 0 <= self.noise < 1:
            raise ValueError(f"context of {self.recent} latents with noise {self.noise}: at least 1 latent and a noise in [0, 1) are needed")


class Windows:
    """A canvas in pieces that show at most canvas.window latents: `part` is the next one to fill (None at the end), `accept` takes it filled.

    Goes forward in time, or backward where only the end is known. What has strength 0 is never changed. Latents that are not shown (they
    stand behind the others) are context of every part, at their own times or, where these are far behind, at REFERENCE_TIME from the part, as in training; what is as far ahead waits.
    latents [C t h w]: of the whole, as far as it is finished. ValueError for a context that leaves no room in a window.
    """

    def __init__(self, canvas: Canvas, context: Context | None = None) -> None:
        self.canvas, self.context = canvas, context or Context(recent=max(1, min(Context.recent, canvas.window - 2)))
        room = min(max(1, canvas.window - 2), canvas.window - 1 - self.context.anchor)
        if not canvas.at_once and self.context.recent > room:
            allowed = f"1 to {room} are allowed" if room > 0 else "there is room for none, so longer clips cannot be made"
            raise ValueError(f"context of {self.context.recent} latents: {allowed}, since these weights see {canvas.window} at once")
        self.latents, self._strength = canvas.latents.clone(), canvas.strength.clone()
        self._todo = (canvas.strength.flatten(1).amax(1) > 0) & canvas.shown
        self._finished = torch.zeros_like(self._todo)
        self._total = int(canvas.shown.sum())
        self._backward = bool(self._todo[0]) and not bool(self._todo[self._total - 1])
        self._place = slice(0, 0)
        self.part = self._next()

    @property
    def ready(self) -> int:
        """How many latents from the beginning on are final."""
        left = torch.nonzero(self._todo)
        return int(left[0]) if len(left) else len(self._todo)

    def _next(self) -> Canvas | None:
        places = torch.nonzero(self._todo)[:, 0]
        if not len(places):
            return None
        if self.canvas.at_once:
            self._place = slice(0, self._total)
            return self.canvas
        self._place, anchors = self._span(int(places[0]), int(places[-1]))
        here, hidden = torch.arange(self._place.start, self._place.stop), torch.arange(self._total, self.canvas.grid[0])
        begin, end = self.canvas.times[here[0]] + REFERENCE_TIME, self.canvas.times[here[-1]] - REFERENCE_TIME
        index = torch.cat([here, torch.tensor(anchors, dtype=torch.long), hidden[self.canvas.times[hidden] <= end]])
        shown = torch.arange(len(index)) < len(here)
        times, ids = self.canvas.times[index], self.canvas.prompt_ids
        times = torch.where(shown, times, times.clamp(begin, end))
        ids = None if ids is None else torch.where(shown, ids[index], ids[self._place.stop - 1])
        return dataclasses.replace(
            self.canvas, latents=self.latents[:, index], strength=self._strength[index], times=times, shown=shown, finished=self._finished[index],
            first=self.canvas.first + self._place.start, prompt_ids=ids,
        )  # fmt: skip

    def _span(self, first: int, last: int) -> tuple[slice, list[int]]:
        """The window around what is to do, and the latent that is its anchor, if it has one."""
        total, recent, window = self._total, self.context.recent, self.canvas.window
        if self._backward:
            end = min(total, last + 1 + recent)
            anchored = self.context.anchor and end < total
            start = max(0, end - window + anchored)
            if 0 < start < last and self._todo[start] and not self._todo[start - 1]:
                start += 1  # as below
            return slice(start, end), [total - 1][:anchored]
        start = max(0, first - recent)
        anchored = self.context.anchor and start > 0
        stop = min(total, start + window - anchored)
        if stop < total and first < stop - 1 and self._todo[stop - 1] and not self._todo[stop]:
            stop -= 1  # what is known beyond is for the next window to meet: no gap is filled by one that does not see its other side
        return slice(start, stop), [0][:anchored]

    def accept(self, filled: Tensor) -> None:
        """The latents [C t h w] of `part`, filled."""
        assert self.part is not None
        new = self._todo[self._place]
        self.latents[:, self._place][:, new] = filled[:, : len(new)][:, new]
        as_context = self.canvas.strength[self._place].clamp_max(self.context.noise)
        self._strength[self._place] = torch.where(new[:, None, None], as_context, self._strength[self._place])
        self._finished[self._place] |= new
        self._todo[self._place] = False
        self.part = self._next()


def num_windows(canvas: Canvas, context: Context | None = None) -> int:
    """How many parts `Windows` has."""
    bare = dataclasses.replace(canvas, latents=canvas.latents[:1, :, :2, :2], strength=canvas.strength.flatten(1).amax(1)[:, None, None], tiles=(), given=None)
    windows, count = Windows(bare, context), 0
    while windows.part is not None:
        windows.accept(windows.part.latents)
        count += 1
    return count


def _lock(file: BinaryIO, path: Path) -> None:
    """ValueError if another process has the file; the lock goes with the process."""
    try:
        import fcntl
    except ImportError:  # Windows: two runs at once are then the user's to avoid
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(f"{path}: another run is writing it just now") from None
    except OSError:  # a file system without locks: as on Windows
        return
    if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
        raise ValueError(f"{path}: another run has just finished it: start again")


class Journal:
    """The filled windows of a long clip, appended to a file as they come, so that a run that ended early goes on where it was.

    The first line is the request, as JSON; then per window its shape (four numbers), a check sum and its numbers in fp32. An end that was
    torn off is written again. filled: what earlier runs of the same request finished, until it is taken. ValueError if the file holds another request, or
    another run writes it.
    """

    HEAD = struct.Struct("<4II")

    def __init__(self, path: Path, request: dict[str, Any]) -> None:
        self.path = path
        self.filled: list[Tensor] = []
        line = json.dumps(request, sort_keys=True).encode() + b"\n"
        self._file = open(path, "a+b")  # noqa: SIM115  (closed by `close`)
        try:
            _lock(self._file, path)
            self._file.seek(0)
            begun, _, data = self._file.read().partition(b"\n")
            if begun + b"\n" != line and not line.startswith(begun):  # a torn first line is begun again
                raise ValueError(f"{path}: belongs to another request that was not finished: remove it, or write to another file")
        except ValueError:
            self._file.close()
            raise
        good = len(line) + self._read(data) if begun + b"\n" == line else 0
        self._file.truncate(good)
        if not good:
            self._write(line)

    @staticmethod
    def begun(path: Path) -> dict[str, Any]:
        """The request of a journal that is there; empty if there is none that can be read."""
        if not path.is_file():
            return {}
        with open(path, "rb") as file:
            line = file.readline()
        try:
            request = json.loads(line)
        except ValueError:
            return {}
        return request if isinstance(request, dict) else {}

    def _read(self, data: bytes) -> int:
        place = 0
        while len(head := data[place : place + self.HEAD.size]) == self.HEAD.size:
            *shape, check = self.HEAD.unpack(head)
            body = data[place + self.HEAD.size : place + self.HEAD.size + 4 * int(np.prod(shape, dtype=np.int64))]
            if 0 in shape or len(body) < 4 * int(np.prod(shape, dtype=np.int64)) or zlib.crc32(body) != check:
                break
            self.filled.append(torch.from_numpy(np.frombuffer(body, "<f4").reshape(shape).copy()))
            place += self.HEAD.size + len(body)
        return place

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())

    def add(self, filled: Tensor) -> None:
        """One more window."""
        body = filled.contiguous().numpy().astype("<f4").tobytes()
        self._write(self.HEAD.pack(*filled.shape, zlib.crc32(body)) + body)

    def close(self, remove: bool = False) -> None:
        """The file stays for the next run, or goes: before the lock does, or another run would write a file that has no name any more (not so on Windows, which keeps open files)."""
        if os.name == "nt":
            self._file.close()
        if remove:
            self.path.unlink(missing_ok=True)
        self._file.close()
