"""Footage on disk: WebDataset tars of exact clips, each with a JSON-lines manifest that says where its members lie.

`shard-00003.tar` holds KEY.mkv (FFV1), KEY.json (the Scene or any ground truth) and, where they were asked for, KEY.safetensors
(depth, masks, flow) per clip; `shard-00003.jsonl` one line per clip with byte offsets, so that any clip is one seek away and a reader's cursor is one integer. A shard and its
manifest appear whole (the manifest last) or not at all: an interrupted writer starts at the first missing one.
"""

import hashlib
import io
import json
import logging
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from reverie import video as codecs
from reverie.video import Video, whole_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One line of a manifest. offset and length: bytes of the clip within the shard; scene and maps: those of its ground truth."""

    key: str
    shard: str
    offset: int
    length: int
    scene: tuple[int, int]
    width: int
    height: int
    num_frames: int
    fps: float
    captions: tuple[str, ...]
    still_captions: tuple[str, ...]
    maps: tuple[int, int] | None = field(default=None, repr=False)  # not part of the digest, which is of what networks see


def write_shard(path: Path, clips: Iterable[tuple[str, Video, dict[str, Any]]]) -> None:
    """Write (key, video, ground truth) triples to `path` (.tar) and its manifest; captions are taken from the ground truth.

    The ground truth holds JSON values, and under "maps" perhaps arrays by name.
    """
    lines = []
    with whole_file(path) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
        for key, clip, truth in clips:
            offset, length = _add(tar, f"{key}.mkv", codecs.encode_lossless(clip))
            maps = truth.get("maps")
            scene = _add(tar, f"{key}.json", json.dumps({name: value for name, value in truth.items() if name != "maps"}, ensure_ascii=False).encode())
            entry = Entry(
                key=key, shard=path.name, offset=offset, length=length, scene=scene, width=clip.frames.shape[2], height=clip.frames.shape[1],
                num_frames=clip.num_frames, fps=clip.fps, captions=tuple(truth["captions"]), still_captions=tuple(truth["still_captions"]),
                maps=_add(tar, f"{key}.safetensors", safetensors.numpy.save(maps)) if maps else None,
            )  # fmt: skip
            lines.append(json.dumps({name: value for name, value in entry.__dict__.items() if value is not None}, ensure_ascii=False))
    with whole_file(path.with_suffix(".jsonl")) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> tuple[int, int]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    assert tar.fileobj is not None
    tar.addfile(info, io.BytesIO(data))
    return tar.offset - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE, len(data)


class Footage:
    """A folder of shards, those of its subfolders among them, as a sequence of clips, in the order of path and line. Raises ValueError without a clip."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise ValueError(f"{folder}: no such folder of footage; `reverie worlds render -o {folder}` makes one")
        self.entries: list[Entry] = []
        for manifest in sorted(self.folder.rglob("[!.]*.jsonl")):
            try:
                rows: list[dict[str, Any]] = [json.loads(line) for line in manifest.read_text(encoding="utf-8").split("\n") if line]
                tuples: list[dict[str, Any]] = [{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()} for row in rows]
                shard = manifest.relative_to(self.folder).with_suffix(".tar").as_posix()
                self.entries += [Entry(**{**row, "shard": shard}) for row in tuples]
            except (ValueError, TypeError, AttributeError) as error:
                if manifest.parent != self.folder and not manifest.with_suffix(".tar").exists():
                    continue  # of something else, such as a run
                raise ValueError(f"{manifest}: not a manifest of footage ({error})") from error
        if not self.entries:
            raise ValueError(f"{folder}: holds no clip (no *.jsonl beside *.tar); `reverie worlds render -o {folder}` makes some")

    def digests(self) -> dict[str, str]:
        """SHA-256 of every shard's bytes, by name; remembered in FOLDER/.digests.json for files of the same size and time of change."""
        note = self.folder / ".digests.json"
        try:
            known = json.loads(note.read_text()) if note.exists() else {}
        except ValueError:
            known = {}  # damaged: as if it were not there
        found = {}
        for shard in dict.fromkeys(entry.shard for entry in self.entries):
            path = self.folder / shard
            if not path.is_file():
                raise ValueError(f"{path} is missing, though its manifest is there: render or copy it again")
            stamp = [path.stat().st_size, path.stat().st_mtime_ns]
            if shard in known and known[shard][:2] == stamp:
                found[shard] = known[shard]
            else:
                with open(path, "rb") as file:
                    found[shard] = [*stamp, hashlib.file_digest(file, "sha256").hexdigest()]
        if found != known:
            try:
                with whole_file(note) as temporary:
                    temporary.write_text(json.dumps(found))
            except (OSError, ValueError) as error:
                logger.info("%s cannot be written (%s): shards will be read again to name them", note, error)
        return {shard: values[2] for shard, values in found.items()}

    def digest(self) -> str:
        """Sixteen hexadecimal digits that name the footage: of every clip's manifest line and every shard's bytes."""
        return hashlib.sha256(repr((self.entries, self.digests())).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.entries)

    def video(self, index: int) -> Video:
        """The frames of clip `index`, decoded."""
        entry = self.entries[index]
        return codecs.decode_lossless(self._bytes(entry.shard, entry.offset, entry.length))

    def scene(self, index: int) -> dict[str, Any]:
        """The ground truth of clip `index` as written."""
        entry = self.entries[index]
        return json.loads(self._bytes(entry.shard, *entry.scene))

    def maps(self, index: int) -> dict[str, np.ndarray]:
        """Depth, masks and flow of clip `index` (worlds/scene.py Maps). ValueError if it was rendered without."""
        entry = self.entries[index]
        if entry.maps is None:
            raise ValueError(f"{self.folder}: clip {entry.key} has no maps; `reverie worlds render --maps` makes them")
        return safetensors.numpy.load(self._bytes(entry.shard, *entry.maps))

    def _bytes(self, shard: str, offset: int, length: int) -> bytes:
        with open(self.folder / shard, "rb") as file:
            file.seek(offset)
            data = file.read(length)
        if len(data) < length:
            raise ValueError(f"{self.folder / shard} ends early: copy or render it again")
        return data
