"""Commands that dream: generate, animate."""

import argparse
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reverie.commands.talking import announce, load, note, progress, read_given, recorded_command, save, say, say_unknown

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
    from reverie.video import check_target, default_name

    config = SamplerConfig(num_steps=options.num_steps, guidance_scale=options.guidance_scale, solver=options.solver)
    width, height = tasks.parse_size(options.size)
    still = options.output is not None and options.output.suffix.lower() in (".png", ".jpg", ".jpeg")
    frames = 1 if still else tasks.num_frames_of(options.seconds, options.fps)
    count = options.num_videos
    if not 1 <= count <= 64:
        raise ValueError(f"--num-videos {count}: between 1 and 64 are allowed")
    tasks.check_request(options.prompt, frames, options.fps)
    if options.output is None:
        names = [default_name(options.prompt, options.seed + n, f"{width}x{height}", ".mp4") for n in range(count)]
    else:
        names = [options.output] if count == 1 else [options.output.with_stem(f"{options.output.stem}-{n}") for n in range(count)]
    for name in names:
        check_target(name, frames, width, height, options.fps)
    dreamer = load(options.model)
    shape = {"channels": dreamer.channels, "width": width, "height": height, "num_frames": frames, "fps": options.fps, "window": dreamer.window}
    noise = [{"seed": options.seed, "variation": options.variation, "other_seed": options.seed + 1 + n} if options.variation else {"seed": options.seed + n} for n in range(count)]
    canvases = [tasks.text_to_video(options.prompt, negative_prompt=options.negative_prompt, about={"task": "generate"}, **seeds, **shape) for seeds in noise]
    say_unknown(dreamer, options.prompt)
    large = width * height > tasks.NATIVE_AREA
    if large:
        note(f"{width}x{height} is larger than what the model knows: a draft of {'x'.join(map(str, tasks.draft_size(width, height)))} is refined")
    else:
        announce(dreamer, canvases, config, TOGETHER)
    long = not large and not canvases[0].at_once and names[0].suffix.lower() in GROWING
    strip, start = Strip(options), time.perf_counter()
    with progress("dreaming") as advance:
        for number, canvas in enumerate(canvases if long or large else ()):

            def on(done: int, total: int, before: int = number) -> None:
                advance(before * total + done, count * total)

            which = None if count == 1 else number
            if long:
                metadata = film_long(options, dreamer, canvas, config, names[number], which, on, strip.watch)
            else:
                settings = {"num_steps": options.num_steps, "guidance_scale": options.guidance_scale, "negative_prompt": options.negative_prompt, "solver": options.solver}
                telling = {"progress": on, "watch": strip.watch, "announce": lambda parts, how: announce(dreamer, list(parts), how)}
                video = dreamer.generate(options.prompt, num_frames=frames, size=f"{width}x{height}", fps=options.fps, **noise[number], **settings, **telling)
                save(options, video, names[number], which)
                metadata = video.metadata
        for first in range(0, 0 if long or large else count, TOGETHER):
            part = canvases[first : first + TOGETHER]
            videos = dreamer.film(part, config, lambda done, total, before=first // TOGETHER: advance(before * total + done, -(-count // TOGETHER) * total), watch=strip.watch)
            for number, video in enumerate(videos, first):
                save(options, video, names[number], None if count == 1 else number)
            metadata = videos[0].metadata
    seconds = round(time.perf_counter() - start, 3)
    return {
        "files": [*map(str, names), *strip.save(options, names[0])],
        "elapsed_seconds": seconds,
        "unknown_words": dreamer.unknown_words(options.prompt),
        **metadata,
        "seed": options.seed,
    }


def film_long(
    options: argparse.Namespace, dreamer: Any, canvas: Any, config: Any, output: Path, position: int | None, advance: Callable[[int, int], None], watch: Any
) -> dict[str, Any]:  # fmt: skip
    """A clip written as it is made, to NAME.part.ENDING; what is finished also lies in NAME.part.latents, so that the same command goes on.

    `output` appears when it is whole, and those two go. Returns what the clip remembers.
    """
    import torch

    from reverie.sampling.stream import Journal, Windows
    from reverie.video import GrowingFile, shown

    partial, kept = output.with_stem(f"{output.stem}.part"), output.with_name(f"{output.stem}.part.latents")
    threads = Journal.begun(kept).get("threads")
    if isinstance(threads, int) and 1 <= threads <= 1024:
        torch.set_num_threads(threads)  # sums in another order are rounded differently
    metadata = {**dreamer.remembered(canvas, config), **recorded_command(options), **({} if position is None else {"position": position})}
    journal = Journal(kept, metadata)
    windows, frames = Windows(canvas), 0
    if journal.filled:
        note(f"{shown(output)}: goes on after {len(journal.filled)} windows that are finished")
    growing, digest = GrowingFile(partial, canvas.width, canvas.height, canvas.fps), hashlib.sha256(f"{[canvas.num_frames, canvas.height, canvas.width, 3]}".encode())
    try:
        for piece in dreamer.stream(windows, config, journal, advance, watch):
            growing.add(piece)
            digest.update(piece.tobytes())
            frames += len(piece)
    except BaseException:
        growing.close()
        journal.close()
        note(f"{shown(partial)}: plays the {frames / canvas.fps:g} of {canvas.num_frames / canvas.fps:g} s that are finished; the same command goes on from there")
        raise
    metadata["frames"] = digest.hexdigest()[:32]
    growing.finish(output, *(({}, None) if options.no_metadata else (metadata, windows.latents.numpy())))
    journal.close(remove=True)
    say(options, f"{shown(output)}  {canvas.width}x{canvas.height}, {frames} frames, {frames / canvas.fps:g} s")
    return metadata


def animate(options: argparse.Namespace) -> dict[str, Any]:
    """An image to a video that begins with it."""
    from reverie.sampling import tasks
    from reverie.sampling.reverie import fit
    from reverie.sampling.sampler import SamplerConfig
    from reverie.video import check_target, default_name, shown

    SamplerConfig(num_steps=options.num_steps, guidance_scale=options.guidance_scale)  # refused before the model is loaded
    tasks.check_request(options.prompt, options.num_frames, options.fps)
    image = read_given(options.image, max_frames=1)
    small = fit(image)
    if small is not image:
        note(f"{shown(options.image)} is {image.size}; animating it at {small.size}")
    height, width = small.frames.shape[1:3]
    ending = ".mp4" if width % 2 == height % 2 == 0 else ".mkv"  # H.264 has even sides only
    output = options.output or default_name(options.prompt, options.seed, small.size, ending)
    check_target(output, options.num_frames, width, height, options.fps)
    if len(options.also) != len(options.at):
        raise ValueError(f"--also names {len(options.also)} images, --at {len(options.at)} times: each image needs one")
    images = [(small, 0.0), *((fit(read_given(path, max_frames=1)), seconds) for path, seconds in zip(options.also, options.at, strict=True))]
    dreamer = load(options.model)
    say_unknown(dreamer, options.prompt)
    strip = Strip(options)
    with progress("dreaming") as advance:
        video = dreamer.animate(
            images, options.prompt, num_frames=options.num_frames, fps=options.fps, seed=options.seed, num_steps=options.num_steps,
            guidance_scale=options.guidance_scale, negative_prompt=options.negative_prompt, solver=options.solver, progress=advance, watch=strip.watch,
            announce=lambda canvases, config: announce(dreamer, list(canvases), config),
        )  # fmt: skip
    save(options, video, output)
    return {"files": [str(output), *strip.save(options, output)], "unknown_words": dreamer.unknown_words(options.prompt), **video.metadata}
