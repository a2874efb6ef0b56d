"""`reverie bench`: it runs, its arithmetic is right, it ends in one JSON line. (What it measures is never asserted.)"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import reverie
from reverie.cli import main
from reverie.evaluation.bench import H100, Machine, Step, computed, flops_of, measure_agreement, network, on, piece, texts, timing
from reverie.layers.precision import Linear
from reverie.patches.packing import pack
from reverie.presets import PRESETS, Preset, default, tiny
from reverie.transformer.dit import Transformer

HERE = Machine("cpu", torch.float32, 1e12, 1e12)


def test_the_quick_run_measures_everything_and_ends_in_one_json_line(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "--quick", "--quiet", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    figures = json.loads(line)
    assert figures["ok"] and figures["machine"]["device"] == "cpu"
    assert all(row["agrees"] for row in figures["agreement"].values())
    assert figures["training_step"]["tokens"] == 240 + 240 + 280 + 320
    assert set(figures["forward"]) == {"1x320", "2x128"}
    assert [row["tokens"] for row in figures["lengths"]] == [64, 256, 1024]
    grown = [row["bytes_per_token"] * row["tokens"] for row in figures["lengths"]]
    assert grown == sorted(grown) and (grown[-1] > 0 or not Path("/proc").exists())
    for row in (figures["training_step"], *(forward["eager"] for forward in figures["forward"].values()), *figures["autoencoder"].values()):
        assert 0 < row["fastest_ms"] <= row["ms"] <= row["slowest_ms"]


def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main(["bench", "--device", "cuda"]) == 2
    text = capsys.readouterr().err
    assert "no device 'cuda' here: there is cpu" in text and text.count("\n") == 1


def test_rates_and_shares_are_those_of_the_median():
    figures = timing([0.5, 0.2, 0.1], {"tokens": 40.0, "flops": 1e9}, 1e10)
    assert figures == {"ms": 200.0, "fastest_ms": 100.0, "slowest_ms": 500.0, "tokens_per_second": 200.0, "flops_per_second": 5e9, "share_of_peak": 0.5}


def test_operations_are_counted_as_the_products_that_run():
    net = network(tiny().transformer, HERE)
    packed, condition = on("cpu", pack([piece((5, 8, 8), net.config.token_width)])), texts(net, 1, HERE)
    counted = flops_of(lambda: net.denoise(packed, condition))  # with gradients attention is plain products, which torch counts
    assert net.estimate_flops(320) == pytest.approx(counted, rel=0.02)  # the rest are products per noise level


def test_what_an_h100_would_take_is_bound_by_its_memory_for_one_clip_and_by_products_for_many():
    with torch.device("meta"):
        net = Transformer(default().transformer)
    parameters = sum(p.numel() for p in net.parameters())
    assert computed(net, 1, 64) == pytest.approx((2 * parameters + 120 * 64 * 320 * 10) / H100["bytes_per_second"])
    assert computed(net, 1, 32768) == pytest.approx(net.estimate_flops(32768) / H100["flops"])


def test_a_step_trains():
    step = Step(tiny().transformer, HERE, [(2, 2, 3), (1, 4, 4)])
    before = [p.detach().clone() for p in step.net.parameters()]
    step()
    assert sum(bool((a != b).any()) for a, b in zip(before, step.net.parameters(), strict=True)) > 0.8 * len(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fused_activation_is_the_plain_one(dtype: torch.dtype):
    layer, x = Linear(24, 40), torch.randn(7, 24).to(dtype)
    torch.nn.init.normal_(layer.bias)
    exact = torch.nn.functional.gelu(torch.nn.functional.linear(x.double(), layer.weight.to(dtype).double(), layer.bias.to(dtype).double()), approximate="tanh")
    with torch.no_grad():
        fused, bare = layer(x, gelu=True), layer(x)
    plain = layer(x, gelu=True)
    assert torch.equal(bare, torch.nn.functional.linear(x, layer.weight.to(dtype), layer.bias.to(dtype)))  # bit by bit
    assert fused.dtype == plain.dtype == dtype and plain.requires_grad
    close = {torch.float32: 1e-5, torch.bfloat16: 0.03}[dtype]  # bf16 keeps 8 bits of values up to 4
    assert torch.allclose(fused.double(), exact, atol=close) and torch.allclose(plain.double(), exact, atol=close)


def test_keys_and_values_of_a_text_are_made_once_per_prompt(model_folder: Path, monkeypatch: pytest.MonkeyPatch):
    prepare, calls = Transformer.prepare, []
    monkeypatch.setattr(Transformer, "prepare", lambda self, *given: calls.append(len(given[0])) or prepare(self, *given))
    dreamer = reverie.load(model_folder, dtype=torch.float32)
    dreamer.generate("a red ball", size="32x32", seconds=0.5, num_steps=5)
    assert calls == [2]  # the prompt and the negative one, together, whatever the number of steps
    session = dreamer.play("a red ball", size="32x32", num_steps=2)
    for _ in range(3):
        session.advance("left")
    assert calls == [2, 2]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_clips_are_as_wide_as_the_tokens_of_every_preset(preset: Callable[[], Preset]):
    config = dataclasses.replace(preset().transformer, width=64, depth=1, heads=1, feedforward=64)  # its tokens in a small network
    assert all(row["agrees"] for row in measure_agreement(config, dataclasses.replace(HERE, dtype=torch.bfloat16)).values())
