"""What the decoding child does: a file on standard input (or a folder on a handle), records on standard output. Imports PyAV, Pillow and numpy, no torch.

The file may be hostile, so this runs in a process of its own with limits on memory, time, pixels and frames; it is given an open
file or folder, never a name, opens nothing else, and demuxers that follow names (playlists, concat) are never chosen. A record is one
byte of kind, eight of length, and that many bytes: H (JSON: width and height of the frames), F (one frame, RGB), A (int16 samples),
E (JSON: the facts; the last record), X (JSON: the error; the last record).
"""

import json
import os
import re
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
from av.stream import Disposition

from reverie.video.colour import Colour, colour_of, to_rgb
from reverie.video.images import Picture
from reverie.video.memory import KEY
from reverie.video.timing import retime

Send = Callable[[str, bytes], None]
MOV = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
ASPECTS = (Fraction(1, 16), Fraction(16))  # of pixels; what lies outside is an error of the file
COUNTED = 1 << 26  # bytes: probing counts the packets of files up to this size, of larger ones it believes the container
MAX_SAMPLES, GAP = 1 << 28, 0.03  # of sound; and the least seconds without it that are no rounding of times


def main() -> None:
    """Decode standard input as the JSON in the first argument asks: task (read, probe), max_frames or spans of seconds, and limits."""
    request = json.loads(sys.argv[1])
    _limit(request)
    out = sys.stdout.buffer

    def send(kind: str, payload: bytes) -> None:
        out.write(kind.encode() + struct.pack(">Q", len(payload)))
        out.write(payload)

    try:
        send("E", json.dumps(decode(request["handle"], request, send)).encode())
    except (ValueError, OverflowError, av.error.FFmpegError) as error:
        text = f"it cannot be decoded ({error.strerror})" if isinstance(error, av.error.FFmpegError) else str(error)
        send("X", json.dumps({"kind": "memory" if isinstance(error, MemoryError) else "input", "text": text}).encode())
    except MemoryError:
        send("X", json.dumps({"kind": "memory", "text": ""}).encode())
    except Exception as error:  # a mistake of ours: said by the parent as a failure, not as the user's
        send("X", json.dumps({"kind": "bug", "text": f"{type(error).__name__}: {error}"}).encode())
    out.flush()


