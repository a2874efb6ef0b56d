"""A film in several shots, from a TOML file: what each shows, how long, and what carries over (docs/tasks.md has one with everything in it)."""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cache, partial
from itertools import accumulate, takewhile
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from reverie.config import did_you_mean
from reverie.sampling.canvas import Canvas
from reverie.sampling.recut import with_sound
from reverie.sampling.sampler import SamplerConfig
from reverie.sampling.stream import num_windows
from reverie.sampling.tasks import MAX_FRAMES, check_request, check_shape, num_frames_of, parse_size, resized
from reverie.video import Video, read, shown


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What persists: words, and where its picture comes from: at most one of image, clip (its middle frame) and shot (a number, from 1)."""

    words: str
    image: str = ""
    clip: str = ""
    shot: int = 0
    line: int = 0
    given: Video | None = field(default=None, compare=False)  # that picture, at the storyboard's size, once the file was read


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One shot: seconds and words; at most one of image, clip and continues: what it begins with. cast: the subjects that it names."""

    seconds: float
    prompt: str
    camera: str = ""
    image: str = ""
    clip: str = ""
    continues: bool = False
    line: int = 0
    num_frames: int = 0
    cast: tuple[Subject, ...] = ()
    given: Video | None = field(default=None, compare=False)  # the image, or as much of the clip as is shown, once the file was read


@dataclass(frozen=True, kw_only=True)
class Storyboard:
    """Shots in order, all of one size and rate. name, text: where it is written; notes: what reading its files changed, and which shots need no dreaming."""

    shots: tuple[Shot, ...] = ()
    size: str = "128x128"
    fps: float = 8.0
    seed: int = 0
    name: str = "storyboard"
    text: str = ""
    notes: tuple[str, ...] = ()

    def wrong(self, key: str, start: int, what: object) -> ValueError:
        """An error about `key` in the table that begins on line `start`: with the line that begins with it, or else with that one."""
        lines = self.text.split("\n")
        inside = takewhile(lambda n: n == start or not lines[n - 1].lstrip().startswith("["), range(start, len(lines) + 1))
        line = next((n for n in inside if re.match(rf'\s*"?{re.escape(key)}\b', lines[n - 1])), start)
        return ValueError(f"{self.name}, line {line}: {what}")

    @contextmanager
    def blamed(self, key: str, start: int = 1) -> Iterator[None]:
        """What the block refuses is refused with the line of `key`."""
        try:
            yield
        except ValueError as error:
            raise self.wrong(key, start, error) from error


