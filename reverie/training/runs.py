"""The two trainings from footage to a weights file: what each network, its data and its objective are."""

import functools
import itertools
import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from reverie.autoencoder.autoencoder import FRAMES, Autoencoder, AutoencoderConfig
from reverie.config import to_dict
from reverie.data.latents import LatentClips, cache_latents, plan_cache
from reverie.data.sampling import CUTS, Packs, check_batch, check_budget, check_crops, crops_at, numbers_of
from reverie.data.shards import Footage
from reverie.layers.precision import fast_dtype, peak_memory
from reverie.layers.weights import digest, load_weights, save_weights
from reverie.patches.actions import ACTION_WIDTH
from reverie.sampling.reverie import Reverie, latents_name, load_autoencoder, save_autoencoder, token_width_of
from reverie.text.encoder import sentence_encoder
from reverie.text.vocabulary import vocabulary_of
from reverie.training import ema
from reverie.training.distributed import World, recompute_activations
from reverie.training.loop import BatchAt, Objective, Sample, Stretch, TrainingConfig, train
from reverie.training.objectives import TERMS, Cuts, autoencoder_objective, transformer_objective
from reverie.training.optim import make_optimizers
from reverie.training.validation import Validation
from reverie.transformer.dit import Transformer, TransformerConfig

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int, dict[str, float]], None]  # (what, done, of, figures)
PCA_CLIPS = 192
STATE_COPIES = 4  # a checkpoint holds the weights, their average and two moments
CHECKPOINTS = 4  # room for the two that are kept, one being written and a milestone


@dataclass(frozen=True)
class Run:
    """What is trained, from what, where. `write` turns the averaged weights into the weights file; `facts` are for people."""

    network: nn.Module
    objective: Objective
    batch_at: BatchAt
    config: TrainingConfig
    folder: Path
    about: dict[str, Any]
    sample: Sample | None
    write: Callable[[dict[str, Tensor]], Path]
    facts: dict[str, Any]

    def train(self, world: World, stretch: Stretch, progress: Progress) -> Path | None:
        """Train to the end, going on from what is in the folder; returns the weights file, or None if it was stopped before."""
        averaged = train(
            network=self.network, objective=self.objective, batch_at=self.batch_at, config=self.config, folder=self.folder, about=self.about, world=world, stretch=stretch,
            sample=self.sample, progress=lambda step, figures: progress("training", step, self.config.num_steps, figures),
        )  # fmt: skip
        if averaged is None or not world.first:
            return None
        return self.write(averaged)

    def rehearse(self, world: World, stretch: Stretch) -> dict[str, Any]:
        """What the run would take: two steps of one process with one part of the first batch, of which the second is measured; nothing is kept."""
        parts = world.size * stretch.accumulate
        if stretch.recompute:
            recompute_activations(self.network)
        average = ema.start(self.network)
        optimizers = make_optimizers(self.network, self.config.learning_rate, self.config.muon_learning_rate, self.config.weight_decay)
        for _ in range(2):
            times = [time.perf_counter()]
            part = self.batch_at(0, 0, parts)
            times.append(time.perf_counter())
            loss, _, figures = self.objective(self.network, part, self.config.seed)
            loss.backward()
            times.append(time.perf_counter())
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            ema.update(average, self.network, self.config.ema_decay, 0)
            times.append(time.perf_counter())
        making, learning, stepping = (after - before for before, after in itertools.pairwise(times))
        seconds = stretch.accumulate * learning + stepping
        return {
            **self.facts, "parameters": sum(p.numel() for p in self.network.parameters()), "num_steps": self.config.num_steps, "batch_size": self.config.batch_size,
            "processes": world.size, "tokens_per_step": figures["tokens"][0] * parts, "seconds_per_step": round(seconds, 3), "hours": round(seconds * self.config.num_steps / 3600, 2),
            "seconds_to_make_a_batch": round(stretch.accumulate * making, 3),
            "memory_gb": round(peak_memory() / 1e9, 2), "checkpoint_gb": round(_state_bytes(self.network) / 1e9, 3), "free_gb": round(_free(self.folder) / 1e9, 1),
        }  # fmt: skip


