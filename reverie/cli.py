"""The command line: the only argument parser. `reverie --help`.

Exit code 0: done, 1: failed, 2: your input, 130: interrupted. Results go to standard output, progress to standard error; with
--json the last line of standard output is one JSON object. Errors are one line (--debug shows where they come from).
"""

import argparse
import difflib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = "reverie"
TOGETHER = 4  # videos in one pack; each pack is saved before the next begins


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that suggest the nearest option."""

    def error(self, message: str) -> Any:
        known = [option for action in self._actions for option in action.option_strings]
        for word in message.split():
            if message.startswith("unrecognized") and word.startswith("--"):
                near = difflib.get_close_matches(word.split("=")[0], known, 1)
                message += f"; did you mean {near[0]}?" if near else f"; `{self.prog} --help` lists the options"
                break
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    if not arguments:
        parser.print_help()
        return 2
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        result = options.run(options)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if options.debug:
            raise
        foreseen = isinstance(error, ValueError | RuntimeError | OSError)
        text = " ".join(str(error).split()) if foreseen else f"{type(error).__name__}: {error} (--debug shows where)"
        print(f"{PROGRAM}: {text}", file=sys.stderr)
        return 2 if isinstance(error, ValueError | FileExistsError | NotADirectoryError) else 1
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0


def build_parser() -> Parser:
    """Every command with its options."""
    everywhere = Parser(add_help=False)
    everywhere.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    everywhere.add_argument("--debug", action="store_true", help="show where an error comes from")
    parser = Parser(prog=PROGRAM, description="An open, small Sora: words to video on a laptop, offline.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(parent: Any, name: str, run: Callable[[argparse.Namespace], Any], text: str, parents: Sequence[Parser] = ()) -> Parser:
        new = parent.add_parser(name, help=text, description=text, parents=[everywhere, *parents], formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False)
        new.set_defaults(run=run, parser=new)
        return new

    sampling = Parser(add_help=False)
    sampling.add_argument("-o", "--output", type=Path, required=True, help="file to write: .mp4, .mkv (exact) or .png (one frame)")
    sampling.add_argument("--fps", type=float, default=8.0, help="frames per second")
    sampling.add_argument("--seed", type=int, default=0, help="decides everything that the prompt leaves open")
    sampling.add_argument("--num-steps", type=int, default=25, help="evaluations of the network")
    sampling.add_argument("--guidance-scale", type=float, default=3.0, help="how literally to take the prompt; 1 is no guidance")
    sampling.add_argument("--negative-prompt", default="", help="what to stay away from")
    sampling.add_argument("--model", type=Path, default=None, help="folder with other weights than the bundled ones")

    generate = command(commands, "generate", _generate, "make a video from words (an image if the output is a .png)", [sampling])
    generate.add_argument("prompt", help="what is to be seen, in English or Chinese")
    generate.add_argument("--seconds", type=float, default=2.0, help="length of the video")
    generate.add_argument("--size", default="128x128", help="width x height in pixels")
    generate.add_argument("--num-videos", type=int, default=1, help="how many, with seeds counted up; their names get a number")

    animate = command(commands, "animate", _animate, "make a video that begins with a given image", [sampling])
    animate.add_argument("image", type=Path, help="an image or a video, of which the first frame is used")
    animate.add_argument("prompt", help="what is to happen")
    animate.add_argument("--num-frames", type=int, default=17, help="frames of the video, the image included")

    sheet = command(commands, "sheet", _sheet, "draw a contact sheet of videos and images")
    sheet.add_argument("files", type=Path, nargs="+")
    sheet.add_argument("-o", "--output", type=Path, default=Path("sheet.png"))
    sheet.add_argument("--columns", type=int, default=8, help="frames per video")

    info = command(commands, "info", _info, "show what a video file, or the bundled model, remembers")
    info.add_argument("file", type=Path, nargs="?", help="a video or an image; none for the bundled model")
    command(commands, "vocabulary", _vocabulary, "list the words that the bundled model has met")

    worlds = command(commands, "worlds", _worlds, "simulated worlds that make footage with captions and ground truth")
    worlds_commands = worlds.add_subparsers(metavar="COMMAND")
    render = command(worlds_commands, "render", _render, "render clips of a world into shards")
    render.add_argument("--world", default="diorama")
    render.add_argument("--num-clips", type=int, required=True)
    render.add_argument("-o", "--output", type=Path, required=True, help="folder; what is there already is not made again")
    render.add_argument("--seed", type=int, default=0)
    render.add_argument("--sizes", nargs="+", default=["128x128", "128x128", "160x96", "96x160"], help="clip n gets size n modulo their number")
    render.add_argument("--num-frames", type=int, default=17)
    render.add_argument("--fps", type=float, default=8.0)
    render.add_argument("--processes", type=int, default=os.cpu_count() or 1)

    training = Parser(add_help=False)
    training.add_argument("--preset", default="default", help="tiny or default")
    training.add_argument("--data", type=Path, required=True, help="folder of footage (`reverie worlds render`)")
    training.add_argument("--run", type=Path, required=True, dest="folder", help="folder of the run; a run that is there goes on")
    training.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="override a field of the preset, for example autoencoder_training.num_steps=100"
    )
    train = command(commands, "train", _train, "train the autoencoder or the transformer on footage")
    train_commands = train.add_subparsers(metavar="NETWORK")
    command(train_commands, "autoencoder", _train_autoencoder, "train the video compression network", [training])
    transformer = command(train_commands, "transformer", _train_transformer, "train the diffusion transformer on the footage's latents", [training])
    transformer.add_argument("--autoencoder", type=Path, default=None, help="weights file; the bundled one if none is given")
    transformer.add_argument("--start", type=Path, default=None, help="weights file to begin from, instead of random weights")
    bundle = command(train_commands, "bundle", _bundle, "put two weights files that belong together into a folder for --model")
    bundle.add_argument("--autoencoder", type=Path, required=True)
    bundle.add_argument("--transformer", type=Path, required=True)
    bundle.add_argument("-o", "--output", type=Path, required=True)

    evaluate = command(commands, "evaluate", _evaluate, "measure the autoencoder, or the model on prompt lists")
    evaluate_commands = evaluate.add_subparsers(metavar="WHAT")
    reconstruction = command(evaluate_commands, "autoencoder", _evaluate_autoencoder, "PSNR on footage")
    reconstruction.add_argument("--data", type=Path, required=True)
    reconstruction.add_argument("--num-clips", type=int, default=200)
    reconstruction.add_argument("--autoencoder", type=Path, default=None, help="weights file; the bundled one if none is given")
    reconstruction.add_argument("--sheet", type=Path, default=None, help="also draw originals and reconstructions")
    prompts = command(evaluate_commands, "prompts", _evaluate_prompts, "make a list of prompts and check colour and motion by classical image processing")
    prompts.add_argument("--list", default="main", help="main, varied, chinese or tune")
    prompts.add_argument("--model", type=Path, default=None)
    prompts.add_argument("--seed", type=int, default=0)
    prompts.add_argument("--num-steps", type=int, default=25)
    prompts.add_argument("--guidance-scale", type=float, default=3.0)
    prompts.add_argument("--footage", type=Path, default=None, help="check the check itself on this footage instead")
    prompts.add_argument("--sheet", type=Path, default=None, help="also draw what was made")
    prompts.add_argument("--limit", type=int, default=None, help="only the first so many")
    return parser


# -- making -------------------------------------------------------------------------------------------------------------


def _generate(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.sampling import tasks
    from reverie.sampling.sampler import SamplerConfig
    from reverie.video import check_target

    config = SamplerConfig(num_steps=options.num_steps, guidance_scale=options.guidance_scale)
    width, height = tasks.parse_size(options.size)
    frames = 1 if options.output.suffix.lower() == ".png" else tasks.num_frames_of(options.seconds, options.fps)
    if not 1 <= options.num_videos <= 64:
        raise ValueError(f"--num-videos {options.num_videos}: between 1 and 64 are allowed")
    names = [options.output] if options.num_videos == 1 else [options.output.with_stem(f"{options.output.stem}-{n}") for n in range(options.num_videos)]
    tasks.check_request(options.prompt, frames, options.fps)
    for name in names:
        check_target(name, frames, width, height)
    dreamer = _load(options.model)
    shape = {"channels": dreamer.autoencoder.config.latent_channels, "width": width, "height": height, "num_frames": frames, "fps": options.fps}
    canvases = [tasks.text_to_video(options.prompt, seed=options.seed + n, negative_prompt=options.negative_prompt, **shape) for n in range(options.num_videos)]
    _say_unknown(dreamer, options.prompt)
    start = time.perf_counter()
    with _progress("dreaming") as advance:
        for first in range(0, len(canvases), TOGETHER):
            part = canvases[first : first + TOGETHER]
            videos = dreamer.film(part, config, lambda done, total, before=first // TOGETHER: advance(before * total + done, -(-len(canvases) // TOGETHER) * total))
            for name, video in zip(names[first : first + TOGETHER], videos, strict=True):
                video.save(name)
                _say(options, f"{name}  {video.size}, {video.num_frames} frames, {video.seconds:g} s")
    seconds = round(time.perf_counter() - start, 3)
    return {"files": [str(name) for name in names], "elapsed_seconds": seconds, "unknown_words": dreamer.unknown_words(options.prompt), **videos[0].metadata, "seed": options.seed}


def _animate(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.sampling.reverie import fit
    from reverie.video import check_target, read

    image = read(options.image, max_frames=1)
    small = fit(image)
    if small is not image:
        print(f"{options.image} is {image.size}; animating it at {small.size}", file=sys.stderr)
    height, width = small.frames.shape[1:3]
    check_target(options.output, options.num_frames, width, height)
    dreamer = _load(options.model)
    _say_unknown(dreamer, options.prompt)
    with _progress("dreaming") as advance:
        video = dreamer.animate(
            small, options.prompt, num_frames=options.num_frames, fps=options.fps, seed=options.seed, num_steps=options.num_steps,
            guidance_scale=options.guidance_scale, negative_prompt=options.negative_prompt, progress=advance,
        )  # fmt: skip
    video.save(options.output)
    _say(options, f"{options.output}  {video.size}, {video.num_frames} frames")
    return {"files": [str(options.output)], **video.metadata}


def _sheet(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.evaluation.sheet import contact_sheet, save_sheet
    from reverie.video import read

    if options.output.suffix.lower() != ".png":
        raise ValueError(f"{options.output}: a sheet is a .png")
    if options.columns < 1:
        raise ValueError(f"--columns {options.columns}: at least 1 is needed")
    videos = [read(path) for path in options.files]
    labels = [str(video.metadata.get("prompt", path.name)) for video, path in zip(videos, options.files, strict=True)]
    save_sheet(contact_sheet(videos, labels, options.columns), options.output)
    _say(options, str(options.output))
    return {"files": [str(options.output)]}


def _info(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.video import read

    if options.file is None:
        facts = _load(None).describe()
    else:
        video = read(options.file)
        facts = {"size": video.size, "num_frames": video.num_frames, "fps": video.fps, "seconds": video.seconds, **({"made": video.metadata} if video.metadata else {})}
    _say(options, json.dumps(facts, indent=1, ensure_ascii=False))
    return facts


def _vocabulary(options: argparse.Namespace) -> dict[str, Any]:
    words = list(_load(None).vocabulary)
    latin = [word for word in words if word.isascii()]
    _say(options, f"{', '.join(latin)}\n{' '.join(word for word in words if not word.isascii())}")
    return {"words": words}


# -- footage, training, evaluation ---------------------------------------------------------------------------------------


def _worlds(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.worlds.diorama import Diorama

    world = Diorama()
    _say(options, f"{world.name}: " + "; ".join(f"{name}: {', '.join(words)}" for name, words in world.spec.items()))
    return {world.name: world.spec}


def _render(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.config import did_you_mean
    from reverie.data.render import render
    from reverie.sampling.tasks import parse_size
    from reverie.worlds.diorama import Diorama
    from reverie.worlds.scene import Format

    if options.world != Diorama.name:
        raise ValueError(f"no world {options.world!r}{did_you_mean(options.world, [Diorama.name])}")
    if options.processes < 1:
        raise ValueError(f"--processes {options.processes}: at least 1 is needed")
    sizes = [parse_size(size) for size in options.sizes]
    formats = [Format(width=width, height=height, num_frames=options.num_frames, fps=options.fps) for width, height in sizes]
    os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's software renderer: processes scale, its threads do not
    start, done = time.perf_counter(), 0
    with _progress("rendering") as advance:
        for done, total in render(Diorama(), options.seed, options.num_clips, formats, options.output, options.processes):
            advance(done, total)
    seconds = time.perf_counter() - start
    _say(options, f"{options.output}  {done} clips in {seconds:.0f} s")
    return {"clips": done, "elapsed_seconds": round(seconds, 1), "folder": str(options.output)}


def _train(options: argparse.Namespace) -> None:
    options.parser.error("say what: autoencoder, transformer or bundle")


def _preset(options: argparse.Namespace) -> Any:
    from reverie.config import did_you_mean, override
    from reverie.presets import PRESETS

    if options.preset not in PRESETS:
        raise ValueError(f"no preset {options.preset!r}{did_you_mean(options.preset, PRESETS)}")
    return override(PRESETS[options.preset](), options.set)


def _train_autoencoder(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.data.shards import Footage
    from reverie.evaluation.reconstruction import reconstruction_sheet
    from reverie.evaluation.sheet import save_sheet
    from reverie.training.runs import train_autoencoder

    preset, footage = _preset(options), Footage(options.data)
    with _progress("training") as advance:
        path = train_autoencoder(
            preset.autoencoder,
            preset.autoencoder_training,
            footage,
            options.folder,
            _report(advance),
            lambda network, path: save_sheet(reconstruction_sheet(network, footage), path),
        )
    _say(options, str(path))
    return {"files": [str(path)]}


SAMPLE_PROMPTS = (
    "a red ball rolls to the right on the grass", "a blue cube falls to the ground in the snow", "a yellow cone jumps at night",
    "in the desert, a purple cylinder slides to the left", "an orange ball and a green cube on a wooden floor", "蓝色的球在雪地里向左滚动",
)  # fmt: skip


def _train_transformer(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.data.shards import Footage
    from reverie.evaluation.sheet import contact_sheet, save_sheet
    from reverie.sampling.reverie import BUNDLED
    from reverie.training.runs import train_transformer

    def draw(dreamer: Any, path: Path) -> None:
        videos = [dreamer.generate(prompt, seed=n) for n, prompt in enumerate(SAMPLE_PROMPTS)]
        save_sheet(contact_sheet(videos, SAMPLE_PROMPTS), path)

    preset, footage = _preset(options), Footage(options.data)
    autoencoder = options.autoencoder or BUNDLED / "autoencoder.safetensors"
    with _progress("training") as advance:
        path = train_transformer(preset.transformer, preset.transformer_training, footage, autoencoder, options.folder, _report(advance), draw, options.start)
    _say(options, str(path))
    return {"files": [str(path)]}


def _bundle(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.training.runs import bundle

    digest = bundle(options.autoencoder, options.transformer, options.output)
    _say(options, f"{options.output}  model {digest}")
    return {"folder": str(options.output), "model": digest}


def _evaluate(options: argparse.Namespace) -> None:
    options.parser.error("say what: autoencoder or prompts")


def _evaluate_autoencoder(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.data.shards import Footage
    from reverie.evaluation.reconstruction import evaluate_reconstruction, reconstruction_sheet
    from reverie.evaluation.sheet import save_sheet
    from reverie.layers.precision import fast_dtype
    from reverie.sampling.reverie import BUNDLED, load_autoencoder
    from reverie.video import check_target

    if options.sheet:
        check_target(options.sheet, 1, 0, 0)
    autoencoder, about = load_autoencoder(options.autoencoder or BUNDLED / "autoencoder.safetensors")
    autoencoder.compute_dtype = fast_dtype()
    footage = Footage(options.data)
    figures = {**evaluate_reconstruction(autoencoder, footage, options.num_clips), "autoencoder": about["digest"]}
    if options.sheet:
        save_sheet(reconstruction_sheet(autoencoder, footage), options.sheet)
    _say(options, json.dumps(figures))
    return figures


def _evaluate_prompts(options: argparse.Namespace) -> dict[str, Any]:
    from reverie.data.shards import Footage
    from reverie.evaluation import prompts
    from reverie.evaluation.sheet import contact_sheet, save_sheet
    from reverie.video import check_target

    videos: list[Any] = []
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit {options.limit}: at least 1 is needed")
    if options.sheet:
        if options.footage:
            raise ValueError("--sheet draws what was made from prompts; with --footage nothing is")
        check_target(options.sheet, 1, 0, 0)
    if options.footage:
        asked, found = prompts.check_on_footage(Footage(options.footage), options.limit)
        model = "none: footage"
    else:
        asked = prompts.prompt_list(options.list)[: options.limit]
        dreamer = _load(options.model)
        model = dreamer.digest
        with _progress("dreaming") as advance:
            for number, prompt in enumerate(asked):
                videos.append(dreamer.generate(prompt.text, seed=options.seed + number, num_steps=options.num_steps, guidance_scale=options.guidance_scale))
                advance(number + 1, len(asked))
        found = [prompts.look(video.frames) for video in videos]
        for prompt, (colour, motion) in zip(asked, found, strict=True):
            if (colour, motion) != (prompt.colour, prompt.motion):
                _say(options, f"{prompt.text}: seen {colour}, {motion}")
    figures = {**prompts.score(found, asked), "model": model, "list": options.list, "seed": options.seed}
    if options.sheet and videos:
        save_sheet(contact_sheet(videos, [prompt.text for prompt in asked], pairs=2), options.sheet)
    _say(options, json.dumps(figures))
    return figures


# -- talking ------------------------------------------------------------------------------------------------------------


def _load(folder: Path | None) -> Any:
    from reverie.sampling.reverie import load

    return load(folder)


def _say(options: argparse.Namespace, text: str) -> None:
    if not options.json:
        print(text)


def _say_unknown(dreamer: Any, prompt: str) -> None:
    unknown = dreamer.unknown_words(prompt)
    if unknown:
        from reverie.text.vocabulary import words_of

        understood = [word for word in dict.fromkeys(words_of(prompt)) if word not in unknown]
        print(f"never met: {', '.join(unknown)}; understood: {' '.join(understood) or 'nothing'} (`reverie vocabulary` lists the words)", file=sys.stderr)


@contextmanager
def _progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on standard error, if that is a terminal; calls say (done, of)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _report(advance: Callable[[int, int], None]) -> Callable[[str, int, int, dict[str, float]], None]:
    """Progress of a training: the bar, and a log line every hundred steps."""

    def report(what: str, done: int, total: int, figures: dict[str, float]) -> None:
        advance(done, total)
        if figures and done % 100 == 0:
            logging.getLogger(PROGRAM).info("step %d of %d: %s", done, total, ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))

    return report


if __name__ == "__main__":
    sys.exit(main())