def _limit(request: dict[str, Any]) -> None:
    av.logging.set_level(av.logging.PANIC)
    try:
        import resource
    except ImportError:  # Windows has no such limits; the parent's time-out stays
        return
    for kind, wanted in ((resource.RLIMIT_AS, request["memory"]), (resource.RLIMIT_CPU, request["seconds"]), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        later = 5 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0  # so that the soft limit, which says what it is, comes first
        resource.setrlimit(kind, (value, value + later))


def decode(handle: int, request: dict[str, Any], send: Send) -> dict[str, Any]:
    """Decode an open file or folder; returns the facts. Raises ValueError (and what PyAV raises) for what is no video."""
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        return _folder(handle, request, send)
    with os.fdopen(handle, "rb", closefd=False) as file:
        head = file.read(4096)
        file.seek(0)
        kind, name = sniff(head)
        if kind == "image":
            return _picture(Picture(file, request["max_pixels"]), name, request, send)
        return _film(file, kind, name, request, send)


def sniff(head: bytes) -> tuple[str, str]:
    """(demuxer or "image", what to call it) by a file's first bytes, whatever its name. ValueError if it is none that is read."""
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image", {b"\x89": "PNG", b"\xff": "JPEG", b"G": "GIF", b"R": "WebP"}[head[:1]]
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska", "WebM" if re.search(rb"\x42\x82.{1,8}webm", head, re.DOTALL) else "Matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi", "AVI"
    if head[4:8] in MOV:
        return "mov", "QuickTime" if head[4:12] in (b"ftypqt  ",) or head[4:8] != b"ftyp" else "MP4"
    if head.lstrip(b"\xef\xbb\xbf \r\n").startswith((b"#EXTM3U", b"ffconcat", b"<MPD", b"<?xml")):
        raise ValueError("it is a playlist or another text, not a video; what it points to is never opened")
    raise ValueError("its first bytes are not those of MP4, MOV, WebM, MKV, AVI, GIF, PNG, WebP or JPEG, whatever its name says")


class Sink:
    """Sends frames of one size, counted against the limits. It remembers nothing of them but their number."""

    def __init__(self, request: dict[str, Any], send: Send) -> None:
        self.request, self.send, self.count, self.done = request, send, 0, False
        self.size: tuple[int, int] | None = None

    def add(self, pixels: np.ndarray) -> None:
        """One frame, uint8 [H W 3]."""
        height, width = pixels.shape[:2]
        if self.size is None:
            self.size = (width, height)
            self.send("H", json.dumps({"width": width, "height": height}).encode())
        if (width, height) != self.size:
            raise ValueError(f"frame {self.count} is {width}x{height}, the first is {self.size[0]}x{self.size[1]}")
        self.count += 1
        check_amount(self.count, width, height, self.request)
        self.send("F", np.ascontiguousarray(pixels).data.cast("B"))  # type: ignore[arg-type]

    @property
    def full(self) -> bool:
        """Whether as many frames are here as were asked for, or all that lie in the spans."""
        wanted = self.request["max_frames"]
        return self.done or (wanted is not None and self.count >= wanted)


def check_amount(num_frames: int, width: int, height: int, request: dict[str, Any]) -> None:
    """ValueError for more frames, or bytes of frames, than are allowed."""
    if num_frames > request["most_frames"] or num_frames * width * height * 3 > request["most_bytes"]:
        raise ValueError(
            f"{num_frames} frames of {width}x{height} or more: at most {request['most_frames']:,} frames and {request['most_bytes'] / 1e9:.1f} GB of them are read; cut it first"
        )


def _facts(sink: Sink, fps: float, pick: list[int] | None, notes: list[str], memory: str, **more: Any) -> dict[str, Any]:
    wanted = sink.request["max_frames"]
    if pick is not None and sink.request["task"] == "read" and not sink.request.get("spans"):
        assert sink.size is not None
        pick = pick[:wanted]
        check_amount(len(pick), *sink.size, sink.request)
    return {"fps": fps, "pick": pick, "notes": [note for note in notes if note], "memory": memory, **more}


def _picture(picture: Picture, name: str, request: dict[str, Any], send: Send) -> dict[str, Any]:
    probing, sink = request["task"] == "probe", Sink(request, send)
    times, end = [], 0.0
    for pixels, seconds in picture.frames():
        if not sink.full:
            sink.add(pixels)
        times.append(end)
        end += seconds
        if sink.full and not probing:
            break
    remembered = _remembered_fps(picture.memory)
    stated = remembered or (8.0 if len(times) == 1 and not end else None)
    fps, pick, note = retime(times, end, 0.01, [stated], end_counts=True)
    label = f"animated {name}" if picture.num_frames > 1 and name != "PNG" else "APNG" if picture.num_frames > 1 else name
    return _facts(sink, fps, pick, [*picture.notes, note], picture.memory, container=label, num_frames=len(pick or times), mode=picture.image.mode)


def _remembered_fps(memory: str) -> float | None:
    try:
        value = json.loads(memory).get("fps") if memory else None
    except (ValueError, AttributeError, RecursionError):
        return None
    return float(value) if isinstance(value, int | float) and 0.1 <= value <= 1000 else None


def _folder(handle: int, request: dict[str, Any], send: Send) -> dict[str, Any]:
    def natural(name: str) -> list[Any]:
        return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name)]

    names = sorted((name for name in os.listdir(handle) if name.lower().endswith(IMAGE_ENDINGS) and not name.startswith(".")), key=natural)
    if not names:
        raise ValueError(f"the folder holds no image ({', '.join(IMAGE_ENDINGS)})")
    sink, notes, memory = Sink(request, send), [], ""
    for name in names:
        shown = "".join(c if c.isprintable() else "?" for c in name)
        try:
            inner = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0), dir_fd=handle)
            with os.fdopen(inner, "rb") as file:
                if not stat.S_ISREG(os.fstat(inner).st_mode):
                    raise ValueError("it is not a file")
                if sniff(file.read(16))[0] != "image":
                    raise ValueError("it is a video, not a picture")
                file.seek(0)
                picture = Picture(file, request["max_pixels"])
                pixels, _ = next(picture.frames())
        except (OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"its image {shown}: {error}") from error
        if sink.size and (pixels.shape[1], pixels.shape[0]) != sink.size:
            raise ValueError(f"its image {shown} is {pixels.shape[1]}x{pixels.shape[0]}, the first one is {sink.size[0]}x{sink.size[1]}: all must have one size")
        sink.add(pixels)
        memory = memory or picture.memory
        notes += [note for note in picture.notes if note not in notes]
        if sink.full:
            break
    fps = _remembered_fps(memory)
    if fps is None:
        fps = 8.0
        notes.append("a folder says no rate: 8 fps assumed")
    return _facts(sink, fps, None, notes, memory, container="folder of images", num_frames=len(names))


