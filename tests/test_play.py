"""Playing: the same actions and seed are the same film, the window is what it says, the terminal shows it, files remember it."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import reverie
from reverie.cli import main
from reverie.diffusion.flow import mix
from reverie.diffusion.noise import latent_noise
from reverie.evaluation.play import dreamed, measure_play, simulated, steadiness
from reverie.layers.weights import load_weights, save_weights
from reverie.patches.actions import action_rows
from reverie.patches.packing import Piece, pack, unpack
from reverie.patches.patches import patchify
from reverie.patches.positions import token_positions
from reverie.sampling.canvas import WINDOW  # of weights that do not say it
from reverie.sampling.play import parse_script, script_of
from reverie.sampling.reverie import Reverie
from reverie.sampling.stream import Context

SIZE = {"size": "48x32", "num_steps": 2}


@pytest.fixture(scope="module")
def unsteered(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose transformer was made before there were actions."""
    folder = tmp_path_factory.mktemp("unsteered")
    (folder / "autoencoder.safetensors").write_bytes((model_folder / "autoencoder.safetensors").read_bytes())
    tensors, about = load_weights(model_folder / "transformer.safetensors", "transformer")
    tensors = {name: value for name, value in tensors.items() if not name.startswith("actions.")}
    about["config"] = {**about["config"], "action_width": 0}
    save_weights(folder / "transformer.safetensors", tensors, {key: value for key, value in about.items() if key != "digest"})
    return folder


def played(dreamer: Reverie, actions: list[str], **settings: object) -> reverie.Video:
    session = dreamer.play("a red ball", **{**SIZE, **settings})  # type: ignore[arg-type]
    for action in actions:
        assert session.advance(action).shape == (4, 32, 48, 3)
    return session.film()


def test_weights_that_see_one_latent_alone_cannot_be_played(dreamer: Reverie, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dreamer, "window", 1)
    with pytest.raises(ValueError, match="clips of at most 7 frames: playing needs some of 8 or more"):
        dreamer.play("a red ball", **SIZE)


def test_the_same_actions_and_seed_are_the_same_film_bit_by_bit(dreamer: Reverie):
    actions = ["forward", "left", "left", "stand", "back", "right", "forward"]  # longer than the window
    first, again = played(dreamer, actions, seed=3), played(dreamer, actions, seed=3)
    assert np.array_equal(first.frames, again.frames)
    assert first.num_frames == 28
    assert first.metadata["actions"] == "forward,left*2,stand,back,right,forward"
    assert not np.array_equal(first.frames, played(dreamer, actions, seed=4).frames)
    other = played(dreamer, [*actions[:-1], "back"], seed=3).frames
    assert np.array_equal(first.frames[:24], other[:24])  # what was shown stays
    assert not np.array_equal(first.frames[24:], other[24:])


@pytest.mark.parametrize("steps", [1, 3, WINDOW - 1, WINDOW + 3])
def test_the_cache_equals_what_the_window_alone_gives(dreamer: Reverie, steps: int):
    """Before and after the window has moved: the next latent by the cache, and by one causal pass over the same latents with times from 0."""
    actions = (["forward", "left", "back", "right"] * 3)[:steps]
    session = dreamer.play("a red ball", seed=5, **SIZE)  # type: ignore[arg-type]
    for action in actions:
        session.advance(action)
    seen = min(steps, WINDOW - 1)
    indices = range(steps - seen, steps)
    context = [mix(patchify(session.latents[n]), patchify(latent_noise(5, n, session.shape, "context")), torch.tensor(Context.noise)) for n in indices]
    new = torch.randn(len(context[0]), 64, generator=torch.Generator().manual_seed(0))
    sigma, plane = torch.tensor([Context.noise] * seen + [0.7]), len(new)
    rows = torch.from_numpy(action_rows([word for word in [*(actions[n] for n in indices), "left"] for _ in range(4)]))
    whole = Piece(
        torch.cat([*context, new]),
        token_positions(torch.arange(seen + 1) * 4 / 8.0, (2, 3)),
        sigma,
        torch.arange(seen + 1).repeat_interleave(plane),
        session.extras,
        True,
        actions=rows,
    )
    with torch.inference_mode():
        packed = pack([whole])
        exact = unpack(dreamer.transformer.denoise(packed, session.condition.rows([0])), packed.lengths)[0][-plane:]
        by_cache = dreamer.transformer.denoise(session._pack([(new, rows[-1:])], seen, torch.tensor(0.7)), session.condition, session.cache)[:plane]
    assert torch.allclose(exact, by_cache, atol=1e-4)  # fp32: sums in another order


