"""The golden table: what exactly is read of odd files, or the exact error. Files of others lie outside the project (SHARED)."""

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reverie.cli import main
from reverie.video import Video, probe, read, reading
from reverie.video.timing import retime
from tests import odd_files as odd
from tests.conftest import made_clip

SHARED = Path(__file__).resolve().parents[2] / "shared" / "media"
OURS = "its first bytes are not those of MP4, MOV, WebM, MKV, AVI, GIF, PNG, WebP or JPEG, whatever its name says"
BROKEN = "it begins like a file of MP4, but its structure is damaged (Invalid data found when processing input)"
LIST = "it is a playlist or another text, not a video; what it points to is never opened"

GOLDEN = {  # name: what is read (size, frames, fps, samples of sound, notes), or the error
    "audio_only.mp4": "it holds sound but no video",
    "chunk_out_of_range.mp4": BROKEN,
    "corrupt_stream.mp4": ("1280x720", 50, 10, None, ("damaged: 1 packets cannot be decoded", "variable frame rate (steps of 100 to 200 ms): 49 frames shown by their time stamps as 50 at 10 fps")),
    "hdr_rotated.mov": ("720x1280", 4, 30, 5880, ("turned by 90 degrees", "high dynamic range (HLG) brought to BT.709, white at 203 cd/m2")),
    "header_only.mp4": "it holds no frame",
    "invalid_bitstream.webm": "it holds no frame that can be decoded (51 damaged)",
    "malformed_box.mp4": BROKEN,
    "mdat_longer_than_file.mp4": ("1080x720", 30, 30000 / 1001, 44144, ()),
    "non_zero_start.mp4": ("200x112", 12, 30, None, ()),
    "odd_dimensions.webm": ("161x121", 30, 29.97, None, ()),
    "odd_vp9.mp4": ("321x241", 25, 25, None, ()),
    "pixel_aspect.mp4": ("1138x480", 1, 25, None, ("pixels of 16/9 made square: 640x480 became 1138x480",)),
    "rotate_and_reflect.mp4": ("720x1080", 30, 30000 / 1001, 44144, ("mirrored and turned by 270 degrees",)),
    "rotated_270.mov": ("320x568", 3, 30, None, ("turned by 270 degrees",)),
    "rotated_90.mov": ("320x568", 3, 30, None, ("turned by 90 degrees",)),
    "rotated_h264.mp4": ("270x480", 17, 30000 / 1001, None, ("turned by 270 degrees",)),
    "ten_bit.webm": ("426x240", 72, 24000 / 1001, None, ()),
    "transparent.gif": ("64x48", 1, 8, None, ("transparency laid over white",)),
    "unordered_pts.mov": ("50x50", 4, 32, None, ()),
    "vfr_slow_motion.mp4": ("320x240", 63, 30, 25200, ()),
}  # fmt: skip


def told(video: Video) -> tuple[str, int, float, int | None, tuple[str, ...]]:
    return video.size, video.num_frames, video.fps, None if video.audio is None else len(video.audio.samples), video.notes


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no folder of odd files at {SHARED}")
@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_files_of_others(name: str):
    expected = GOLDEN[name]
    if isinstance(expected, str):
        for ask in (read, probe):
            with pytest.raises(ValueError) as error:
                ask(SHARED / name)
            assert str(error.value) == f"{SHARED / name}: {expected}"
        return
    assert told(read(SHARED / name)) == (*expected[:2], pytest.approx(expected[2], rel=1e-9), *expected[3:])
    facts = probe(SHARED / name)
    assert (facts["size"], facts["num_frames"]) == expected[:2]


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no folder of odd files at {SHARED}")
def test_every_file_of_others_is_in_the_table():
    assert {path.name for path in SHARED.iterdir()} - {"README.md"} == set(GOLDEN)


