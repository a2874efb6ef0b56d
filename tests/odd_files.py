"""Odd files for the golden table of tests/test_files.py: each function writes one to a path."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from reverie.video import Video, encode_lossless
from tests.conftest import made_clip

RED = (200, 40, 60)
MATRICES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # AVColorSpace -> share of red, of blue


def yuv_of(rgb: tuple[int, int, int], matrix: int, full: bool, bits: int = 8) -> list[int]:
    """ITU-R's formulas, written again: RGB codes -> Y, U, V codes."""
    red, blue = MATRICES[matrix]
    r, g, b = (value / 255 for value in rgb)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / 2 / (1 - blue), (r - y) / 2 / (1 - red)
    if full:
        return [round(y * (2**bits - 1)), round(u * (2**bits - 1) + 2 ** (bits - 1)), round(v * (2**bits - 1) + 2 ** (bits - 1))]
    return [round(2 ** (bits - 8) * value) for value in (16 + 219 * y, 128 + 224 * u, 128 + 224 * v)]


def film(
    path: Path, frames: list[Any], codec: str = "ffv1", pix_fmt: str = "yuv420p", rate: float = 8, times: list[int] | None = None, options: dict[str, str] | None = None,
    colour: dict[str, int] | None = None, touch: Callable[[Any], None] | None = None, sound: tuple[float, ...] = (), container_format: str | None = None,
) -> None:  # fmt: skip
    """Frames (RGB arrays, or frames of PyAV) to a file. times: milliseconds; sound: start and length in seconds of each tone."""
    with av.open(str(path), "w", format=container_format) as container:
        stream: Any = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001), options=options or {})
        first = frames[0] if frames else np.zeros((16, 16, 3), np.uint8)
        stream.width, stream.height = (first.width, first.height) if isinstance(first, av.VideoFrame) else first.shape[1::-1]
        stream.pix_fmt = pix_fmt
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in (colour or {}).items():
            setattr(stream.codec_context, name, value)
        if touch:
            touch(stream)
        tone: Any = container.add_stream("pcm_s16le" if codec == "ffv1" else "aac", rate=8000, layout="mono") if sound else None
        if not frames:
            container.start_encoding()
        for number, image in enumerate(frames):
            frame = image if isinstance(image, av.VideoFrame) else av.VideoFrame.from_ndarray(image, format="rgba" if image.shape[2] == 4 else "rgb24")
            frame.pts, frame.time_base = (times[number], Fraction(1, 1000)) if times else (number, 1 / Fraction(rate).limit_denominator(1001))
            for name, value in (colour or {}).items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        for start, length in zip(sound[::2], sound[1::2], strict=True):
            wave = np.where(np.arange(round(length * 8000)) // 10 % 2, 5000, -5000).astype(np.int16)[None]  # 400 Hz
            piece = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = 8000, round(start * 8000), Fraction(1, 8000)
            container.mux(tone.encode(piece))
        container.mux(tone.encode()) if tone else None
        container.mux(stream.encode()) if frames else None


def flat(width: int = 32, height: int = 24, count: int = 4, rgb: tuple[int, ...] = RED) -> list[Any]:
    """Frames of one colour."""
    return [np.full((height, width, len(rgb)), rgb, np.uint8) for _ in range(count)]


def flat_yuv(codes: list[int], pix_fmt: str, width: int = 32, height: int = 24, count: int = 2) -> list[Any]:
    """Frames of PyAV whose planes hold these codes."""
    frames = []
    for _ in range(count):
        frame = av.VideoFrame(width, height, pix_fmt)
        for plane, code in zip(frame.planes, codes, strict=True):
            wide = "10" in pix_fmt or "12" in pix_fmt or "16" in pix_fmt
            plane.update(np.full(plane.buffer_size // (2 if wide else 1), code, "<u2" if wide else "u1").tobytes())
        frames.append(frame)
    return frames


def arrow(count: int = 3) -> list[Any]:
    """Frames whose upper left quarter is white, so that turning shows."""
    frames = [np.zeros((24, 32, 3), np.uint8) for _ in range(count)]
    for frame in frames:
        frame[:12, :16] = 255
    return frames


def tagged(matrix: int, full: bool, pix_fmt: str = "yuv444p", bits: int = 8, **colour: int) -> Callable[[Path], None]:
    """Red in YUV of a matrix and range, exact (FFV1), tagged so."""
    tags = {"colorspace": matrix, "color_range": 2 if full else 1, **colour}
    return lambda path: film(path, flat_yuv(yuv_of(RED, matrix, full, bits), pix_fmt), pix_fmt=pix_fmt, colour=tags)


def hdr(transfer: int, signal: float) -> Callable[[Path], None]:
    """Gray of a PQ (16) or HLG (18) signal level in [0, 1], 10 bits, BT.2020."""
    codes = [round(64 + 876 * signal), 512, 512]
    return lambda path: film(path, flat_yuv(codes, "yuv444p10le"), pix_fmt="yuv444p10le", colour={"colorspace": 9, "color_primaries": 9, "color_trc": transfer, "color_range": 1})


def picture(mode: str, value: Any, size: tuple[int, int] = (32, 24), **save: Any) -> Callable[[Path], None]:
    """One picture of one colour through Pillow; its format by the path's ending unless `format` is given."""
    return lambda path: Image.new(mode, size, value).save(path, **save)


def animation(count: int, durations: list[int], **save: Any) -> Callable[[Path], None]:
    """Frames of different grays through Pillow, shown for so many milliseconds."""
    images = [Image.new("RGB", (32, 24), (20 + 40 * n,) * 3) for n in range(count)]
    return lambda path: images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0, **save)


def oriented(orientation: int) -> Callable[[Path], None]:
    """A JPEG whose EXIF says how it is turned."""

    def make(path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(arrow(1)[0]).save(path, "jpeg", quality=95, exif=exif)

    return make


def raw(data: bytes) -> Callable[[Path], None]:
    """A file of these bytes."""
    return lambda path: path.write_bytes(data) and None


def good(frames: int = 5) -> bytes:
    """The bytes of a good exact clip."""
    return encode_lossless(made_clip(0, frames=frames, height=24, width=32))


def good_mp4(folder: Path) -> bytes:
    """The bytes of a good MP4 of 17 frames."""
    return made_clip(1, height=64, width=64).save(folder / "good.mp4").read_bytes()


def interlaced(path: Path) -> None:
    """Two fields of different times in every frame, H.264."""
    frames = []
    for t in range(6):
        frame = np.full((64, 64, 3), 60, np.uint8)
        frame[::2, 4 * t : 4 * t + 16], frame[1::2, 4 * t + 2 : 4 * t + 18] = 220, 220
        frames.append(frame)
    film(path, frames, "libx264", rate=25, options={"flags": "+ildct+ilme", "x264-params": "tff=1", "crf": "10"})


def folder_of(path: Path, images: dict[str, tuple[int, int] | bytes]) -> None:
    """A folder of PNGs of these sizes, or files of these bytes."""
    path.mkdir()
    for number, (name, what) in enumerate(images.items()):
        if isinstance(what, bytes):
            (path / name).write_bytes(what)
        else:
            Image.new("RGB", what, (10 * number,) * 3).save(path / name, "png")


def turned(degrees: float) -> Callable[[Path], None]:
    """An MP4 whose display matrix turns it."""
    return lambda path: film(path, arrow(), "libx264", options={"crf": "5"}, touch=lambda stream: stream.set_display_rotation(degrees))


def exact(video: Video) -> Callable[[Path], None]:
    """A clip through `Video.save`, whatever the path's ending."""
    return raw(encode_lossless(video))
