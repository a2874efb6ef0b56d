"""Complete configs: `tiny` for tests and smoke runs, `default` for a model of the size that ships, `small`, `base` and `large` for other budgets.

Nothing larger than `default` has been trained; `reverie train plan` computes what each would take.
"""

from dataclasses import dataclass, replace

from reverie.autoencoder.autoencoder import AutoencoderConfig
from reverie.patches.actions import ACTION_WIDTH
from reverie.patches.patches import PATCH
from reverie.training.loop import TrainingConfig
from reverie.transformer.dit import TransformerConfig

CHANNELS = 32  # of the latents of the default autoencoder; `tiny` has 16
TOKEN_WIDTH = PATCH**2 * CHANNELS


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Both networks and how each is trained, and how the probe is (evaluation/probe.py)."""

    autoencoder: AutoencoderConfig
    autoencoder_training: TrainingConfig
    transformer: TransformerConfig
    transformer_training: TrainingConfig
    probe_training: TrainingConfig


def tiny() -> Preset:
    """Seconds on any machine: everything runs, nothing is learned well."""
    return Preset(
        autoencoder=AutoencoderConfig(latent_channels=16, nested_channels=(8,), encoder_widths=(16, 24), encoder_blocks=(1, 1), decoder_widths=(16, 24), decoder_blocks=(1, 1)),
        autoencoder_training=TrainingConfig(num_steps=20, batch_size=4, learning_rate=2e-3, muon_learning_rate=0.05, warmup_steps=2, sample_every=10, log_every=1),
        transformer=TransformerConfig(width=64, depth=2, heads=2, feedforward=128, action_width=ACTION_WIDTH),
        transformer_training=TrainingConfig(num_steps=20, batch_size=8, learning_rate=1e-3, muon_learning_rate=0.02, warmup_steps=2, sample_every=10, log_every=1),
        probe_training=TrainingConfig(num_steps=20, batch_size=8, learning_rate=2e-3, warmup_steps=2, log_every=1, precision="float32"),
    )


def default() -> Preset:
    """A pair for the second edition of the diorama. The bundled one has 16 channels: docs/reproduce.md has the commands, the time each takes and the number each reaches."""
    return Preset(
        autoencoder=AutoencoderConfig(latent_channels=CHANNELS, nested_channels=(16, 24)),
        autoencoder_training=TrainingConfig(num_steps=4000, batch_size=16, learning_rate=7e-4, muon_learning_rate=0.01, decay_share=0.5),
        transformer=TransformerConfig(token_width=TOKEN_WIDTH, action_width=ACTION_WIDTH, skip=True),
        transformer_training=TrainingConfig(num_steps=1500, batch_size=48, learning_rate=8e-4, muon_learning_rate=0.012, warmup_steps=30, decay_share=0.55, ema_decay=0.995),
        probe_training=TrainingConfig(num_steps=3000, batch_size=64, learning_rate=2e-3, weight_decay=0.05, decay_share=0.9, ema_decay=0.99, precision="float32"),
    )


def _scaled(width: int, depth: int, batch_size: int, num_steps: int) -> Preset:
    """The default with another transformer: heads of 64, feed-forward four times the width, the rates of the default."""
    training = replace(default().transformer_training, num_steps=num_steps, batch_size=batch_size, warmup_steps=300, decay_share=0.25)
    transformer = TransformerConfig(token_width=TOKEN_WIDTH, width=width, depth=depth, heads=width // 64, feedforward=4 * width, action_width=ACTION_WIDTH, skip=True)
    return replace(default(), transformer=transformer, transformer_training=training)


def small() -> Preset:
    """11 M: ablations."""
    return _scaled(256, 8, 48, 1000)


def base() -> Preset:
    """0.3 B: a day or two of one data-centre GPU (`reverie train plan` computes it)."""
    return _scaled(1024, 16, 512, 100_000)


def large() -> Preset:
    """1.8 B: a week or two of eight data-centre GPUs."""
    return _scaled(2048, 25, 2048, 300_000)


PRESETS = {"tiny": tiny, "small": small, "default": default, "base": base, "large": large}
