"""The recipe of the shipped pair: every command of it is one that the parser takes, with settings that exist; and, in the slow lane, all of them on a few clips."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.reproduce import FOOTAGE, choose, holds, is_alone_and_still
from reverie.cli import build_parser
from reverie.config import override
from reverie.data.shards import Footage, write_shard
from reverie.presets import default
from tests.conftest import made_clip


def recipe(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "benchmarks/reproduce.py", *words], capture_output=True, text=True)


def test_the_commands_of_the_recipe_can_be_given(tmp_path: Path):
    told = recipe("-o", str(tmp_path / "a pair"), "--dry-run")
    commands = [build_parser().parse_args(shlex.split(line)[1:]) for line in told.stdout.splitlines() if not line.startswith("#")]
    assert told.returncode == 0 and not list(tmp_path.iterdir())
    assert len(commands) == len(FOOTAGE) + 1 + 2 + 2 + 1 + 3
    settings = [override(default(), command.set) for command in commands if hasattr(command, "set")]
    assert [preset.autoencoder.latent_channels for preset in settings] == [16, 32, 32] and settings[1].transformer_training.tokens_per_step == 12288


def test_of_footage_what_is_simple_is_chosen_once(tmp_path: Path):
    kinds = [("static", 1), ("pan", 1), ("static", 2), ("static", 1), ("static", 1)]
    truths = [{"captions": ["a"], "still_captions": ["a"], "camera": {"kind": kind}, "subjects": [{}] * count} for kind, count in kinds]
    (tmp_path / "all").mkdir()
    write_shard(tmp_path / "all" / "made-0.tar", [(f"clip-{n}", made_clip(n, 4), truth) for n, truth in enumerate(truths)])
    for _ in range(2):
        choose(tmp_path / "all", tmp_path / "some", is_alone_and_still, share=2)
        chosen = Footage(tmp_path / "some")
        assert [entry.key for entry in chosen.entries] == ["clip-0", "clip-4"]
        assert (chosen.video(1).frames == made_clip(4, 4).frames).all()
    assert holds(tmp_path / "all", 5) and not holds(tmp_path / "all", 4) and not holds(tmp_path / "none", 0)


@pytest.mark.slow
def test_the_recipe_runs_from_nothing_to_a_pair_in_stretches(tmp_path: Path):
    """Needs MuJoCo, EGL and the packages with photographs."""
    words = ["-o", str(tmp_path / "pair"), "--quick"]
    first = recipe(*words, "--stop-after", "0.5")
    assert first.returncode == 0 and "the same command goes on" in first.stderr and not (tmp_path / "pair" / "model").exists()
    report = json.loads(recipe(*words).stdout.splitlines()[-1])
    assert set(report["figures"]) == {"codec toys", "codec photographs", "main", "varied", "chinese"} and (tmp_path / "pair" / "model" / "transformer.safetensors").exists()
    assert report["figures"]["main"]["prompts"] == 2 and report["figures"]["codec toys"]["clips"] == 30
    assert json.loads(recipe(*words).stdout.splitlines()[-1]) == report  # nothing is done twice
    other = recipe("-o", str(tmp_path / "pair"))
    assert other.returncode == 2 and "was begun with --quick" in other.stderr
