"""Few steps: shortcuts are consistent with the flow, told only where they are, learned on a field that is known, and cost nothing where they are off."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.cli import main
from reverie.config import from_dict
from reverie.data.latents import Clip
from reverie.data.sampling import NOISE
from reverie.diffusion import flow
from reverie.diffusion.schedules import levels, resolution_shift, step_at
from reverie.layers.weights import load_weights, save_weights
from reverie.patches.packing import pack
from reverie.patches.patches import patchify, unpatchify
from reverie.presets import default, tiny
from reverie.randomness import generator
from reverie.sampling.canvas import Canvas
from reverie.sampling.sampler import SamplerConfig, noise_of, sample
from reverie.text.encoder import sentence_encoder
from reverie.training import ema
from reverie.training.loop import _differences
from reverie.training.objectives import SHORTCUT_EVERY, SHORTCUT_STEPS, make_lesson, shortcut_targets, transformer_objective
from reverie.training.optim import rate_factor
from reverie.training.patterns import PATTERNS
from reverie.training.plan import plan
from reverie.transformer.dit import Transformer, TransformerConfig
from tests.conftest import shaken
from tests.test_kills import torchrun
from tests.test_trainer import held, losses, rows
from tests.test_training_data import footage, transformer  # noqa: F401  (a fixture)

SHORT = replace(tiny().transformer, shortcut=True)


def test_one_step_arrives_where_two_do():
    """x = (x - clean) sigma'/sigma + clean, twice and once, whatever the network says; tokens that stay have a number too."""
    x, first, second = torch.randn(3, 6, 4, dtype=torch.float64)
    sigma, middle, end = (torch.tensor(v, dtype=torch.float64)[:, None] for v in ([1, 0.8, 0.8, 0.3, 0.02, 0], [0.9, 0.5, 0.4, 0.2, 0.02, 0], [0.5, 0.4, 0, 0.1, 0.02, 0]))
    there = flow.step(flow.step(x, first, sigma, middle), second, middle, end)
    at_once = flow.shortcut(first, second, sigma, middle, end)
    assert bool(at_once.isfinite().all())
    assert torch.allclose(flow.step(x, at_once, sigma, end), there, atol=1e-12)


@pytest.mark.parametrize("shift", [1.0, 3.3, 10.0])
def test_steps_are_those_of_sampling(shift: float):
    for num_steps in SHORTCUT_STEPS:
        u, halves = levels(num_steps, shift), levels(2 * num_steps, shift)
        begin, middle, end = step_at(u[:-1], shift, num_steps)
        for ours, theirs in ((begin, u[:-1]), (middle, halves[1::2]), (end, u[1:])):
            assert torch.allclose(ours, theirs, atol=1e-6)
        between = torch.rand(200).clamp_min(1e-4)
        begin, _, end = step_at(between, shift, num_steps)
        assert bool((end <= between + 1e-3).all()) and bool((begin >= between - 1e-3).all()) and bool((begin <= 1).all()) and bool((end >= 0).all())


def clip(number: int, t: int = 3, h: int = 2, w: int = 3, **more: object) -> Clip:
    g = torch.Generator().manual_seed(number)
    return Clip(torch.randn(16, t, 2 * h, 2 * w, generator=g), torch.arange(t) / 2 + 0.1875, "a ball", 16 * w, 16 * h, 8.0, number, **more)  # type: ignore[arg-type]


def test_every_fourth_sample_teaches_a_step_and_the_others_are_as_ever():
    lengths, kept, capped = set(), 0, 0
    for number in range(400):
        given = clip(number)
        plain, lesson = (make_lesson(given, np.random.default_rng(number), 0, None, shortcuts) for shortcuts in (False, True))
        sigma, (middle, end, told) = lesson.piece.sigma, lesson.halves
        assert lesson.piece.steps is not None and torch.equal(lesson.piece.steps, sigma - end)
        if number % SHORTCUT_EVERY:
            assert torch.equal(lesson.piece.tokens, plain.piece.tokens) and lesson.pattern == plain.pattern in PATTERNS and not bool(lesson.piece.steps.any())
            continue
        assert lesson.pattern == "shortcut" and not any(name == "shortcut" for name in (plain.pattern, *PATTERNS))
        unknown = torch.zeros_like(sigma).scatter_(0, lesson.piece.level_ids, lesson.unknown.float()) > 0
        assert torch.equal(sigma[~unknown], end[~unknown]) and torch.equal(sigma[~unknown], middle[~unknown])  # what is known does not move
        top = sigma[unknown].max()
        through = top.expand_as(sigma) if plain.pattern == "capped" else sigma
        free = unknown & (sigma == through)
        assert bool((sigma > middle)[free].all()) and bool((middle > end)[free].all())
        kept += int((~unknown).sum())
        runs = [n for n in SHORTCUT_STEPS if torch.allclose(step_at(through[free], resolution_shift(18), n)[2], end[free], atol=1e-5)]
        under = unknown & ~free  # as sampling/sampler.py: min(level, cap) before and after the step
        assert torch.equal(end[under], torch.minimum(end[free][:1], sigma[under])) and torch.equal(middle[under], torch.minimum(middle[free][:1], sigma[under]))
        capped += int(under.sum())
        lengths |= {n for n in runs if len(runs) == 1}
        assert told.unique().numel() == 1 and (len(runs) != 1 or bool(told[0]) == (runs[0] < SHORTCUT_STEPS[-1]))
        noise = (lesson.piece.tokens - (1 - sigma[lesson.piece.level_ids, None]) * lesson.clean)[lesson.unknown] / sigma[lesson.piece.level_ids, None][lesson.unknown]
        assert noise.std() == pytest.approx(1, abs=0.2)
        assert torch.equal(
            make_lesson(given, np.random.default_rng(number), 0, "shared", True).halves[1], make_lesson(given, np.random.default_rng(number), 0, "shared").piece.sigma
        )
    assert kept > 0 and capped > 0 and lengths == set(SHORTCUT_STEPS)


