"""Commands that dream: generate, animate, and what all that make one clip share."""

import argparse
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reverie.commands.talking import announce, kept, load, note, progress, read_given, recorded_command, save, say, say_unknown

GROWING = (".mp4", ".webm", ".mkv")  # formats that can be written as they are made
COLUMNS = 8  # of --show-steps
TOGETHER = 4  # videos in one pack; each pack is saved before the next begins


class Strip:
    """With --show-steps: the way from noise to film, collected step by step and drawn beside the result."""

    def __init__(self, options: argparse.Namespace) -> None:
        chosen = min(COLUMNS, options.num_steps)
        self._wanted = [1 + round(n * (options.num_steps - 1) / max(1, chosen - 1)) for n in range(chosen)] if options.show_steps else []
        self._seen: list[tuple[int, Any]] = []
        self.watch = self._watch if options.show_steps else None

    def _watch(self, step: Any) -> None:
        if step.done in self._wanted[len(self._seen) :]:  # of several packs the first
            self._seen.append((step.done, step))

    def save(self, options: argparse.Namespace, output: Path) -> list[str]:
        """Rows: four moments (of the first window); columns: what it looked like at these steps. Returns the file's name, if there is one."""
        import numpy as np

        from reverie.evaluation.sheet import contact_sheet, save_sheet
        from reverie.video import Video, shown

        if not self._seen:
            return []
        films = np.stack([step.frames() for _, step in self._seen])  # [step T H W 3]
        moments = np.linspace(0, films.shape[1] - 1, min(4, films.shape[1])).round().astype(int)
        labels = [f"steps {', '.join(str(done) for done, _ in self._seen)} of {options.num_steps}", *[""] * (len(moments) - 1)]
        path = output.with_name(f"{output.stem}.steps.png")
        save_sheet(contact_sheet([Video(np.ascontiguousarray(films[:, moment])) for moment in moments], labels, columns=len(films)), path)
        say(options, shown(path))
        return [str(path)]


def generate(options: argparse.Namespace) -> dict[str, Any]:
    """Words to one or more videos or images."""
    from reverie.sampling import tasks
    from reverie.sampling.sampler import SamplerConfig
    from reverie.video import check_target, shown

    config = SamplerConfig(num_steps=options.num_steps, guidance_scale=options.guidance_scale, solver=options.solver)
    width, height = tasks.parse_size(options.size)
    still = options.output is not None and options.output.suffix.lower() in (".png", ".jpg", ".jpeg")
    frames = 1 if still else tasks.num_frames_of(options.seconds, options.fps)
    count = options.num_videos
    if not 1 <= count <= 64:
        raise ValueError(f"--num-videos {count}: between 1 and 64 are allowed")
    tasks.check_request(options.prompt, frames, options.fps)
    then = [_then(text) for text in options.then]
    words = " ".join([options.prompt, *(later for _, later in then)])
    if options.output is None:
        names = [named(options.prompt, options.seed + n, f"{width}x{height}", frames) for n in range(count)]
    else:
        names = [options.output] if count == 1 else [options.output.with_stem(f"{options.output.stem}-{n}") for n in range(count)]
    for name in names:
        check_target(name, frames, width, height, options.fps)
    settings = _settings(options)
    dreamer = load(options.model)
    shape = {"channels": dreamer.channels, "width": width, "height": height, "num_frames": frames, "fps": options.fps, "window": dreamer.window}
    noise = [{"seed": options.seed, "variation": options.variation, "other_seed": options.seed + 1 + n} if options.variation else {"seed": options.seed + n} for n in range(count)]
    canvases = [tasks.text_to_video(options.prompt, then=then, negative_prompt=options.negative_prompt, about={"task": "generate"}, **seeds, **shape) for seeds in noise]
    say_unknown(dreamer, words)
    large = width * height > tasks.NATIVE_AREA
    if not large:
        canvases = [dreamer.referring(canvas, settings) for canvas in canvases]
    if large:
        note(f"{width}x{height} is larger than what the model knows: a draft of {'x'.join(map(str, tasks.draft_size(width, height)))} is refined")
    else:
        announce(dreamer, canvases, config, TOGETHER)
    long = not large and not canvases[0].at_once and names[0].suffix.lower() in GROWING
    packs = [range(first, min(count, first + together)) for together in (1 if long or large else TOGETHER,) for first in range(0, count, together)]
    strip, start = Strip(options), time.perf_counter()
    with progress("dreaming") as advance:
        for number, pack in enumerate(packs):

            def on(done: int, total: int, before: int = number) -> None:
                advance(before * total + done, len(packs) * total)

            if (long or large) and count > 1 and (made := _made_before(options, dreamer, names[number], number)):
                metadata = made
                note(f"{shown(names[number])}: was made by this command before and is kept")
            elif long:
                metadata = film_long(options, dreamer, canvases[number], config, names[number], None if count == 1 else number, on, strip.watch)
            else:
                if large:
                    telling = {"progress": on, "watch": strip.watch, "announce": lambda parts, how: announce(dreamer, list(parts), how)}
                    given = {"then": then, "num_frames": frames, "size": f"{width}x{height}", "fps": options.fps, **settings, **noise[number]}
                    videos = [dreamer.generate(options.prompt, **given, **telling)]
                else:
                    videos = dreamer.film([canvases[n] for n in pack], config, on, watch=strip.watch)
                for n, video in zip(pack, videos, strict=True):
                    metadata = save(options, video, names[n], None if count == 1 else n)
    told = {"elapsed_seconds": round(time.perf_counter() - start, 3), "unknown_words": dreamer.unknown_words(words), **metadata, "seed": options.seed}
    return {"files": [*map(str, names), *strip.save(options, names[0])], **told}