def autoencoder_run(
    config: AutoencoderConfig, training: TrainingConfig, footage: Footage, folder: Path, draw: Callable[[Autoencoder, Path], None], world: World, parts: int,
    decoder_of: Path | None = None,
) -> Run:  # fmt: skip
    """An autoencoder from footage, in batches of `parts` parts; the nested ones are written beside it. `draw` makes a sheet of reconstructions.

    `decoder_of` is a weights file whose decoder alone learns on (`config` is then the file's): the latents stay what they are, and the
    transformers that dream them stay good.
    """
    check_batch(training.batch_size, len(footage), parts, CUTS)
    check_crops(footage.entries)
    if training.tokens_per_step:
        raise ValueError("tokens_per_step is for the transformer: the autoencoder learns from batch_size cuts of one size")
    torch.manual_seed(training.seed)

    def first_cuts() -> Tensor:
        return crops_at(footage, range(min(PCA_CLIPS, len(footage))), training.seed + 99)

    if decoder_of is None:
        network, latents = Autoencoder(config), None
        facts: dict[str, Any] = {"variance_of_linear_codec": round(network.fit_linear(first_cuts().flatten(0, 1)), 4)}
    else:
        network, before = load_autoencoder(decoder_of)
        config, latents, facts = network.config, before["latents"], {"decoder_of": before["digest"]}
        network.train().encoder.requires_grad_(False)
    about = {"autoencoder": to_dict(config), "data": footage.digest(), "objective": TERMS["autoencoder"], **({} if decoder_of is None else facts)}
    network.compute_dtype = precision = _precision(folder, training, world)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.decode_raw(network.encode_raw(crops_at(footage, range(1), training.seed)[:1]))

    def batch_at(batch: int, part: int, parts: int) -> Cuts:
        numbers = numbers_of(batch, training.batch_size // CUTS, part, parts)
        return Cuts(crops_at(footage, numbers, training.seed), numbers)

    def sample(averaged: dict[str, Tensor], path: Path) -> None:
        shown = Autoencoder(config)
        shown.load_state_dict(averaged)
        shown.compute_dtype = precision
        draw(shown, path)

    def write(averaged: dict[str, Tensor]) -> Path:
        done = Autoencoder(config)
        done.compute_dtype = precision
        done.load_state_dict(averaged)
        cuts = first_cuts() if decoder_of is None else torch.empty(0)
        for codec in (*(done.narrowed(channels) for channels in config.nested_channels if decoder_of is None), done):
            if decoder_of is None:
                with torch.no_grad():
                    codec.fit_normalisation(codec.encode_raw(cuts))
            path = folder / ("autoencoder.safetensors" if codec is done else f"autoencoder-{codec.config.latent_channels}.safetensors")
            save_autoencoder(path, codec, latents)
        return path

    return Run(
        network, functools.partial(autoencoder_objective, 3 * counter.get_total_flops() if decoder_of is None else 0), batch_at, training, folder,
        {**about, "precision": str(precision)}, sample, write, {"network": "autoencoder", "clips": len(footage), **facts, "precision": str(precision)},
    )  # fmt: skip


def transformer_run(
    config: TransformerConfig, training: TrainingConfig, footage: Footage, autoencoder_path: Path, folder: Path, progress: Progress, draw: Callable[[Reverie, Path], None],
    world: World, parts: int, start: Path | None = None, dry: bool = False, held_out: Footage | None = None,
) -> Run:  # fmt: skip
    """A transformer from the latents of footage, in batches of `parts` parts; `draw` makes a sheet of samples.

    The footage is encoded first, once, if the disk has room for its latents, else whenever a clip is needed (dry: always).
    Tokens are as wide as patches of the autoencoder's latents and texts as the encoder's features, whatever `config` says. `start` is a weights file with the same config and autoencoder to begin from, instead of random weights; `held_out` is footage to validate with.
    """
    if not training.tokens_per_step:
        check_batch(training.batch_size, len(footage), parts)
    if held_out is not None and held_out.digest() == footage.digest():
        raise ValueError(f"{held_out.folder} is what is trained on: validate with other footage")
    if silent := next((entry for entry in footage.entries if not (entry.captions and entry.still_captions)), None):
        raise ValueError(f"{footage.folder / silent.shard}: clip {silent.key} has no words: every clip needs captions and still_captions")
    torch.manual_seed(training.seed)
    encoder = sentence_encoder()
    autoencoder, about_autoencoder = load_autoencoder(autoencoder_path)
    config = replace(config, token_width=token_width_of(autoencoder), text_width=encoder.width)
    if config.action_width not in (0, ACTION_WIDTH):
        raise ValueError(f"action_width is {config.action_width}: {ACTION_WIDTH}, or 0 for weights that nobody steers")
    precision = _precision(folder, training, world)
    autoencoder.compute_dtype = precision
    network = Transformer(config)
    network.compute_dtype = precision
    vocabulary = vocabulary_of(text for entry in footage.entries for text in (*entry.captions, *entry.still_captions))
    about: dict[str, Any] = {"network": "transformer", "config": to_dict(config), "autoencoder": about_autoencoder["latents"], "text": encoder.digest}
    if start is not None:
        weights, before = load_weights(start, "transformer")
        new = {name: getattr(config, name) for name in ("action_width", "skip", "shortcut") if not before["config"].get(name)}  # what they do not know is learned from zero
        same = {**before, "config": {**before["config"], **new}}
        for name in ("config", "autoencoder", "text"):
            if same[name] != about[name]:
                raise ValueError(f"{start} was trained with another {name} ({before[name]}): this run has {about[name]}")
        network.load_state_dict(network.state_dict() | weights)
        vocabulary = sorted({*vocabulary, *before["vocabulary"]})  # words of earlier stretches were met, too
        about["start"] = before["digest"]

    cache = f"{about_autoencoder['latents']}-{str(precision).removeprefix('torch.')}"
    plan = plan_cache(footage, autoencoder, cache, world.size)
    fits = bool(world.from_first(plan.fits(CHECKPOINTS * _state_bytes(network))))
    facts = {"clips": len(footage), "clips_to_encode": plan.clips, "latents_gb": round(plan.size / 1e9, 3), "encoding_minutes": round(plan.seconds / 60, 1)}
    if plan.clips and not dry:
        size = f"{plan.size / 1e9:.2f} GB of latents in {footage.folder}, {plan.free / 1e9:.1f} GB are free there"
        how = f"about {plan.seconds / 60:.1f} minutes" if fits else "too little: every clip is encoded whenever it is needed, which costs time in each step"
        logger.info("%d clips are to be encoded: %s; %s", plan.clips, size, how)
    if fits and not dry:
        for done, total in cache_latents(footage, autoencoder, cache, world.rank, world.size):
            progress("encoding", done, total, {})
    latents = LatentClips(footage, cache, autoencoder if dry or not fits else None)

    window = max(1, max(entry.num_frames for entry in footage.entries) // FRAMES)  # latents of the longest clip that no image begins
    batch_at = _clips_at(latents, training, parts)
    validation = Validation(encoder, LatentClips(held_out, cache, autoencoder)) if held_out is not None and world.first else None

    def sample(averaged: dict[str, Tensor], path: Path) -> dict[str, float]:
        shown = Transformer(config)
        shown.load_state_dict(averaged)
        shown.compute_dtype = precision
        figures = validation(shown) if validation else {}
        draw(Reverie(load_autoencoder(autoencoder_path)[0], shown, encoder, "in training", tuple(vocabulary), precision, window), path)
        return figures

    def write(averaged: dict[str, Tensor]) -> Path:
        save_weights(folder / "transformer.safetensors", averaged, {**about, "vocabulary": vocabulary, "steps": training.num_steps, "window": window})
        return folder / "transformer.safetensors"

    return Run(
        network, functools.partial(transformer_objective, encoder), batch_at, training, folder, {**about, "data": footage.digest(), "objective": TERMS["transformer"], "precision": str(precision)}, sample, write, {"network": "transformer", **facts, "precision": str(precision)},
    )  # fmt: skip


def _clips_at(latents: LatentClips, training: TrainingConfig, parts: int) -> BatchAt:
    """Batches of a number of clips, or of as many as fit into a number of tokens."""
    if not training.tokens_per_step:
        return lambda batch, part, parts: latents.batch(numbers_of(batch, training.batch_size, part, parts), training.seed)
    check_budget(training.tokens_per_step, latents.longest(), parts)
    packs = Packs(lambda number: latents.num_tokens(number, training.seed), training.tokens_per_step)
    return lambda batch, part, parts: latents.batch(packs.numbers(batch, part, parts), training.seed)


def _precision(folder: Path, training: TrainingConfig, world: World) -> torch.dtype:
    """The dtype of the run in `folder`, or for a new run what is asked for, or the faster one here: measured, so not to be chosen twice."""
    note = folder / "run.json"
    if training.precision != "auto":
        return getattr(torch, training.precision)
    known = json.loads(note.read_text()).get("precision") if note.exists() else None
    if known:
        return getattr(torch, known.removeprefix("torch."))
    return torch.bfloat16 if world.from_first(fast_dtype() == torch.bfloat16) else torch.float32


def _state_bytes(network: nn.Module) -> int:
    return STATE_COPIES * sum(value.nbytes for value in network.state_dict().values())


def _free(folder: Path) -> int:
    return shutil.disk_usage(next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())).free


def bundle(autoencoder: Path, transformer: Path, folder: Path) -> str:
    """Copy a pair of weights files that belong together into `folder`; returns the transformer's digest. ValueError if they do not.

    The decoder's matrices keep seven significant bits of eight: its pictures stay what they are (docs/autoencoder.md), and Git stores 0.8 MB less.
    """
    pair = {"autoencoder": load_weights(autoencoder, "autoencoder"), "transformer": load_weights(transformer, "transformer")}
    if pair["transformer"][1]["autoencoder"] != latents_name(pair["autoencoder"][1]):
        wanted, given = pair["transformer"][1]["autoencoder"], latents_name(pair["autoencoder"][1])
        raise ValueError(f"{transformer} was trained with the latents {wanted}, {autoencoder} makes {given}: give the autoencoder of its run")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (tensors, about) in pair.items():
        tensors = {key: _seven_bits(value) if key.startswith("decoder.") and value.ndim > 1 else value for key, value in tensors.items()}
        latents = {"latents": latents_name(about)} if name == "autoencoder" else {}  # they stay what they are, whatever the decoder
        save_weights(folder / f"{name}.safetensors", tensors, {k: v for k, v in about.items() if k != "digest"} | latents)
    return digest(pair["transformer"][0])


def _seven_bits(value: Tensor) -> Tensor:
    """Rounded to the nearest numbers of bf16 whose last bit is zero, halves to even."""
    bits = value.bfloat16().view(torch.int16)
    return (bits + (bits >> 1 & 1) & ~1).view(torch.bfloat16)
