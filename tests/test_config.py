"""Configs are strict and survive JSON."""

import pytest

from reverie.config import from_dict, override, to_dict
from reverie.presets import PRESETS, Preset, tiny
from reverie.transformer.dit import TransformerConfig


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str):
    assert from_dict(Preset, to_dict(PRESETS[name]())) == PRESETS[name]()


def test_overrides():
    changed = override(tiny(), ["transformer.depth=3", "autoencoder.encoder_widths=[8, 8]", "transformer.prediction=velocity"])
    assert (changed.transformer.depth, changed.autoencoder.encoder_widths, changed.transformer.prediction) == (3, (8, 8), "velocity")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widht": 64}, "did you mean 'width'"),
        ({"width": 64.5}, "int is needed"),
        ({"width": True}, "int is needed"),
        ({"prediction": "noise"}, "is needed"),
        ({"depth": 0}, "at least 1"),
    ],
)
def test_wrong_values_are_refused(values: dict, message: str):
    with pytest.raises(ValueError, match=message):
        from_dict(TransformerConfig, values)
