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

import reverie
from reverie.cli import main
from reverie.layers.weights import load_weights, save_weights
from reverie.sampling.reverie import load_autoencoder
from reverie.training.optim import rate_factor

AUTOENCODER = ["train", "autoencoder", "--preset", "tiny"]


def losses(run: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()) if "loss" in row}


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
    (second / "transformer.safetensors").unlink()
    assert main(["train", "transformer", "--preset", "tiny", *data, "--run", str(second), "--set", "transformer_training.num_steps=40"]) == 0  # a finished run writes them again
    weights = ["--autoencoder", str(run / "autoencoder.safetensors"), "--transformer", str(second / "transformer.safetensors")]
    assert main(["train", "bundle", *weights, "-o", str(tmp_path / "model")]) == 0
    dreamer = reverie.load(tmp_path / "model")
    assert load_weights(tmp_path / "model" / "transformer.safetensors", "transformer")[1]["window"] == dreamer.window == 4  # clips of 17 frames
    assert "square" in dreamer.vocabulary
    clip = dreamer.generate("a square moves to the right", size="96x96", num_steps=2)
    assert clip.num_frames == 16
    assert dreamer.animate(reverie.Video(clip.frames[:1]), "a square", num_frames=5, num_steps=2).num_frames == 5


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
    assert len(list((tmp_path / "run").glob("step-*/state.json"))) == 2  # the one of the beginning and the one of the end


def test_a_folder_with_another_run_is_refused(footage_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = [*AUTOENCODER, "--data", str(footage_folder), "--run", str(tmp_path / "run"), "--set", "autoencoder_training.num_steps=2"]
    assert main(run) == 0
    assert main([*run, "autoencoder_training.learning_rate=0.5"]) == 2
    assert "another training.learning_rate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "tin"], "did you mean 'tiny'"), (["--set", "autoencoder_training.num_stepz=3"], "did you mean 'num_steps'"), (["--set", "autoencoder_training.num_steps=many"], "int is needed"),
        (["--set", "autoencoder_training.num_steps"], "write name=value"), (["--set", "transformer.width=64"], "uses autoencoder.* and autoencoder_training.* only"), (["--data", "nowhere"], "no such folder"),
        (["--set", "autoencoder_training.batch_size=26"], "needs 13 clips and there are 12"), (["--accumulate", "3"], "make it a multiple of 6"), (["--accumulate", "0"], "at least 1"),
        (["--stop-after", "tomorrow"], "for example 150m"), (["--stop-after", "0m"], "for example 150m"), (["--niceness", "-5"], "between 0 and 19"), (["--resume", "5"], "no checkpoint of that step"),
        (["--decay-from", "20"], "at step 0 of 20"), (["--set", "autoencoder_training.precision=float16"], "float16"),
    ],
)  # fmt: skip
def test_bad_trainings_are_refused(footage_folder: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main([*AUTOENCODER, "--data", str(footage_folder), "--run", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_transformer_that_does_not_fit_or_swapped_weights_are_refused(footage_folder: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pair = [str(model_folder / f"{name}.safetensors") for name in ("autoencoder", "transformer")]
    common = ["train", "transformer", "--preset", "tiny", "--data", str(footage_folder), "--run", str(tmp_path / "run")]
    assert main([*common, "--autoencoder", pair[0], "--set", "transformer.token_width=32"]) == 2
    assert "token_width follows from the autoencoder: leave it out" in capsys.readouterr().err
    assert main(["train", "bundle", "--autoencoder", pair[1], "--transformer", pair[0], "-o", str(tmp_path / "model")]) == 2
    assert "called transformer" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([*AUTOENCODER, "--data", str(footage_folder), "--run", str(tmp_path / "file")]) == 2


def test_tokens_are_as_wide_as_the_autoencoder_says(footage_folder: Path, tmp_path: Path):
    """A preset for wide tokens with the bundled autoencoder, and with a nested one of half the channels."""
    run = ["train", "transformer", "--data", str(footage_folder), "--set", "transformer_training.num_steps=1", "transformer_training.batch_size=2"]
    small = ["transformer.width=64", "transformer.depth=1", "transformer.heads=1", "transformer.feedforward=64"]
    assert main([*run, *small, "--run", str(tmp_path / "bundled")]) == 0
    assert load_weights(tmp_path / "bundled" / "transformer.safetensors", "transformer")[1]["config"]["token_width"] == 64
    common = ["--preset", "tiny", "--data", str(footage_folder), "--set", "autoencoder_training.num_steps=1"]
    assert main(["train", "autoencoder", *common, "--run", str(tmp_path / "ae")]) == 0
    assert main([*run, *small, "--autoencoder", str(tmp_path / "ae" / "autoencoder-8.safetensors"), "--run", str(tmp_path / "nested")]) == 0
    assert load_weights(tmp_path / "nested" / "transformer.safetensors", "transformer")[1]["config"]["token_width"] == 32


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
    rates = [rate_factor(step, 100, 10, 75) for step in range(101)]
    assert rates[0] == 0.1
    assert set(rates[9:75]) == {1.0}
    assert rates[75:] == [pytest.approx((100 - s) / 25) for s in range(75, 101)]


def test_a_decoder_learns_on_while_its_latents_stay(footage_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    first, second = tmp_path / "first", tmp_path / "second"
    common = ["--preset", "tiny", "--data", str(footage_folder), "--set", "autoencoder_training.num_steps=3"]
    assert main(["train", "autoencoder", *common, "--run", str(first)]) == 0
    assert (first / "autoencoder-8.safetensors").exists()
    tensors, about = load_weights(first / "autoencoder.safetensors", "autoencoder")
    save_weights(tmp_path / "unnamed.safetensors", tensors, {key: about[key] for key in ("network", "config")})  # as the first weights were written: named as a whole
    for given, folder in ((first / "autoencoder.safetensors", second), (tmp_path / "unnamed.safetensors", tmp_path / "third")):
        assert main(["train", "autoencoder", *common, "--run", str(folder), "--decoder-of", str(given)]) == 0
    assert load_autoencoder(tmp_path / "third" / "autoencoder.safetensors")[1]["latents"] == load_autoencoder(tmp_path / "unnamed.safetensors")[1]["digest"]
    (a, about_a), (b, about_b) = (load_autoencoder(folder / "autoencoder.safetensors") for folder in (first, second))
    assert about_a["latents"] == about_b["latents"] and about_a["digest"] != about_b["digest"]
    video = torch.rand(1, 3, 4, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.equal(a.encode(video), b.encode(video))
    assert not torch.equal(a.decoder.embed.weight, b.decoder.embed.weight)
    assert load_autoencoder(first / "autoencoder-8.safetensors")[1]["latents"] != about_a["latents"]
    capsys.readouterr()
    assert main(["train", "autoencoder", *common, "--run", str(second)]) == 2  # the folder holds a run that keeps its encoder
    assert "decoder_of" in capsys.readouterr().err
    assert main(["train", "autoencoder", *common, "autoencoder.latent_channels=24", "--run", str(tmp_path / "third"), "--decoder-of", str(first / "autoencoder.safetensors")]) == 2
    assert "the network is that of its file" in capsys.readouterr().err
