"""What a preset would take, computed, not measured: parameters, operations, memory, days."""

from typing import Any

import torch

from reverie.autoencoder.autoencoder import FRAMES, SPATIAL, Autoencoder, AutoencoderConfig
from reverie.patches.patches import PATCH
from reverie.training.loop import TrainingConfig
from reverie.training.objectives import SHORTCUT_EVERY
from reverie.transformer.dit import Transformer, TransformerConfig

# dense bf16 operations per second as the makers state them; 40% of it is assumed to be reached
HARDWARE = {"RTX 4090": 165e12, "A100": 312e12, "H100": 989e12, "8 x H100": 8 * 989e12}
REACHED = 0.4


def plan(autoencoder: AutoencoderConfig, transformer: TransformerConfig, training: TrainingConfig, width: int, height: int, seconds: float, fps: float) -> dict[str, Any]:
    """For clips of one shape. flops_per_second_of_video: one evaluation of the transformer, without guidance; memory in GB: fp32
    weights, gradients, moments and average, without activations.
    """
    with torch.device("meta"):
        networks = Autoencoder(autoencoder), Transformer(transformer)
    parameters = [sum(p.numel() for p in network.parameters()) for network in networks]
    token = SPATIAL * PATCH  # pixels per side
    tokens = -(-round(seconds * fps) // FRAMES) * -(-height // token) * -(-width // token)
    forward = networks[1].estimate_flops(tokens)
    halves = 2 / SHORTCUT_EVERY if transformer.shortcut else 0  # two evaluations, without gradients
    clips = training.num_steps * max(1, training.tokens_per_step // tokens if training.tokens_per_step else training.batch_size)
    total = (3.0 + halves) * forward * clips
    return {
        "computed": True,
        "parameters": {"autoencoder": parameters[0], "transformer": parameters[1]},
        "clip": {"size": f"{width}x{height}", "seconds": seconds, "fps": fps, "tokens": tokens},
        "flops_per_second_of_video": forward / seconds,
        "training_flops": total,
        "training_clips": clips,
        "state_gb": round(parameters[1] * 4 * 5 / 1e9, 2),
        "days": {name: float(f"{total / (peak * REACHED) / 86400:.3g}") for name, peak in HARDWARE.items()},
        "share_of_peak_assumed": REACHED,
    }