ALPHA = ("transparency laid over white",)
HALF = (228, 148, 158)  # of red over white
Expected = tuple[str, int, float, tuple[int, int, int] | None, tuple[str, ...]] | str
MADE: dict[str, tuple[Callable[[Path], None], Expected]] = {  # name: (maker, (size, frames, fps, colour in the middle, notes) or the error)
    "601.mkv": (odd.tagged(6, False), ("32x24", 2, 8, odd.RED, ())),
    "709.mkv": (odd.tagged(1, False), ("32x24", 2, 8, odd.RED, ())),
    "709-full.mkv": (odd.tagged(1, True), ("32x24", 2, 8, odd.RED, ())),
    "601-full.mkv": (odd.tagged(6, True), ("32x24", 2, 8, odd.RED, ())),
    "2020-ten-bit.mkv": (odd.tagged(9, False, "yuv444p10le", 10), ("32x24", 2, 8, odd.RED, ())),
    "twelve-bit.mkv": (odd.tagged(1, False, "yuv444p12le", 12), ("32x24", 2, 8, odd.RED, ())),
    "wide-gamut.mkv": (odd.tagged(9, False, "yuv444p10le", 10, color_primaries=9), ("32x24", 2, 8, (246, 0, 50), ("colours of BT.2020 brought to BT.709",))),
    "pq-white.mkv": (odd.hdr(16, 0.5807), ("32x24", 2, 8, (241, 241, 241), ("high dynamic range (PQ) brought to BT.709, white at 203 cd/m2",))),
    "pq-1000.mkv": (odd.hdr(16, 0.7518), ("32x24", 2, 8, (255, 255, 255), ("high dynamic range (PQ) brought to BT.709, white at 203 cd/m2",))),
    "hlg-white.mkv": (odd.hdr(18, 0.75), ("32x24", 2, 8, (241, 241, 241), ("high dynamic range (HLG) brought to BT.709, white at 203 cd/m2",))),
    "gray.mkv": (lambda p: odd.film(p, odd.flat_yuv([90], "gray"), pix_fmt="gray"), ("32x24", 2, 8, (90, 90, 90), ())),
    "gray-ten-bit.mkv": (lambda p: odd.film(p, odd.flat_yuv([360], "gray10le"), pix_fmt="gray10le"), ("32x24", 2, 8, (90, 90, 90), ())),
    "unstated-small.mkv": (lambda p: odd.film(p, odd.flat_yuv(odd.yuv_of(odd.RED, 6, False), "yuv444p"), pix_fmt="yuv444p"), ("32x24", 2, 8, odd.RED, ())),
    "unstated-large.mkv": (lambda p: odd.film(p, odd.flat_yuv(odd.yuv_of(odd.RED, 1, False), "yuv444p", 1280, 16), pix_fmt="yuv444p"), ("1280x16", 2, 8, odd.RED, ())),
    "alpha.mkv": (lambda p: odd.film(p, odd.flat(rgb=(*odd.RED, 128)), pix_fmt="bgra"), ("32x24", 4, 8, HALF, ALPHA)),
    "alpha.webm": (lambda p: odd.film(p, odd.flat(64, 64, rgb=(*odd.RED, 128)), "libvpx-vp9", "yuva420p", options={"crf": "4", "b": "0"}), ("64x64", 4, 8, HALF, ALPHA)),
    "alpha.mov": (lambda p: odd.film(p, odd.flat(64, 64, rgb=(*odd.RED, 128)), "prores_ks", "yuva444p10le"), ("64x64", 4, 8, HALF, ALPHA)),
    "alpha.png": (odd.picture("RGBA", (*odd.RED, 128)), ("32x24", 1, 8, HALF, ALPHA)),
    "alpha.webp": (odd.picture("RGBA", (*odd.RED, 128), lossless=True), ("32x24", 1, 8, HALF, ALPHA)),
    "gray-alpha.png": (odd.picture("LA", (100, 0)), ("32x24", 1, 8, (255, 255, 255), ALPHA)),
    "opaque-alpha.png": (odd.picture("RGBA", (*odd.RED, 255)), ("32x24", 1, 8, odd.RED, ())),
    "palette.png": (odd.picture("P", 0), ("32x24", 1, 8, (0, 0, 0), ())),
    "sixteen-bit.png": (odd.picture("I;16", 25700), ("32x24", 1, 8, (100, 100, 100), ())),
    "one-bit.png": (odd.picture("1", 1), ("32x24", 1, 8, (255, 255, 255), ())),
    "cmyk.jpg": (odd.picture("CMYK", (0, 200, 200, 0), quality=95), ("32x24", 1, 8, (255, 55, 55), ())),
    "gray.jpg": (odd.picture("L", 100, quality=95), ("32x24", 1, 8, (100, 100, 100), ())),
    "1x1.png": (odd.picture("RGB", odd.RED, (1, 1)), ("1x1", 1, 8, odd.RED, ())),
    "1x1.mkv": (lambda p: odd.film(p, odd.flat(1, 1), pix_fmt="bgr0"), ("1x1", 4, 8, odd.RED, ())),
    "3x5.mkv": (lambda p: odd.film(p, odd.flat(3, 5), pix_fmt="bgr0"), ("3x5", 4, 8, odd.RED, ())),
    "3x5.gif": (odd.picture("RGB", odd.RED, (3, 5)), ("3x5", 1, 8, odd.RED, ())),
    "odd-sides.webm": (lambda p: odd.film(p, odd.flat(33, 35), "libvpx-vp9"), ("33x35", 4, 8, None, ())),
    "mjpeg.avi": (lambda p: odd.film(p, odd.flat(), "mjpeg", "yuvj420p"), ("32x24", 4, 8, odd.RED, ())),
    "mpeg4.avi": (lambda p: odd.film(p, odd.flat(), "mpeg4", rate=25), ("32x24", 4, 25, odd.RED, ())),
    "interlaced.mp4": (odd.interlaced, ("64x64", 6, 25, None, ("interlaced: deinterlaced (bwdif), one frame from two fields",))),
    "wide-pixels.mp4": (lambda p: odd.film(p, odd.flat(), "libx264", touch=lambda s: setattr(s.codec_context, "sample_aspect_ratio", odd.Fraction(2))), ("64x24", 4, 8, odd.RED, ("pixels of 2 made square: 32x24 became 64x24",))),
    "tall-pixels.mp4": (
        lambda p: odd.film(p, odd.flat(), "libx264", touch=lambda s: setattr(s.codec_context, "sample_aspect_ratio", odd.Fraction(1, 2))),
        ("32x48", 4, 8, odd.RED, ("pixels of 1/2 made square: 32x24 became 32x48",)),
    ),
    "variable.mkv": (
        lambda p: odd.film(p, odd.flat(count=6), times=[0, 100, 200, 300, 700, 800]),
        ("32x24", 9, 10, odd.RED, ("variable frame rate (steps of 100 to 400 ms): 6 frames shown by their time stamps as 9 at 10 fps",)),
    ),
    "late-start.mkv": (lambda p: odd.film(p, odd.flat(), times=[5000, 5125, 5250, 5375]), ("32x24", 4, 8, odd.RED, ())),
    "ntsc.mkv": (lambda p: odd.film(p, odd.flat(count=30), rate=30000 / 1001), ("32x24", 30, 30000 / 1001, odd.RED, ())),
    "durations.gif": (odd.animation(3, [100, 100, 300]), ("32x24", 5, 10, None, ("variable frame rate (steps of 100 to 300 ms): 3 frames shown by their time stamps as 5 at 10 fps",))),
    "instant.gif": (odd.animation(3, [0, 0, 0]), ("32x24", 3, 10, None, ("frames without a duration are shown for 0.1 s, as browsers do",))),
    "animated.webp": (odd.animation(4, [125] * 4, lossless=True), ("32x24", 4, 8, None, ())),
    "animated.png": (odd.animation(4, [125] * 4), ("32x24", 4, 8, None, ())),
    "still-first.png": (odd.animation(4, [125] * 4, default_image=True), ("32x24", 3, 8, None, ())),
    "png.mp4": (odd.picture("RGB", odd.RED, format="png"), ("32x24", 1, 8, odd.RED, ())),
    "mkv.gif": (odd.raw(odd.good()), ("32x24", 5, 8, None, ())),
    "folder.mp4": (lambda p: odd.folder_of(p, {"10.png": (32, 24), "9.png": (32, 24), "notes.txt": b"x"}), ("32x24", 2, 8, (10, 10, 10), ("a folder says no rate: 8 fps assumed",))),
    "new\nline.mkv": (odd.raw(odd.good()), ("32x24", 5, 8, None, ())),
    "'quo\"tes' & $(x).mkv": (odd.raw(odd.good()), ("32x24", 5, 8, None, ())),
    "emoji 🎬.mkv": (odd.raw(odd.good()), ("32x24", 5, 8, None, ())),
    "-leading.mkv": (odd.raw(odd.good()), ("32x24", 5, 8, None, ())),
    "concat:a|b.mkv": (odd.raw(odd.good()), ("32x24", 5, 8, None, ())),
    os.fsdecode(b"bytes\xff.mkv"): (odd.raw(odd.good()), ("32x24", 5, 8, None, ())),
    "link.mkv": (lambda p: p.symlink_to(_beside(p, odd.good())), ("32x24", 5, 8, None, ())),
    "no-frames.mp4": (lambda p: odd.film(p, [], "libx264"), "it holds no video"),
    "no-frames.mkv": (lambda p: odd.film(p, []), "it begins like a file of Matroska, but its structure is damaged (End of file)"),
    "text.mp4": (odd.raw(b"hello\n" * 100), OURS),
    "empty.mp4": (odd.raw(b""), "the file is empty"),
    "zeros.mp4": (odd.raw(bytes(5000)), OURS),
    "playlist.mp4": (odd.raw(b"#EXTM3U\n#EXTINF:1,\nhttp://localhost/a.mp4\n"), LIST),
    "concat.mp4": (odd.raw(b"ffconcat version 1.0\nfile /etc/passwd\n"), LIST),
    "manifest.mp4": (odd.raw(b'<?xml version="1.0"?><MPD></MPD>'), LIST),
    "pipe.mp4": (os.mkfifo, "neither a file nor a folder (a pipe, a socket or a device)"),
    "empty-folder.mp4": (lambda p: p.mkdir(), "the folder holds no image (.png, .jpg, .jpeg, .webp)"),
    "two-sizes": (lambda p: odd.folder_of(p, {"1.png": (32, 24), "2.png": (24, 32)}), "its image 2.png is 24x32, the first one is 32x24: all must have one size"),
    "text-inside": (lambda p: odd.folder_of(p, {"1.png": (32, 24), "2.png": b"hello"}), f"its image 2.png: {OURS}"),
    "loop.mp4": (lambda p: p.symlink_to(p), "cannot be opened (Too many levels of symbolic links)"),
    "dangling.mp4": (lambda p: p.symlink_to("nowhere"), "no such file"),
    "missing.mp4": (lambda p: None, "no such file"),
    "nul\0.mp4": (lambda p: None, "cannot be opened (embedded null byte)"),
    "sound.mkv": (lambda p: _sound_only(p), "it holds sound but no video"),
    "bomb.png": (odd.raw(b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in [(b"IHDR", struct.pack(">IIBBBBB", 100000, 100000, 8, 2, 0, 0, 0)), (b"IDAT", b"x"), (b"IEND", b"")])), "100000x100000 pixels: at most 67,108,864 are allowed"),
}  # fmt: skip


