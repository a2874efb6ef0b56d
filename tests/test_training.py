"""The trainer: loss falls, runs resume exactly, even killed ones; other runs are refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import reverie
from reverie.cli import main
from reverie.training import patterns
from reverie.training.optim import rate_factor

AUTOENCODER = ["train", "autoencoder", "--preset", "tiny"]


def losses(run: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())}


def test_from_footage_to_a_model_that_generates(footage_folder: Path, tmp_path: Path):
    """The whole of it, tiny: both trainings, their sheets, the weights files, every task."""
    run = tmp_path / "a"
    assert main([*AUTOENCODER, "--data", str(footage_folder), "--run", str(run), "--set", "autoencoder_training.num_steps=40"]) == 0
    curve = losses(run)
    assert sum(curve[s] for s in range(31, 41)) < 0.97 * sum(curve[s] for s in range(1, 11))
    assert (run / "samples" / "00000010.png").is_file()
    data = ["--data", str(footage_folder), "--autoencoder", str(run / "autoencoder.safetensors")]
    second = tmp_path / "t"
    assert main(["train", "transformer", "--preset", "tiny", *data, "--run", str(second), "--set", "transformer_training.num_steps=40"]) == 0
    curve = losses(second)
    assert sum(curve[s] for s in range(31, 41)) < 0.9 * sum(curve[s] for s in range(1, 11))
    weights = ["--autoencoder", str(run / "autoencoder.safetensors"), "--transformer", str(second / "transformer.safetensors")]
    assert main(["train", "bundle", *weights, "-o", str(tmp_path / "model")]) == 0
    dreamer = reverie.load(tmp_path / "model")
    assert "square" in dreamer.vocabulary
    clip = dreamer.generate("a square moves to the right", size="96x96", num_steps=2)
    assert clip.num_frames == 16
    assert dreamer.animate(reverie.Video(clip.frames[:1]), "a square", num_frames=5, num_steps=2).num_frames == 5


def test_a_killed_run_resumes_to_the_same_weights(footage_folder: Path, tmp_path: Path):
    """SIGKILL in the middle; the loss curve and the final weights equal those of a run that nobody disturbed."""
    settings = [
        "--data",
        str(footage_folder),
        "--set",
        "autoencoder_training.num_steps=60",
        "autoencoder_training.checkpoint_minutes=0.005",
        "autoencoder_training.sample_every=1000",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "reverie.cli", *AUTOENCODER, *settings, "--run"]
    subprocess.run([*command, str(tmp_path / "whole")], env=environment, check=True, capture_output=True)
    kills = 0
    for _ in range(4):
        process = subprocess.Popen([*command, str(tmp_path / "killed")], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = {p.name for p in (tmp_path / "killed").glob("step-*")}
        while process.poll() is None and kills < 2 and before >= {p.name for p in (tmp_path / "killed").glob("step-*")}:
            time.sleep(0.02)
        if kills < 2 and process.poll() is None:  # somewhere in the steps after a new checkpoint
            time.sleep(0.05)
            process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 1
    assert losses(tmp_path / "whole") == losses(tmp_path / "killed")
    ours, theirs = (load_file(tmp_path / name / "autoencoder.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_interrupted_run_saves_and_says_so(footage_folder: Path, tmp_path: Path):
    command = [sys.executable, "-m", "reverie.cli", *AUTOENCODER, "--data", str(footage_folder), "--run", str(tmp_path / "run"), "--set", "autoencoder_training.num_steps=100000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "metrics.jsonl").exists() or len(losses(tmp_path / "run")) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 130
    assert text.splitlines()[-1] == "reverie: interrupted"
    assert len(list((tmp_path / "run").glob("step-*/state.json"))) == 1


def test_a_folder_with_another_run_is_refused(footage_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = [*AUTOENCODER, "--data", str(footage_folder), "--run", str(tmp_path / "run"), "--set", "autoencoder_training.num_steps=2"]
    assert main(run) == 0
    assert main([*run, "autoencoder_training.learning_rate=0.5"]) == 2
    assert "another training.learning_rate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "tin"], "did you mean 'tiny'"), (["--set", "autoencoder_training.num_stepz=3"], "did you mean 'num_steps'"), (["--set", "autoencoder_training.num_steps=many"], "int is needed"),
        (["--set", "autoencoder_training.num_steps"], "write name=value"), (["--data", "nowhere"], "no such folder"),
    ],
)  # fmt: skip
def test_bad_trainings_are_refused(footage_folder: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main([*AUTOENCODER, "--data", str(footage_folder), "--run", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_a_number_stops_the_run_with_good_checkpoints(footage_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    from reverie.training import runs

    whole = runs.autoencoder_objective
    calls: list[int] = []

    def breaks(*arguments):  # type: ignore[no-untyped-def]
        calls.append(1)
        loss, figures = whole(*arguments)
        return loss * (float("nan") if len(calls) == 4 else 1), figures

    monkeypatch.setattr(runs, "autoencoder_objective", breaks)
    settings = ["--set", "autoencoder_training.checkpoint_minutes=0", "--set", "autoencoder_training.num_steps=9"]
    assert main([*AUTOENCODER, "--data", str(footage_folder), "--run", str(tmp_path), *settings]) == 1
    assert "step 4: the loss is nan" in capsys.readouterr().err
    newest = sorted(tmp_path.glob("step-*"))[-1]
    assert newest.name == "step-00000003"
    assert all(bool(value.isfinite().all()) for value in load_file(newest / "network.safetensors").values())


def test_a_transformer_that_does_not_fit_or_swapped_weights_are_refused(footage_folder: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pair = [str(model_folder / f"{name}.safetensors") for name in ("autoencoder", "transformer")]
    common = ["train", "transformer", "--preset", "tiny", "--data", str(footage_folder), "--run", str(tmp_path / "run")]
    assert main([*common, "--autoencoder", pair[0], "--set", "transformer.token_width=32"]) == 2
    assert "have 64 numbers" in capsys.readouterr().err
    assert main(["train", "bundle", "--autoencoder", pair[1], "--transformer", pair[0], "-o", str(tmp_path / "model")]) == 2
    assert "called transformer" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([*AUTOENCODER, "--data", str(footage_folder), "--run", str(tmp_path / "file")]) == 2


def test_other_footage_in_the_same_run_is_refused(footage_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from reverie.data.shards import write_shard
    from tests.conftest import made_clip

    run = [*AUTOENCODER, "--run", str(tmp_path / "run"), "--set", "autoencoder_training.num_steps=2", "--data"]
    assert main([*run, str(footage_folder)]) == 0
    truth = {"captions": ["other"], "still_captions": ["other"]}
    write_shard(tmp_path / "made.tar", ((f"{n:03d}", made_clip(n + 1), truth) for n in range(12)))
    assert main([*run, str(tmp_path)]) == 2
    assert "another data" in capsys.readouterr().err


def test_a_folder_without_clips_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*AUTOENCODER, "--data", str(tmp_path), "--run", str(tmp_path / "run")]) == 2
    assert "holds no clip" in capsys.readouterr().err


def test_the_rate_warms_up_stays_and_falls_to_zero():
    rates = [rate_factor(step, 100, 10, 0.25) for step in range(101)]
    assert rates[0] == 0.1
    assert set(rates[9:75]) == {1.0}
    assert rates[75:] == [pytest.approx((100 - s) / 25) for s in range(75, 101)]


def test_every_pattern_of_noise_occurs_in_its_share():
    import numpy as np

    rng = np.random.default_rng(0)
    drawn = [patterns.draw(rng, 5, 2.0) for _ in range(4000)]
    assert all(((s >= 0) & (s <= 1)).all() and s.max() > 0 and s.dtype == np.float32 for s in drawn)
    shared = np.mean([len(set(s.tolist())) == 1 for s in drawn])
    clean = np.mean([(s == 0).any() for s in drawn])
    first = np.mean([s[0] == 0 and (s[1:] > 0).all() for s in drawn])
    assert 0.52 < shared < 0.60  # 55%, and the caps that hit every frame or none
    assert 0.08 < clean < 0.12  # half of the 20% with known frames
    assert first > 0.045  # half of them know the first frame alone
    assert all(len(patterns.draw(rng, 1, 1.0)) == 1 for _ in range(50))
