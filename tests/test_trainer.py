"""The trainer itself, on a toy: exact resume, checkpoints that survive damage and full disks, health, stretches."""

import dataclasses
import json
import math
import resource
import shutil
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from reverie.autoencoder.autoencoder import Autoencoder
from reverie.data.sampling import check_crops, index_of, numbers_of
from reverie.data.shards import Entry
from reverie.presets import tiny
from reverie.training import checkpoint, health, loop
from reverie.training.distributed import World, recompute_activations, start
from reverie.training.health import Health
from reverie.training.loop import Stretch
from reverie.training.optim import Muon, scale_gradients
from tests.toy import toy


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A group of one process."""
    with start() as world:
        yield world


def rows(run: Path) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in rows(run) if "loss" in row}


def events(run: Path) -> list[str]:
    return [f"{row['step']}: {row['event']}" for row in rows(run) if "event" in row]


def steps(run: Path) -> list[int]:
    return [checkpoint.step_of(path) for path in checkpoint.checkpoints(run)]


def held(path: Path) -> tuple[dict[str, bytes], str]:
    """Everything that a checkpoint holds: weights, average and moments bit for bit, and the notes."""
    return {name: value.numpy().tobytes() for file in path.glob("*.safetensors") for name, value in load_file(file).items()}, (path / "state.json").read_text()


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


# -- resume --------------------------------------------------------------------------------------------------------------


def test_a_run_in_stretches_equals_an_uninterrupted_one(tmp_path: Path, world: World):
    """Every stretch ends at a checkpoint after one step or more; metrics that are means over several steps agree as well."""
    whole = toy(tmp_path / "whole", world, log_every=3)
    parts = None
    for _ in range(40):
        parts = toy(tmp_path / "parts", world, Stretch(deadline=time.monotonic()), log_every=3)
        if parts is not None:
            break
    assert equal(whole, parts)
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    assert held(tmp_path / "whole" / "step-00000020") == held(tmp_path / "parts" / "step-00000020")
    assert any("stopped, 19 steps are left" in event for event in events(tmp_path / "parts"))


def test_a_line_that_a_full_disk_tore_does_not_stop_the_run(tmp_path: Path, world: World):
    toy(tmp_path / "whole", world)
    toy(tmp_path / "torn", world, Stretch(deadline=time.monotonic()))
    with open(tmp_path / "torn" / "metrics.jsonl", "a") as file:
        file.write('{"step": 2, "lo{"step": 2, "loss": 1.0}\n{"step": 1, "lo')
    toy(tmp_path / "torn", world)
    assert losses(tmp_path / "torn") == losses(tmp_path / "whole")


def test_where_the_end_begins_is_kept_even_if_the_run_stands_there(tmp_path: Path, world: World):
    toy(tmp_path, world, Stretch(deadline=time.monotonic()), checkpoint_minutes=0.0)
    assert steps(tmp_path)[-1] == 1
    toy(tmp_path, world, Stretch(decay_from=1), checkpoint_minutes=0.0)
    assert steps(tmp_path) == [1, 19, 20]


def test_a_milestone_that_could_not_be_written_is_written_later(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch):
    save, full = checkpoint.save, []

    def sometimes(folder: Path, state: Any, about: Any, world: World, milestone: bool = False) -> Path:
        if state.step == 10:
            full.append(milestone)
            raise OSError(28, "No space left on device")
        return save(folder, state, about, world, milestone)

    monkeypatch.setattr(checkpoint, "save", sometimes)
    toy(tmp_path, world, Stretch(decay_from=10), checkpoint_minutes=0.0)
    assert full == [True]
    assert steps(tmp_path) == [11, 19, 20]  # the first that could be written


def test_accumulated_parts_learn_the_same(tmp_path: Path, world: World):
    whole = toy(tmp_path / "whole", world)
    parts = toy(tmp_path / "parts", world, Stretch(accumulate=4, workers=3))
    recomputed = toy(tmp_path / "recomputed", world, Stretch(recompute=True))
    assert equal(whole, recomputed)
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], atol=2e-3, rtol=0)  # Muon rounds to bf16 what differs in the last bit of fp32


def test_one_clip_that_is_too_small_to_cut_is_named_before_the_training():
    entries = [Entry(f"0-{n}", "s", 0, 0, (0, 0), 96, 96, frames, 8.0, (), ()) for n, frames in enumerate((12, 40, 11))]
    check_crops(entries[:2])
    with pytest.raises(ValueError, match="clip 0-2 has 11 frames of 96x96: at least 12 of 96x96"):
        check_crops(entries)
    with pytest.raises(ValueError, match="clip 0-0"):
        check_crops([dataclasses.replace(entries[0], width=95)])


def test_every_block_of_an_autoencoder_is_computed_again():
    kept = {}
    for recompute in (False, True):
        torch.manual_seed(0)
        network, total = Autoencoder(dataclasses.replace(tiny().autoencoder, encoder_blocks=(4, 4), decoder_blocks=(4, 4))), []
        if recompute:
            recompute_activations(network)
        with torch.autograd.graph.saved_tensors_hooks(lambda x, total=total: total.append(x.nbytes) or x, lambda x: x):
            network.decode_raw(network.encode_raw(torch.zeros(1, 2, 32, 32, 12)))[0].sum()
        kept[recompute] = sum(total)
    assert kept[True] < 0.6 * kept[False]


@pytest.mark.parametrize("field", ["clip_norm", "warmup_steps", "weight_decay", "muon_learning_rate", "checkpoint_minutes"])
def test_settings_that_cannot_train_are_refused(field: str):
    with pytest.raises(ValueError, match=f"{field} is -1: (above|at least) 0 is allowed"):
        dataclasses.replace(tiny().transformer_training, **{field: -1})
    with pytest.raises(ValueError, match="clips nothing"):
        dataclasses.replace(tiny().transformer_training, clip_norm=0.0)


def test_resume_at_a_step_uses_that_one_or_none(tmp_path: Path, world: World, caplog: pytest.LogCaptureFixture):
    first = toy(tmp_path, world, milestone_every=5)
    assert steps(tmp_path) == [0, 5, 10, 15, 20]
    with pytest.raises(ValueError, match="no checkpoint of that step \\(there are: 0, 5, 10, 15, 20\\)"):
        toy(tmp_path, world, Stretch(resume=7), milestone_every=5)
    (tmp_path / "step-00000010" / "state.json").write_text("{}")
    with pytest.raises(ValueError, match=r"damaged .*nothing else is used"):
        toy(tmp_path, world, Stretch(resume=10), milestone_every=5)
    assert steps(tmp_path) == [0, 5, 10, 15, 20]
    again = toy(tmp_path, world, Stretch(resume=5), milestone_every=5)
    assert equal(first, again)
    assert "abandoned-step-00000020" in caplog.text
    assert steps(tmp_path) == [0, 5, 10, 15, 20]
    assert sorted(path.name for path in tmp_path.glob("abandoned-*")) == [f"abandoned-step-000000{n}" for n in (10, 15, 20)]


def test_a_run_with_other_settings_is_refused_by_field(tmp_path: Path, world: World):
    toy(tmp_path, world, num_steps=4)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"another training.learning_rate \(0.01, not 0.5\)"):
        toy(tmp_path, world, num_steps=4, learning_rate=0.5)
    with pytest.raises(ValueError, match="another network"):
        toy(tmp_path, world, about={"network": "other"}, num_steps=4)
    assert sorted(tmp_path.rglob("*")) == before


def test_two_trainers_or_strangers_in_one_folder_are_refused(tmp_path: Path, world: World):
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"), pytest.raises(ValueError, match="another trainer is at work"):
        toy(tmp_path / "run", world)
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(ValueError, match=r"holds no run but other things \(photo.jpg\)"):
        toy(tmp_path, world)


def test_the_decay_begins_where_it_is_asked_for_and_stays_there(tmp_path: Path, world: World):
    with pytest.raises(ValueError, match="at step 0 of 20"):
        toy(tmp_path / "a", world, Stretch(decay_from=20))
    assert not (tmp_path / "a").exists()
    toy(tmp_path / "a", world, Stretch(decay_from=10, deadline=time.monotonic()))
    toy(tmp_path / "a", world)
    rates = {row["step"]: row["rate"] for row in rows(tmp_path / "a") if "rate" in row}
    assert [rates[n] for n in range(2, 21)] == [1.0] * 9 + [pytest.approx((20 - n) / 10) for n in range(10, 20)]
    assert (tmp_path / "a" / "step-00000010" / checkpoint.MILESTONE).exists()
    with pytest.raises(ValueError, match="falls since step 10"):
        toy(tmp_path / "a", world, Stretch(decay_from=15))
    toy(tmp_path / "a", world, Stretch(decay_from=15, resume=10))
    assert rows(tmp_path / "a")[-2]["rate"] == pytest.approx(1 / 5)


def test_sigterm_saves_and_ends_well(tmp_path: Path, world: World):
    def spoil(number: int, loss: torch.Tensor) -> torch.Tensor:
        if number == 4 * 7:
            signal.raise_signal(signal.SIGTERM)
        return loss

    assert toy(tmp_path, world, spoil=spoil) is None
    assert steps(tmp_path)[-1] == 8
    assert toy(tmp_path, world) is not None


# -- checkpoints ---------------------------------------------------------------------------------------------------------


def test_the_last_two_and_milestones_are_kept(tmp_path: Path, world: World):
    toy(tmp_path, world, checkpoint_minutes=0.0, milestone_every=6)
    assert steps(tmp_path) == [6, 12, 15, 18, 19, 20]  # 15: there the rate begins to fall
    assert not list(tmp_path.glob(".step-*"))
    assert all(checkpoint.damage(path) == "" for path in checkpoint.checkpoints(tmp_path))


def mutate(path: Path, rng: np.random.Generator) -> str:
    """Damage one file of a checkpoint in one of four ways; returns what was done."""
    file = sorted(path.iterdir())[rng.integers(len(list(path.iterdir())))]
    data, kind = bytearray(file.read_bytes()), int(rng.integers(4 if file.stat().st_size else 2))
    if kind == 0:
        file.unlink()
    elif kind == 1:
        file.write_bytes(data + bytes(rng.integers(1, 256, 1).astype(np.uint8)))
    elif kind == 2:
        file.write_bytes(data[: rng.integers(len(data))])
    else:
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        file.write_bytes(data)
    return f"{file.name}: {('removed', 'one byte more', 'cut', 'a bit turned')[kind]}"


@pytest.mark.parametrize("count", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_a_damaged_newest_checkpoint_is_set_aside(tmp_path: Path, world: World, count: int, caplog: pytest.LogCaptureFixture):
    toy(tmp_path / "run", world, num_steps=6, milestone_every=2)
    rng = np.random.default_rng(1)
    for _ in range(count):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(tmp_path / "run", tmp_path / "copy")
        done = mutate(tmp_path / "copy" / "step-00000006", rng)
        caplog.clear()
        assert checkpoint.newest(tmp_path / "copy") == 4, done
        assert "using the one before" in caplog.text
        assert (tmp_path / "copy" / "damaged-step-00000006").is_dir()
    assert equal(toy(tmp_path / "copy", world, num_steps=6, milestone_every=2), toy(tmp_path / "run", world, num_steps=6, milestone_every=2))


def test_a_run_whose_checkpoints_are_all_damaged_does_not_begin_anew(tmp_path: Path, world: World):
    toy(tmp_path, world, num_steps=2)
    for path in checkpoint.checkpoints(tmp_path):
        (path / "state.json").unlink()
    for _ in range(2):
        with pytest.raises(ValueError, match="no good checkpoint left"):
            toy(tmp_path, world, num_steps=2)


def test_a_full_disk_does_not_end_the_run_or_hurt_old_checkpoints(tmp_path: Path, world: World, caplog: pytest.LogCaptureFixture):
    """The largest file that this process may write is made small in the middle of the run, and large again."""
    caplog.set_level("INFO", "reverie")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def spoil(number: int, loss: torch.Tensor) -> torch.Tensor:
        if number in (4 * 8, 4 * 14):
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000 if number == 4 * 8 else soft, hard))
        return loss

    try:
        ended = toy(tmp_path / "full", world, spoil=spoil, checkpoint_minutes=0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert equal(ended, toy(tmp_path / "whole", world, checkpoint_minutes=0.0))
    failed = [record.getMessage() for record in caplog.records if "no checkpoint could be written" in record.getMessage()]
    assert [message.split(":")[0] for message in failed] == [f"step {n}" for n in range(9, 15)]
    assert failed[0].endswith("the one of step 8 is good")
    assert "the run goes on without its lines" in caplog.text
    assert steps(tmp_path / "full") == [15, 19, 20]
    assert all(checkpoint.damage(path) == "" for path in checkpoint.checkpoints(tmp_path / "full"))


# -- health --------------------------------------------------------------------------------------------------------------


def test_a_bad_step_is_skipped_with_the_weights_untouched(tmp_path: Path, world: World):
    """A loss that is not a number in step 8: the next batch finds the weights that this one found."""

    weights: list[torch.Tensor] = []

    def spoil(number: int, loss: torch.Tensor) -> torch.Tensor:
        return loss * math.nan if number == 4 * 7 + 1 else loss

    def watch(network: nn.Module) -> None:
        weights.append(network.blocks[0].weight.detach().clone())

    ended = toy(tmp_path, world, spoil=spoil, watch=watch)
    assert ended is not None and all(bool(value.isfinite().all()) for value in ended.values())
    assert [n for n in range(1, 20) if torch.equal(weights[n], weights[n - 1])] == [8]  # as batch 8 found them, batch 7 had
    assert events(tmp_path)[1] == "8: skipped: the loss is nan"
    assert 8 not in losses(tmp_path)


def test_a_spike_is_skipped_and_a_large_step_is_clipped():
    watch = Health()
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert watch.judge(1.0, 1.0 + 0.1 * float(rng.standard_normal())) == ""
    assert 1.1 < watch.limit() < 1.6
    limit = watch.limit()
    assert "usual is at most" in watch.judge(1.0, 11 * limit)
    assert (watch.limit(), watch.bad) == (limit, 1)
    assert watch.judge(1.0, 9 * limit) == ""
    assert watch.bad == 0
    assert limit < watch.limit() < 1.3 * limit  # it learned from the clipped value
    assert "the loss is inf" in watch.judge(math.inf, 1.0)
    assert "norm is nan" in watch.judge(1.0, math.nan)


def test_one_giant_norm_at_the_beginning_does_not_open_the_limit():
    watch = Health()
    for n in range(30):
        assert watch.judge(1.0, 1e7 if n == 5 else 2.0) == ""
    assert watch.limit() < 30


def test_gradients_are_shortened_to_the_limit(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch):
    seen: list[tuple[float, float]] = []

    def watched(parameters: Iterable[torch.nn.Parameter], factor: float) -> None:
        parameters = list(parameters)
        before = math.sqrt(sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None))
        scale_gradients(parameters, factor)
        seen.append((before * 1e-4, math.sqrt(sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None))))

    monkeypatch.setattr(loop, "scale_gradients", watched)
    toy(tmp_path, world, spoil=lambda n, loss: 1e4 * loss, clip_norm=0.5, num_steps=5)
    assert len(seen) == 5 and all(before > 0.1 and after == pytest.approx(0.5, rel=1e-3) for before, after in seen)


def test_five_bad_steps_in_a_row_go_back_and_skip_the_data(tmp_path: Path, world: World):
    used: list[int] = []

    def spoil(number: int, loss: torch.Tensor) -> torch.Tensor:
        return loss * math.inf if 4 * 12 <= number < 4 * 18 else loss

    ended = toy(tmp_path, world, spoil=spoil, milestone_every=10, used=used, num_steps=30)
    assert ended is not None
    assert "10: back from step 17 after 5 bad steps in a row; batches 10 to 16 are skipped" in events(tmp_path)
    assert used == list(range(4 * 37))  # batch 17 is bad too, and skipped alone; no batch came twice
    assert json.loads((tmp_path / "step-00000030" / "state.json").read_text())["cursor"] == 37


def test_going_back_keeps_where_the_rate_falls_and_a_skipped_milestone_is_made_up_for(tmp_path: Path, world: World):
    toy(tmp_path, world, Stretch(deadline=time.monotonic()), num_steps=30)
    toy(tmp_path, world, Stretch(decay_from=20), spoil=lambda n, loss: loss * math.nan if 4 * 5 <= n < 4 * 10 or n == 4 * 28 else loss, num_steps=30)
    assert "1: back from step 10 after 5 bad steps in a row; batches 1 to 9 are skipped" in events(tmp_path)
    rates = {row["step"]: row["rate"] for row in rows(tmp_path) if "rate" in row}
    assert rates[25] == pytest.approx(6 / 10)
    assert "20: skipped: the loss is nan" in events(tmp_path)
    assert (tmp_path / "step-00000021" / checkpoint.MILESTONE).exists()  # the rate falls from 20 on, whose step was skipped


def test_a_run_that_stays_bad_ends_with_good_checkpoints(tmp_path: Path, world: World):
    def spoil(number: int, loss: torch.Tensor) -> torch.Tensor:
        return loss * math.nan if number >= 4 * 6 else loss

    with pytest.raises(RuntimeError, match=f"{health.TOO_MANY} bad steps in a row, again after going back {health.ROLLBACKS} times"):
        toy(tmp_path, world, spoil=spoil, milestone_every=3)
    assert steps(tmp_path) == [0, 3, 6]  # none while steps are skipped
    assert all(checkpoint.damage(path) == "" for path in checkpoint.checkpoints(tmp_path))


def test_a_state_with_something_that_is_not_a_number_is_not_saved(tmp_path: Path, world: World):
    from tests.toy import Toy

    network = Toy()
    from reverie.training.state import State

    state = State(network, {}, [], 1)
    network.scale.data[0] = math.nan
    with pytest.raises(RuntimeError, match="not a number"):
        checkpoint.save(tmp_path, state, {}, world)
    assert list(tmp_path.iterdir()) == []


# -- data and optimiser --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_every_clip_comes_once_per_epoch_for_any_number_of_parts(parts: int):
    count, size = 50, 8
    numbers = [n for batch in range(25) for part in range(parts) for n in numbers_of(batch, size, part, parts)]
    assert numbers == list(range(200))
    shown = [index_of(n, count, 3) for n in numbers]
    assert [sorted(shown[e * count : (e + 1) * count]) for e in range(4)] == [list(range(count))] * 4
    assert shown[:count] != shown[count : 2 * count]


def test_muon_on_shards_is_torchs_own(world: World):
    torch.manual_seed(0)
    mesh, weights = init_device_mesh("cpu", (1,)), torch.randn(6, 4)
    ours, theirs = nn.Parameter(distribute_tensor(weights.clone(), mesh, [Shard(0)])), nn.Parameter(weights.clone())
    how = {"lr": 0.1, "weight_decay": 0.1, "adjust_lr_fn": "original"}
    mine, other = Muon([ours], **how), torch.optim.Muon([theirs], **how)  # type: ignore[arg-type]
    for _ in range(3):
        theirs.grad = torch.randn(6, 4)
        ours.grad = distribute_tensor(theirs.grad.clone(), mesh, [Shard(0)])
        mine.step()
        other.step()
    assert torch.equal(ours.full_tensor(), theirs)
