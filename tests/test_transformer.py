"""The network: packing does not mix clips, causality holds, every parameter learns, the seams behave."""

import dataclasses

import pytest
import torch

from reverie.layers import attention
from reverie.layers.attention import attend
from reverie.layers.modulation import Levels
from reverie.layers.norms import RMSNorm
from reverie.layers.rope import rotations, turn
from reverie.patches.actions import ACTION_WIDTH, action_rows
from reverie.patches.packing import Piece, extras_of, pack, unpack
from reverie.patches.positions import token_positions
from reverie.presets import PRESETS, tiny
from reverie.text.encoder import sentence_encoder
from reverie.training.plan import plan
from reverie.transformer.dit import Transformer, TransformerConfig


def network() -> Transformer:
    """A tiny transformer in which nothing is zero any more."""
    torch.manual_seed(0)
    net = Transformer(tiny().transformer)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1) if parameter.ndim > 1 else None
    return net


def piece(t: int, h: int, w: int, causal: bool = False, seed: int = 0, steered: bool = False) -> Piece:
    g = torch.Generator().manual_seed(seed)
    actions = torch.from_numpy(action_rows(["left", "forward", "back", "stand", "right"] * 4)[:t]) if steered else None
    return Piece(
        torch.randn(t * h * w, 64, generator=g), token_positions(torch.arange(t) / 2, (h, w)), torch.rand(t, generator=g),
        torch.arange(t).repeat_interleave(h * w), extras_of(16 * w, 16 * h, 8.0), causal, actions=actions,
    )  # fmt: skip


PIECES = [piece(1, 4, 4, seed=1), piece(2, 3, 5, seed=2, steered=True), piece(2, 3, 5, True, seed=3), piece(3, 4, 2, seed=4), piece(2, 3, 5, seed=5)]
TEXTS = [torch.randn(n, 1280, generator=torch.Generator().manual_seed(n)) for n in (3, 0, 7, 1, 4)]


def run(net: Transformer, pieces: list[Piece], texts: list[torch.Tensor]) -> list[torch.Tensor]:
    packed = pack(pieces)
    return unpack(net.denoise(packed, net.prepare(texts)), packed.lengths)


def test_a_clip_does_not_depend_on_its_pack_mates():
    net = network()
    with torch.no_grad():
        together = run(net, PIECES, TEXTS)
        for piece_, text, result in zip(PIECES, TEXTS, together, strict=True):
            alone = run(net, [piece_], [text])[0]
            assert torch.allclose(alone, result, atol=1e-5)  # fp32: only the order of sums differs
        assert not torch.allclose(together[1], run(net, [PIECES[1]], [TEXTS[2]])[0], atol=1e-3)  # but on its text


def test_what_is_seen_may_be_said_by_a_gain_of_its_level():
    """New weights say what those without the gains say; and gains of one, over an output of zeros, say what is seen."""
    plain, skipping = network(), Transformer(dataclasses.replace(network().config, skip=True))
    skipping.load_state_dict(plain.state_dict() | {"skip.weight": torch.zeros(64, plain.config.width), "skip.bias": torch.zeros(64)})
    with torch.no_grad():
        for before, now in zip(run(plain, PIECES, TEXTS), run(skipping, PIECES, TEXTS), strict=True):
            assert torch.equal(before, now)
        for parameter in (skipping.out.weight, skipping.out.bias):
            parameter.zero_()
        assert skipping.skip is not None
        skipping.skip.bias.fill_(1)
        for piece_, now in zip(PIECES, run(skipping, PIECES, TEXTS), strict=True):
            assert torch.equal(now, piece_.tokens)


def test_causal_clips_do_not_see_later_frames():
    net = network()
    changed = piece(3, 3, 3, True, seed=9)
    tokens = changed.tokens.clone()
    tokens[18:] += 1
    other = Piece(tokens, changed.positions, changed.sigma, changed.level_ids, changed.extras, True)
    with torch.no_grad():
        a, b = run(net, [changed], TEXTS[:1])[0], run(net, [other], TEXTS[:1])[0]
    assert torch.equal(a[:18], b[:18])
    assert not torch.allclose(a[18:], b[18:], atol=1e-3)