def _film(file: Any, demuxer: str, name: str, request: dict[str, Any], send: Send) -> dict[str, Any]:
    try:
        container = av.open(file, "r", format=demuxer, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise ValueError(f"it begins like a file of {name}, but its structure is damaged ({error.strerror})") from error
    with container:
        films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not films:
            raise ValueError("it holds sound but no video" if container.streams.audio else "it holds no video")
        stream = films[0]
        context = stream.codec_context
        if context is None:
            raise ValueError("no decoder for its kind of video")
        if context.width * context.height > request["max_pixels"]:
            raise ValueError(f"{context.width}x{context.height} pixels: at most {request['max_pixels']:,} are allowed")
        sounding = bool(container.streams.audio) and request["task"] == "read" and request["max_frames"] is None
        film = Film(container, stream, container.streams.audio[0] if sounding else None, request, send)
        facts = film.run()
        sound = container.streams.audio[0] if container.streams.audio else None
        heard = None if sound is None else sound.codec_context
        about = {} if heard is None else {"sound": {"codec": heard.name, "rate": heard.rate, "channels": heard.channels}}
        return {**facts, "container": name, "codec": context.name, **about}


class Film:
    """One video stream being decoded, and its sound."""

    def __init__(self, container: Any, stream: Any, sound: Any, request: dict[str, Any], send: Send) -> None:
        self.container, self.stream, self.sound, self.request, self.send = container, stream, sound, request, send
        self.sink = Sink(request, send)
        self.spans: list[tuple[float, float]] = request.get("spans") or []
        self.sent: list[int] = []  # numbers of the frames in spans
        self.held: Any = None  # the latest frame, until it is known how long it is seen
        self.decoder = stream.codec_context
        if str(stream.metadata.get("alpha_mode", "")) == "1" and self.decoder.name in ("vp8", "vp9"):
            self.decoder = av.CodecContext.create({"vp8": "libvpx", "vp9": "libvpx-vp9"}[self.decoder.name], "r")  # type: ignore[assignment]  # the usual ones drop alpha
        self.guess = float(stream.guessed_rate or stream.average_rate or 8)
        self.slack = 0.25 + 4 / self.guess  # seconds around spans: the rate, and so which frames lie in them, is known when all are decoded
        self.times: list[float] = []  # of decoded frames, seconds
        self.packet_times: list[float] = []
        self.end = 0.0
        self.colour: Colour | None = None
        self.graph: Any = None  # the deinterlacer, from the first interlaced frame on
        self.damaged = self.broken = self.resized = self.discarded = 0
        self.cut_short = False
        self.samples: list[np.ndarray] = []
        self.sound_start: float | None = None
        self.heard = 0  # samples
        self.sound_rate, self.sound_damaged = 0, 0
        self.resampler: Any = None

    def run(self) -> dict[str, Any]:
        """Decode, send, and return the facts."""
        probing = self.request["task"] == "probe"
        counting = probing and self.container.size <= COUNTED
        for packet in self._packets():
            if packet.stream is self.sound:
                self._hear(packet)
                continue
            if packet.pts is not None and not packet.is_discard:
                self.packet_times.append(float(packet.pts * packet.time_base))
            elif packet.is_discard:
                self.discarded += 1
            if not (probing and self.times):
                for frame in self._decoded(packet):
                    self._see(frame)
                    if self.sink.full:
                        break
            if self.sink.full and not counting:
                break
        if self.graph is not None and not self.sink.full:
            self._filter(None)
        self._release(self.end)
        if not self.times:
            raise ValueError("it holds no frame" + (f" that can be decoded ({self.damaged} damaged)" if self.damaged else ""))
        assert self.colour is not None
        memory = next((value for key, value in self.container.metadata.items() if key.lower() == KEY), "")
        if probing:
            fps, number, estimated, note = self._from_structure(counting, _remembered_fps(memory))
            pick = None
        else:
            alone = [self.stream.guessed_rate or self.stream.average_rate]
            stated = [self.stream.average_rate, self.stream.guessed_rate] if len(self.times) > 1 else alone
            fps, pick, note = retime(self.times, self.end, float(self.stream.time_base), [_remembered_fps(memory), *stated])
            number, estimated = len(pick or self.times), False
        self._send_sound(number / fps)
        facts = {"num_frames": number, **({"num_frames_estimated": True} if estimated else {}), **({"sent": self.sent} if self.spans else {})}
        facts |= {**self.colour.facts(), "rotation": self.turn, "pixel_aspect": str(self.aspect), "interlaced": self.graph is not None}
        if self.samples:
            facts |= {"sound_rate": self.sound_rate, "sound_channels": self.channels}
        return _facts(self.sink, fps, pick, [*self._notes(), note], memory, **facts)

    def _from_structure(self, counted: bool, remembered: float | None) -> tuple[float, int, bool, str]:
        """(fps, num_frames, whether that is an estimate, a note) without decoding: from the packets if they were counted, else as the container says."""
        if counted and self.packet_times:
            fps, pick, _ = retime(self.packet_times, max(self.packet_times), float(self.stream.time_base), [remembered, self.stream.average_rate, self.stream.guessed_rate])
            if pick is None or len(pick) == len(self.packet_times):
                return fps, len(self.packet_times), False, ""
        rate = float(self.stream.average_rate or self.guess)
        seconds = float(self.stream.duration * self.stream.time_base) if self.stream.duration else (self.container.duration or 0) / 1e6
        note = "its time stamps are uneven: a variable frame rate, or frames that are never shown" if counted else ""
        return rate, max(1, round(seconds * rate)), True, note

    def _packets(self) -> Iterator[Any]:
        packets = self.container.demux([self.stream, *([self.sound] if self.sound else [])])
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                self.cut_short = True
                return
            yield packet

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            return self.decoder.decode(packet if packet.size else None) if self.decoder is not self.stream.codec_context else packet.decode()
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self.damaged += 1
            return []

    def _see(self, frame: Any) -> None:
        if frame.width * frame.height > self.request["max_pixels"]:
            raise ValueError(f"{frame.width}x{frame.height} pixels: at most {self.request['max_pixels']:,} are allowed")
        self.broken += frame.is_corrupt
        if self.colour is None:
            self._settle(frame)
        if frame.interlaced_frame and self.graph is None:
            self.graph = _deinterlacer(frame, self.stream.time_base)
        if self.graph is None:
            self._take(frame, self.stream.time_base)
        else:
            self._filter(frame)

    def _settle(self, frame: Any) -> None:
        self.colour = colour_of(frame)
        self.source = (frame.width, frame.height)
        self.kind = frame.format.name
        matrix = next((np.frombuffer(bytes(side), np.int32) for side in frame.side_data if side.type.name == "DISPLAYMATRIX"), None)
        self.turn, self.mirror = orientation(matrix)
        self.aspect = self.stream.sample_aspect_ratio or self.decoder.sample_aspect_ratio or Fraction(1)
        if not ASPECTS[0] <= self.aspect <= ASPECTS[1]:
            raise ValueError(f"its pixels have the proportions {self.aspect}: between 1/16 and 16 is allowed")
        width, height = self.source
        self.width, self.height = (round(width * self.aspect), height) if self.aspect >= 1 else (width, round(height / self.aspect))
        if self.width * self.height > self.request["max_pixels"]:
            raise ValueError(f"{self.width}x{self.height} pixels: at most {self.request['max_pixels']:,} are allowed")

    def _filter(self, frame: Any) -> None:
        self.graph.push(frame)
        while not self.sink.full:
            try:
                self._take(self.graph.pull(), None)
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    def _take(self, frame: Any, time_base: Fraction | None) -> None:
        step = time_base or frame.time_base
        time = float(frame.pts * step) if frame.pts is not None else (self.times[-1] + 1 / self.guess if self.times else 0.0)
        self.resized += (frame.width, frame.height) != self.source
        self._release(time)
        self.times.append(time)
        lasting = float(frame.duration * step) if frame.duration else 1 / self.guess
        self.end = max(self.end, time + lasting)
        if self.spans:
            self.held, self.sink.done = frame, time - self.times[0] > max(stop for _, stop in self.spans) + self.slack + 2  # sound may lie behind its frames
        else:
            self._show(frame)

    def _show(self, frame: Any) -> None:
        assert self.colour is not None
        pixels = to_rgb(frame, self.colour if frame.format.name == self.kind else colour_of(frame), self.width, self.height)
        self.sink.add(upright(pixels, self.turn, self.mirror))

    def _release(self, until: float) -> None:
        """The frame that is held, seen until then, goes if that is near a span; others are never converted."""
        if self.held is not None:
            since, until = (time - self.times[0] for time in sorted((self.times[-1], until)))
            if any(start - self.slack <= until and since <= stop + self.slack for start, stop in self.spans):
                self.sent.append(len(self.times) - 1)
                self._show(self.held)

    def _hear(self, packet: Any) -> None:
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self.sound_damaged += 1
            return
        for frame in frames:
            if self.resampler is None:
                self.sound_rate = frame.sample_rate
                self.channels = min(2, frame.layout.nb_channels)
                self.mixed = frame.layout.nb_channels if frame.layout.nb_channels > 2 else 0
                self.sound_start = float(frame.pts * frame.time_base) if frame.pts is not None else 0.0
                self.resampler = av.AudioResampler(format="s16", layout="stereo" if self.channels == 2 else "mono", rate=frame.sample_rate)
            pieces = [piece.to_ndarray().reshape(-1, self.channels) for piece in self.resampler.resample(frame)]
            gap = 0 if frame.pts is None else round((float(frame.pts * frame.time_base) - (self.sound_start or 0.0)) * self.sound_rate) - self.heard
            if GAP * self.sound_rate < gap < MAX_SAMPLES:  # what is missing, or could not be decoded, is silence
                pieces.insert(0, np.zeros((gap, self.channels), np.int16))
            self.samples += pieces
            self.heard += sum(map(len, pieces))
        if self.heard > MAX_SAMPLES:
            raise ValueError(f"more than {MAX_SAMPLES / self.sound_rate / 60:.0f} minutes of sound: split it with another tool first")

    def _send_sound(self, seconds: float) -> None:
        """The samples of exactly the frames: silence where the sound begins later, nothing beyond the last frame."""
        if not self.samples:
            return
        samples = np.concatenate(self.samples)
        late = round(((self.sound_start or 0.0) - min(self.times)) * self.sound_rate)
        wanted = round(seconds * self.sound_rate)
        samples = samples[-late:] if late < 0 else np.concatenate([np.zeros((min(late, wanted), self.channels), np.int16), samples])
        samples = samples[:wanted]
        samples = np.concatenate([samples, np.zeros((wanted - len(samples), self.channels), np.int16)])
        self.send("A", np.ascontiguousarray(samples).tobytes())

    def _notes(self) -> list[str]:
        assert self.colour is not None
        said = []
        if self.turn or self.mirror:
            said.append(" and ".join([*(["mirrored"] if self.mirror else []), *([f"turned by {self.turn} degrees"] if self.turn else [])]))
        if self.source != (self.width, self.height):
            said.append(f"pixels of {self.aspect} made square: {self.source[0]}x{self.source[1]} became {self.width}x{self.height}")
        if self.graph is not None:
            said.append("interlaced: deinterlaced (bwdif), one frame from two fields")
        said += self.colour.notes()
        if self.resized:
            said.append(f"{self.resized} frames of another size scaled to that of the first")
        if self.damaged or self.broken:
            said.append(f"damaged: {self.damaged} packets cannot be decoded" + (f", {self.broken} frames have faults" if self.broken else ""))
        short = self.stream.frames - len(self.packet_times) - self.discarded
        if self.cut_short or (short > 0 and not self.sink.full):
            said.append(f"it ends early: {len(self.packet_times)} of {self.stream.frames} frames are there" if short > 0 else "it ends early or is damaged at its end")
        if self.sound_damaged:
            said.append(f"{self.sound_damaged} packets of its sound cannot be decoded")
        if self.resampler is not None and self.mixed:
            said.append(f"sound of {self.mixed} channels mixed to two")
        return said


def _deinterlacer(frame: Any, time_base: Fraction) -> Any:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=time_base)
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"), graph.add("buffersink")).configure()
    return graph


def orientation(matrix: np.ndarray | None) -> tuple[int, bool]:
    """A display matrix (nine int32, ISO/IEC 14496-12) -> (degrees to turn clockwise: 0, 90, 180, 270; whether to mirror left and right before)."""
    if matrix is None or len(matrix) != 9:
        return 0, False
    a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
    mirror = a * d - b * c < 0
    if mirror:
        a, b = -a, -b
    return round(float(np.degrees(np.arctan2(b, a))) / 90) * 90 % 360, mirror


def upright(pixels: np.ndarray, turn: int, mirror: bool) -> np.ndarray:
    """[H W 3] mirrored left and right, then turned clockwise."""
    if mirror:
        pixels = pixels[:, ::-1]
    return np.rot90(pixels, -turn // 90) if turn else pixels