def test_weights_that_learn_shortcuts_begin_as_what_they_were():
    """Nothing is told yet: the same result with the new weights at zero, whatever the steps; the plain ones load into it."""
    plain, short = shaken(Transformer(tiny().transformer)), Transformer(SHORT)
    short.load_state_dict(short.state_dict() | plain.state_dict())
    piece = make_lesson(clip(0), np.random.default_rng(0), 20, None, True).piece
    packed = pack([piece])
    assert bool(packed.steps.any())
    with torch.no_grad():
        results = [net.denoise(packed, net.prepare([torch.zeros(0, 1280)])) for net in (plain, short)]
    assert torch.equal(*results)


def test_targets_are_the_networks_own_two_halves_and_everything_learns():
    network = shaken(Transformer(SHORT))
    assert isinstance(network, Transformer)
    clips = [clip(n, 1 + n % 3) for n in range(8)]
    lessons = [make_lesson(c, generator(0, c.number, NOISE), 20, None, True) for c in clips]
    which = [n for n, lesson in enumerate(lessons) if lesson.pattern == "shortcut"]
    assert which == [0, 4]
    condition = network.prepare([torch.zeros(0, 1280)] * 8)
    for n, target in zip(which, shortcut_targets(network, lessons, condition, which), strict=True):
        assert not target.requires_grad
        piece, (middle, end, told) = lessons[n].piece, lessons[n].halves
        x, ids = piece.tokens, piece.level_ids
        with torch.no_grad():
            for now, after in ((piece.sigma, middle), (middle, end)):
                packed = pack([replace(piece, tokens=x, sigma=now, steps=told * (now - after))])
                x = flow.step(x, network.denoise(packed, condition.rows([n])), now[ids, None], after[ids, None])
        at_once = flow.step(piece.tokens, target, piece.sigma[ids, None], end[ids, None])
        assert torch.allclose(at_once, x, atol=1e-4)  # fp32; alone or in a pack
    loss, _, figures = transformer_objective(sentence_encoder(), network, clips, 0)
    loss.backward()
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for name, p in network.named_parameters() if name.startswith("steps"))
    tokens = sum(float(lessons[n].unknown.sum()) for n in which)
    assert figures["error_shortcut"][1] == tokens
    assert sum(figures[f"error_{low:.1f}"][1] for low in (0.0, 0.2, 0.4, 0.6, 0.8)) == sum(figures[f"error_{name}"][1] for name in PATTERNS)  # of the flow alone
    assert figures["flops"][0] == sum((3 + 2 * (n in which)) * network.estimate_flops(len(lesson.clean)) for n, lesson in enumerate(lessons))


SIDE = 8
DIRECTION = torch.from_numpy(np.sign(generator(5, 5).standard_normal(64)).astype(np.float32)) / 8


def known(number: int) -> Clip:
    """An image whose 64 tokens are standard normal along DIRECTION and zero across it: the flow takes noise to its share along DIRECTION, unchanged."""
    along = torch.from_numpy(generator(9, number).standard_normal((SIDE**2, 1), np.float32))
    return Clip(unpatchify(along * DIRECTION, (1, SIDE, SIDE)), torch.zeros(1), "", 16 * SIDE, 16 * SIDE, 8.0, number)


