"""Clips longer than the network sees at once: one canvas as a sequence of canvases, each of which remembers what came before."""

import dataclasses
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reverie.sampling.canvas import WINDOW, Canvas


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """What a window sees of what is finished; each remedy against drift can be switched on and off.

    recent: finished latents beside it, 1 to WINDOW - 2
    anchor: also the end of the clip that was finished first, as context that is not shown
    noise: strength of dreamed latents as context: a small true noise keeps errors from adding up (arXiv 2408.14837); 0 takes them as exact
    """

    recent: int = 2
    anchor: bool = False
    noise: float = 0.02

    def __post_init__(self) -> None:
        if not (1 <= self.recent <= WINDOW - 2 and 0 <= self.noise < 1):
            raise ValueError(f"context of {self.recent} latents with noise {self.noise}: 1 to {WINDOW - 2} latents and a noise in [0, 1) are allowed")


class Windows:
    """A canvas in pieces of at most WINDOW latents: `part` is the next one to fill (None at the end), `accept` takes it filled.

    Goes forward in time, or backward where only the end is known. What has strength 0 is never changed. latents [C t h w]: of the whole,
    as far as it is finished.
    """

    def __init__(self, canvas: Canvas, context: Context | None = None) -> None:
        self.canvas, self.context = canvas, context or Context()
        self.latents, self._strength = canvas.latents.clone(), canvas.strength.clone()
        self._todo = canvas.strength.flatten(1).amax(1) > 0
        self._backward = bool(self._todo[0]) and not bool(self._todo[-1])
        self._place = slice(0, 0)
        self.part = self._next()

    @property
    def ready(self) -> int:
        """How many latents from the beginning on are final."""
        left = torch.nonzero(self._todo)
        return int(left[0]) if len(left) else len(self._todo)

    def _next(self) -> Canvas | None:
        places, total = torch.nonzero(self._todo)[:, 0], self.canvas.grid[0]
        if not len(places):
            return None
        start, end, anchor = self._span(int(places[0]), int(places[-1]), total)
        self._place = slice(start, end)
        index = torch.arange(start, end)
        shown, strength = self.canvas.shown, self._strength
        if anchor is not None:
            index = torch.cat([torch.tensor([anchor]), index] if anchor < start else [index, torch.tensor([anchor])])
            shown = torch.where(torch.arange(total) == anchor, False, shown)
        return dataclasses.replace(
            self.canvas, latents=self.latents[:, index], strength=strength[index], times=self.canvas.times[index], shown=shown[index],
            first=self.canvas.first + start - (anchor is not None and anchor < start),
            prompt_ids=None if self.canvas.prompt_ids is None else self.canvas.prompt_ids[index],
        )  # fmt: skip

    def _span(self, first: int, last: int, total: int) -> tuple[int, int, int | None]:
        """The window around what is to do, [start, end), and the latent that is its anchor, if it has one."""
        recent = self.context.recent
        if self.canvas.at_once:
            return 0, total, None
        anchor = total - 1 if self._backward else 0
        if self._backward:
            end = min(total, last + 1 + recent)
            anchored = self.context.anchor and end <= anchor
            return max(0, end - WINDOW + anchored), end, anchor if anchored else None
        start = max(0, first - recent)
        anchored = self.context.anchor and start > anchor
        return start, min(total, start + WINDOW - anchored), anchor if anchored else None

    def accept(self, filled: Tensor) -> None:
        """The latents [C t h w] of `part`, filled."""
        assert self.part is not None
        filled = filled[:, filled.shape[1] - (self._place.stop - self._place.start) :] if not self._backward else filled[:, : self._place.stop - self._place.start]
        new = self._todo[self._place]
        self.latents[:, self._place][:, new] = filled[:, new]
        as_context = self.canvas.strength[self._place].clamp_max(self.context.noise)
        self._strength[self._place] = torch.where(new[:, None, None], as_context, self._strength[self._place])
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


class Journal:
    """The filled windows of a long clip, appended to a file as they come, so that a run that ended early goes on where it was.

    The first line is the request, as JSON; then per window its shape (four numbers), a check sum and its numbers in fp32. An end that was
    torn off is written again. filled: what earlier runs of the same request finished. ValueError if the file holds another request.
    """

    HEAD = struct.Struct("<4II")

    def __init__(self, path: Path, request: dict[str, Any]) -> None:
        self.path = path
        self.filled: list[Tensor] = []
        line = json.dumps(request, sort_keys=True).encode() + b"\n"
        good = 0
        if path.exists():
            data = path.read_bytes()
            begun, _, data = data.partition(b"\n")
            if begun + b"\n" == line:
                good = len(line) + self._read(data)
            elif not line.startswith(begun):  # a torn first line is begun again
                raise ValueError(f"{path}: belongs to another request that was not finished: remove it, or write to another file")
        self._file = open(path, "r+b" if good else "wb")  # noqa: SIM115  (closed by `close`)
        self._file.truncate(good)
        self._file.seek(good)
        if not good:
            self._write(line)

    @staticmethod
    def begun(path: Path) -> dict[str, Any]:
        """The request of a journal that is there; empty if there is none, or no whole first line."""
        if not path.is_file():
            return {}
        with open(path, "rb") as file:
            line = file.readline()
        return json.loads(line) if line.endswith(b"\n") else {}

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
        """The file stays for the next run, or goes."""
        self._file.close()
        if remove:
            self.path.unlink()
