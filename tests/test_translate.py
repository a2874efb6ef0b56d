"""Weights for the latents of another autoencoder: what they say is what they said."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import reverie
from reverie.cli import main
from reverie.data.shards import write_shard
from reverie.layers.weights import load_weights, save_weights
from reverie.patches.packing import Piece, extras_of, pack
from reverie.patches.positions import token_positions
from reverie.sampling.reverie import load_autoencoder, save_autoencoder
from reverie.text.refiner import sinusoids
from reverie.transformer.dit import FREQUENCIES
from reverie.video import Video


def test_weights_speak_of_the_latents_of_another_autoencoder(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The new latents are half as large, so noise is twice as strong in them: level 1/2 is what 2/3 was."""
    rng = np.random.default_rng(0)
    clips = [(f"{n}", Video(rng.integers(0, 256, (8, 96, 96, 3), np.uint8)), {"captions": ["noise"], "still_captions": ["noise"]}) for n in range(12)]
    (tmp_path / "footage").mkdir()
    write_shard(tmp_path / "footage" / "a.tar", clips)
    tensors, about = load_weights(model_folder / "transformer.safetensors", "transformer")
    low, high = (sinusoids(1000 * torch.tensor([level]), FREQUENCIES) for level in (0.5, 0.51))
    tensors["time1.weight"] *= (low - high).abs() < 0.1  # trained weights are smooth in the level, random ones are not
    tensors |= {"skip.weight": torch.zeros(64, len(tensors["embed.bias"])), "skip.bias": torch.linspace(0, 1, 64)}
    about["config"]["skip"] = True
    (tmp_path / "old").mkdir()
    save_weights(tmp_path / "old" / "transformer.safetensors", tensors, about)
    shutil.copy(model_folder / "autoencoder.safetensors", tmp_path / "old")
    model_folder = tmp_path / "old"
    network, _ = load_autoencoder(model_folder / "autoencoder.safetensors")
    network.latent_std.mul_(2)
    (tmp_path / "new").mkdir()
    save_autoencoder(tmp_path / "new" / "autoencoder.safetensors", network)
    command = [
        "train",
        "translate",
        "--transformer",
        str(model_folder / "transformer.safetensors"),
        "--to",
        str(tmp_path / "new" / "autoencoder.safetensors"),
        "--data",
        str(tmp_path / "footage"),
    ]
    made = ["--autoencoder", str(model_folder / "autoencoder.safetensors"), "-o", str(tmp_path / "new" / "transformer.safetensors"), "--json"]
    assert main([*command, *made]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["noise"] == pytest.approx(2, abs=0.05) and min(figures["old_explained"], figures["new_explained"]) > 0.99
    old, new = (reverie.load(folder, dtype=torch.float32) for folder in (model_folder, tmp_path / "new"))
    z, noise, outputs = torch.randn(32, 64), torch.randn(32, 64), []
    for dreamer, sigma, size in ((old, 2 / 3, 1.0), (new, 1 / 2, 0.5)):
        tokens = (1 - sigma) * size * z + sigma * noise
        piece = Piece(tokens, token_positions(torch.arange(2) / 2, (4, 4)), torch.full((1,), sigma), torch.zeros(32, dtype=torch.long), extras_of(64, 64, 8.0))
        with torch.inference_mode():
            outputs.append(dreamer.transformer.denoise(pack([piece]), dreamer.transformer.prepare(dreamer.encoder.encode(["a red ball"]))) / size)
    assert float((outputs[0] - outputs[1]).std() / outputs[0].std()) < 0.1  # plain ridge, and a fit of the level
    assert main([*command, "--autoencoder", str(tmp_path / "new" / "autoencoder.safetensors"), "-o", str(tmp_path / "x.safetensors")]) == 2
    assert "give the autoencoder of its run" in capsys.readouterr().err
    save_weights(tmp_path / "fast.safetensors", {}, {**about, "config": {**about["config"], "shortcut": True}})
    fast = [str(tmp_path / "fast.safetensors") if word.endswith("transformer.safetensors") else word for word in command]
    assert main([*fast, "--autoencoder", str(model_folder / "autoencoder.safetensors"), "-o", str(tmp_path / "x.safetensors")]) == 2
    assert "knows shortcuts" in capsys.readouterr().err
    assert main([*command, "--autoencoder", str(model_folder / "autoencoder.safetensors"), "-o", str(tmp_path / "x.bin")]) == 2
    assert "weights are a .safetensors" in capsys.readouterr().err
