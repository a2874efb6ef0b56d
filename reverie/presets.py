"""Complete configs: `tiny` for tests and smoke runs, `default` for the model that ships."""

from dataclasses import dataclass

from reverie.autoencoder.autoencoder import AutoencoderConfig
from reverie.training.loop import TrainingConfig
from reverie.transformer.dit import TransformerConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Both networks and how each is trained."""

    autoencoder: AutoencoderConfig
    autoencoder_training: TrainingConfig
    transformer: TransformerConfig
    transformer_training: TrainingConfig


def tiny() -> Preset:
    """Seconds on any machine: everything runs, nothing is learned well."""
    return Preset(
        autoencoder=AutoencoderConfig(encoder_widths=(16, 24), encoder_blocks=(1, 1), decoder_widths=(16, 24), decoder_blocks=(1, 1)),
        autoencoder_training=TrainingConfig(num_steps=20, batch_size=4, learning_rate=1e-3, warmup_steps=2, sample_every=10, log_every=1),
        transformer=TransformerConfig(width=64, depth=2, heads=2, feedforward=128),
        transformer_training=TrainingConfig(num_steps=20, batch_size=8, learning_rate=1e-3, muon_learning_rate=0.02, warmup_steps=2, sample_every=10, log_every=1),
    )


def default() -> Preset:
    """The model that ships: docs/reproduce.md has the commands, the time each takes and the number each reaches."""
    return Preset(
        autoencoder=AutoencoderConfig(),
        autoencoder_training=TrainingConfig(num_steps=2700, batch_size=16, learning_rate=7e-4, decay_share=0.9),
        transformer=TransformerConfig(),
        transformer_training=TrainingConfig(num_steps=1000, batch_size=48, learning_rate=1e-3, muon_learning_rate=0.02, warmup_steps=100, decay_share=0.454),
    )


PRESETS = {"tiny": tiny, "default": default}
