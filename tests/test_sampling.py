"""The canvas and its sampler: the two identities, tasks, independence of the batch, refusals."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import reverie
from reverie.diffusion.noise import latent_noise
from reverie.patches.packing import Piece, extras_of, pack
from reverie.patches.patches import patchify, unpatchify
from reverie.patches.positions import token_positions
from reverie.sampling import tasks
from reverie.sampling.reverie import Reverie, fit
from reverie.sampling.sampler import SamplerConfig, sample
from reverie.video import Video

SHAPE = {"channels": 16, "width": 48, "height": 32, "num_frames": 8, "fps": 8.0}


def last(dreamer: Reverie, canvases: list, **settings: float) -> list[torch.Tensor]:
    *_, (_, latents) = sample(dreamer.transformer, dreamer.encoder, canvases, SamplerConfig(**settings))  # type: ignore[arg-type]
    return latents


def test_strength_one_everywhere_is_the_plain_euler_loop(dreamer: Reverie):
    canvas = tasks.text_to_video("a red ball", seed=3, **SHAPE)
    net, steps, scale = dreamer.transformer, 6, 2.5
    # from here on an independent loop
    with torch.no_grad():
        conditions = [net.prepare(dreamer.encoder.encode([text])) for text in ("a red ball", "")]
        x = patchify(latent_noise(3, 0, (16, 2, 4, 6)))
        shift = max(1.0, 2.5 * (16 * 2 * 4 * 6 / 4096) ** 0.5)
        u = [shift * k / (1 + (shift - 1) * k) for k in (1 - i / steps for i in range(steps + 1))]
        for now, after in itertools.pairwise(u):
            piece = Piece(x, token_positions(canvas.times - canvas.times[0], (2, 3)), torch.full((1,), now), torch.zeros(12, dtype=torch.long), extras_of(48, 32, 8.0))
            with_text, without = (net.denoise(pack([piece]), condition) for condition in conditions)
            clean = without + scale * (with_text - without)
            x = clean + (after / now) * (x - clean)
    (result,) = last(dreamer, [canvas], num_steps=steps, guidance_scale=scale)
    assert torch.allclose(result, unpatchify(x, (2, 2, 3)), atol=1e-4)  # fp32, six steps; level embeddings are summed in another order


def test_strength_zero_everywhere_returns_the_input(dreamer: Reverie):
    canvas = tasks.text_to_video("a red ball", seed=0, **SHAPE)
    kept = dataclasses.replace(canvas, latents=torch.randn(canvas.latents.shape), strength=torch.zeros(canvas.grid))
    assert torch.equal(last(dreamer, [kept], num_steps=3)[0], kept.latents)


def test_a_canvas_does_not_depend_on_its_batch(dreamer: Reverie, monkeypatch: pytest.MonkeyPatch):
    """Requests of any shape, rate and strength are one pack."""
    a = tasks.text_to_video("a red ball", seed=1, **SHAPE)
    b = tasks.text_to_video("a much longer prompt about a blue cube that falls", seed=2, negative_prompt="a green cone", **{**SHAPE, "width": 64, "num_frames": 5})
    c = tasks.text_to_video("an image", seed=3, **{**SHAPE, "num_frames": 1})
    soft = dataclasses.replace(tasks.text_to_video("a green cone", seed=4, **SHAPE), latents=torch.randn(16, 2, 4, 6), strength=torch.full((2, 2, 3), 0.4))
    edged = dataclasses.replace(soft, strength=torch.linspace(0, 1, 12).reshape(2, 2, 3), fps=24.0)
    packs, denoise = [], dreamer.transformer.denoise
    monkeypatch.setattr(dreamer.transformer, "denoise", lambda pack, condition: packs.append(len(pack.lengths)) or denoise(pack, condition))
    together = last(dreamer, [a, b, c, soft, edged], num_steps=4)
    assert packs == [2 * 5] * 4  # all of them, with their words and without, in one call of the network per step
    for canvas, result in zip([a, b, c, soft, edged], together, strict=True):
        assert torch.allclose(last(dreamer, [canvas], num_steps=4)[0], result, atol=1e-4)  # fp32


def test_a_canvas_does_not_depend_on_its_packs(dreamer: Reverie, monkeypatch: pytest.MonkeyPatch):
    """All views of all canvases in one call of the network, or each in a call of its own. (There is no offload: see docs/tasks.md.)"""
    a = tasks.text_to_video("a red ball", seed=1, **SHAPE)
    b = tasks.text_to_loop("a cube", seed=2, **{**SHAPE, "num_frames": 24})
    c = tasks.with_tiles(tasks.text_to_video("a large cone", seed=3, **{**SHAPE, "width": 240, "height": 200, "num_frames": 1}))
    assert len(c.tiles) > 1
    together = last(dreamer, [a, b, c], num_steps=3)
    monkeypatch.setattr("reverie.sampling.sampler.MAX_TOKENS", 1)
    for one, other in zip(together, last(dreamer, [a, b, c], num_steps=3), strict=True):
        assert torch.allclose(one, other, atol=1e-4)  # fp32, sums in another order


def test_steps_above_every_strength_cost_nothing(dreamer: Reverie, monkeypatch: pytest.MonkeyPatch):
    canvas = tasks.text_to_video("a red ball", seed=3, **SHAPE)
    soft = dataclasses.replace(canvas, latents=torch.randn(canvas.latents.shape), strength=torch.full(canvas.grid, 0.3))
    calls = []
    denoise = dreamer.transformer.denoise
    monkeypatch.setattr(dreamer.transformer, "denoise", lambda pack, condition: calls.append(float(pack.sigma.max())) or denoise(pack, condition))
    assert len(list(sample(dreamer.transformer, dreamer.encoder, [soft], SamplerConfig(num_steps=20)))) == 20
    assert 3 < len(calls) < 10
    assert max(calls) == pytest.approx(0.3)


def test_strength_may_vary_in_space_and_keeps_what_is_kept(dreamer: Reverie):
    canvas = tasks.text_to_video("a red ball", seed=5, **SHAPE)
    strength = torch.rand(canvas.grid, generator=torch.Generator().manual_seed(0))
    strength[0, 0] = 0
    mixed = dataclasses.replace(canvas, latents=torch.randn(canvas.latents.shape), strength=strength)
    (result,) = last(dreamer, [mixed], num_steps=3)
    assert torch.equal(result[:, 0, :2], mixed.latents[:, 0, :2])
    assert not torch.equal(result[:, 1], mixed.latents[:, 1])


def test_seed_and_words_decide(dreamer: Reverie):
    def make(prompt: str = "a red ball", **settings: Any) -> np.ndarray:
        return dreamer.generate(prompt, size="48x32", seconds=0.5, num_steps=2, **settings).frames

    assert np.array_equal(make(seed=1), make(seed=1))
    assert not np.array_equal(make(seed=1), make(seed=2))
    assert not np.array_equal(make(seed=1), make("a blue cube", seed=1))
    assert not np.array_equal(make(seed=1), make(seed=1, negative_prompt="a cube"))
    unguided, other = (make(seed=1, guidance_scale=1.0, negative_prompt=words).astype(int) for words in ("", "a cube"))
    assert np.abs(unguided - other).max() <= 1  # nothing is pushed away from: texts are prepared together, so sums may come in another order


@pytest.mark.parametrize(("frames", "size"), [(1, "48x32"), (2, "33x47"), (5, "16x16"), (16, "48x32")])
def test_any_shape_comes_out_as_asked(dreamer: Reverie, frames: int, size: str):
    video = dreamer.generate("a red ball", size=size, num_frames=frames, num_steps=1)
    assert (video.num_frames, video.size) == (frames, size)
    assert video.metadata["prompt"] == "a red ball"
    assert video.metadata["model"] == dreamer.digest


def test_an_animated_image_is_kept_exactly(dreamer: Reverie):
    image = Video(np.random.default_rng(0).integers(0, 255, (1, 32, 48, 3), dtype=np.uint8))
    video = dreamer.animate(image, "a red ball rolls", num_frames=9, num_steps=2)
    assert video.num_frames == 9
    assert np.array_equal(video.frames[0], image.frames[0])
    assert video.latents is not None
    assert video.latents.shape[1] == 3


def test_large_images_are_scaled_in_their_shape():
    assert fit(Video(np.zeros((1, 96, 160, 3), np.uint8))).size == "160x96"
    assert fit(Video(np.zeros((1, 1080, 1920, 3), np.uint8))).size == "640x360"


def test_words_that_were_never_met(dreamer: Reverie):
    assert dreamer.unknown_words("The red ball rolls in Tokyo, neon 城") == ["tokyo", "neon", "城"]
    assert dreamer.unknown_words("a red-red ball") == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": "  "}, "prompt is empty"), ({"size": "128"}, "write WIDTHxHEIGHT"), ({"size": "8x8"}, "between 16 and 2048"), ({"size": "-3x64"}, "write WIDTHxHEIGHT"),
        ({"seconds": 0.3}, "not a whole number"), ({"seconds": -1}, "positive"), ({"seconds": float("nan")}, "positive"), ({"seconds": 1000}, "between 1 and 7200"),
        ({"num_steps": 0}, "num_steps is 0"), ({"guidance_scale": -1}, "guidance_scale is -1"), ({"fps": 0}, "positive"), ({"fps": 1e6, "num_frames": 4}, "between 0.1 and 240"), ({"fps": float("nan"), "num_frames": 1}, "fps is nan"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused_in_one_line(dreamer: Reverie, settings: dict, message: str):
    with pytest.raises(ValueError, match=message) as error:
        dreamer.generate(**{"prompt": "a red ball", **settings})
    assert "\n" not in str(error.value)


def test_weights_that_do_not_belong_together_or_are_damaged_are_refused(model_folder: Path, tmp_path: Path):
    files = {name: (model_folder / f"{name}.safetensors").read_bytes() for name in ("autoencoder", "transformer")}

    def folder(**changed: bytes) -> Path:
        for name, data in {**files, **changed}.items():
            (tmp_path / f"{name}.safetensors").write_bytes(data)
        return tmp_path

    assert reverie.load(folder()).digest
    damaged = bytearray(files["transformer"])
    damaged[-100] ^= 64
    with pytest.raises(ValueError, match="damaged"):
        reverie.load(folder(transformer=bytes(damaged)))
    with pytest.raises(ValueError, match="damaged"):
        reverie.load(folder(transformer=files["transformer"][:1000]))
    with pytest.raises(ValueError, match="damaged"):
        reverie.load(folder(autoencoder=b"hello"))
    with pytest.raises(ValueError, match="called transformer"):
        reverie.load(folder(autoencoder=files["transformer"]))
    (tmp_path / "autoencoder.safetensors").unlink()
    with pytest.raises(ValueError, match="no such weights file"):
        reverie.load(tmp_path)

    from safetensors.torch import load_file

    from reverie.layers.weights import load_weights, save_weights

    tensors, about = load_weights(model_folder / "autoencoder.safetensors", "autoencoder")
    save_weights(tmp_path / "autoencoder.safetensors", {k: v + 1 for k, v in tensors.items()}, {"network": "autoencoder", "config": about["config"]})
    with pytest.raises(ValueError, match="was trained with the latents"):
        reverie.load(tmp_path)
    (tmp_path / "autoencoder.safetensors").write_bytes(files["autoencoder"])
    tensors, about = load_weights(model_folder / "transformer.safetensors", "transformer")
    for changed, message in [
        ({"text": "0" * 16}, "was trained with text encoder 0000000000000000, this one is"),
        ({"config": {**about["config"], "token_width": 20}}, "token_width is 20, patches of this autoencoder's latents have"),
    ]:
        save_weights(tmp_path / "transformer.safetensors", tensors, {**about, **changed})
        with pytest.raises(ValueError, match=message):
            reverie.load(tmp_path)
    from safetensors.torch import save_file

    save_file(load_file(model_folder / "transformer.safetensors"), tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="not one of Reverie's"):
        load_weights(tmp_path / "foreign.safetensors", "transformer")