def test_levels_per_token_give_the_same_as_levels_per_frame():
    net = network()
    whole = piece(2, 3, 4, seed=6)
    per_token = Piece(whole.tokens, whole.positions, whole.sigma[whole.level_ids], torch.arange(24), whole.extras)
    shuffled = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    gathered = Piece(whole.tokens, whole.positions, whole.sigma[whole.level_ids][shuffled], torch.argsort(shuffled), whole.extras)
    assert Levels(gathered.level_ids, 24).runs is None
    with torch.no_grad():
        results = [run(net, [p], TEXTS[:1])[0] for p in (whole, per_token, gathered)]
    assert torch.allclose(results[0], results[1], atol=1e-5)
    assert torch.allclose(results[0], results[2], atol=1e-5)


def test_actions_are_told_per_frame_and_zeros_say_nothing():
    net = network()
    steered, plain = piece(3, 2, 3, seed=8, steered=True), piece(3, 2, 3, seed=8)
    assert steered.actions is not None
    silent = dataclasses.replace(steered, actions=torch.zeros_like(steered.actions))
    with torch.no_grad():
        with_them, without, zeros = (run(net, [p], TEXTS[:1])[0] for p in (steered, plain, silent))
        assert torch.equal(without, zeros)
        assert not torch.allclose(with_them, without, atol=1e-3)
        last = steered.actions.clone()
        last[2] = 0  # a causal clip's earlier frames do not hear of it
        a, b = (run(net, [dataclasses.replace(steered, actions=rows, causal=True)], TEXTS[:1])[0] for rows in (steered.actions, last))
        assert torch.equal(a[:12], b[:12]) and not torch.allclose(a[12:], b[12:], atol=1e-3)
        untrained = Transformer(tiny().transformer)
        torch.nn.init.normal_(untrained.out.weight)
        assert torch.equal(run(untrained, [steered], TEXTS[:1])[0], run(untrained, [plain], TEXTS[:1])[0])  # begins at zero


def test_weights_that_know_no_actions_refuse_them():
    config = dataclasses.replace(tiny().transformer, action_width=0)
    net = Transformer(config)
    assert not any("actions" in name for name in net.state_dict())
    with pytest.raises(ValueError, match=f"actions of {ACTION_WIDTH} numbers for a model whose action_width is 0"):
        run(net, [piece(2, 3, 3, steered=True)], TEXTS[:1])


def test_long_prompts_are_heard_to_their_last_word():
    """130 words, and more than 256 word pieces: each text counts as one sentence, and nothing of it is cut."""
    net, encoder = network(), sentence_encoder()
    sentence = [
        "a",
        "small",
        "polished",
        "red",
        "ball",
        "rolls",
        "slowly",
        "to",
        "the",
        "left",
        "behind",
        "two",
        "bushes",
        "in",
        "the",
        "snow",
        "while",
        "the",
        "camera",
        "turns",
        "right",
    ]
    for count in (130, 300):
        words = (sentence * 20)[:count]
        features = encoder.encode([" ".join([*words[:-1], last]) for last in ("left", "right")] * 2)
        assert [len(f) for f in features] == [len(features[0])] * 4 and len(features[0]) >= (256 if count == 300 else 130)
        with torch.no_grad():
            one, other, again, _ = run(net, [PIECES[1]] * 4, features)
        assert bool(one.isfinite().all()) and torch.equal(one, again) and not torch.equal(one, other)


def test_every_parameter_gets_a_gradient():
    net = network()
    sum(result.square().mean() for result in run(net, PIECES, TEXTS)).backward()  # type: ignore[union-attr]
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name


def test_bf16_stays_near_fp32():
    net = network()
    with torch.no_grad():
        exact = torch.cat(run(net, PIECES, TEXTS))
        net.compute_dtype = torch.bfloat16
        rough = torch.cat(run(net, PIECES, TEXTS))
    assert float((exact - rough).square().mean().sqrt() / exact.std()) < 0.05  # bf16 keeps 8 bits; two blocks deep


def test_rms_norm_is_the_textbook_one_with_its_gradient():
    norm = RMSNorm(12)
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(5, 12, requires_grad=True)
    assert torch.allclose(norm(x), torch.nn.functional.rms_norm(x, (12,), norm.weight, norm.eps), atol=1e-5)
    ours = torch.autograd.grad(norm(x).sin().sum(), (x, norm.weight))
    theirs = torch.autograd.grad(torch.nn.functional.rms_norm(x, (12,), norm.weight, norm.eps).sin().sum(), (x, norm.weight))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_rotation_keeps_lengths_and_depends_on_differences_only():
    q, k = torch.randn(1, 64), torch.randn(1, 64)
    places = torch.tensor([[0.3, -2.0, 5.0], [1.7, 0.5, 4.0]])
    move = torch.tensor([2.0, 3.0, -1.0])
    dots = [float((turn(q.clone(), rotations(p[:1])) * turn(k.clone(), rotations(p[1:]))).sum()) for p in (places, places + move)]
    assert dots[0] == pytest.approx(dots[1], abs=1e-4)
    assert torch.allclose(turn(q.clone(), rotations(places[:1])).norm(), q.norm(), atol=1e-4)


