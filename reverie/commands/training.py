"""Commands that train: autoencoder, transformer, probe, translate, bundle, plan, plot."""

import argparse
import contextlib
import json
import logging
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reverie.commands.talking import progress, report, say

DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _preset(options: argparse.Namespace, *groups: str) -> Any:
    """The preset with what --set changes; groups: the only ones that the command looks at."""
    from reverie.config import did_you_mean, override
    from reverie.presets import PRESETS

    if options.preset not in PRESETS:
        raise ValueError(f"no preset {options.preset!r}{did_you_mean(options.preset, PRESETS)}")
    for setting in options.set:
        if groups and setting.partition("=")[0].partition(".")[0] not in groups:
            raise ValueError(f"--set {setting}: this command uses {' and '.join(f'{group}.*' for group in groups)} only")
    return override(PRESETS[options.preset](), options.set)


def _stretch(options: argparse.Namespace) -> Any:
    from reverie.training.loop import Stretch

    deadline = math.inf
    if options.folder.exists() and not options.folder.is_dir():
        raise ValueError(f"--run {options.folder}: that is a file; name a folder")
    if options.stop_after is not None:
        match = DURATION.fullmatch(options.stop_after)
        if not match or not float(match[1]):
            raise ValueError(f"--stop-after {options.stop_after}: write a number and s, m, h or d, for example 150m")
        deadline = time.monotonic() + float(match[1]) * SECONDS[match[2]]
    if options.niceness is not None:
        if not 0 <= options.niceness <= 19:
            raise ValueError(f"--niceness {options.niceness}: between 0 and 19 are allowed")
        os.nice(options.niceness)
    return Stretch(
        resume=options.resume, deadline=deadline, decay_from=options.decay_from, accumulate=options.accumulate, recompute=options.recompute, workers=options.workers
    )  # fmt: skip


@contextlib.contextmanager
def _world() -> Iterator[tuple[Any, Any]]:
    """The processes of this run, and what takes reports of progress; all but the first keep quiet unless something is wrong."""
    from reverie.training.distributed import start

    with start() as world:
        if world.first:
            with progress("training") as advance:
                yield world, report(advance)
        else:
            logging.getLogger("reverie").setLevel(logging.WARNING)
            yield world, lambda *_: None


def _carry_out(options: argparse.Namespace, run: Any, world: Any, stretch: Any, reporter: Any) -> dict[str, Any]:
    """Train, or with --dry-run say what it would take."""
    if options.dry_run:
        facts = run.rehearse(world, stretch)
        if world.first:
            say(options, json.dumps(facts, indent=1))
        return facts
    path = run.train(world, stretch, reporter)
    if path is not None:
        say(options, str(path))
    return {"files": [str(path)] if path else [], "run": str(options.folder)}


def train_autoencoder(options: argparse.Namespace) -> dict[str, Any]:
    """Footage to an autoencoder."""
    from reverie.data.shards import Footage
    from reverie.evaluation.reconstruction import reconstruction_sheet
    from reverie.evaluation.sheet import save_sheet
    from reverie.training.runs import autoencoder_run

    preset, footage, stretch = _preset(options, "autoencoder", "autoencoder_training"), Footage(options.data), _stretch(options)
    if options.decoder_of and (of_network := [word for word in options.set if word.startswith("autoencoder.")]):
        raise ValueError(f"--set {of_network[0]}: with --decoder-of the network is that of its file")

    def draw(network: Any, path: Path) -> None:
        save_sheet(reconstruction_sheet(network, footage), path)

    with _world() as (world, reporter):
        parts = world.size * stretch.accumulate
        run = autoencoder_run(preset.autoencoder, preset.autoencoder_training, footage, options.folder, draw, world, parts, options.decoder_of)
        return _carry_out(options, run, world, stretch, reporter)


SAMPLE_PROMPTS = (
    "a red ball rolls to the right on the grass", "a blue cube falls to the ground in the snow", "a yellow cone jumps at night",
    "in the desert, a purple cylinder slides to the left", "an orange ball and a green cube on a wooden floor", "蓝色的球在雪地里向左滚动",
)  # fmt: skip