def _then(text: str) -> tuple[float, str]:
    """'1.5: it jumps' -> (1.5, 'it jumps')."""
    second, _, words = text.partition(":")
    try:
        return float(second), words.strip()
    except ValueError:
        raise ValueError(f"--then {text!r}: write SECOND:WORDS, for example '1.5: a red ball jumps'") from None


def _made_before(options: argparse.Namespace, dreamer: Any, path: Path, number: int) -> dict[str, Any] | None:
    """What the file remembers, if this command made it with these weights as this one of its videos: it would become the same again."""
    from reverie.video import probe

    try:
        made = probe(path).get("made", {})
    except ValueError:  # none is there, or none that can be read: it is made
        return None
    wanted = {**dreamer.signature(), **recorded_command(options), "position": number}
    return made if all(made.get(key) == value for key, value in wanted.items() if key != "threads") else None


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    references = {"references": [read_given(path, max_frames=1) for path in options.reference]} if getattr(options, "reference", []) else {}
    return {**{name: getattr(options, name) for name in ("seed", "num_steps", "guidance_scale", "negative_prompt", "solver")}, **references}


def film_long(
    options: argparse.Namespace, dreamer: Any, canvas: Any, config: Any, output: Path, position: int | None, advance: Callable[[int, int], None], watch: Any
) -> dict[str, Any]:  # fmt: skip
    """A clip written as it is made, to NAME.part.ENDING; what is finished also lies in NAME.part.latents, so that the same command goes on.

    `output` appears when it is whole, and those two go. Returns what the clip remembers.
    """
    from reverie.sampling.stream import Windows
    from reverie.video import GrowingFile, shown

    partial, windows, frames = output.with_stem(f"{output.stem}.part"), Windows(canvas), 0
    if partial.exists() and not partial.with_suffix(".latents").exists():
        raise ValueError(f"{shown(partial)} is not of this command, which would write it: rename it, or give --output another name")

    def remembered() -> dict[str, Any]:
        return {**dreamer.remembered(canvas, config), **recorded_command(options), **({} if position is None else {"position": position})}

    with kept(output, remembered) as journal:
        metadata = remembered()
        growing, digest = GrowingFile(partial, canvas.width, canvas.height, canvas.fps), hashlib.sha256(f"{[canvas.num_frames, canvas.height, canvas.width, 3]}".encode())
        try:
            for piece in dreamer.stream(windows, config, journal, advance, watch):
                growing.add(piece)
                digest.update(piece.tobytes())
                frames += len(piece)
        except BaseException:
            growing.close()
            if frames:
                note(f"{shown(partial)}: plays the {frames / canvas.fps:g} of {canvas.num_frames / canvas.fps:g} s that are finished")
            else:
                partial.unlink(missing_ok=True)
            raise
        metadata["frames"] = digest.hexdigest()[:32]
        growing.finish(output, *(({}, None) if options.no_metadata else (metadata, windows.latents.numpy())))
    say(options, f"{shown(output)}  {canvas.width}x{canvas.height}, {frames} frames, {frames / canvas.fps:g} s")
    return metadata


