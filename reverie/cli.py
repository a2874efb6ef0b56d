"""The command line: the only argument parser. `reverie --help`.

Exit code 0: done, 1: failed, 2: your input, 130: interrupted. Results go to standard output, notes and progress to standard error; with
--json the last line of standard output is one JSON object (docs/json.md), also after an error. Errors are one line (--debug shows where
they come from).
"""

import argparse
import difflib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reverie import __version__
from reverie.commands import again, benching, editing, files, footage, machine, making, measuring, playing, training
from reverie.config import did_you_mean

PROGRAM = "reverie"


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that suggest the nearest option."""

    def error(self, message: str) -> Any:
        known = [option for action in self._actions for option in action.option_strings]
        unknown = message.split()[2:] if message.startswith("unrecognized") else []
        if option := next((word for word in unknown if word.startswith("--")), None):
            near = difflib.get_close_matches(option.split("=")[0], known, 1, 0.7)
            message += f"; did you mean {near[0]}?" if near else f"; `{self.prog} --help` lists the options"
        elif unknown and any(action.dest == "prompt" for action in self._actions):
            message += "; a prompt of several words stands in quotes"
        elif command := next((action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction) and "invalid choice: '" in message), None):
            word = message.split("invalid choice: '")[1].split("'")[0]
            message = f"no command {word!r}{did_you_mean(word, command)}"
        raise UsageError(self.prog, message)


class UsageError(ValueError):
    """A command line that is no command. prog: the command whose parser refused it."""

    def __init__(self, prog: str, message: str) -> None:
        super().__init__(f"{prog}: {message}")
        self.prog = prog


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files may be no UTF-8, terminals may be ASCII
    parser = build_parser()
    if not arguments:
        parser.print_help()
        return 2
    options = argparse.Namespace(json="--json" in arguments, debug="--debug" in arguments, parser=parser)
    result: dict[str, Any] = {}
    code, error, prog, start = 0, None, PROGRAM, time.monotonic()
    log, handler = logging.getLogger(PROGRAM), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    try:
        options = _parse(parser, arguments)
        options.so_far = result  # what --json prints of a command that fails or is interrupted halfway
        log.setLevel(logging.WARNING if options.quiet else logging.INFO)
        prog = options.parser.prog
        result = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code, error = 130, f"{PROGRAM}: interrupted"
    except BrokenPipeError:  # whoever read the results has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as problem:
        if options.debug and not isinstance(problem, UsageError):
            raise
        prog = problem.prog if isinstance(problem, UsageError) else prog
        code, error = 2 if isinstance(problem, ValueError | FileExistsError | NotADirectoryError) else 1, _one_line(problem)
    finally:
        log.removeHandler(handler)
    if error is not None:
        print(error, file=sys.stderr)
    if options.json:
        frame = {"verb": prog.removeprefix(PROGRAM).strip(), "ok": code == 0, "exit_code": code, "error": error, "files": []}
        print(json.dumps({**frame, "elapsed_seconds": round(time.monotonic() - start, 3), **result}, ensure_ascii=False))
    return code


def _parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    options, unknown = parser.parse_known_args(arguments, argparse.Namespace(json=False, quiet=False, debug=False))
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def _one_line(problem: Exception) -> str:
    from reverie.video.naming import shown  # here, since it loads codecs and only errors need it

    text = " ".join(str(problem).split())
    foreseen = isinstance(problem, ValueError | RuntimeError | OSError)
    if isinstance(problem, UsageError):
        return shown(text)
    return f"{PROGRAM}: " + shown(text if foreseen else f"{type(problem).__name__}: {text} (--debug shows where)")


def build_parser() -> Parser:
    """Every command with its options."""
    everywhere = Parser(add_help=False)
    everywhere.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object as the last line, and nothing else on standard output")
    everywhere.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="print nothing but errors (and what --json asks for)")
    everywhere.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show where an error comes from")
    parser = Parser(prog=PROGRAM, description="An open, small Sora: words to video on a laptop, offline.", parents=[everywhere])
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(parent: Any, name: str, run: Callable[[argparse.Namespace], Any] | None, text: str, parents: Sequence[Parser] = ()) -> Parser:
        new = parent.add_parser(name, help=text, description=text, parents=[everywhere, *parents], formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False)
        new.set_defaults(run=run, parser=new)
        return new

    making_film = Parser(add_help=False)
    making_film.set_defaults(repeatable=True)  # `reverie rerun` may run it
    making_film.add_argument(
        "-o", "--output", type=Path, default=None,
        help="file to write: .mp4, .webm, .gif, .webp, .mkv (exact), .png or .jpg (one frame), or a name without ending for a folder of PNGs; one that exists is replaced; by default a new name made of the prompt, the seed and the size",
    )  # fmt: skip
    making_film.add_argument("--no-metadata", action="store_true", help="the file shall not remember how it was made")
    making_film.add_argument("--negative-prompt", default="", help="what to stay away from")
    making_film.add_argument("--model", type=Path, default=None, help="folder with other weights than the bundled ones")
    seeded = Parser(add_help=False)
    seeded.add_argument("--seed", type=int, default=0, help="decides everything that the prompt leaves open")
    sampling = Parser(add_help=False, parents=[making_film])
    sampling.add_argument("--num-steps", type=int, default=25, help="steps from noise to film")
    sampling.add_argument("--show-steps", action="store_true", help="also draw the way from noise to film, NAME.steps.png")
    sampling.add_argument("--solver", choices=("euler", "heun"), default="euler", help="heun takes two evaluations per step")
    sampling.add_argument("--guidance-scale", type=float, default=3.0, help="how literally to take the prompt; 1 is no guidance")

    referring = Parser(add_help=False)
    referring.add_argument("--reference", type=Path, nargs="+", action="extend", default=[], metavar="IMAGE", help="pictures of who or what is to be seen; not shown themselves")

    generate = command(commands, "generate", making.generate, "make a video from words (an image if the output is a .png or .jpg)", [seeded, sampling, referring])
    generate.add_argument("prompt", help="what is to be seen, in English or Chinese")
    generate.add_argument("--seconds", type=float, default=2.0, help="length of the video")
    generate.add_argument("--fps", type=float, default=8.0, help="frames per second")
    generate.add_argument("--size", default="128x128", help="width x height in pixels")
    generate.add_argument("--variation", type=float, default=0.0, help="0 to 1: how far each video turns from the one of the seed")
    generate.add_argument("--then", nargs="+", action="extend", default=[], metavar="SECOND:WORDS", help="other words for what is seen from that second on, in ascending order")
    generate.add_argument("--num-videos", type=int, default=1, help="how many, with seeds counted up; their names get a number")

    animate = command(commands, "animate", making.animate, "make a video in which a given image comes alive", [seeded, sampling, referring])
    animate.add_argument("image", type=Path, help="an image or a video, of which the first frame is used")
    animate.add_argument("prompt", help="what is to happen")
    animate.add_argument("--fps", type=float, default=8.0, help="frames per second")
    animate.add_argument("--also", type=Path, nargs="+", action="extend", default=[], metavar="IMAGE", help="more images of the same shape")
    animate.add_argument("--at", type=float, nargs="+", action="extend", default=[], metavar="SECONDS", help="when each image is seen; for each but the first, it begins the video")
    animate.add_argument(
        "--size", default=None, help="width x height in pixels, of the image's shape; by default the image's own, or about 230,000 pixels (640x360) if it is larger"
    )
    length = animate.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=None, help="length of the video, instead of a number of frames")
    length.add_argument("--num-frames", type=int, default=17, help="frames of the video, images included")

    _add_editing(command, commands, sampling, seeded)

    play = command(commands, "play", playing.play, "steer a world while it is dreamed, in the terminal or by a script", [seeded, making_film])
    play.add_argument("prompt", help="what is to be seen, and steered")
    play.add_argument(
        "--actions", default=None, help="do this instead of asking the keyboard, half a second each at 8 fps: stand, forward, left, right, back; for example 'forward*4,left*2'"
    )
    play.add_argument("--num-steps", type=int, default=8, help="steps from noise to each four frames")
    play.add_argument("--guidance-scale", type=float, default=1.5, help="how literally to take prompt and actions; 1 is no guidance")
    play.add_argument("--fps", type=float, default=8.0, help="frames per second")
    play.add_argument("--size", default="128x128", help="width x height in pixels")

    sheet = command(commands, "sheet", files.sheet, "draw a contact sheet of videos and images")
    sheet.add_argument("files", type=Path, nargs="+")
    sheet.add_argument("-o", "--output", type=Path, default=Path("sheet.png"))
    sheet.add_argument("--columns", type=int, default=8, help="frames per video")

    info = command(commands, "info", files.info, "show what a video file, or the bundled model, remembers")
    info.add_argument("file", type=Path, nargs="?", help="a video or an image; none for the bundled model")
    rerun = command(commands, "rerun", again.rerun, "make what a file remembers once more, the same frames on the same machine")
    rerun.set_defaults(parse=lambda words: _parse(parser, words))
    rerun.add_argument("file", type=Path, help="a file that Reverie made")
    rerun.add_argument("-o", "--output", type=Path, default=None, help="file to write; by default a new name made of the prompt, the seed and the size")
    rerun.add_argument("--input", type=Path, nargs="+", default=[], help="files that it was made from, if they are not beside it")
    rerun.add_argument("--model", type=Path, default=None, help="folder with other weights than the bundled ones")
    command(commands, "vocabulary", files.vocabulary, "list the words that the bundled model has met")

    command(commands, "doctor", machine.doctor, "show versions, the device and its speed, free memory and disk, and what is missing")
    bench = command(commands, "bench", benching.bench, "measure the speed of this machine and of the networks on it; minutes, on an idle machine")
    bench.add_argument("--device", default="cpu", choices=("cpu", "cuda", "mps"), help="where to run")
    bench.add_argument("--quick", action="store_true", help="tiny networks, seconds: does it run?")
    completion = command(commands, "completion", machine.completion, "print a script that completes commands and options in a shell")
    completion.set_defaults(root=parser)
    completion.add_argument("shell", choices=machine.SHELLS, help='for bash: eval "$(reverie completion bash)"')

    worlds = command(commands, "worlds", footage.worlds, "simulated worlds that make footage with captions and ground truth")
    worlds_commands = worlds.add_subparsers(metavar="COMMAND")
    command(worlds_commands, "list", footage.worlds, "list the worlds and the words of each")
    show = command(worlds_commands, "show", footage.show, "film one clip and tell what it shows (--json: its whole ground truth)")
    show.add_argument("--world", default="diorama")
    show.add_argument("--seed", type=int, default=0)
    show.add_argument("--index", type=int, default=0, help="which clip of the seed")
    show.add_argument("--size", default="128x128", help="width x height in pixels")
    show.add_argument("--num-frames", type=int, default=17)
    show.add_argument("--fps", type=float, default=8.0)
    show.add_argument("-o", "--output", type=Path, required=True, help="file to write: .mp4, .mkv (exact) or .png (one frame)")
    render = command(worlds_commands, "render", footage.render, "render clips of a world into shards")
    render.add_argument("--world", default="diorama")
    render.add_argument("--num-clips", type=int, required=True)
    render.add_argument("-o", "--output", type=Path, required=True, help="folder; what is there already is not made again")
    render.add_argument("--seed", type=int, default=0)
    render.add_argument("--sizes", nargs="+", default=["128x128", "128x128", "160x96", "96x160"], help="clips take turns through all sizes, lengths and rates")
    render.add_argument("--num-frames", type=int, nargs="+", default=[17])
    render.add_argument("--fps", type=float, nargs="+", default=[8.0])
    render.add_argument("--maps", action="store_true", help="also depth, instance masks and flow at 1/16 of the size")
    render.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    check = command(worlds_commands, "check", footage.check, "prove every clause of the captions of diorama or wide footage from its ground truth; a wrong one is a failure")
    check.add_argument("folder", type=Path)

    settings = Parser(add_help=False)
    settings.add_argument("--preset", default="default", help="tiny, small, default, base or large")
    settings.add_argument("--data", type=Path, required=True, help="folder of footage (`reverie worlds render`)")
    settings.add_argument("--run", type=Path, required=True, dest="folder", help="folder of the run; a run that is there goes on")
    settings.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="override a field of the preset, for example autoencoder_training.num_steps=100"
    )
    settings.add_argument("--dry-run", action="store_true", help="say what the run would take (memory, time, disk) and write nothing into its folder")
    settings.add_argument("--resume", type=int, default=None, metavar="STEP", help="go on from this checkpoint and no other (default: the newest good one)")
    settings.add_argument("--stop-after", default=None, metavar="TIME", help="end at a checkpoint after 90s, 150m, 8h or 2d; the same command goes on")
    settings.add_argument("--decay-from", type=int, default=None, metavar="STEP", help="let the rate fall from this step on to zero at the end (default: the preset's)")
    settings.add_argument("--niceness", type=int, default=None, help="0 to 19: how far to step back for other programs")
    settings.add_argument("--accumulate", type=int, default=1, metavar="PARTS", help="take a process's share of a batch in so many parts: less memory")
    settings.add_argument("--recompute", action="store_true", help="activation checkpointing: less memory, more work")
    settings.add_argument("--workers", type=int, default=1, help="threads that read footage ahead; the batches do not depend on them")
    train = command(commands, "train", None, "train the autoencoder, the transformer or the probe on footage")
    train_commands = train.add_subparsers(required=True)
    compressing = command(train_commands, "autoencoder", training.train_autoencoder, "train the video compression network", [settings])
    compressing.add_argument("--decoder-of", type=Path, default=None, metavar="WEIGHTS", help="train on the decoder of this autoencoder alone: its latents stay valid")
    transformer = command(train_commands, "transformer", training.train_transformer, "train the diffusion transformer on the footage's latents", [settings])
    transformer.add_argument("--autoencoder", type=Path, default=None, help="weights file; the bundled one if none is given")
    transformer.add_argument("--start", type=Path, default=None, help="weights file to begin from, instead of random weights")
    transformer.add_argument("--validate", type=Path, default=None, metavar="FOOTAGE", help="held-out footage: at every sheet of samples, the loss of each pattern of noise on it")
    command(train_commands, "probe", training.train_probe, "train the network that judges dreamed clips, on simulated footage", [settings])
    translate = command(train_commands, "translate", training.translate, "another autoencoder for a trained transformer: its weights for other latents, to --start from")
    translate.add_argument("--transformer", type=Path, required=True, help="the weights")
    translate.add_argument("--autoencoder", type=Path, required=True, help="the one that they were trained with")
    translate.add_argument("--to", type=Path, required=True, metavar="AUTOENCODER", help="the new one")
    translate.add_argument("--data", type=Path, required=True, help="footage on which the two are compared")
    translate.add_argument("-o", "--output", type=Path, required=True, help="weights file to write")
    plot = command(train_commands, "plot", training.plot, "draw the curves of several runs into one picture")
    plot.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs")
    plot.add_argument("-o", "--output", type=Path, default=Path("curves.png"))
    plan = command(train_commands, "plan", training.plan, "compute what training a preset would take: parameters, operations, memory, days")
    plan.add_argument("--preset", default="default", help="tiny, small, default, base or large")
    plan.add_argument("--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="override a field of the preset")
    plan.add_argument("--size", default="128x128", help="width x height of the clips in pixels")
    plan.add_argument("--seconds", type=float, default=2.0, help="of the clips")
    plan.add_argument("--fps", type=float, default=8.0, help="of the clips")
    bundle = command(train_commands, "bundle", training.bundle, "put two weights files that belong together into a folder for --model")
    bundle.add_argument("--autoencoder", type=Path, required=True)
    bundle.add_argument("--transformer", type=Path, required=True)
    bundle.add_argument("-o", "--output", type=Path, required=True)

    evaluate = command(commands, "evaluate", None, "measure the autoencoder, the model on prompt lists, or every task")
    evaluate_commands = evaluate.add_subparsers(required=True)
    reconstruction = command(evaluate_commands, "autoencoder", measuring.evaluate_autoencoder, "PSNR on footage")
    reconstruction.add_argument("--data", type=Path, required=True)
    reconstruction.add_argument("--num-clips", type=int, default=200)
    reconstruction.add_argument("--autoencoder", type=Path, default=None, help="weights file; the bundled one if none is given")
    reconstruction.add_argument("--sheet", type=Path, default=None, help="also draw originals and reconstructions")
    prompts = command(evaluate_commands, "prompts", measuring.evaluate_prompts, "make a list of prompts and check what they show, by a probe or by image processing")
    prompts.add_argument("--list", default="main", help="main, varied, chinese or tune; with a probe also worlds, worlds-held-out or worlds-tune")
    prompts.add_argument("--model", type=Path, default=None)
    prompts.add_argument("--seed", type=int, default=0)
    prompts.add_argument("--num-steps", type=int, default=25)
    prompts.add_argument("--guidance-scale", type=float, default=3.0)
    prompts.add_argument("--footage", type=Path, default=None, help="check the check itself on this footage instead")
    prompts.add_argument("--probe", type=Path, default=None, help="let this trained probe look instead of image processing")
    prompts.add_argument("--sheet", type=Path, default=None, help="also draw what was made")
    prompts.add_argument("--limit", type=int, default=None, help="only the first so many")
    measures = command(evaluate_commands, "tasks", measuring.evaluate_tasks, "measure every task on scenes that are filmed for it and that the model has not seen")
    measures.add_argument("--probe", type=Path, default=None, help="let this trained probe read words (colour, surroundings) instead of image processing")
    measures.add_argument("--only", nargs="+", default=[], help="some of the tasks; drift, which takes long, is measured only if it is named here")
    measures.add_argument("--num-cases", type=int, default=None, help="of each task; by default 32, of drift 2")
    measures.add_argument("--quick", action="store_true", help="8 cases of each")
    measures.add_argument("--seed", type=int, default=None, help="of the scenes: by default those that nothing was chosen by; choose settings with 1001")
    measures.add_argument("--page", type=Path, default=None, help="also write an .html page (table and sheets, nothing chosen) and a .json beside it, after every task")
    measures.add_argument("--model", type=Path, default=None)
    return parser


def _add_editing(command: Callable[..., Parser], commands: Any, sampling: Parser, seeded: Parser) -> None:
    """The verbs that make clips out of clips."""

    def verb(name: str, run: Callable[[argparse.Namespace], Any], text: str, *files: str, prompt: str | None = None) -> Parser:
        new = command(commands, name, run, text, [seeded, sampling])
        for file in files:
            new.add_argument(file, type=Path)
        if prompt:
            new.add_argument("prompt", help=prompt)
        else:
            new.add_argument("prompt", nargs="?", default=None, help="what is to be seen; the clip's own prompt if none is given")
        return new

    extend = verb("extend", editing.extend, "dream on from the end of a clip, or up to its beginning", "clip")
    extend.add_argument("--seconds", type=float, default=0.0, help="more at the end")
    extend.add_argument("--before", type=float, default=0.0, help="more in front")
    loop = verb("loop", editing.loop, "make a video whose end flows into its beginning", prompt="what is to be seen")
    loop.add_argument("--clip", type=Path, default=None, help="a clip or an image that the loop holds")
    loop.add_argument("--seconds", type=float, default=2.0, help="of one turn")
    loop.add_argument("--size", default="128x128", help="width x height in pixels, without --clip")
    loop.add_argument("--fps", type=float, default=8.0, help="frames per second, without --clip")
    connect = verb("connect", editing.connect, "join two clips by a dreamed transition", "first", "second", prompt="what happens between them")
    connect.add_argument("--seconds", type=float, default=1.0, help="of the transition")
    blend = verb("blend", editing.blend, "let one clip become another", "first", "second", prompt="what is to be seen")
    blend.add_argument("--strength", default="0.7", help="how freely the middle is dreamed: 0 to 1, subtle, mild or strong")
    fill = verb("fill", editing.fill, "dream missing frames, or more frames per second", "clip", prompt="what is to be seen")
    fill.add_argument("--missing", default=None, help="numbers of frames, from 0, for example 3-7,12")
    fill.add_argument("--factor", type=int, default=1, help="how many times as many frames per second")
    edit = verb("edit", editing.edit, "repaint a clip after other words", "clip", prompt="what is to be seen instead")
    edit.add_argument("--strength", default="strong", help="0 (nothing changes) to 1, subtle, mild or strong")
    inpaint = verb("inpaint", editing.inpaint, "dream a region of a clip", "clip", prompt="what is to be seen there")
    inpaint.add_argument("--box", default=None, help="LEFT,TOP,WIDTH,HEIGHT in pixels")
    inpaint.add_argument("--mask", type=Path, default=None, help="image or video of the clip's size, white where to dream")
    inpaint.add_argument("--span", default=None, metavar="FROM-TO", help="seconds in which to dream, for example 0.5-1.5; all if not given")
    inpaint.add_argument("--strength", default="1", help="0 to 1, subtle, mild or strong")
    outpaint = verb("outpaint", editing.outpaint, "dream a larger frame around a clip", "clip", prompt="what is to be seen")
    outpaint.add_argument("--size", required=True, help="width x height in pixels")
    outpaint.add_argument("--at", default=None, help="LEFT,TOP of the clip in the new frame; the middle if not given")
    refine = verb("refine", editing.refine, "bring a draft to its full size", "clip")
    refine.add_argument("--size", required=True, help="width x height in pixels")
    refine.add_argument("--strength", default="0.2", help="0 to 1, subtle, mild or strong")
    storyboard = command(commands, "storyboard", editing.storyboard, "make a film of several shots", [sampling])
    storyboard.add_argument("file", type=Path, help="a TOML file")
    storyboard.add_argument("--seed", type=int, default=None, help="instead of the one that the file says")
    recut = command(commands, "recut", editing.recut, "keep spans of a clip, in any order, without dreaming")
    recut.set_defaults(no_metadata=False, repeatable=True)
    recut.add_argument("clip", type=Path)
    recut.add_argument("--keep", nargs="+", required=True, metavar="FROM-TO", help="seconds, for example 1-2 0-0.5")
    recut.add_argument("-o", "--output", type=Path, default=None, help="file to write; by default a new name made of the clip's")


if __name__ == "__main__":
    sys.exit(main())