def test_actions_steer_only_weights_that_learned_them(dreamer: Reverie, unsteered: Path):
    assert dreamer.play("a red ball", **SIZE).steers  # type: ignore[arg-type]
    assert not np.array_equal(played(dreamer, ["forward"]).frames, played(dreamer, ["back"]).frames)
    deaf = reverie.load(unsteered, dtype=torch.float32)
    assert not deaf.play("a red ball", **SIZE).steers  # type: ignore[arg-type]
    assert np.array_equal(played(deaf, ["forward"]).frames, played(deaf, ["back"]).frames)


def test_guidance_one_needs_no_second_pass_and_sizes_are_any(dreamer: Reverie):
    session = dreamer.play("a red ball", size="33x47", num_steps=1, guidance_scale=1.0)
    assert len(session.condition.lengths) == 1
    assert session.advance("left").shape == (4, 47, 33, 3)
    longer = dreamer.extend(session.film(), seconds=0.5, num_steps=1)  # a played film is a clip like any other
    assert longer.num_frames == 8


def test_scripts():
    assert parse_script("forward*2, left,stand*3") == ["forward"] * 2 + ["left"] + ["stand"] * 3
    for script in ("forward", "forward*2,left,stand*3", "left*1800"):
        assert script_of(parse_script(script)) == script
    for text, message in {
        "forwards": "did you mean 'forward'",
        "left*0": "a count from 1",
        "left*x": "ACTION\\*COUNT",
        "": "no action ''",
        "left*1000,left*1000": "at most 1800",
    }.items():
        with pytest.raises(ValueError, match=message):
            parse_script(text)


def test_what_cannot_be_played_is_refused(dreamer: Reverie):
    with pytest.raises(ValueError, match="prompt is empty"):
        dreamer.play(" ")
    with pytest.raises(ValueError, match="did you mean 'forward'"):
        dreamer.play("a red ball", **SIZE).advance("foward")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing was played"):
        dreamer.play("a red ball", **SIZE).film()  # type: ignore[arg-type]


