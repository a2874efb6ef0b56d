"""A clip in memory: `Video`, and the `Audio` that belongs to it."""

import math
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

NEAR = 1e-4  # of a frame: how far a time may be from it to be it; ten digits of the seconds are as exact as that
OF_THE_WHOLE = ("actions", "command", "cuts", "frames", "inputs", "position", "spans")  # what a clip remembers that is not true of its parts


@dataclass(frozen=True)
class Audio:
    """Sound: samples int16 [N channels], one channel or two; rate in samples per second. Sample 0 sounds with frame 0."""

    samples: np.ndarray
    rate: int

    def __post_init__(self) -> None:
        if self.samples.dtype != np.int16 or self.samples.ndim != 2 or self.samples.shape[1] not in (1, 2):
            raise ValueError(f"samples are {self.samples.dtype} {list(self.samples.shape)}: int16 [N channels] with one or two channels is needed")
        if not 1000 <= self.rate <= 384_000:
            raise ValueError(f"a rate of {self.rate} samples per second: between 1,000 and 384,000 is allowed")


@dataclass(frozen=True)
class Video:
    """A clip in memory.

    frames: uint8 [T H W 3], RGB (BT.709 or sRGB, full range); fps: frames per second; metadata: what the file remembers (JSON values only);
    latents: float32 [C t h w] where the clip comes from a model, fresh or through a file; audio: the sound of exactly these frames;
    notes: what reading changed or found odd (turned, deinterlaced, cut short ...), one sentence each.
    """

    frames: np.ndarray
    fps: float = 8.0
    metadata: dict[str, Any] = field(default_factory=dict)
    latents: np.ndarray | None = None
    audio: Audio | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or self.frames.shape[-1] != 3 or 0 in self.frames.shape:
            raise ValueError(f"frames are {self.frames.dtype} {list(self.frames.shape)}: uint8 [T H W 3], none of them zero, is needed")
        if not 0.1 <= self.fps <= 1000:
            raise ValueError(f"fps is {self.fps}: between 0.1 and 1000 is allowed")

    @property
    def num_frames(self) -> int:
        return self.frames.shape[0]

    @property
    def size(self) -> str:
        """Width and height as the command line writes them, WxH."""
        return f"{self.frames.shape[2]}x{self.frames.shape[1]}"

    @property
    def seconds(self) -> float:
        return self.num_frames / self.fps

    def cut(self, start: int, stop: int) -> "Video":
        """Frames start to stop - 1 with their sound. The latents stay only if every frame does; the command that made the whole goes."""
        if not 0 <= start < stop <= self.num_frames:
            raise ValueError(f"frames {start} to {stop} of {self.num_frames}: 0 <= start < stop <= {self.num_frames} is needed")
        audio = self.audio
        if audio is not None:
            first, last = (round(frame / self.fps * audio.rate) for frame in (start, stop))
            audio = Audio(audio.samples[first:last], audio.rate)
        whole = (start, stop) == (0, self.num_frames)
        kept = {key: value for key, value in self.metadata.items() if key not in OF_THE_WHOLE}
        return replace(self, frames=self.frames[start:stop], audio=audio, latents=self.latents if whole else None, metadata={**kept, "num_frames": stop - start} if kept else {})

    def save(self, path: str | os.PathLike[str], metadata: bool = True) -> Path:
        """Write the clip to a file; the ending chooses the format. Raises ValueError for what the format cannot hold."""
        from reverie.video.writing import write

        return write(self, path, metadata)

    def _repr_html_(self) -> str:
        import base64

        height, width = self.frames.shape[1:3]
        even = replace(self, frames=np.pad(self.frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge"))  # H.264 needs it
        with tempfile.TemporaryDirectory() as folder:
            data = base64.b64encode(even.save(Path(folder) / "clip.mp4").read_bytes()).decode()
        return f'<video controls loop autoplay muted src="data:video/mp4;base64,{data}"></video>'


def frames_of_span(start: float, stop: float, num_frames: int, fps: float) -> tuple[int, int]:
    """(first, last + 1) of the frames that begin from `start` to before `stop` seconds, what is NEAR one being it. ValueError for a span outside the clip or without one."""
    name = f"span {start:.10g}-{stop:.10g}"
    if not (math.isfinite(start) and math.isfinite(stop)):
        raise ValueError(f"{name}: finite numbers of seconds are needed")
    first, last = (round(place) if abs(place - round(place)) <= NEAR else math.ceil(place) for place in (start * fps, stop * fps))
    if not 0 <= first < last:
        raise ValueError(f"{name}: from less than to, neither negative, and at least one frame ({1 / fps:.10g} s) between them are needed")
    if last > num_frames:
        raise ValueError(f"{name}: the clip ends at {num_frames / fps:.10g} seconds")
    return first, last
