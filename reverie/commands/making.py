"""Commands that dream: generate, animate."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from reverie.commands.talking import load, progress, say, say_unknown

TOGETHER = 4  # videos in one pack; each pack is saved before the next begins


def generate(options: argparse.Namespace) -> dict[str, Any]:
    """Words to one or more videos or images."""
    from reverie.sampling import tasks
    from reverie.sampling.sampler import SamplerConfig
    from reverie.video import check_target

    config = SamplerConfig(num_steps=options.num_steps, guidance_scale=options.guidance_scale, solver=options.solver)
    width, height = tasks.parse_size(options.size)
    frames = 1 if options.output.suffix.lower() == ".png" else tasks.num_frames_of(options.seconds, options.fps)
    if not 1 <= options.num_videos <= 64:
        raise ValueError(f"--num-videos {options.num_videos}: between 1 and 64 are allowed")
    names = [options.output] if options.num_videos == 1 else [options.output.with_stem(f"{options.output.stem}-{n}") for n in range(options.num_videos)]
    tasks.check_request(options.prompt, frames, options.fps)
    for name in names:
        check_target(name, frames, width, height)
    dreamer = load(options.model)
    shape = {"channels": dreamer.autoencoder.config.latent_channels, "width": width, "height": height, "num_frames": frames, "fps": options.fps}
    noise = [
        {"seed": options.seed, "variation": options.variation, "other_seed": options.seed + 1 + n} if options.variation else {"seed": options.seed + n}
        for n in range(options.num_videos)
    ]
    canvases = [tasks.text_to_video(options.prompt, negative_prompt=options.negative_prompt, about={"task": "generate"}, **seeds, **shape) for seeds in noise]
    say_unknown(dreamer, options.prompt)
    start = time.perf_counter()
    with progress("dreaming") as advance:
        for first in range(0, len(canvases), TOGETHER):
            part = canvases[first : first + TOGETHER]
            videos = dreamer.film(part, config, lambda done, total, before=first // TOGETHER: advance(before * total + done, -(-len(canvases) // TOGETHER) * total))
            for name, video in zip(names[first : first + TOGETHER], videos, strict=True):
                video.save(name)
                say(options, f"{name}  {video.size}, {video.num_frames} frames, {video.seconds:g} s")
    seconds = round(time.perf_counter() - start, 3)
    return {"files": [str(name) for name in names], "elapsed_seconds": seconds, "unknown_words": dreamer.unknown_words(options.prompt), **videos[0].metadata, "seed": options.seed}


def animate(options: argparse.Namespace) -> dict[str, Any]:
    """An image to a video that begins with it."""
    from reverie.sampling.reverie import fit
    from reverie.video import check_target, read

    image = read(options.image, max_frames=1)
    small = fit(image)
    if small is not image:
        print(f"{options.image} is {image.size}; animating it at {small.size}", file=sys.stderr)
    height, width = small.frames.shape[1:3]
    check_target(options.output, options.num_frames, width, height)
    images = [(small, 0.0)]
    for text in options.also:
        name, at, seconds = text.rpartition("@")
        if not at or not seconds.replace(".", "", 1).isdecimal():
            raise ValueError(f"--also {text}: write IMAGE@SECONDS, for example end.png@2")
        images.append((fit(read(Path(name), max_frames=1)), float(seconds)))
    dreamer = load(options.model)
    say_unknown(dreamer, options.prompt)
    with progress("dreaming") as advance:
        video = dreamer.animate(
            images, options.prompt, num_frames=options.num_frames, fps=options.fps, seed=options.seed, num_steps=options.num_steps,
            guidance_scale=options.guidance_scale, negative_prompt=options.negative_prompt, solver=options.solver, progress=advance,
        )  # fmt: skip
    video.save(options.output)
    say(options, f"{options.output}  {video.size}, {video.num_frames} frames")
    return {"files": [str(options.output)], **video.metadata}