def _beside(path: Path, data: bytes) -> Path:
    path.with_name("behind.bin").write_bytes(data)
    return path.with_name("behind.bin")


def _sound_only(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))


@pytest.mark.parametrize("name", list(MADE), ids=lambda name: name.encode("unicode_escape").decode())
def test_made_files(name: str, tmp_path: Path):
    make, expected = MADE[name]
    path = tmp_path / name
    make(path)
    try:
        video = read(path)
    except ValueError as error:
        assert "\n" not in str(error)
        assert str(error) == f"{reading.shown(path)}: {expected}"
        return
    assert not isinstance(expected, str), f"was read, though it should say: {expected}"
    size, count, fps, colour, notes = expected
    assert (video.size, video.num_frames, video.fps, video.notes) == (size, count, pytest.approx(fps, rel=1e-9), notes)
    if colour is not None:
        assert np.abs(video.frames[0, video.frames.shape[1] // 2, video.frames.shape[2] // 2].astype(int) - colour).max() <= 3  # rounding of codes, lossy codecs


def test_turning_and_mirroring(tmp_path: Path):
    """A white quarter in the upper left corner goes where the display matrix, or EXIF, says."""
    corners = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}  # of EXIF orientations: (row, column)
    for orientation, corner in corners.items():
        odd.oriented(orientation)(tmp_path / "a.jpg")
        frame = read(tmp_path / "a.jpg").frames[0].astype(int)
        assert frame.shape[:2] == ((24, 32) if orientation < 5 else (32, 24))
        assert _bright_corner(frame) == corner, orientation
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((16, 32), np.uint16)).save(tmp_path / "deep.png", exif=exif)
    assert (read(tmp_path / "deep.png").size, read(tmp_path / "deep.png").notes) == ("16x32", ("turned by 90 degrees",))
    for degrees, corner in {0: (0, 0), 90: (1, 0), 180: (1, 1), -90: (0, 1)}.items():  # counter-clockwise, as FFmpeg counts
        odd.turned(degrees)(tmp_path / "a.mp4")
        video = read(tmp_path / "a.mp4")
        assert video.size == ("32x24" if degrees in (0, 180) else "24x32")
        assert _bright_corner(video.frames[0].astype(int)) == corner, degrees
        assert video.notes == ((f"turned by {-degrees % 360} degrees",) if degrees else ())


