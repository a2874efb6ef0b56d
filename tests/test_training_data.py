"""What training reads and what it shows: caches that cannot be stale, encoding without a cache, rehearsals, metrics, curves."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

import reverie
from reverie.cli import main
from reverie.data import latents
from reverie.data.latents import LatentClips, cache_latents, plan_cache
from reverie.data.shards import Footage, write_shard
from reverie.layers.weights import load_weights, save_weights
from reverie.patches.actions import ACTIONS, action_rows
from reverie.presets import tiny
from reverie.sampling.reverie import load_autoencoder
from reverie.transformer.dit import Transformer
from tests.conftest import made_clip, shaken
from tests.test_trainer import losses, rows


@pytest.fixture
def footage(footage_folder: Path, tmp_path: Path) -> Path:
    """A copy of the made footage without latents."""
    return Path(shutil.copytree(footage_folder, tmp_path / "footage", ignore=shutil.ignore_patterns("latents-*", ".digests.json")))


def transformer(footage: Path, model: Path, run: Path, *more: str) -> list[str]:
    data = ["--data", str(footage), "--autoencoder", str(model / "autoencoder.safetensors"), "--run", str(run)]
    return ["train", "transformer", "--preset", "tiny", *data, "--set", "transformer_training.num_steps=6", "transformer_training.sample_every=100", *more]


def test_a_changed_network_or_shard_never_meets_a_stale_cache(footage: Path, model_folder: Path):
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    before = Footage(footage)
    for _ in range(2):
        list(cache_latents(before, autoencoder, about["digest"]))
    files = sorted(footage.rglob("latents-*/*.safetensors"))
    assert len(files) == 1
    assert plan_cache(before, autoencoder, about["digest"]).clips == 0
    assert plan_cache(before, autoencoder, "0123456789abcdef").clips == 12  # another network
    digest = before.digest()
    shard = footage / "made.tar"
    data = bytearray(shard.read_bytes())
    at = before.entries[3].scene[0] + 20
    data[at] ^= 1  # the same names, sizes and places: only content differs
    shard.write_bytes(data)
    after = Footage(footage)
    assert after.entries == before.entries
    assert after.digest() != digest
    assert plan_cache(after, autoencoder, about["digest"]).clips == 12
    (footage / ".digests.json").write_text("{")
    assert Footage(footage).digest() == after.digest()


def test_the_plan_of_a_cache_says_how_large_it_becomes(footage: Path, model_folder: Path):
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    plan = plan_cache(Footage(footage), autoencoder, about["digest"])
    assert (plan.clips, plan.seconds > 0) == (12, True)
    list(cache_latents(Footage(footage), autoencoder, about["digest"]))
    written = sum(path.stat().st_size for path in footage.rglob("latents-*/*.safetensors"))
    assert plan.size < written < 1.05 * plan.size + 4000  # names and places come on top


def test_footage_that_lost_a_shard_or_has_no_words_is_refused(footage: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (footage / "part").mkdir()
    shutil.copy(next(footage.glob("*.jsonl")), footage / "part" / "lost.jsonl")
    (footage / "part" / "metrics.jsonl").write_text('{"step": 1}\n')  # of a run, no manifest
    assert main(transformer(footage, model_folder, tmp_path / "run")) == 2
    assert "lost.tar is missing, though its manifest is there" in capsys.readouterr().err
    (tmp_path / "silent").mkdir()
    write_shard(tmp_path / "silent" / "a.tar", [(f"{n}", made_clip(n), {"captions": ["a"] * (n != 3), "still_captions": ["a"]}) for n in range(8)])
    assert main(transformer(tmp_path / "silent", model_folder, tmp_path / "run")) == 2
    assert "clip 3 has no words" in capsys.readouterr().err
    for setting, message in (("transformer.text_width=512", "follows from the text encoder"), ("transformer.action_width=5", "action_width is 5: 20, or 0")):
        assert main([*transformer(footage, model_folder, tmp_path / "run"), setting]) == 2
        assert message in capsys.readouterr().err
        shutil.rmtree(footage / "part", ignore_errors=True)


def test_processes_share_the_encoding(footage: Path, footage_folder: Path, model_folder: Path):
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    for end in ("tar", "jsonl"):
        text = (footage / f"made.{end}").read_bytes()
        (footage / f"more.{end}").write_bytes(text.replace(b"made.tar", b"more.tar") if end == "jsonl" else text)
    second = cache_latents(Footage(footage), autoencoder, about["digest"], rank=1, size=2)
    assert next(second) == (12, 24)
    assert [path.name[:4] for path in footage.rglob("latents-*/*.safetensors")] == ["more"]
    assert next(second) == (12, 24)  # waits for the other process
    assert list(cache_latents(Footage(footage), autoencoder, about["digest"], rank=0, size=2)) == [(24, 24)]
    assert list(second) == []


def test_encoding_on_the_fly_gives_the_cached_batches(footage: Path, model_folder: Path):
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    fly = LatentClips(Footage(footage), about["digest"], autoencoder)
    list(cache_latents(Footage(footage), autoencoder, about["digest"]))
    cached = LatentClips(Footage(footage), about["digest"])
    for a, b in zip(fly.batch(range(40), 0), cached.batch(range(40), 0), strict=True):
        assert torch.equal(a.latents, b.latents)
        assert (a.caption, a.number) == (b.caption, b.number)


def test_a_driver_is_heard_frame_by_frame(tmp_path: Path, model_folder: Path):
    words = [ACTIONS[n // 3 % 5] for n in range(17)]
    truth = {"captions": ["a car"], "still_captions": ["a car"], "subjects": [{"kind": "car", "steering": words}]}
    write_shard(tmp_path / "steered.tar", ((f"{n:03d}", made_clip(n), {**truth, "subjects": []} if n == 3 else truth) for n in range(4)))
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    list(cache_latents(Footage(tmp_path), autoencoder, about["digest"]))
    clips = LatentClips(Footage(tmp_path), about["digest"]).batch(range(160), 0)
    wanted = {False: action_rows(words), True: action_rows(words, 3)}
    told = 0
    for clip in clips:
        if clip.actions is not None:
            led = bool(clip.times[0] == 0)
            shown = clip.latents.shape[1] - clip.stills
            first = 0 if led else round((float(clip.times[0]) * 8 - 1.5) / 4)  # where it begins inside its film
            assert torch.equal(clip.actions[:shown], torch.from_numpy(wanted[led][first : first + shown]))
            assert not bool(clip.actions[shown:].any())  # of a still that is not shown nothing is known
            told += 1
    moving = sum(clip.latents.shape[1] > 1 for clip in clips)
    assert 0.45 * moving < told < 0.75 * moving  # three clips of four have a driver, and of a fifth of them nothing is known


def test_weights_that_know_no_actions_are_a_start(footage: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Weights files from before there were actions say nothing of action_width; what is new begins at zero."""
    about = load_weights(model_folder / "transformer.safetensors", "transformer")[1]
    del about["digest"]
    for width in (0, 8):
        config = dataclasses.replace(tiny().transformer, action_width=width)
        values = {name: value for name, value in config.__dict__.items() if value or name != "action_width"}
        save_weights(tmp_path / f"{width}.safetensors", shaken(Transformer(config)).state_dict(), {**about, "config": values, "vocabulary": ["zebra"]})
    still = [f"transformer_training.{setting}" for setting in ("num_steps=1", "learning_rate=1e-12", "muon_learning_rate=0", "weight_decay=0")]
    assert main([*transformer(footage, model_folder, tmp_path / "run", *still), "--start", str(tmp_path / "0.safetensors")]) == 0
    before, after = (load_weights(path, "transformer")[0] for path in (tmp_path / "0.safetensors", tmp_path / "run" / "transformer.safetensors"))
    assert "zebra" in load_weights(tmp_path / "run" / "transformer.safetensors", "transformer")[1]["vocabulary"]  # met before
    assert not bool(after.pop("actions.weight").any())
    assert before.keys() == after.keys() and all(torch.allclose(before[name], after[name], rtol=0, atol=1e-10) for name in before)  # one step at a rate of 1e-12
    assert main([*transformer(footage, model_folder, tmp_path / "other", *still), "--start", str(tmp_path / "8.safetensors")]) == 2
    assert "was trained with another config" in capsys.readouterr().err


