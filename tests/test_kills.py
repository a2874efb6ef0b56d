"""Runs that are killed (SIGKILL) at random moments, processes that are killed under torchrun, and other numbers of processes."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from reverie.cli import main
from tests.test_trainer import events, held, losses, rows, steps

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["reverie.commands.training", "reverie.training.runs", "reverie.evaluation.reconstruction"])
SETTINGS = [
    "transformer_training.num_steps=40",
    "transformer_training.sample_every=1000",
    "transformer_training.checkpoint_minutes=0.002",
    "transformer_training.precision=float32",
]


def command(footage: Path, autoencoder: Path, run: Path, *more: str) -> list[str]:
    """A training of the tiny transformer: Muon and AdamW, several patterns, text."""
    data = ["--data", str(footage), "--autoencoder", str(autoencoder), "--run", str(run)]
    return ["train", "transformer", "--preset", "tiny", *data, "--set", *SETTINGS, *more]


def train(arguments: list[str]) -> None:
    """In a process of its own, forked from one that has imported torch and done nothing else."""
    sys.exit(main(arguments))


def carry_out(arguments: list[str], seconds: float | None = None) -> bool:
    """Run it in a process and kill that after so many seconds; whether it ended by itself, as it must, with exit code 0."""
    process = FORKS.Process(target=train, args=(arguments,))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_equals_an_undisturbed_one(footage_folder: Path, model_folder: Path, tmp_path: Path, kills: int, monkeypatch: pytest.MonkeyPatch):
    """While encoding, while saving, between steps, anywhere: the final state is the same bit for bit, and so is every line of metrics."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    autoencoder = model_folder / "autoencoder.safetensors"
    for name in ("whole", "killed"):
        shutil.copytree(footage_folder, tmp_path / f"footage-{name}", ignore=shutil.ignore_patterns("latents-*"))
    assert carry_out(["--help"])  # so that what the others are forked from has imported everything
    start = time.monotonic()
    assert carry_out(command(tmp_path / "footage-whole", autoencoder, tmp_path / "whole"))
    whole = time.monotonic() - start
    rng, landed, tries = random.Random(kills), 0, 0
    run = command(tmp_path / "footage-killed", autoencoder, tmp_path / "killed")
    while landed < kills:
        tries += 1
        landed += not carry_out(run, rng.uniform(0.1 * whole, 0.9 * whole))
        if (tmp_path / "killed" / "transformer.safetensors").exists():  # it came to its end: begin it again
            assert tries < 20 * kills
            if landed < kills:
                check(tmp_path)
                shutil.rmtree(tmp_path / "killed")
    assert carry_out(run)
    check(tmp_path)


def check(folder: Path) -> None:
    """The killed run is the same as the whole one."""
    assert held(folder / "killed" / "step-00000040") == held(folder / "whole" / "step-00000040")
    assert losses(folder / "killed") == losses(folder / "whole")
    assert not list((folder / "killed").glob("damaged-*"))
    ours, theirs = (load_file(folder / name / "transformer.safetensors") for name in ("whole", "killed"))
    assert all(ours[name].equal(theirs[name]) for name in ours)


def torchrun(processes: int, arguments: list[str], *options: str, check: bool = True) -> subprocess.Popen[str]:
    """The same command with several processes on this machine, through gloo. (`--` keeps torchrun from reading our options.)"""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), *options, "-m", "--", "reverie.cli", *arguments]
    process = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if check:
        _, text = process.communicate(timeout=300)
        assert process.returncode == 0, text[-3000:]
    return process


@pytest.mark.parametrize(
    ("saved", "loaded"), [(2, 1), pytest.param(1, 2, marks=pytest.mark.slow), pytest.param(4, 2, marks=pytest.mark.slow), pytest.param(2, 4, marks=pytest.mark.slow)]
)
def test_a_run_goes_on_with_another_number_of_processes(footage_folder: Path, model_folder: Path, tmp_path: Path, saved: int, loaded: int):
    """Saved with N at step 20, loaded with M: the whole state is the same before any step, and 20 steps later the losses agree to 1e-4."""
    run, autoencoder = tmp_path / "run", model_folder / "autoencoder.safetensors"
    # half of the preset's rate: one number that rounds otherwise in Muon's bf16 moves the loss by 1e-4 within 20 steps at the whole one
    settings = ["transformer_training.milestone_every=20", "transformer_training.checkpoint_minutes=1000", "transformer_training.muon_learning_rate=0.01"]
    whole = command(footage_folder, autoencoder, run, *settings)
    assert carry_out(whole) if saved == 1 else torchrun(saved, whole)
    curve = losses(run)
    shutil.copytree(run, tmp_path / "other")
    digests = []
    for processes, folder in ((saved, run), (loaded, tmp_path / "other")):
        again = [*command(footage_folder, autoencoder, folder, *settings), "--resume", "20"]
        assert carry_out(again) if processes == 1 else torchrun(processes, again)
        begun = [row for row in rows(folder) if row.get("event") == "goes on"][-1]
        assert (begun["step"], begun["processes"]) == (20, processes)
        digests.append(begun["state"])
    assert digests[0] == digests[1]
    assert losses(run) == curve  # with the same number, bit for bit
    other = losses(tmp_path / "other")
    # sums over processes come in another order: 1e-7 of fp32, made larger by Muon's bf16
    worst = max(abs(other[step] - curve[step]) for step in curve)
    assert worst < 1e-4, worst
    assert other != curve


@pytest.mark.slow
def test_a_killed_process_under_torchrun_starts_all_again_from_the_last_good_step(footage_folder: Path, model_folder: Path, tmp_path: Path):
    arguments = [footage_folder, model_folder / "autoencoder.safetensors"]
    torchrun(2, command(*arguments, tmp_path / "whole"))
    process = torchrun(2, command(*arguments, tmp_path / "killed"), "--max-restarts", "3", check=False)
    deadline = time.monotonic() + 200
    while not (tmp_path / "killed" / "metrics.jsonl").exists() or max(steps(tmp_path / "killed"), default=0) < 5:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, text = process.communicate(timeout=300)
    assert process.returncode == 0, text[-3000:]
    assert [event.split(": ")[1] for event in events(tmp_path / "killed")] == ["begins", "goes on", "finished"]
    assert held(tmp_path / "killed" / "step-00000040")[1] == held(tmp_path / "whole" / "step-00000040")[1]
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    notes = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("killed", "whole")]
    assert notes[0] == notes[1]
