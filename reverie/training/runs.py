"""The two trainings from footage to a weights file: what each network, its data and its objective are."""

import functools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reverie.autoencoder.autoencoder import Autoencoder, AutoencoderConfig
from reverie.config import to_dict
from reverie.data.latents import LatentClips, cache_latents
from reverie.data.sampling import crops_at
from reverie.data.shards import Footage
from reverie.layers.precision import fast_dtype
from reverie.layers.weights import digest, load_weights, save_weights
from reverie.sampling.reverie import Reverie, check_pair, load_autoencoder
from reverie.text.encoder import sentence_encoder
from reverie.text.vocabulary import vocabulary_of
from reverie.training.loop import TrainingConfig, train
from reverie.training.objectives import autoencoder_objective, transformer_objective
from reverie.transformer.dit import Transformer, TransformerConfig

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int, dict[str, float]], None]  # (what, done, of, figures)
PCA_CUTS = 384


def train_autoencoder(config: AutoencoderConfig, training: TrainingConfig, footage: Footage, folder: Path, progress: Progress, draw: Callable[[Autoencoder, Path], None]) -> Path:
    """Train on footage, resuming what is in `folder`; returns FOLDER/autoencoder.safetensors. `draw` makes a sheet of reconstructions."""
    torch.manual_seed(training.seed)
    network = Autoencoder(config)
    cuts = torch.cat([crops_at(footage, step, 32, training.seed + 99) for step in range(max(1, min(PCA_CUTS, 2 * len(footage)) // 32))])
    logger.info("the linear codec keeps %.2f%% of the variance", 100 * network.fit_linear(cuts.flatten(0, 1)))
    network.compute_dtype = precision = _precision(folder)

    def sample(_: nn.Module, averaged: dict[str, Tensor], path: Path) -> None:
        shown = Autoencoder(config)
        shown.load_state_dict(averaged)
        shown.compute_dtype = precision
        draw(shown, path)

    averaged = train(
        network=network, objective=autoencoder_objective, batch_at=lambda step: crops_at(footage, step, training.batch_size, training.seed), config=training,
        folder=folder, about={"autoencoder": to_dict(config), "data": footage.digest(), "precision": str(precision)}, sample=sample, progress=lambda step, figures: progress("training", step, training.num_steps, figures),
    )  # fmt: skip
    network.load_state_dict(averaged)
    with torch.no_grad():
        network.fit_normalisation(network.encode_raw(cuts))
    path = folder / "autoencoder.safetensors"
    save_weights(path, network.state_dict(), {"network": "autoencoder", "config": to_dict(config)})
    return path


def train_transformer(
    config: TransformerConfig, training: TrainingConfig, footage: Footage, autoencoder_path: Path, folder: Path, progress: Progress, draw: Callable[[Reverie, Path], None],
    start: Path | None = None,
) -> Path:  # fmt: skip
    """Encode the footage (once), train on its latents, resuming what is in `folder`; returns FOLDER/transformer.safetensors.

    `start` is a weights file with the same config and autoencoder to begin from, instead of random weights.
    """
    torch.manual_seed(training.seed)
    encoder = sentence_encoder()
    autoencoder, about_autoencoder = load_autoencoder(autoencoder_path)
    check_pair(autoencoder, config)
    precision = _precision(folder)
    autoencoder.compute_dtype = precision
    for done, total in cache_latents(footage, autoencoder, about_autoencoder["digest"]):
        progress("encoding", done, total, {})
    latents = LatentClips(footage, about_autoencoder["digest"])
    network = Transformer(config)
    network.compute_dtype = precision
    vocabulary = vocabulary_of(text for entry in footage.entries for text in (*entry.captions, *entry.still_captions))
    about: dict[str, Any] = {"network": "transformer", "config": to_dict(config), "autoencoder": about_autoencoder["digest"], "text": encoder.digest}
    if start is not None:
        weights, before = load_weights(start, "transformer")
        for name in ("config", "autoencoder", "text"):
            if before[name] != about[name]:
                raise ValueError(f"{start} was trained with another {name} ({before[name]}): this run has {about[name]}")
        network.load_state_dict(weights)
        about["start"] = before["digest"]

    def sample(_: nn.Module, averaged: dict[str, Tensor], path: Path) -> None:
        shown = Transformer(config)
        shown.load_state_dict(averaged)
        draw(Reverie(load_autoencoder(autoencoder_path)[0], shown, encoder, "in training", tuple(vocabulary), precision), path)

    averaged = train(
        network=network, objective=functools.partial(transformer_objective, encoder), batch_at=lambda step: latents.batch(step, training.batch_size, training.seed), config=training, folder=folder, about={**about, "data": footage.digest(), "precision": str(precision)},
        sample=sample, progress=lambda step, figures: progress("training", step, training.num_steps, figures),
    )  # fmt: skip
    path = folder / "transformer.safetensors"
    save_weights(path, averaged, {**about, "vocabulary": vocabulary, "steps": training.num_steps})
    return path


def _precision(folder: Path) -> torch.dtype:
    """The dtype of the run in `folder`, or for a new run the faster one here: it is measured, so it must not be chosen twice."""
    note = folder / "run.json"
    return getattr(torch, json.loads(note.read_text())["precision"].removeprefix("torch.")) if note.exists() else fast_dtype()


def bundle(autoencoder: Path, transformer: Path, folder: Path) -> str:
    """Copy a pair of weights files that belong together into `folder`; returns the transformer's digest. ValueError if they do not."""
    pair = {"autoencoder": load_weights(autoencoder, "autoencoder"), "transformer": load_weights(transformer, "transformer")}
    if pair["transformer"][1]["autoencoder"] != pair["autoencoder"][1]["digest"]:
        raise ValueError(f"{transformer} was not trained with {autoencoder}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (tensors, about) in pair.items():
        save_weights(folder / f"{name}.safetensors", tensors, {k: v for k, v in about.items() if k != "digest"})
    return digest(pair["transformer"][0])
