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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reverie.commands import files, footage, making, measuring, training

PROGRAM = "reverie"


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

    generate = command(commands, "generate", making.generate, "make a video from words (an image if the output is a .png)", [sampling])
    generate.add_argument("prompt", help="what is to be seen, in English or Chinese")
    generate.add_argument("--seconds", type=float, default=2.0, help="length of the video")
    generate.add_argument("--size", default="128x128", help="width x height in pixels")
    generate.add_argument("--num-videos", type=int, default=1, help="how many, with seeds counted up; their names get a number")

    animate = command(commands, "animate", making.animate, "make a video that begins with a given image", [sampling])
    animate.add_argument("image", type=Path, help="an image or a video, of which the first frame is used")
    animate.add_argument("prompt", help="what is to happen")
    animate.add_argument("--num-frames", type=int, default=17, help="frames of the video, the image included")

    sheet = command(commands, "sheet", files.sheet, "draw a contact sheet of videos and images")
    sheet.add_argument("files", type=Path, nargs="+")
    sheet.add_argument("-o", "--output", type=Path, default=Path("sheet.png"))
    sheet.add_argument("--columns", type=int, default=8, help="frames per video")

    info = command(commands, "info", files.info, "show what a video file, or the bundled model, remembers")
    info.add_argument("file", type=Path, nargs="?", help="a video or an image; none for the bundled model")
    command(commands, "vocabulary", files.vocabulary, "list the words that the bundled model has met")

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
    check = command(worlds_commands, "check", footage.check, "prove every clause of the captions of diorama footage from its ground truth")
    check.add_argument("folder", type=Path)

    settings = Parser(add_help=False)
    settings.add_argument("--preset", default="default", help="tiny or default")
    settings.add_argument("--data", type=Path, required=True, help="folder of footage (`reverie worlds render`)")
    settings.add_argument("--run", type=Path, required=True, dest="folder", help="folder of the run; a run that is there goes on")
    settings.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="override a field of the preset, for example autoencoder_training.num_steps=100"
    )
    train = command(commands, "train", training.train, "train the autoencoder or the transformer on footage")
    train_commands = train.add_subparsers(metavar="NETWORK")
    command(train_commands, "autoencoder", training.train_autoencoder, "train the video compression network", [settings])
    transformer = command(train_commands, "transformer", training.train_transformer, "train the diffusion transformer on the footage's latents", [settings])
    transformer.add_argument("--autoencoder", type=Path, default=None, help="weights file; the bundled one if none is given")
    bundle = command(train_commands, "bundle", training.bundle, "put two weights files that belong together into a folder for --model")
    bundle.add_argument("--autoencoder", type=Path, required=True)
    bundle.add_argument("--transformer", type=Path, required=True)
    bundle.add_argument("-o", "--output", type=Path, required=True)

    evaluate = command(commands, "evaluate", measuring.evaluate, "measure the autoencoder, or the model on prompt lists")
    evaluate_commands = evaluate.add_subparsers(metavar="WHAT")
    reconstruction = command(evaluate_commands, "autoencoder", measuring.evaluate_autoencoder, "PSNR on footage")
    reconstruction.add_argument("--data", type=Path, required=True)
    reconstruction.add_argument("--num-clips", type=int, default=200)
    reconstruction.add_argument("--autoencoder", type=Path, default=None, help="weights file; the bundled one if none is given")
    reconstruction.add_argument("--sheet", type=Path, default=None, help="also draw originals and reconstructions")
    prompts = command(evaluate_commands, "prompts", measuring.evaluate_prompts, "make a list of prompts and check colour and motion by classical image processing")
    prompts.add_argument("--list", default="main", help="main, varied, chinese or tune")
    prompts.add_argument("--model", type=Path, default=None)
    prompts.add_argument("--seed", type=int, default=0)
    prompts.add_argument("--num-steps", type=int, default=25)
    prompts.add_argument("--guidance-scale", type=float, default=3.0)
    prompts.add_argument("--footage", type=Path, default=None, help="check the check itself on this footage instead")
    prompts.add_argument("--sheet", type=Path, default=None, help="also draw what was made")
    prompts.add_argument("--limit", type=int, default=None, help="only the first so many")
    return parser


if __name__ == "__main__":
    sys.exit(main())