def animate(options: argparse.Namespace) -> dict[str, Any]:
    """An image to a video in which it comes alive."""
    from reverie.sampling import tasks
    from reverie.sampling.reverie import fit
    from reverie.video import shown

    frames = options.num_frames if options.seconds is None else tasks.num_frames_of(options.seconds, options.fps)
    tasks.check_request(options.prompt, frames, options.fps)
    paths = [options.image, *options.also]
    if len(options.at) not in (len(paths), len(paths) - 1):
        raise ValueError(f"--at names {len(options.at)} times for {len(paths)} images: each image needs one, or each but the first, which then begins the video")
    times = [*[0.0] * (len(paths) - len(options.at)), *options.at]
    given = read_given(options.image, max_frames=1)
    first = fit(given, options.size)
    if first.size != given.size:
        note(f"{shown(options.image)} is {given.size}; animating it at {first.size}" + ("" if options.size else " (--size makes it larger)"))
    options.size, options.num_frames, options.seconds = first.size, frames, None  # what the file remembers
    images = list(zip([first, *(fit(read_given(path, max_frames=1), first.size) for path in options.also)], times, strict=True))
    return dream(options, first.size, frames, options.fps, lambda dreamer, how: dreamer.animate(images, options.prompt, num_frames=frames, fps=options.fps, **how))


def dream(
    options: argparse.Namespace, size: str, num_frames: int, fps: float, make: Callable[[Any, dict[str, Any]], Any], words: str = "", given: Sequence[str] = ()
) -> dict[str, Any]:  # fmt: skip
    """One clip of this shape, made by `make(dreamer, settings)`, saved and told about; where it goes is checked before the work, and what is finished is kept.

    words: what is asked for, where that is no prompt; given: digests of files that it depends on besides those of the command line.
    """
    from reverie.sampling.sampler import SamplerConfig
    from reverie.sampling.tasks import parse_size
    from reverie.video import check_target

    SamplerConfig(num_steps=options.num_steps, guidance_scale=options.guidance_scale)  # refused before the model is loaded, as references are
    settings = _settings(options)
    prompt = getattr(options, "prompt", None)
    output = options.output or named(prompt or getattr(options, "clip" if "clip" in options else "file").stem, options.seed, size, num_frames)
    check_target(output, num_frames, *parse_size(size), fps)
    dreamer, strip = load(options.model), Strip(options)
    words = words or prompt or ""
    say_unknown(dreamer, words)
    with kept(output, lambda: {**dreamer.signature(), **recorded_command(options), "given": list(given)}) as journal, progress("dreaming") as advance:
        telling = {"progress": advance, "watch": strip.watch, "journal": journal, "announce": lambda canvases, config: announce(dreamer, list(canvases), config)}
        video = make(dreamer, {**settings, **telling})
        made = save(options, replace(video, metadata={**video.metadata, **({"given": list(given)} if given else {})}), output)
    if "draft" in made:
        note(f"dreamed at {made['draft']} and refined to {video.size}: that is larger than what the model knows")
    return {"files": [str(output), *strip.save(options, output)], "unknown_words": dreamer.unknown_words(words), **made}


def named(words: str, seed: int, size: str, num_frames: int) -> Path:
    """A new name for a clip that nobody named: an image is a .png, and H.264 has even sides only."""
    from reverie.video import default_name

    return default_name(words, seed, size, ".png" if num_frames == 1 else ".mkv" if any(int(side) % 2 for side in size.split("x")) else ".mp4")