def train_transformer(options: argparse.Namespace) -> dict[str, Any]:
    """Footage to a transformer."""
    from reverie.autoencoder.autoencoder import FRAMES
    from reverie.data.shards import Footage
    from reverie.evaluation.sheet import contact_sheet, save_sheet
    from reverie.sampling.reverie import BUNDLED
    from reverie.training.runs import transformer_run

    def draw(dreamer: Any, path: Path) -> None:
        videos = [dreamer.generate(prompt, seed=n, num_frames=min(16, FRAMES * dreamer.window)) for n, prompt in enumerate(SAMPLE_PROMPTS)]
        save_sheet(contact_sheet(videos, SAMPLE_PROMPTS), path)

    for name, whose in (("token_width", "autoencoder"), ("text_width", "text encoder")):
        if any(setting.startswith(f"transformer.{name}") for setting in options.set):
            raise ValueError(f"transformer.{name} follows from the {whose}: leave it out")
    preset, footage, stretch = _preset(options, "transformer", "transformer_training"), Footage(options.data), _stretch(options)
    autoencoder = options.autoencoder or BUNDLED / "autoencoder.safetensors"
    with _world() as (world, reporter):
        run = transformer_run(
            preset.transformer, preset.transformer_training, footage, autoencoder, options.folder, reporter, draw,
            world, world.size * stretch.accumulate, options.start, options.dry_run, Footage(options.validate) if options.validate else None,
        )  # fmt: skip
        return _carry_out(options, run, world, stretch, reporter)


def train_probe(options: argparse.Namespace) -> dict[str, Any]:
    """Simulated footage to a probe."""
    import torch

    from reverie.data.sampling import check_batch, numbers_of
    from reverie.data.shards import Footage
    from reverie.evaluation.probe import LABELS, Probe, probe_objective, views_of
    from reverie.layers.weights import save_weights
    from reverie.training.runs import Run

    training, footage, stretch = _preset(options, "probe_training").probe_training, Footage(options.data), _stretch(options)
    with _world() as (world, reporter):
        views = views_of(footage, lambda done, total: reporter("reading", done, total, {}))
        check_batch(training.batch_size, len(views.seen), world.size * stretch.accumulate)
        torch.manual_seed(training.seed)
        words = {name: list(words) for name, words in LABELS.items()}

        def write(averaged: dict[str, Any]) -> Path:
            save_weights(options.folder / "probe.safetensors", averaged, {"network": "probe", "config": words})
            return options.folder / "probe.safetensors"

        run = Run(
            Probe(), probe_objective, lambda batch, part, parts: views.batch(numbers_of(batch, training.batch_size, part, parts), training.seed),
            training, options.folder, {"probe": words, "data": footage.digest()}, None, write, {"network": "probe", "clips": len(views.seen)},
        )  # fmt: skip
        return _carry_out(options, run, world, stretch, reporter)


def plot(options: argparse.Namespace) -> dict[str, Any]:
    """Metrics of runs to a picture of their curves."""
    from reverie.evaluation.curves import draw_curves, read_metrics
    from reverie.evaluation.sheet import save_sheet

    if options.output.suffix.lower() != ".png":
        raise ValueError(f"{options.output}: curves are a .png")
    runs = {str(folder): read_metrics(folder) for folder in options.runs}
    save_sheet(draw_curves(runs), options.output)
    say(options, str(options.output))
    return {"files": [str(options.output)]}


def plan(options: argparse.Namespace) -> dict[str, Any]:
    """A preset to what it would take, computed."""
    from reverie.sampling.tasks import num_frames_of, parse_size
    from reverie.training.plan import plan

    preset = _preset(options)
    num_frames_of(options.seconds, options.fps)
    facts = plan(preset.autoencoder, preset.transformer, preset.transformer_training, *parse_size(options.size), options.seconds, options.fps)
    say(options, json.dumps(facts, indent=1))
    return facts


def translate(options: argparse.Namespace) -> dict[str, Any]:
    """Weights for the latents of one autoencoder to weights for those of another."""
    from reverie.data.shards import Footage
    from reverie.training.translate import translate

    if options.output.suffix != ".safetensors":
        raise ValueError(f"{options.output}: weights are a .safetensors")
    if not options.output.parent.is_dir():
        raise ValueError(f"the folder {options.output.parent} does not exist: create it, or write elsewhere")
    figures = translate(options.transformer, options.autoencoder, options.to, Footage(options.data), options.output)
    say(options, f"{options.output}  {json.dumps(figures)}")
    return {"files": [str(options.output)], **figures}


def bundle(options: argparse.Namespace) -> dict[str, Any]:
    """Two weights files to a model folder."""
    from reverie.training.runs import bundle

    digest = bundle(options.autoencoder, options.transformer, options.output)
    say(options, f"{options.output}  model {digest}")
    return {"folder": str(options.output), "model": digest}
