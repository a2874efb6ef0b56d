"""Packs with a token budget: full, repeatable, nobody lost; in the trainer they are a function of the step alone."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.packing import mixed_set
from reverie.cli import main
from reverie.data.latents import LatentClips
from reverie.data.sampling import LOOKAHEAD, PACKS, Carry, Packs, check_budget, next_pack
from reverie.data.shards import Footage, write_shard
from reverie.presets import tiny
from reverie.sampling.reverie import load_autoencoder
from reverie.text.encoder import sentence_encoder
from reverie.training import checkpoint
from reverie.training.distributed import start
from reverie.training.loop import Stretch
from reverie.training.patterns import PATTERNS
from reverie.training.validation import Validation
from reverie.transformer.dit import Transformer
from tests.conftest import made_clip, shaken
from tests.test_trainer import losses, rows
from tests.test_training_data import footage, transformer  # noqa: F401  (a fixture)
from tests.toy import toy

BUDGET = 12_000
LENGTHS = [t * h * w for t, h, w in mixed_set(3000, seed=0)]


def test_a_mixed_set_fills_more_than_97_percent():
    """Images and clips of 9:16 ... 16:9 and 1-6 s: the whole, and the worst pack too."""
    assert min(LENGTHS) < 50 and max(LENGTHS) > 700
    carry, fills = Carry(), []
    while carry.next + LOOKAHEAD < len(LENGTHS):
        pack, carry = next_pack(carry, LENGTHS.__getitem__, BUDGET)
        fills.append(sum(tokens for _, tokens in pack) / BUDGET)
    assert len(fills) > 50
    assert sum(fills) / len(fills) > 0.99
    assert min(fills) > 0.97


def test_every_sample_comes_once_and_soon_and_a_saved_carry_goes_on_the_same():
    def packs(carry: Carry, count: int) -> tuple[list[list[tuple[int, int]]], Carry]:
        made = []
        for _ in range(count):
            pack, carry = next_pack(carry, LENGTHS.__getitem__, BUDGET)
            made.append(pack)
        return made, carry

    whole, end = packs(Carry(), 60)
    first, carry = packs(Carry(), 23)
    saved = json.loads(json.dumps(dataclasses.asdict(carry)))
    second, again = packs(Carry(saved["next"], tuple((n, tokens) for n, tokens in saved["waiting"])), 37)
    assert (first + second, again) == (whole, end)
    numbers = [n for pack in whole for n, _ in pack]
    assert len(numbers) == len(set(numbers))
    assert sorted([*numbers, *(n for n, _ in end.waiting)]) == list(range(end.next))
    carry = Carry()
    for _ in range(60):  # the oldest that waits is always taken, so none waits for ever
        oldest = carry.waiting[0][0] if carry.waiting else 0
        pack, carry = next_pack(carry, LENGTHS.__getitem__, BUDGET)
        assert oldest in [n for n, _ in pack]


def test_parts_share_a_pack_and_steps_may_come_in_any_order():
    packs = Packs(LENGTHS.__getitem__, BUDGET)
    whole = packs.numbers(7, 0, 1)
    parts = [packs.numbers(7, part, 3) for part in range(3)]
    assert sorted(n for part in parts for n in part) == whole
    loads = [sum(LENGTHS[n] for n in part) for part in parts]
    assert max(loads) - min(loads) <= max(LENGTHS)
    later = Packs(lambda number: LENGTHS[number % len(LENGTHS)], BUDGET)
    assert [later.numbers(step, 0, 1) for step in (9, 7)] == [packs.numbers(9, 0, 1), whole]
    later.numbers(7 + 2 * PACKS, 0, 1)  # what lies far back is forgotten, and made again
    assert len(later.packs) == PACKS and later.numbers(7, 0, 1) == whole


def test_what_cannot_fit_is_refused():
    with pytest.raises(ValueError, match="a clip of 900 tokens does not fit into packs of 800: raise tokens_per_step"):
        next_pack(Carry(), lambda _: 900, 800)
    with pytest.raises(ValueError, match=r"tokens_per_step 900 is too little for 2 parts .* at least 1600 are needed"):
        check_budget(900, 800, 2)


def test_a_run_with_a_budget_resumes_exactly(footage: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):  # noqa: F811
    settings = ["transformer_training.tokens_per_step=1000", "transformer_training.log_every=1"]
    assert main(transformer(footage, model_folder, tmp_path / "whole", *settings)) == 0
    cut = transformer(footage, model_folder, tmp_path / "cut", *settings)
    assert main([*cut, "--stop-after", "0.01s"]) == 0
    assert main(cut) == 0
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole") != {}
    assert (tmp_path / "cut" / "transformer.safetensors").read_bytes() == (tmp_path / "whole" / "transformer.safetensors").read_bytes()
    assert sum("stopped" in row.get("event", "") for row in rows(tmp_path / "cut")) == 1
    assert main(transformer(footage, model_folder, tmp_path / "no", "transformer_training.tokens_per_step=100")) == 2
    assert "tokens_per_step 100 is too little" in capsys.readouterr().err
    assert main(["train", "autoencoder", "--preset", "tiny", "--data", str(footage), "--run", str(tmp_path / "a"), "--set", "autoencoder_training.tokens_per_step=9"]) == 2
    assert "is for the transformer" in capsys.readouterr().err


def test_a_run_from_before_there_were_budgets_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    about = checkpoint.about

    def older(folder: Path, step: int) -> dict[str, Any]:
        note = about(folder, step)
        del note["training"]["tokens_per_step"]
        return note

    with start() as world:
        assert toy(tmp_path / "run", world, Stretch(deadline=time.monotonic()), num_steps=4) is None
        monkeypatch.setattr(checkpoint, "about", older)
        with pytest.raises(ValueError, match=r"another training.tokens_per_step \(0, not 9\)"):
            toy(tmp_path / "run", world, num_steps=4, tokens_per_step=9)
        assert toy(tmp_path / "run", world, num_steps=4) is not None


def test_validation_is_repeatable_and_leaves_the_run_as_it_is(footage: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):  # noqa: F811
    (tmp_path / "held").mkdir()
    truth = {"captions": ["a square moves"], "still_captions": ["a square"]}
    write_shard(tmp_path / "held" / "held.tar", ((f"{n:03d}", made_clip(n + 20), truth) for n in range(4)))
    assert main([*transformer(footage, model_folder, tmp_path / "a", "transformer_training.sample_every=6"), "--validate", str(tmp_path / "held")]) == 0
    found = [row for row in rows(tmp_path / "a") if "validation_shared" in row]
    assert [row["step"] for row in found] == [6]
    names = {f"validation_{name}" for name in (*PATTERNS, "image") if name != "reference"}  # which this footage has none of
    assert set(found[0]) == {"step", "cursor", *names} and all(0 < found[0][name] < 100 for name in names)
    assert main(transformer(footage, model_folder, tmp_path / "without")) == 0
    assert losses(tmp_path / "without") == losses(tmp_path / "a")
    assert main(["train", "plot", str(tmp_path / "a"), "-o", str(tmp_path / "curves.png")]) == 0
    capsys.readouterr()
    assert main([*transformer(footage, model_folder, tmp_path / "c"), "--validate", str(footage)]) == 2
    assert "is what is trained on" in capsys.readouterr().err

    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    network, other = shaken(Transformer(tiny().transformer)), shaken(Transformer(tiny().transformer), 1)
    again = [Validation(sentence_encoder(), LatentClips(Footage(tmp_path / "held"), about["digest"], autoencoder)) for _ in range(2)]
    assert again[0](network) == again[1](network) != again[0](other)