def _bright_corner(frame: np.ndarray) -> tuple[int, int]:
    height, width = frame.shape[0] // 2, frame.shape[1] // 2
    means = {(r, c): frame[r * height : (r + 1) * height, c * width : (c + 1) * width].mean() for r in (0, 1) for c in (0, 1)}
    best = max(means, key=lambda corner: means[corner])
    assert means[best] > 200 and sorted(means.values())[-2] < 40
    return best


def test_deinterlacing_removes_the_comb(tmp_path: Path):
    odd.interlaced(tmp_path / "a.mp4")
    luma = read(tmp_path / "a.mp4").frames[2, 8:56, :, 1].astype(float)
    comb = np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean()
    assert comb < 2  # the fields differ by two columns of 160 codes: 20 before


def test_variable_rates_show_what_is_on_screen(tmp_path: Path):
    frames = [np.full((24, 32, 3), 40 * n, np.uint8) for n in range(4)]
    odd.film(tmp_path / "a.mkv", frames, pix_fmt="bgr0", times=[0, 100, 400, 500])
    video = read(tmp_path / "a.mkv")
    assert video.fps == 10
    assert video.frames[:, 0, 0, 0].tolist()[:6] == [0, 40, 40, 40, 80, 120]


def test_frames_out_of_order_are_sorted():
    assert reading_order([0.0, 0.2, 0.1, 0.3]) == (10.0, [0, 2, 1, 3])
    assert reading_order([5.0, 5.1, 5.2]) == (10.0, None)