def noise_image(seed: int) -> Canvas:
    side = 16 * SIDE
    return Canvas(
        latents=torch.zeros(16, 1, 2 * SIDE, 2 * SIDE), strength=torch.ones(1, SIDE, SIDE), times=torch.zeros(1), shown=torch.ones(1, dtype=torch.bool), prompts=("",),
        seed=seed, width=side, height=side, num_frames=1, fps=8.0,
    )  # fmt: skip


def learned(config: TransformerConfig, num_steps: int = 160) -> Transformer:
    """The average of a network that learned the known field from 8 images per step, by the objective of every training."""
    torch.manual_seed(0)
    network = Transformer(config)
    averaged, optimizer = ema.start(network), torch.optim.AdamW(network.parameters(), lr=3e-3, betas=(0.9, 0.95))
    for number in range(num_steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * rate_factor(number, num_steps, 20, num_steps // 2)
        loss, count, _ = transformer_objective(sentence_encoder(), network, [known(8 * number + n) for n in range(8)], 0)
        (loss / count).backward()
        optimizer.step()
        optimizer.zero_grad()
        ema.update(averaged, network, 0.98, number)
    network.load_state_dict(averaged)
    return network.eval()


def errors(network: Transformer) -> dict[int, float]:
    """How far one, two and four steps end from where the flow ends: root mean square, of 256 tokens whose standard deviation is 1."""
    canvases = [noise_image(10**6 + n) for n in range(4)]
    exact = torch.cat([patchify(noise_of(canvas)) @ DIRECTION for canvas in canvases])
    found = {}
    for num_steps in (1, 2, 4):
        *_, (_, latents) = sample(network, sentence_encoder(), canvases, SamplerConfig(num_steps=num_steps, guidance_scale=1.0))
        found[num_steps] = float((torch.cat([patchify(x) for x in latents]) @ DIRECTION - exact).square().mean().sqrt())
    return found


def test_few_steps_learn_to_arrive_where_a_known_flow_does():
    """Nearer than the same network trained without, and than any: a perfect one that knows the flow alone takes Euler's steps of the exact field."""
    perfect = {}
    for num_steps in (1, 2, 4):
        x = torch.ones(())
        for now, after in itertools.pairwise(levels(num_steps, resolution_shift(SIDE**2))):
            x = flow.step(x, (1 - now) / ((1 - now) ** 2 + now**2) * x, now, after)
        perfect[num_steps] = float((1 - x).abs())
    plain, short = (errors(learned(config)) for config in (tiny().transformer, SHORT))
    print("one, two, four steps: perfect", perfect, "plain", plain, "shortcut", short)
    assert all(short[n] < 0.9 * min(perfect[n], plain[n]) for n in perfect), (perfect, plain, short)
    assert short[1] < 0.5 * min(perfect[1], plain[1])


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_sampling_tells_the_steps_that_it_takes(solver: str, monkeypatch: pytest.MonkeyPatch):
    network, seen = shaken(Transformer(SHORT)), []
    denoise = network.denoise
    monkeypatch.setattr(network, "denoise", lambda pack, condition: seen.append((pack.sigma, pack.steps)) or denoise(pack, condition))
    strength = torch.tensor([1.0, 0.4, 0.0])[:, None, None].expand(3, 2, 2)
    canvas = Canvas(latents=torch.zeros(16, 3, 4, 4), strength=strength, times=torch.arange(3) / 2, shown=torch.ones(3, dtype=torch.bool), prompts=("a ball",), seed=0, width=32, height=32, num_frames=12, fps=8.0)  # fmt: skip
    for _ in sample(network, sentence_encoder(), [canvas], SamplerConfig(num_steps=4, guidance_scale=1.0, solver=solver)):  # type: ignore[arg-type]
        pass
    u = levels(4, resolution_shift(canvas.seen))
    if solver == "heun":
        assert len(seen) == 7 and not any(bool(steps.any()) for _, steps in seen)
        return
    assert len(seen) == 4
    for (sigma, steps), now, after in zip(seen, u, u[1:], strict=False):
        caps = torch.tensor([1.0, 0.4, 0.0])
        assert torch.allclose(sigma, torch.minimum(now, caps)) and torch.allclose(steps, torch.minimum(now, caps) - torch.minimum(after, caps))


def test_context_that_is_finished_is_told_no_step(monkeypatch: pytest.MonkeyPatch):
    network, seen = Transformer(SHORT), []
    denoise = network.denoise
    monkeypatch.setattr(network, "denoise", lambda pack, condition: seen.append((pack.sigma, pack.steps)) or denoise(pack, condition))
    strength = torch.stack([torch.full((SIDE, SIDE), 0.02), torch.ones(SIDE, SIDE)])
    one = noise_image(0)
    canvas = replace(
        one, latents=one.latents.repeat(1, 2, 1, 1), strength=strength, times=torch.arange(2.0), shown=torch.ones(2, dtype=torch.bool), finished=torch.tensor([True, False])
    )
    for _ in sample(network, sentence_encoder(), [canvas], SamplerConfig(num_steps=2, guidance_scale=1.0)):
        pass
    assert [len(steps) for _, steps in seen] == [2, 2] and all(float(steps[0]) == 0 and float(steps[1]) > 0 for _, steps in seen)


def test_runs_with_shortcuts_go_on_bit_for_bit_and_begin_from_plain_weights(footage: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):  # noqa: F811
    short = "transformer.shortcut=true"
    assert main(transformer(footage, model_folder, tmp_path / "whole", short)) == 0
    assert main([*transformer(footage, model_folder, tmp_path / "parts", short), "--stop-after", "0.001s"]) == 0
    assert 0 < max(losses(tmp_path / "parts")) < 6
    assert main(transformer(footage, model_folder, tmp_path / "parts", short)) == 0
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert held(tmp_path / "parts" / "step-00000006")[0] == held(tmp_path / "whole" / "step-00000006")[0]
    errors = [row["error_shortcut"] for row in rows(tmp_path / "whole") if "loss" in row]
    assert errors[0] == 0 and all(error > 0 for error in errors[1:])  # before the first step whole and halves say nothing
    assert main(transformer(footage, model_folder, tmp_path / "whole")) == 2
    assert "another config.shortcut (True, not False)" in capsys.readouterr().err
    for name, start, more, code in (("from-plain", model_folder / "transformer.safetensors", [short], 0), ("from-short", tmp_path / "whole" / "transformer.safetensors", [], 2)):
        assert main([*transformer(footage, model_folder, tmp_path / name, *more), "--start", str(start)]) == code
    assert "was trained with another config" in capsys.readouterr().err
    model = tmp_path / "model"
    bundled = ["--autoencoder", str(model_folder / "autoencoder.safetensors"), "--transformer", str(tmp_path / "from-plain" / "transformer.safetensors")]
    assert main(["train", "bundle", *bundled, "-o", str(model)]) == 0
    assert main(["generate", "a red ball", "--model", str(model), "--num-steps", "4", "--size", "32x32", "--seconds", "0.5", "-o", str(tmp_path / "a.mkv")]) == 0


def test_what_a_run_from_before_does_not_name_was_off():
    assert list(_differences({"config": {"width": 64}}, {"config": {"width": 64, "shortcut": False, "action_width": 0}})) == []
    assert list(_differences({"config": {}}, {"config": {"shortcut": True}})) == [("config.shortcut", False, True)]
    assert list(_differences({"config": {"shortcut": True}}, {"config": {}})) == [("config.shortcut", True, None)]
    assert list(_differences({"a": 0}, {"a": False, "b": None})) == []


def test_old_weights_load_as_they_were(model_folder: Path, tmp_path: Path):
    """Files from before there were shortcuts say nothing of them."""
    tensors, about = load_weights(model_folder / "transformer.safetensors", "transformer")
    config = {name: value for name, value in about["config"].items() if name != "shortcut"}
    save_weights(tmp_path / "transformer.safetensors", tensors, {**about, "config": config})
    assert from_dict(TransformerConfig, load_weights(tmp_path / "transformer.safetensors", "transformer")[1]["config"]) == replace(tiny().transformer, shortcut=False)


def test_a_plan_counts_the_halves_of_steps():
    preset = default()
    without, with_them = (plan(preset.autoencoder, replace(preset.transformer, shortcut=on), preset.transformer_training, 128, 128, 2.0, 8.0) for on in (False, True))
    assert with_them["training_flops"] / without["training_flops"] == pytest.approx(1 + 2 / 3 / SHORTCUT_EVERY)
    assert with_them["parameters"]["transformer"] - without["parameters"]["transformer"] == 64 * 320 + 320 + 320**2 + 320


@pytest.mark.slow
def test_several_processes_learn_shortcuts_together(footage: Path, model_folder: Path, tmp_path: Path):  # noqa: F811
    """Of four samples one teaches a shortcut, so one of two processes has none: both must still evaluate the network equally often."""
    settings = ["transformer.shortcut=true", "transformer_training.batch_size=4", "transformer_training.precision=float32", "transformer_training.muon_learning_rate=0.005"]
    torchrun(2, transformer(footage, model_folder, tmp_path / "two", *settings))
    assert main(transformer(footage, model_folder, tmp_path / "one", *settings)) == 0
    two, one = losses(tmp_path / "two"), losses(tmp_path / "one")
    assert len(one) == 6 and max(abs(two[step] - one[step]) for step in one) < 1e-4  # sums over processes come in another order