def test_a_scripted_session_is_written_remembered_and_repeated(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, again = tmp_path / "session.mkv", tmp_path / "again.mkv"
    words = ["play", "a red ball", "-o", str(out), "--model", str(model_folder), "--size", "32x32", "--num-steps", "2", "--seed", "7"]
    assert main([*words, "--actions", "forward*2,left", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["files"], report["actions"], report["num_frames"], report["steered"]) == ([str(out)], "forward*2,left", 12, True)
    assert reverie.read(out).metadata["actions"] == "forward*2,left"
    assert main(["rerun", str(out), "-o", str(again), "--model", str(model_folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["same_frames"] is True
    assert np.array_equal(reverie.read(out).frames, reverie.read(again).frames)


def test_weights_without_actions_say_so_in_one_line(unsteered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["play", "a red ball", "-o", str(tmp_path / "a.mkv"), "--model", str(unsteered), "--size", "32x32", "--num-steps", "1", "--actions", "left", "--json"]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.err.count("have not learned actions") == 1
    assert json.loads(captured.out.splitlines()[-1])["steered"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [(["x", "--actions", "jump"], "no action 'jump'"), (["x"], "no terminal"), (["x", "--actions", "left", "-o", "a.png"], "holds one frame"), (["", "--actions", "left"], "prompt is empty")],
)  # fmt: skip
def test_bad_command_lines(words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    assert main(["play", *words]) == 2
    text = capsys.readouterr().err
    assert message in text and text.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_live_session_shows_frames_and_takes_keys(model_folder: Path, tmp_path: Path):
    out = tmp_path / "live.mkv"
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "reverie.cli", "play", "a red ball", "-o", str(out), "--model", str(model_folder), "--size", "32x32", "--num-steps", "1", "--fps", "60"]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"})
    os.close(terminal)
    seen, start, pressed = b"", time.monotonic(), 0
    keys = [b"w", b"\x1b[D", b"q"]
    while time.monotonic() - start < 120:
        if select.select([screen], [], [], 0.2)[0]:
            try:
                part = os.read(screen, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            seen += part
        if pressed < len(keys) and seen.count(b"\x1b[H") > 8 * (pressed + 1):  # some frames were drawn since the last key
            os.write(screen, keys[pressed])
            pressed += 1
    assert process.wait(timeout=30) == 0, seen[-500:]
    os.close(screen)
    assert "▀".encode() in seen and b"\x1b[38;2;" in seen
    assert seen.rindex(b"\x1b[?1049l") > seen.index(b"\x1b[?1049h")  # the old screen is back
    actions = parse_script(reverie.read(out).metadata["actions"])
    assert list(dict.fromkeys(actions)) == ["stand", "forward", "left"]


def test_the_example_steers(model_folder: Path, tmp_path: Path):
    example = Path(__file__).parent.parent / "examples" / "steer.py"
    assert len(example.read_text().splitlines()) <= 40
    out = tmp_path / "film.mkv"
    done = subprocess.run(
        [sys.executable, str(example), str(out), str(model_folder)], capture_output=True, text=True, check=True, timeout=120, env={**os.environ, "PYTHONPATH": "."}
    )
    assert done.stdout.startswith(str(out)) and "forward" in done.stdout
    assert reverie.read(out).num_frames == 40


def test_the_worlds_own_steered_clips_score_near_the_ceiling_and_tricks_do_not():
    """Needs MuJoCo and EGL. What always shows the same has a fifth at most, since each action counts alike."""
    world = simulated()
    figures = measure_play(world, num_cases=4, num_steps=16)
    assert figures["recovered"]["share"] >= 0.7 and (figures["recovered"]["cases"], figures["recovered"]["readings"]) == (4, 24)
    assert figures["still"]["share"] == 1.0
    steady = figures["steady"]
    assert (steady["frames"], steady["seen"]) == (64, 1.0) and steady["colour_drift"] < 3 and 0.8 < steady["sharpness"] < 1.25
    deaf = measure_play(lambda colour, seed, actions: world(colour, seed, ["left"] * len(actions)), num_cases=2, num_steps=1)
    assert deaf["recovered"]["share"] < 0.5 and deaf["still"]["share"] < 0.3
    frozen = measure_play(lambda colour, seed, actions: np.repeat(world(colour, seed, ["stand"]), len(actions), 0), num_cases=2, num_steps=1)
    assert frozen["recovered"]["share"] <= 0.25 and frozen["still"]["share"] == 1.0


def test_drift_is_seen():
    frames = np.full((40, 32, 32, 3), 200, np.uint8)
    frames[:, 12:20, 12:20] = (250, 20, 20)
    assert steadiness(frames) == {"frames": 40, "seen": 1.0, "colour_drift": 0.0, "sharpness": 1.0}
    drifting = frames.copy()
    drifting[20:] = np.linspace(200, 140, 20, dtype=np.uint8)[:, None, None, None]  # grows dark, and the thing is lost
    found = steadiness(drifting)
    assert found["seen"] == 0.0 and found["colour_drift"] > 30 and found["sharpness"] < 0.1


def test_a_model_without_actions_is_not_measured(unsteered: Path):
    with pytest.raises(ValueError, match="has not learned actions"):
        measure_play(dreamed(reverie.load(unsteered), "32x32"), num_cases=1, num_steps=1)