def parse(text: str, name: str = "storyboard") -> Storyboard:
    """The storyboard of a TOML text; the files that it names are not looked at. ValueError names the line of what is wrong."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{name}: {error}") from error
    told, shots, board = values.pop("subjects", {}), values.pop("shot", None), Storyboard(name=name, text=text)
    _check(values, board, Storyboard, 1)
    if not shots or not isinstance(shots, list):
        raise ValueError(f"{name}: no [[shot]]: a storyboard needs at least one")
    starts = [n for n, line in enumerate(text.split("\n"), 1) if re.match(r"\s*\[\[\s*shot\s*\]\]", line)]
    if len(starts) != len(shots):
        raise ValueError(f"{name}: {len(shots)} shots and {len(starts)} lines that begin with [[shot]]: put each shot below a line of its own, and none into a text")
    subjects, board = _subjects(told, len(shots), board), replace(board, **values)
    with board.blamed("size"):
        board = replace(board, size="x".join(map(str, parse_size(board.size))))
    with board.blamed("fps"):
        check_request("any words", 1, board.fps)
    made = tuple(_shot(shot, start, board, subjects) for start, shot in zip(starts, shots, strict=True))
    if made[0].continues:
        raise board.wrong("continues", starts[0], "the first shot has none before it to continue")
    for start, total in zip(starts, accumulate(shot.num_frames for shot in made), strict=True):
        if total > MAX_FRAMES:
            raise board.wrong(
                "seconds", start, f"the film has {total} frames with this shot: at most {MAX_FRAMES} are allowed, {MAX_FRAMES / board.fps:g} seconds at {board.fps:g} fps"
            )
    return replace(board, shots=made)


def _shot(values: dict[str, Any], start: int, board: Storyboard, subjects: dict[str, Subject]) -> Shot:
    """The [[shot]] of line `start`, checked."""
    _check(values, board, Shot, start)
    for key in ("seconds", "prompt"):
        if key not in values:
            raise board.wrong("[[shot", start, f"this shot has no {key}")
    try:
        parts = [part for part in Formatter().parse(values["prompt"]) if part[1] is not None]
    except ValueError as error:
        raise board.wrong("prompt", start, f"{error} (subjects stand in braces: {{hero}})") from error
    named = [f"{name}{'!' * bool(how)}{how or ''}{':' * bool(form)}{form}" for _, name, form, how in parts]
    for unknown in named:
        if unknown not in subjects:
            raise board.wrong("prompt", start, f"no subject {unknown!r}{did_you_mean(unknown, subjects)}")
    begun = [key for key in ("image", "clip", "continues") if values.get(key)]
    if len(begun) > 1:
        raise board.wrong(begun[1], start, f"a shot begins with one thing, this one has {' and '.join(begun)}")
    prompt = ", ".join(filter(None, [values["prompt"].format(**{key: subject.words for key, subject in subjects.items()}), values.get("camera", "")]))
    with board.blamed("prompt", start):
        check_request(prompt, 1, board.fps)
    with board.blamed("seconds", start):
        num_frames = num_frames_of(values["seconds"], board.fps)
        check_request(prompt, num_frames, board.fps)
    more: dict[str, Any] = {"line": start, "num_frames": num_frames, "cast": tuple(subjects[key] for key in dict.fromkeys(named))}
    return Shot(**{**values, "seconds": float(values["seconds"]), "prompt": prompt, **more})


def load(path: Path) -> Storyboard:
    """The storyboard in a file, with what the files show that it names. ValueError, with the line, for what is wrong in it or in them."""
    if not path.is_file():
        raise ValueError(f"{shown(path)}: no such file")
    try:
        return with_files(parse(path.read_text("utf-8-sig"), shown(path)), path.parent)
    except UnicodeDecodeError:
        raise ValueError(f"{shown(path)}: no text in UTF-8, and so no storyboard") from None


def _subjects(told: Any, num_shots: int, board: Storyboard) -> dict[str, Subject]:
    """[subjects], checked: NAME = "words", or a table for each."""
    if not isinstance(told, dict):
        raise board.wrong("subjects", 1, '[subjects] holds NAME = "words"')
    subjects = {}
    for key, value in told.items():
        head = re.compile(rf'\s*(\[\s*subjects\s*\.\s*"?{re.escape(key)}"?\s*\]|"?{re.escape(key)}"?\s*=|subjects\s*=)')
        start = next((n for n, line in enumerate(board.text.split("\n"), 1) if head.match(line)), 1)
        if not isinstance(value, str | dict) or not key.isidentifier():
            raise board.wrong(key, start, 'a subject is NAME = "words", or a table with words and an image, a clip or a shot')
        values = {"words": value} if isinstance(value, str) else value
        _check(values, board, Subject, start)
        if "words" not in values:
            raise board.wrong(key, start, f"the subject {key} has no words")
        origins = [origin for origin in ("image", "clip", "shot") if values.get(origin)]
        if len(origins) > 1:
            raise board.wrong(origins[1], start, f"a picture comes from one place, this one from {' and '.join(origins)}")
        subjects[key] = Subject(**values, line=start)
        if not 0 <= subjects[key].shot <= num_shots or (subjects[key].shot == 0 and "shot" in values):
            raise board.wrong("shot", start, f"shot = {subjects[key].shot}: a number from 1 to {num_shots} is needed")
    return subjects


def with_files(board: Storyboard, folder: Path) -> Storyboard:
    """The storyboard with what its files show, named relative to `folder`. ValueError, with the line, for a file that cannot be used."""
    (width, height), notes, rates = parse_size(board.size), list(board.notes), set[int]()

    @cache
    def given(item: Shot | Subject) -> Video | None:
        kind = "image" if item.image else "clip"
        if item.given or not (name := item.image or item.clip):
            return item.given
        with board.blamed(kind, item.line):
            video = read(folder / name, 1 if item.image else None)
            notes.extend(f"{shown(name)}: {text}" for text in video.notes)
            if isinstance(item, Subject):
                check_shape(video, width, height, shown(name))
                middle = video.num_frames // 2
                return resized(video.cut(middle, middle + 1), width, height)
            if video.size != board.size:
                raise ValueError(f"{shown(name)} is {video.size}, the storyboard {board.size}: refine, outpaint or cut it to that size")
            if item.clip and abs(video.fps - board.fps) > 1e-3:  # 24000 / 1001 is written as 23.976
                raise ValueError(f"{shown(name)} has {video.fps:.6g} frames per second, the storyboard {board.fps:.6g}: give both the same rate")
            rates.update({video.audio.rate} if video.audio else ())
            if len(rates) > 1:
                raise ValueError(f"the clips sound at {' and '.join(map(str, sorted(rates)))} samples per second: give all the same rate")
        if item.clip and video.num_frames >= item.num_frames:
            notes.append(f"{shown(name)} lasts {video.seconds:g} s, its shot {item.seconds:g} s: nothing is dreamed there")
        part = video.cut(0, min(video.num_frames, item.num_frames))
        return replace(part, frames=part.frames.copy(), fps=board.fps)  # the rest of the clip is not kept in memory

    shots = tuple(replace(shot, given=given(shot), cast=tuple(replace(one, given=given(one)) for one in shot.cast)) for shot in board.shots)
    return replace(board, shots=shots, notes=tuple(dict.fromkeys(notes)))


class _Planned(Exception):
    """Ends a shot as soon as all is known of what it fills."""


def film(dreamer: Any, board: Storyboard, folder: Path, settings: dict[str, Any]) -> Video:
    """Dream every shot in order and cut them together, with the sound of its clips; cuts fall where the seconds say. What was not read yet is read from `folder`.

    A seed among the settings stands for the storyboard's own; all shots are announced together. ValueError for pictures besides those of its subjects.
    """
    if settings.get("references"):
        raise ValueError("what a storyboard refers to are the pictures of its subjects: name them in its file")
    board, seed = with_files(board, folder), settings.get("seed", board.seed)
    announce, progress, steps = settings.get("announce"), settings.get("progress"), [0] * len(board.shots)
    plans: list[tuple[Canvas, SamplerConfig]] = []

    def plan(number: int, canvases: Sequence[Canvas], config: SamplerConfig) -> None:
        plans.extend((replace(canvas, given=None), config) for canvas in canvases)  # its frames take memory and say nothing of the work
        steps[number] = sum(num_windows(canvas, settings.get("context")) for canvas in canvases) * config.num_steps
        raise _Planned

    def how(number: int) -> dict[str, Any]:
        return {**settings, "seed": seed + number, "announce": lambda *_: None, "progress": progress and (lambda done, _: progress(sum(steps[:number]) + done, sum(steps)))}

    if announce or progress:
        list(_shots(dreamer, board, lambda number: {**settings, "announce": partial(plan, number)}))
    if announce and plans:
        announce([canvas for canvas, _ in plans], plans[0][1])
    parts = list(_shots(dreamer, board, how))
    starts = [0, *accumulate(part.num_frames for part in parts)]
    made = next((part.metadata for part in reversed(parts) if part.metadata), {})
    about = {"task": "storyboard", "prompt": [shot.prompt for shot in board.shots], "cuts": [start / board.fps for start in starts[:-1]], "seed": seed}
    whole = Video(np.concatenate([part.frames for part in parts]), board.fps, {**made, **about, "num_frames": starts[-1]}, notes=board.notes)
    return with_sound(whole, list(zip(starts, parts, strict=False)))


def _shots(dreamer: Any, board: Storyboard, settings_of: Callable[[int], dict[str, Any]]) -> Iterator[Video]:
    """Shot after shot, dreamed with settings_of(its number), or gray where that ends in `_Planned`."""
    (width, height), seen, last = parse_size(board.size), list[Video](), None  # seen: the middle frame of each shot; last: one with all that it continues
    for number, shot in enumerate(board.shots):
        pictures = [one.given or seen[one.shot - 1] for one in shot.cast if one.given or 0 < one.shot <= number]
        how, before = {**settings_of(number), "references": pictures}, last if shot.continues else shot.given
        length = shot.num_frames + (before.num_frames if before and shot.continues else 0)
        try:
            if before is None:
                last = dreamer.generate(shot.prompt, num_frames=length, fps=board.fps, size=board.size, **how)
            elif shot.image:
                last = dreamer.animate(before, shot.prompt, num_frames=max(2, length), fps=board.fps, **how).cut(0, length)
            elif length > before.num_frames:
                last = dreamer.extend(before, shot.prompt, seconds=(length - before.num_frames) / board.fps, **how)
            else:
                last = replace(before, metadata={})
        except _Planned:
            last = Video(np.broadcast_to(np.uint8(127), (length, height, width, 3)), board.fps)
        part = last.cut(length - shot.num_frames, length)
        seen.append(part.cut(shot.num_frames // 2, shot.num_frames // 2 + 1))
        yield part


def _check(values: Any, board: Storyboard, kind: type, start: int) -> None:
    """Known names and types only; `start` is the line from which on these values stand in the text."""
    kinds = {f.name: f.type for f in fields(kind) if f.type in (str, int, float, bool) and f.name not in ("line", "num_frames", "name", "text")}
    for key, value in values.items():
        if key not in kinds:
            raise board.wrong(key, start, f"no {key!r} here{did_you_mean(key, kinds)}")
        wanted: Any = kinds[key]
        if not isinstance(value, (int, float) if wanted is float else wanted) or (isinstance(value, bool) and wanted is not bool):
            raise board.wrong(key, start, f"{key} is {value!r}, {wanted.__name__} is needed")
