"""Clips to files that appear whole or not at all: everything is written beside its goal and renamed.

.mp4 (H.264, BT.709, plays anywhere, lossy) .webm (VP9, lossy) .gif (256 colours a frame) .webp (animated, lossy) .mkv (FFV1 and FLAC, exact)
.png (one frame, exact) .jpg (one frame, lossy); a name without ending is a folder of PNGs (exact).
"""

import io
import itertools
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from reverie.video.clip import Video
from reverie.video.memory import INSIDE, KEY, beside, save_beside, to_text
from reverie.video.naming import shown

ENDINGS = (".mp4", ".webm", ".gif", ".webp", ".mkv", ".png", ".jpg", ".jpeg")
STILLS = (".png", ".jpg", ".jpeg")
EXIF_ROOM = 60_000  # bytes of text in a JPEG's EXIF
CODECS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("libx264", {"crf": "16", "preset": "medium"}),
    ".webm": ("libvpx-vp9", {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "3", "row-mt": "1"}),
    ".mkv": ("ffv1", {"level": "3", "g": "1", "slices": "4"}),
}
KEYFRAMES = 16  # frames between those of a growing file that need no other to be shown
SOUND = {".mp4": "aac", ".webm": "libopus", ".mkv": "flac"}


def _temporary(path: Path) -> Path:
    """A new file beside `path` with its ending and the usual permissions. ValueError says why there can be none."""
    _check_parent(path)
    if path.is_dir():
        raise ValueError(f"{shown(path)} is a folder: name a file")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".reverie-", suffix=path.suffix)
    except OSError as error:
        raise ValueError(f"cannot write in {shown(path.parent)}: {error.strerror}") from error
    os.close(handle)
    return Path(name)


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise ValueError(f"the folder {shown(path.parent)} does not exist: create it, or write elsewhere")
    if len(os.fsencode(path.name)) > 255:
        raise ValueError(f"the name {shown(path)[:60]}... is longer than the 255 bytes that a file system takes")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` when the block ends well and vanishes when it does not."""
    temporary = _temporary(path)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # a power cut leaves no empty file of this name
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _whole_folder(path: Path) -> Iterator[Path]:
    """As whole_file, for a folder that is new or empty."""
    _check_folder(path)
    try:
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=".reverie-"))
    except OSError as error:
        raise ValueError(f"cannot write in {shown(path.parent)}: {error.strerror}") from error
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_folder(path: Path) -> None:
    _check_parent(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{shown(path)} exists: a name without ending is a new folder of PNGs; {', '.join(ENDINGS)} are files")


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def check_target(path: str | os.PathLike[str], num_frames: int, width: int, height: int, fps: float | None = None) -> Path:
    """The path, if a clip of this shape can be written there; ValueError otherwise. For checking before the work."""
    path = Path(path)
    ending, name = path.suffix.lower(), shown(path)
    if path.name in ("", "..") or path.name.lower() in ENDINGS:
        raise ValueError(f"{name}: name a file, or a new folder for PNGs")
    if ending and ending not in ENDINGS:
        raise ValueError(f"{name}: the ending {path.suffix} is not one of {', '.join(ENDINGS)}, or none for a folder of PNGs")
    if ending in STILLS and num_frames != 1:
        raise ValueError(f"{name}: a {ending} holds one frame, this clip has {num_frames}; write .mp4 or .mkv")
    if ending in (".mp4", ".webm") and (width % 2 or height % 2):
        codec = "H.264" if ending == ".mp4" else "VP9 here"
        raise ValueError(f"{name}: {codec} needs even sides, this is {width}x{height}; write .mkv, or use {width + width % 2}x{height + height % 2}")
    if fps is not None and fps > (most := {".gif": 50, ".webp": 90}.get(ending, math.inf)):
        raise ValueError(f"{name}: viewers show a {ending} with at most {most} frames per second, this clip has {fps:g}; write .mp4 or .mkv")
    if not ending:
        _check_folder(path)
        if not os.access(path.parent, os.W_OK):
            raise ValueError(f"cannot write in {shown(path.parent)}")
    else:
        _temporary(path).unlink()
    return path


def write(video: Video, path: str | os.PathLike[str], metadata: bool = True) -> Path:
    """Write `video` to `path` in the format of its ending. Returns the path. ValueError for what the format cannot hold.

    With `metadata`, the file remembers video.metadata and, up to 1 MB, the latents; larger ones go to PATH.latents.safetensors. A GIF
    remembers nothing; sound is kept by .mp4, .webm and .mkv.
    """
    _, height, width, _ = video.frames.shape
    path = check_target(path, video.num_frames, width, height, video.fps)
    ending = path.suffix.lower()
    rateless = not ending or (ending == ".webp" and video.num_frames > 1)  # formats whose frames do not say their rate, or not exactly
    remembered = {**video.metadata, "fps": video.fps} if rateless else video.metadata
    text = to_text(remembered, video.latents if remembered else None) if metadata else ""
    inside = len(text) <= EXIF_ROOM or ending not in (".jpg", ".jpeg")
    if not inside:
        text = to_text(remembered, None)
    if not ending:
        with _whole_folder(path) as folder:
            digits = max(6, len(str(video.num_frames)))
            for number, frame in enumerate(video.frames):
                _write_png(frame, folder / f"{number:0{digits}d}.png", text if number == 0 else "")
        return path
    with whole_file(path) as temporary:
        if ending in STILLS or ending == ".webp":
            _write_picture(video, temporary, ending, text)
        elif ending == ".gif":
            _write_gif(video, temporary)
        else:
            with av.open(os.path.abspath(temporary), "w", options=_container_options(ending)) as container:
                if text:
                    container.metadata[KEY] = text
                _mux(container, video, ending)
    _save_latents(path, video.latents if text and ending != ".gif" else None, inside)
    return path


class GrowingFile:
    """An .mp4, .webm or .mkv that grows frame by frame and plays at any time up to the last frames that the encoder still holds back.

    An MP4 consists of fragments of KEYFRAMES frames. `finish` copies it, without encoding again, to the file that is wanted.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        self.path, ending = path, path.suffix.lower()
        options = {"flush_packets": "1", **({"movflags": "+frag_keyframe+empty_moov+default_base_moof"} if ending == ".mp4" else {})}
        self._container = av.open(os.path.abspath(path), "w", options=options)
        more = {"x264-params": "rc-lookahead=8"} if ending == ".mp4" else {"lag-in-frames": "0"} if ending == ".webm" else {}
        self._stream = _picture_stream(self._container, width, height, fps, ending, {"g": str(KEYFRAMES), **more} if more else {})
        self._open = True

    def add(self, frames: np.ndarray) -> None:
        """Frames uint8 [n H W 3] at the end."""
        for image in frames:
            self._container.mux(self._stream.encode(_picture(image, self.path.suffix.lower())))

    def close(self) -> None:
        """What the encoder holds back goes to the file."""
        if self._open:
            self._open = False
            self._container.mux(self._stream.encode())
            self._container.close()

    def finish(self, path: Path, metadata: dict[str, Any], latents: np.ndarray | None) -> None:
        """The whole file `path` with its memory, as `write` makes it; this one goes."""
        self.close()
        text = to_text(metadata, latents)
        with whole_file(path) as temporary, av.open(os.path.abspath(self.path)) as source:
            container = av.open(os.path.abspath(temporary), "w", options=_container_options(path.suffix.lower()))
            if text:
                container.metadata[KEY] = text
            stream = container.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:  # not the empty one at the end
                    packet.stream = stream
                    container.mux(packet)
            container.close()
        _save_latents(path, latents if text else None, inside=True)
        self.path.unlink()


def _container_options(ending: str) -> dict[str, str]:
    return {"movflags": "+faststart+use_metadata_tags"} if ending == ".mp4" else {}


def _save_latents(path: Path, latents: np.ndarray | None, inside: bool) -> None:
    """Beside the finished file, if they are too large to be inside; what lay there goes."""
    beside(path).unlink(missing_ok=True)
    if latents is not None and not (inside and latents.nbytes <= INSIDE):
        with whole_file(beside(path)) as temporary:
            save_beside(path, latents, temporary)


def encode_lossless(video: Video) -> bytes:
    """The clip as the bytes of an FFV1 Matroska file (exact), for shards."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska", options={"fflags": "+bitexact"}) as container:  # without a random number inside
        _mux(container, video, ".mkv")
    return buffer.getvalue()


def decode_lossless(data: bytes) -> Video:
    """The counterpart of `encode_lossless`: fast, in this process, and therefore only for bytes that Reverie wrote."""
    with av.open(io.BytesIO(data), "r", format="matroska") as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.average_rate is not None
        return Video(np.stack(frames), float(stream.average_rate))


def _write_png(frame: np.ndarray, path: Path, text: str) -> None:
    info = PngImagePlugin.PngInfo()
    if text:
        info.add_itxt(KEY, text)
    Image.fromarray(frame).save(path, "png", pnginfo=info)


def _write_picture(video: Video, path: Path, ending: str, text: str) -> None:
    if ending == ".png":
        return _write_png(video.frames[0], path, text)
    exif = Image.Exif()
    if text:
        exif[ExifTags.Base.ImageDescription] = f"{KEY}:{text}"
    images = [Image.fromarray(frame) for frame in video.frames]
    if ending != ".webp":
        images[0].save(path, "jpeg", quality=95, subsampling=0, exif=exif)
    elif len(images) == 1:
        images[0].save(path, "webp", quality=90, method=4, exif=exif)
    else:
        marks = [round(1000 * n / video.fps) for n in range(video.num_frames + 1)]  # whole milliseconds that never drift
        images[0].save(path, "webp", save_all=True, append_images=images[1:], duration=[b - a for a, b in itertools.pairwise(marks)], loop=0, quality=90, method=4, exif=exif)
    return None


def _write_gif(video: Video, path: Path) -> None:
    """A palette of its own for every frame, error-diffused; times in whole hundredths of a second that never drift."""
    with av.open(os.path.abspath(path), "w", format="gif") as container:
        rate = Fraction(video.fps).limit_denominator(1001)
        stream: Any = container.add_stream("gif", rate=rate, options={"gifflags": "0"})
        stream.width, stream.height, stream.pix_fmt = video.frames.shape[2], video.frames.shape[1], "pal8"
        stream.codec_context.time_base = 1 / rate
        for number, image in enumerate(video.frames):
            palette = Image.fromarray(image).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
            frame = _palette_frame(palette)
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _palette_frame(image: Image.Image) -> av.VideoFrame:
    colours = np.zeros((256, 4), np.uint8)
    table = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(table), 1:], colours[:, 0] = table, 255  # alpha first: PyAV turns it into the order of pal8
    planes: Any = (np.asarray(image), colours)
    return av.VideoFrame.from_ndarray(planes, format="pal8")


def _mux(container: Any, video: Video, ending: str) -> None:
    _, height, width, _ = video.frames.shape
    stream = _picture_stream(container, width, height, video.fps, ending, {})
    sound = _sound_stream(container, video, ending)
    for number, image in enumerate(video.frames):
        container.mux(stream.encode(_picture(image, ending)))
        if sound is not None:
            container.mux(_encode_sound(sound, video, number))
    container.mux(stream.encode())
    if sound is not None:
        container.mux(sound.encode())


def _picture_stream(container: Any, width: int, height: int, fps: float, ending: str, more: dict[str, str]) -> Any:
    codec, options = CODECS[ending]
    stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options={**options, **more})
    if ending == ".mkv":
        stream.pix_fmt = "bgr0"
    else:
        stream.pix_fmt = "yuv420p"
        stream.codec_context.color_primaries = stream.codec_context.color_trc = stream.codec_context.colorspace = 1  # BT.709
        stream.codec_context.color_range = 1  # limited
    stream.width, stream.height = width, height
    return stream


def _picture(image: np.ndarray, ending: str) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return frame if ending == ".mkv" else frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", threads=1)


def _sound_stream(container: Any, video: Video, ending: str) -> Any:
    if video.audio is None:
        return None
    codec = av.Codec(SOUND[ending], "w")
    rates = codec.audio_rates
    rate = video.audio.rate if not rates or video.audio.rate in rates else 48000
    stream = container.add_stream(SOUND[ending], rate=rate, layout="stereo" if video.audio.samples.shape[1] == 2 else "mono")
    if ending != ".mkv":
        stream.bit_rate = 192_000
    else:
        stream.format = "s16"
    return stream


def _encode_sound(stream: Any, video: Video, number: int) -> list[Any]:
    """The packets of the sound of frame `number`."""
    audio = video.audio
    assert audio is not None
    first, last = (round(n / video.fps * audio.rate) for n in (number, number + 1))
    piece = np.ascontiguousarray(audio.samples[first:last])
    if not len(piece):
        return []
    frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), format="s16", layout="stereo" if piece.shape[1] == 2 else "mono")
    frame.sample_rate, frame.pts, frame.time_base = audio.rate, first, Fraction(1, audio.rate)
    return stream.encode(frame)