def test_a_small_disk_makes_no_cache_and_says_so(footage: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", "reverie")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(latents.shutil, "disk_usage", lambda _: usage._replace(free=10**8))
    assert main(transformer(footage, model_folder, tmp_path / "small")) == 0
    assert "too little: every clip is encoded whenever it is needed" in caplog.text
    assert not list(footage.rglob("latents-*"))
    monkeypatch.undo()
    assert main(transformer(footage, model_folder, tmp_path / "large")) == 0
    assert list(footage.rglob("latents-*/*.safetensors"))
    assert losses(tmp_path / "small") == losses(tmp_path / "large")


def test_a_rehearsal_says_what_a_run_takes_and_writes_nothing(footage: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*transformer(footage, model_folder, tmp_path / "run"), "--dry-run", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (facts["clips"], facts["clips_to_encode"], facts["num_steps"], facts["batch_size"]) == (12, 12, 6, 8)
    assert facts["seconds_per_step"] > 0
    assert 0.9 * 4 * 4 * facts["parameters"] < 1e9 * facts["checkpoint_gb"] + 5e5
    assert not (tmp_path / "run").exists()
    assert not list(footage.rglob("latents-*"))
    assert main(["train", "autoencoder", "--preset", "tiny", "--data", str(footage), "--run", str(tmp_path / "run"), "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["variance_of_linear_codec"] > 0.9
    assert not (tmp_path / "run").exists()


def test_metrics_say_what_the_run_does_and_its_folder_what_it_is(footage: Path, model_folder: Path, tmp_path: Path):
    run = tmp_path / "run"
    assert main(transformer(footage, model_folder, run, "transformer_training.log_every=3")) == 0
    lines = rows(run)
    assert [line["step"] for line in lines] == [0, 3, 6, 6]
    for line in lines[1:3]:
        wanted = {
            "loss",
            "gradient_norm",
            "tokens_per_second",
            "share_of_peak",
            "memory_gb",
            "seconds_left",
            "seconds_per_step",
            "rate",
            "error_shared",
            "error_known",
            "error_0.8",
        }
        assert wanted <= set(line)
        assert 0 < line["share_of_peak"] < 1.5  # of a product of large matrices in the same dtype, as fast as this machine was at the start
    note = json.loads((run / "run.json").read_text())
    assert note["training"]["num_steps"] == 6
    assert note["data"] == Footage(footage).digest()
    assert note["made"]["reverie"] == reverie.__version__
    assert note["made"]["torch"] == torch.__version__


def test_a_short_stretch_ends_well_without_weights(footage: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = tmp_path / "run"
    assert main([*transformer(footage, model_folder, run), "--stop-after", "0.01s", "--niceness", "0", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["ok"], report["files"], report["run"]) == (True, [], str(run))
    assert not (run / "transformer.safetensors").exists()
    assert main([*transformer(footage, model_folder, run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["files"] == [str(run / "transformer.safetensors")]


def test_curves_of_several_runs_are_one_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name, factor in (("one", 1.0), ("two", 0.5)):
        (tmp_path / name).mkdir()
        lines = [{"step": 0, "event": "begins"}, *({"step": n, "loss": factor / n, "gradient_norm": 1.0, "rate": 1.0, "error_shared": factor / n**0.5} for n in range(1, 200))]
        (tmp_path / name / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "curves.png"
    assert main(["train", "plot", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(out)]) == 0
    both = reverie.read(out).frames[0]
    assert main(["train", "plot", str(tmp_path / "one"), "-o", str(out)]) == 0
    alone = reverie.read(out).frames[0]
    assert both.shape[1] == alone.shape[1]
    assert both.shape[0] > alone.shape[0]
    orange = [200, 80, 30]
    assert (both == orange).all(-1).sum() > 500
    assert (alone == orange).all(-1).sum() == 0


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "a.png", "no run here"),
        ("", "a.png", "no line of metrics yet"),
        ("{", "a.png", "no line of metrics yet"),
        ("{nonsense}", "a.png", "line 1: not a line"),
        ("", "a.jpg", "are a .png"),
    ],
)
def test_curves_of_nothing_are_refused(tmp_path: Path, content: str | None, name: str, message: str, capsys: pytest.CaptureFixture[str]):
    if content is not None:
        (tmp_path / "metrics.jsonl").write_text(content)
    assert main(["train", "plot", str(tmp_path), "-o", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / name).exists()
