"""`Video`: frames with a rate and a memory of how they were made; reading and writing through PyAV and Pillow.

The one place that touches codecs. Files appear whole or not at all: everything is written beside its goal and renamed.
Endings: .mp4 (H.264, plays in a browser, lossy), .mkv (FFV1, exact), .png (one frame, exact).
"""

import io
import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from PIL import Image, PngImagePlugin

METADATA_KEY = "reverie"
ENDINGS = (".mp4", ".mkv", ".png")


@dataclass(frozen=True)
class Video:
    """A clip in memory.

    frames: uint8 [T H W 3], RGB; fps: frames per second; metadata: what the file remembers (JSON values only);
    latents: float32 [C t h w] where the clip comes fresh from a model (files do not keep them yet).
    """

    frames: np.ndarray
    fps: float = 8.0
    metadata: dict[str, Any] = field(default_factory=dict)
    latents: np.ndarray | None = None

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

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the clip to a file; the ending chooses the format. Raises ValueError for what the format cannot hold."""
        return write(self, path)

    def _repr_html_(self) -> str:
        import base64

        with tempfile.TemporaryDirectory() as folder:
            data = base64.b64encode(write(self, Path(folder) / "clip.mp4").read_bytes()).decode()
        return f'<video controls loop autoplay muted src="data:video/mp4;base64,{data}"></video>'


def _temporary(path: Path) -> Path:
    """A new file beside `path` with its ending and the usual permissions. ValueError says why there can be none."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file")
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist: create it, or write elsewhere")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}.", suffix=path.suffix)
    except OSError as error:
        raise ValueError(f"cannot write in {path.parent}: {error.strerror}") from error
    os.close(handle)
    return Path(name)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` when the block ends well and vanishes when it does not."""
    temporary = _temporary(path)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_target(path: str | os.PathLike[str], num_frames: int, width: int, height: int) -> Path:
    """The path, if a clip of this shape can be written there; ValueError otherwise. For checking before the work."""
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{path}: the ending {path.suffix or '(none)'} is not one of {', '.join(ENDINGS)}")
    if path.suffix.lower() == ".png" and num_frames != 1:
        raise ValueError(f"{path}: a .png holds one frame, this clip has {num_frames}; write .mp4 or .mkv")
    if path.suffix.lower() == ".mp4" and (width % 2 or height % 2):
        raise ValueError(f"{path}: H.264 needs even sides, this is {width}x{height}; write .mkv, or use {width + width % 2}x{height + height % 2}")
    _temporary(path).unlink()
    return path


def write(video: Video, path: str | os.PathLike[str]) -> Path:
    """Write `video` to `path` (.mp4, .mkv, .png) with its metadata as one JSON tag. Returns the path."""
    _, height, width, _ = video.frames.shape
    path = check_target(path, video.num_frames, width, height)
    memory = json.dumps(video.metadata, ensure_ascii=False) if video.metadata else ""
    with whole_file(path) as temporary:
        if path.suffix.lower() == ".png":
            info = PngImagePlugin.PngInfo()
            if memory:
                info.add_itxt(METADATA_KEY, memory)
            Image.fromarray(video.frames[0]).save(temporary, "png", pnginfo=info)
        else:
            temporary_options = {"movflags": "+faststart+use_metadata_tags"} if path.suffix.lower() == ".mp4" else {}
            with av.open(str(temporary), "w", options=temporary_options) as container:
                if memory:
                    container.metadata[METADATA_KEY] = memory
                _mux(container, video, lossless=path.suffix.lower() == ".mkv")
    return path


def encode_lossless(video: Video) -> bytes:
    """The clip as the bytes of an FFV1 Matroska file (exact), for shards."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska", options={"fflags": "+bitexact"}) as container:  # without a random number inside
        _mux(container, video, lossless=True)
    return buffer.getvalue()


def _mux(container: Any, video: Video, lossless: bool) -> None:
    _, height, width, _ = video.frames.shape
    rate = Fraction(video.fps).limit_denominator(1001)
    if lossless:
        stream = container.add_stream("ffv1", rate=rate, options={"level": "3", "g": "1", "slices": "4"})
        stream.pix_fmt = "bgr0"
    else:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16", "preset": "medium"})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.color_primaries = stream.codec_context.color_trc = stream.codec_context.colorspace = 1  # BT.709
        stream.codec_context.color_range = 1  # limited
    stream.width, stream.height = width, height
    for image in video.frames:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        if not lossless:
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        for packet in stream.encode(frame):
            container.mux(packet)
    for packet in stream.encode():
        container.mux(packet)


def read(source: str | os.PathLike[str] | bytes, max_frames: int | None = None) -> Video:
    """Every frame (or the first `max_frames`) of the first video stream of a file (or of a file's bytes), RGB, with Reverie's metadata if it has any.

    Raises ValueError, in one line, for what cannot be read.
    """
    name = "these bytes" if isinstance(source, bytes) else str(source)
    if not isinstance(source, bytes):
        path = Path(source)
        if not path.is_file():
            raise ValueError(f"{name}: no such file")
        if path.suffix.lower() == ".png":
            return _read_png(path)
    try:
        with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source), "r", metadata_errors="ignore") as container:
            if not container.streams.video:
                raise ValueError(f"{name}: holds no video stream")
            stream = container.streams.video[0]
            frames = [frame.to_ndarray(format="rgb24") for frame in itertools.islice(container.decode(stream), max_frames)]
            rate = stream.average_rate or stream.guessed_rate or 8
            tags = {key.lower(): value for key, value in container.metadata.items()}
    except av.error.FFmpegError as error:
        raise ValueError(f"{name}: not a video that can be decoded ({error.strerror})") from error
    if not frames:
        raise ValueError(f"{name}: holds no frame that can be decoded")
    return Video(frames=np.stack(frames), fps=float(rate), metadata=_memory(tags.get(METADATA_KEY, "")))


def _read_png(path: Path) -> Video:
    try:
        with Image.open(path) as image:
            return Video(frames=np.asarray(image.convert("RGB"))[None].copy(), fps=8.0, metadata=_memory(str(image.info.get(METADATA_KEY, ""))))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not an image that can be decoded ({error})") from error


def _memory(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
