"""The probe: labels from ground truth, training by the one loop, reading clips."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.cli import main
from reverie.data.shards import write_shard
from reverie.evaluation.probe import LABELS, UNKNOWN, Probe, load_probe, read, truth_of, view
from tests.conftest import made_clip

SUBJECT = {"kind": "cube", "colour": "red", "facts": ["slide_right", "stop"]}
SCENE = {"subjects": [SUBJECT], "surroundings": "snow", "time": "day", "camera": {"kind": "pan"}}


@pytest.fixture(scope="module")
def told_footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares of three colours with a ground truth."""
    folder = tmp_path_factory.mktemp("told")
    told = {"captions": ["a cube slides"], "still_captions": ["a cube"]}
    scenes = [{**SCENE, **told, "subjects": [{**SUBJECT, "colour": ("red", "green", "blue")[n % 3]}]} for n in range(12)]
    write_shard(folder / "told.tar", ((f"{n:03d}", made_clip(n), scene) for n, scene in enumerate(scenes)))
    return folder


def words(scene: dict) -> dict[str, str | None]:
    labels = truth_of(scene)
    assert labels is not None
    return {name: None if label == UNKNOWN else LABELS[name][label] for name, label in zip(LABELS, labels, strict=True)}


def test_labels_are_the_ground_truth():
    assert words(SCENE) == {"kind": "cube", "colour": "red", "surroundings": "snow", "time": "day", "camera": "pan", "act": "travel", "way": "right"}
    quiet = words({**SCENE, "subjects": [{**SUBJECT, "facts": []}]})
    assert quiet["act"] is None and quiet["way"] is None  # what is not clear is not asked
    assert words({**SCENE, "subjects": [{**SUBJECT, "facts": ["fall", "bounce"]}]})["way"] == "none"
    assert words({**SCENE, "surroundings": "moon"})["surroundings"] is None
    assert truth_of({**SCENE, "subjects": [SUBJECT, SUBJECT]}) is None


def test_a_view_spans_the_clip_whatever_its_size():
    frames = made_clip(0, frames=33, height=64, width=160).frames
    seen = view(frames)
    assert seen.shape == (8, 64, 64, 3)
    assert np.abs(seen[0].astype(int).mean((0, 1)) - frames[0].mean((0, 1))).max() < 1
    assert np.abs(seen[-1].astype(int).mean((0, 1)) - frames[-1].mean((0, 1))).max() < 1
    assert view(frames[:1]).shape == (8, 64, 64, 3)


def test_a_trained_probe_reads_clips_and_judges_footage(told_footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = tmp_path / "run"
    assert main(["train", "probe", "--preset", "tiny", "--data", str(told_footage), "--run", str(run), "--set", "probe_training.num_steps=60"]) == 0
    probe = load_probe(run / "probe.safetensors")
    found = read(probe, [made_clip(n).frames for n in (1, 2, 3)])
    assert [(facts["colour"], facts["kind"], facts["way"]) for facts in found] == [("green", "cube", "right"), ("blue", "cube", "right"), ("red", "cube", "right")]
    capsys.readouterr()
    assert main(["evaluate", "prompts", "--footage", str(told_footage), "--probe", str(run / "probe.safetensors"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["prompts"] == figures["all_right"] == 12 and figures["colour"] == figures["act"] == 1
    assert main(["evaluate", "prompts", "--footage", str(told_footage)]) == 2  # the camera pans: image processing cannot judge
    assert "no clip of one hued thing under a still camera" in capsys.readouterr().err
    assert main(["evaluate", "prompts", "--list", "worlds"]) == 2
    assert "give a --probe" in capsys.readouterr().err


def test_another_network_is_no_probe(model_folder: Path):
    with pytest.raises(ValueError, match="holds the weights of a network called autoencoder, not of probe"):
        load_probe(model_folder / "autoencoder.safetensors")


def test_noise_is_read_without_complaint():
    torch.manual_seed(0)
    assert set(read(Probe().eval(), [np.zeros((3, 16, 48, 3), np.uint8)])[0]) == set(LABELS)