def reading_order(times: list[float]) -> tuple[float, list[int] | None]:
    fps, pick, _ = retime(times, max(times) + 0.1, 0.001, [None])
    return round(fps, 6), pick


@given(st.integers(2, 300), st.sampled_from([5.0, 8.0, 12.5, 24000 / 1001, 25.0, 30000 / 1001, 50.0]), st.sampled_from([0.01, 0.001, 1 / 90000]), st.floats(-1000, 1000))
def test_a_stated_rate_is_believed_if_the_time_stamps_agree(count: int, fps: float, tick: float, start: float):
    times = [round((start + n / fps) / tick) * tick for n in range(count)]
    found, pick, note = retime(times, times[-1] + 1 / fps, tick, [fps])
    assert (found, pick, note) == (pytest.approx(fps, rel=1e-6), None, "")
    if count > 50:
        assert retime(times, times[-1] + 1 / fps, tick, [fps * 1.1])[0] == pytest.approx(fps, rel=0.02)


def test_every_start_of_a_file_is_read_or_refused(tmp_path: Path):
    """Cut after each sixteenth: an MP4 needs its index, which is in front, then gives what is there; an MKV likewise."""
    for name, data in (("a.mp4", odd.good_mp4(tmp_path)), ("a.mkv", odd.good(17))):
        counts = []
        for part in range(1, 17):
            (tmp_path / name).write_bytes(data[: len(data) * part // 16])
            try:
                video = read(tmp_path / name)
            except ValueError as error:
                assert str(error).startswith(str(tmp_path / name))
                assert "\n" not in str(error)
                counts.append(0)
                continue
            counts.append(video.num_frames)
            if name == "a.mp4" and part < 16:
                assert any("it ends early" in note for note in video.notes), (part, video.notes)
        assert counts == sorted(counts)  # more of the file, more of the film
        assert counts[-1] == 17
        assert len(set(counts)) > 4


def test_sound_belongs_to_the_frames(tmp_path: Path):
    """Two seconds of frames; a tone that starts half a second late and ends late is silence, then tone, and no longer than the frames."""
    odd.film(tmp_path / "a.mkv", odd.flat(count=16), sound=(0.5, 4.0))
    video = read(tmp_path / "a.mkv")
    assert video.audio is not None
    assert (video.audio.rate, video.audio.samples.shape) == (8000, (16000, 1))
    assert (video.audio.samples[:4000] == 0).all()
    assert (np.abs(video.audio.samples[4000:]) == 5000).all()
    piece = video.cut(2, 6)  # 0.25 s to 0.75 s
    assert piece.audio is not None
    assert len(piece.audio.samples) == 4000
    assert (np.abs(piece.audio.samples[2000:]) == 5000).all() and (piece.audio.samples[:2000] == 0).all()
    assert read(piece.save(tmp_path / "b.mkv")).audio.samples.tolist() == piece.audio.samples.tolist()  # type: ignore[union-attr]
    for name in ("c.mp4", "c.webm"):  # lossy, and a codec's own rates: the same length and loudness
        sound = read(piece.save(tmp_path / name)).audio
        assert sound is not None
        assert abs(len(sound.samples) / sound.rate - 0.5) < 1e-3
        quiet, loud = sound.samples[: int(0.2 * sound.rate)], sound.samples[int(0.3 * sound.rate) : int(0.45 * sound.rate)]
        assert np.abs(quiet).mean() < 300 < 3000 < np.abs(loud).mean()
    odd.film(tmp_path / "gap.mkv", odd.flat(count=16), sound=(0.0, 0.5, 1.5, 0.5))
    holed = read(tmp_path / "gap.mkv").audio
    assert holed is not None and (np.abs(holed.samples.reshape(4, 4000)).mean(1) == [5000, 0, 0, 5000]).all()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.kill(os.getpid(), 11)", "the decoder died of it (SIGSEGV): the file is damaged, hostile or too large"),
        ("import time; time.sleep(60)", "decoding it took more than 1 s: the file is damaged, hostile or too large"),
        ("import sys; sys.exit(3)", "the decoder died of it (exit code 3): the file is damaged, hostile or too large"),
        ("import sys; sys.stdout.buffer.write(b'F' + b'\\xff' * 8)", "the decoder died of it (exit code 0): the file is damaged, hostile or too large"),
    ],
    ids=["crash", "hang", "exit", "lie"],
)
def test_a_child_that_fails_is_one_line(code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = made_clip(0, frames=1).save(tmp_path / "a.png")
    monkeypatch.setattr(reading, "START", code)
    if "sleep" in code:  # the others end by themselves, on a busy machine perhaps after a second
        monkeypatch.setitem(reading.LIMITS, "seconds", 1)
    with pytest.raises(ValueError) as error:
        read(path)
    assert str(error.value) == f"{path}: {message}"


def test_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = made_clip(0).save(tmp_path / "a.mkv")
    for limit, value, message in [
        ("most_frames", 10, "11 frames of 96x96 or more: at most 10 frames"), ("most_bytes", 100_000, "4 frames of 96x96 or more"), ("max_pixels", 1000, "96x96 pixels: at most 1,000 are allowed"),
    ]:  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setitem(reading.LIMITS, limit, value)
            with pytest.raises(ValueError, match=message) as error:
                read(path)
            assert "\n" not in str(error.value)
    assert read(path, max_frames=3).num_frames == 3
    large = tmp_path / "large.png"
    odd.picture("RGB", odd.RED, (6000, 6000))(large)
    monkeypatch.setitem(reading.LIMITS, "memory", 500 << 20)
    with pytest.raises(ValueError, match=r"large\.png: decoding it needs more than 0\.5 GiB of memory"):
        read(large)


MUTATE = """
import io, json, os, random, resource, sys
sys.path.insert(0, sys.argv[1])
import av
from reverie.video import decoding, reading
first, last = int(sys.argv[2]), int(sys.argv[3])
av.logging.set_level(av.logging.PANIC)
read = {"task": "read", "max_frames": None, **reading.LIMITS}
seeds = [open(name, "rb").read() for name in sys.argv[4:]]
peak, kinds = [], {"read": 0, "refused": 0}
for number in range(first, last):
    chance = random.Random(number)
    data = bytearray(seeds[number % len(seeds)])
    for _ in range(chance.choice([1, 3, 10, 100])):
        where = chance.randrange(len(data)) if chance.random() < 0.5 else chance.randrange(min(600, len(data)))
        data[where] = chance.choice([0, 255, chance.randrange(256), data[where] ^ (1 << chance.randrange(8))])
    if chance.random() < 0.2:
        where, length = chance.randrange(len(data)), chance.randrange(1, 200)
        data[where : where + length] = b"" if chance.random() < 0.5 else bytes(chance.randrange(256) for _ in range(length)) * 2
    handle = os.memfd_create("mutated")
    os.write(handle, data)
    os.lseek(handle, 0, 0)
    print(number, flush=True)
    try:
        decoding.decode(handle, read, lambda kind, payload: None)
        kinds["read"] += 1
    except (ValueError, OverflowError, av.error.FFmpegError):
        kinds["refused"] += 1
    os.close(handle)
    peak.append(int(open("/proc/self/statm").read().split()[1]) * 4096)
print(json.dumps({**kinds, "grown": peak[-1] - peak[len(peak) // 4]}))
"""


def _mutate(tmp_path: Path, first: int, last: int) -> dict[str, int]:
    import json

    clip = made_clip(1, frames=8, height=48, width=64)
    names = [str(clip.save(tmp_path / name)) for name in ("a.mp4", "a.webm", "a.mkv", "a.gif", "a.webp")] + [
        str(clip.cut(0, 1).save(tmp_path / name)) for name in ("a.png", "a.jpg")
    ]
    odd.animation(4, [100, 200, 100, 100])(tmp_path / "b.png")
    odd.film(tmp_path / "b.avi", odd.flat(), "mpeg4")
    names += [str(tmp_path / "b.png"), str(tmp_path / "b.avi")]
    root = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", MUTATE, root, str(first), str(last), *names], capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, (done.stdout.splitlines()[-1:], done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def test_mutated_files_are_read_or_refused(tmp_path: Path):
    """Only errors that are said to the user come out of the decoder, none crashes or hangs it, and it does not grow."""
    counts = _mutate(tmp_path, 0, 90)
    assert counts["read"] + counts["refused"] == 90
    assert min(counts["read"], counts["refused"]) > 10  # the mutations matter, and do not destroy everything


@pytest.mark.slow
def test_five_hundred_mutated_files(tmp_path: Path):
    counts = _mutate(tmp_path, 1000, 1500)
    assert counts["read"] + counts["refused"] == 500
    assert counts["grown"] < 100 << 20  # buffers of codecs and of the allocator; a leak of one frame per file would be more


def test_info_says_what_it_found_and_does_not_decode_it_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    clip = made_clip(0)
    path = Video(clip.frames, 8.0, {"prompt": "a square", "seed": 3}).save(tmp_path / "a.mp4")
    assert main(["info", str(path)]) == 0
    text = capsys.readouterr().out
    for part in ("MP4", "h264", "96x96", "BT.709", "limited", "a square"):
        assert part in text
    facts = probe(path)
    assert (facts["num_frames"], facts["fps"], facts["seconds"]) == (17, 8.0, 2.125)
    damaged = bytearray(path.read_bytes())
    damaged[-300:] = bytes(300)  # later frames cannot be decoded; what the structure says does not change
    path.write_bytes(damaged)
    assert probe(path)["num_frames"] == 17
