"""Files: exact ones come back exact, lossy ones nearly, all with their memory; bad ones are refused in one line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverie.data.shards import write_shard
from reverie.video import Audio, Video, decode_lossless, encode_lossless, read
from tests.conftest import made_clip


def test_lossless_is_exact_and_remembers(tmp_path: Path):
    video = Video(made_clip(0, frames=5, height=33, width=47).frames, 12.5, {"prompt": '雪 "quoted"\n', "seed": -1})
    back = read(video.save(tmp_path / "a.mkv"))
    assert np.array_equal(back.frames, video.frames)
    assert (back.fps, back.metadata) == (12.5, video.metadata)
    data = encode_lossless(video)
    assert np.array_equal(decode_lossless(data).frames, video.frames)
    assert np.array_equal(read(data).frames, video.frames)


def test_mp4_is_near_and_remembers(tmp_path: Path):
    video = Video(made_clip(1).frames, 8.0, {"prompt": "a square"})
    back = read(video.save(tmp_path / "a.mp4"))
    assert back.frames.shape == video.frames.shape
    error = ((back.frames.astype(float) - video.frames) @ [0.2126, 0.7152, 0.0722]) ** 2
    assert 10 * np.log10(255**2 / error.mean()) > 36  # of luma: H.264 keeps colour at half the resolution
    assert (back.fps, back.metadata) == (8.0, {"prompt": "a square"})
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays while it loads


def test_png_holds_one_frame(tmp_path: Path):
    image = Video(made_clip(2, frames=1).frames, metadata={"seed": 3})
    back = read(image.save(tmp_path / "a.png"))
    assert np.array_equal(back.frames, image.frames)
    assert back.metadata == {"seed": 3}
    with pytest.raises(ValueError, match="holds one frame"):
        made_clip(2).save(tmp_path / "b.png")


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path):
    video = made_clip(0, height=33)
    for name, message in [
        ("a.mp4", "even sides, this is 96x33; write .mkv, or use 96x34"),
        ("a.avi", "not one of"),
        ("a.webm", "even sides"),
        ("a.jpg", "holds one frame"),
        ("no/a.mkv", "does not exist"),
        (f"{'x' * 300}.mkv", "255 bytes"),
    ]:
        with pytest.raises(ValueError, match=message):
            video.save(tmp_path / name)
    (tmp_path / "d.mkv").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        video.save(tmp_path / "d.mkv")
    assert [p.name for p in tmp_path.iterdir()] == ["d.mkv"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = made_clip(0).save(tmp_path / "a.mkv")
    before = path.read_bytes()
    monkeypatch.setattr("reverie.video.writing._mux", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made_clip(1).save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mkv", ".gif", ".webp"])
@pytest.mark.parametrize("fps", [8.0, 12.5, 24000 / 1001])
def test_every_format_keeps_the_rate(tmp_path: Path, ending: str, fps: float):
    clip = made_clip(3, frames=25)
    back = read(Video(clip.frames, fps).save(tmp_path / f"a{ending}"))
    coarse = {".gif": 0.01, ".webp": 0.001}.get(ending, 1e-6)  # seconds: what its time stamps are whole numbers of
    assert (back.num_frames, back.size) == (25, clip.size)
    assert abs(back.seconds - 25 / fps) <= 1.5 * coarse
    assert np.abs(back.frames.astype(float) - clip.frames).mean() < 12


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mkv"])
def test_left_and_right_stay_apart(tmp_path: Path, ending: str):
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)).astype(np.int16)
    both = np.stack([tone, np.zeros_like(tone)], 1)
    back = read(Video(made_clip(0, frames=8).frames, 8.0, audio=Audio(both, 48000)).save(tmp_path / f"a{ending}")).audio
    assert back is not None and back.samples.shape[1] == 2 and abs(len(back.samples) / back.rate - 1) < 1e-3
    left, right = np.abs(back.samples[back.rate // 4 : -back.rate // 4].astype(float)).mean(0)  # inside, where no window of the codec begins or ends
    assert right < 100 and left == pytest.approx(8000 * 2 / np.pi, rel=0.05)


def test_a_failed_folder_or_shard_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reverie.video.writing._write_png", lambda frame, path, text: path.write_bytes(b"") if int(path.stem) < 3 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made_clip(0).save(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []

    def clips() -> Iterator[tuple[str, Video, dict[str, Any]]]:
        yield "00000000", made_clip(0), {"captions": ["a"], "still_captions": ["b"]}
        raise RuntimeError("the second clip fails")

    with pytest.raises(RuntimeError):
        write_shard(tmp_path / "shard-00000.tar", clips())
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_refused(tmp_path: Path):
    good = made_clip(0).save(tmp_path / "a.mp4").read_bytes()
    cases = {"missing.mp4": None, "text.mp4": b"hello", "empty.mp4": b"", "cut.mp4": good[: len(good) // 3], "text.png": b"hello"}
    for name, data in cases.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=name) as error:
            read(tmp_path / name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("frames", [np.zeros((2, 4, 4, 3)), np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4, 4, 3), np.uint8), np.zeros((2, 4, 4, 1), np.uint8)])
def test_frames_must_be_rgb_bytes(frames: np.ndarray):
    with pytest.raises(ValueError, match="uint8"):
        Video(frames)


def test_a_notebook_shows_the_clip():
    assert "data:video/mp4;base64," in made_clip(0)._repr_html_()
