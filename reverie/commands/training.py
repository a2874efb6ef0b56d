"""Commands that train: autoencoder, transformer, bundle."""

import argparse
from pathlib import Path
from typing import Any

from reverie.commands.talking import progress, report, say


def train(options: argparse.Namespace) -> None:
    """The command without a network."""
    options.parser.error("say what: autoencoder, transformer or bundle")


def _preset(options: argparse.Namespace) -> Any:
    from reverie.config import did_you_mean, override
    from reverie.presets import PRESETS

    if options.preset not in PRESETS:
        raise ValueError(f"no preset {options.preset!r}{did_you_mean(options.preset, PRESETS)}")
    return override(PRESETS[options.preset](), options.set)


def train_autoencoder(options: argparse.Namespace) -> dict[str, Any]:
    """Footage to an autoencoder."""
    from reverie.data.shards import Footage
    from reverie.evaluation.reconstruction import reconstruction_sheet
    from reverie.evaluation.sheet import save_sheet
    from reverie.training.runs import train_autoencoder

    preset, footage = _preset(options), Footage(options.data)
    with progress("training") as advance:
        path = train_autoencoder(
            preset.autoencoder,
            preset.autoencoder_training,
            footage,
            options.folder,
            report(advance),
            lambda network, path: save_sheet(reconstruction_sheet(network, footage), path),
        )
    say(options, str(path))
    return {"files": [str(path)]}


SAMPLE_PROMPTS = (
    "a red ball rolls to the right on the grass", "a blue cube falls to the ground in the snow", "a yellow cone jumps at night",
    "in the desert, a purple cylinder slides to the left", "an orange ball and a green cube on a wooden floor", "蓝色的球在雪地里向左滚动",
)  # fmt: skip


def train_transformer(options: argparse.Namespace) -> dict[str, Any]:
    """Footage to a transformer."""
    from reverie.data.shards import Footage
    from reverie.evaluation.sheet import contact_sheet, save_sheet
    from reverie.sampling.reverie import BUNDLED
    from reverie.training.runs import train_transformer

    def draw(dreamer: Any, path: Path) -> None:
        videos = [dreamer.generate(prompt, seed=n) for n, prompt in enumerate(SAMPLE_PROMPTS)]
        save_sheet(contact_sheet(videos, SAMPLE_PROMPTS), path)

    preset, footage = _preset(options), Footage(options.data)
    autoencoder = options.autoencoder or BUNDLED / "autoencoder.safetensors"
    with progress("training") as advance:
        path = train_transformer(preset.transformer, preset.transformer_training, footage, autoencoder, options.folder, report(advance), draw, options.start)
    say(options, str(path))
    return {"files": [str(path)]}


def bundle(options: argparse.Namespace) -> dict[str, Any]:
    """Two weights files to a model folder."""
    from reverie.training.runs import bundle

    digest = bundle(options.autoencoder, options.transformer, options.output)
    say(options, f"{options.output}  model {digest}")
    return {"folder": str(options.output), "model": digest}