def test_a_norm_with_a_rotation_is_both_with_the_gradient_of_both():
    norm, x = RMSNorm(128), torch.randn(3, 128, requires_grad=True)
    torch.nn.init.normal_(norm.weight)
    r = rotations(torch.randn(3, 3))
    heads = torch.nn.functional.rms_norm(x, (128,), norm.weight, norm.eps).unflatten(-1, (2, 32, 2))
    plain = torch.view_as_real(torch.view_as_complex(heads) * r).flatten(1)
    ours = norm(x, r)
    assert torch.allclose(ours, plain, atol=1e-5)
    for a, b in zip(*(torch.autograd.grad(y.sin().sum(), (x, norm.weight)) for y in (ours, plain)), strict=True):
        assert torch.allclose(a, b, atol=1e-4)  # sums of 128 numbers in another order


@pytest.mark.parametrize("masked", [False, True])
def test_attention_back_ends_agree(masked: bool):
    q, k, v = (torch.randn(2, n, 3, 16) for n in (5, 7, 7))
    mask = (torch.rand(2, 1, 5, 7) < 0.7) | (torch.arange(7) == 0) if masked else None
    fused = attend(q, k, v, mask)
    plain = attend(q.requires_grad_(), k, v, mask)
    assert torch.allclose(fused, plain, atol=1e-5)


@torch.no_grad()
def test_attention_head_by_head_is_the_same(monkeypatch: pytest.MonkeyPatch):
    """Long sequences in bf16 on a CPU without AMX; the rows of a head come in pieces that need not be even."""
    q, k, v = (torch.randn(2, n, 3, 16) for n in (11, 7, 7))
    whole = attend(q, k, v, None)
    heads = [x.transpose(1, 2) for x in (q, k, v)]
    monkeypatch.setattr(attention, "ROWS", 4)
    assert torch.allclose(attention._head_by_head(*heads).transpose(1, 2), whole, atol=1e-5)
    monkeypatch.setattr(attention, "MANY", 7)
    monkeypatch.setattr(attention, "AMX", False)
    taken, by_heads = [], attention._head_by_head
    monkeypatch.setattr(attention, "_head_by_head", lambda *heads: taken.append(heads[0].dtype) or by_heads(*heads))
    assert torch.allclose(attend(*(x.bfloat16() for x in (q, k, v)), None).float(), whole, atol=0.05)
    attend(q, k, v, None)
    attend(*(x.bfloat16() for x in (q, k, v)), torch.ones(11, 7, dtype=torch.bool))
    assert taken == [torch.bfloat16]  # neither in fp32 nor behind a mask


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build_and_count_their_work(name: str):
    preset = PRESETS[name]()
    with torch.device("meta"):
        net = Transformer(preset.transformer)
    assert net.estimate_flops(200) > 2 * net.estimate_flops(100)  # attention grows faster than the sequence


def test_impossible_widths_are_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        TransformerConfig(width=100, heads=7)
    for width in (0, -320):
        with pytest.raises(ValueError, match="at least 1"):
            TransformerConfig(width=width)


def test_a_plan_counts_what_the_presets_say():
    millions, days = {}, {}
    for name, make in PRESETS.items():
        preset = make()
        facts = plan(preset.autoencoder, preset.transformer, preset.transformer_training, 128, 128, 2.0, 8.0)
        millions[name], days[name] = facts["parameters"]["transformer"] / 1e6, facts["days"]["H100"]
        assert facts["clip"]["tokens"] == 4 * 8 * 8
    assert 8 < millions["small"] < 11 < millions["default"] < 19
    assert 250 < millions["base"] < 350
    assert 1600 < millions["large"] < 1900
    assert days["tiny"] < days["small"] < days["default"] < days["base"] < days["large"]
    # by hand: 16 layers of 6 square matrices (the text's keys and values are made once) and two of four times the width; 2 operations per weight
    # and token, three times for training, 256 tokens per clip; attention is a few percent
    by_hand = 6 * 16 * (6 + 2 * 4) * 1024**2 * 256 * 512 * 100_000 / (989e12 * 0.4) / 86400
    assert days["base"] == pytest.approx(by_hand, rel=0.1)
