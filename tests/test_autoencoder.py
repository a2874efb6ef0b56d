"""The autoencoder: any size in and out, local latents, exact streams, the linear start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reverie.autoencoder.autoencoder import Autoencoder
from reverie.autoencoder.losses import moving_mask, reconstruction_loss
from reverie.data.sampling import crops_at
from reverie.data.shards import Footage
from reverie.layers.precision import fast_dtype
from reverie.presets import tiny
from reverie.training.objectives import Cuts, autoencoder_objective


def video(frames: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, frames, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@given(st.integers(1, 9), st.integers(16, 40), st.integers(16, 40), st.integers(0, 3))
def test_any_size_comes_back(autoencoder: Autoencoder, frames: int, height: int, width: int, lead: int):
    x = video(frames, height, width)
    with torch.no_grad():
        latents = autoencoder.encode(x, lead)
        assert latents.shape == (1, 16, -(-(frames + lead) // 4), -(-height // 16) * 2, -(-width // 16) * 2)
        assert autoencoder.decode(latents, frames, height, width, lead).shape == x.shape


def test_a_latent_does_not_depend_on_where_it_stands(autoencoder: Autoencoder):
    x = video(12, 32, 32)
    with torch.no_grad():
        whole = autoencoder.encode(x)
        assert torch.allclose(autoencoder.encode(x[:, :, 4:8])[:, :, 0], whole[:, :, 1], atol=1e-5)
        assert torch.allclose(autoencoder.encode(torch.cat([x[:, :, 8:], x[:, :, :4]], 2))[:, :, 1], whole[:, :, 0], atol=1e-5)


def test_an_image_is_a_video_of_one_frame(autoencoder: Autoencoder):
    x = video(1, 32, 48)
    with torch.no_grad():
        assert torch.allclose(autoencoder.encode(x, lead=3), autoencoder.encode(x.expand(-1, -1, 4, -1, -1)), atol=1e-6)
        first = autoencoder.encode(torch.cat([x, video(4, 32, 48, 1)], 2), lead=3)
        assert torch.allclose(first[:, :, :1], autoencoder.encode(x, lead=3), atol=1e-5)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_decoding_in_pieces_is_decoding_the_whole(autoencoder: Autoencoder, pieces: list[int]):
    latents = torch.randn(1, 16, sum(pieces), 4, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole, _ = autoencoder.decode_piece(latents, None)
        cache, parts = None, []
        for part in latents.split(pieces, 2):
            decoded, cache = autoencoder.decode_piece(part, cache)
            parts.append(decoded)
    assert torch.allclose(torch.cat(parts, 2), whole, atol=1e-5)  # fp32


def test_decoding_is_causal(autoencoder: Autoencoder):
    latents = torch.randn(1, 16, 4, 4, 4)
    other = latents.clone()
    other[:, :, 2:] += 1
    with torch.no_grad():
        a, b = autoencoder.decode_piece(latents, None)[0], autoencoder.decode_piece(other, None)[0]
    assert torch.allclose(a[:, :, :8], b[:, :, :8], atol=1e-6)
    assert not torch.allclose(a[:, :, 8:], b[:, :, 8:], atol=1e-3)


def test_training_starts_at_the_linear_codec():
    network = Autoencoder(tiny().autoencoder)
    coarse = torch.randn(6, 4, 4, 12, generator=torch.Generator().manual_seed(0))
    groups = torch.nn.functional.interpolate(coarse.permute(0, 3, 1, 2), size=32, mode="bilinear").permute(0, 2, 3, 1).clamp(-1, 1)
    kept = network.fit_linear(groups)
    with torch.no_grad():
        raw = network.encode_raw(groups[:, None])
        back, _ = network.decode_raw(raw)
    lost = (back[:, 0] - groups).square().sum() / (groups - network.mean.view(8, 8, 12).repeat(4, 4, 1)).square().sum()
    assert float(lost) == pytest.approx(1 - kept, abs=1e-3)
    spread = raw.flatten(0, -2).std(0)
    assert bool((spread[:-1] >= spread[1:] - 1e-3).all())  # the components keep a falling scale
    assert float(raw.flatten(0, -2).var(0).mean()) == pytest.approx(1, rel=0.02)


def test_normalised_latents_have_unit_scale(autoencoder: Autoencoder):
    import copy

    network = copy.deepcopy(autoencoder)
    x = video(16, 64, 64)
    groups = x[0].permute(1, 2, 3, 0).unflatten(0, (4, 4)).permute(0, 2, 3, 1, 4).flatten(-2)[None]
    with torch.no_grad():
        network.fit_normalisation(network.encode_raw(groups))
        latents = network.encode(x)
    assert float(latents.mean()) == pytest.approx(0, abs=1e-4)
    assert float(latents.std()) == pytest.approx(1, abs=1e-2)


def test_every_parameter_gets_a_gradient(autoencoder: Autoencoder):
    autoencoder.zero_grad()
    raw = autoencoder.encode_raw(torch.rand(1, 3, 32, 32, 12) * 2 - 1)
    autoencoder.decode_raw(raw)[0].square().mean().backward()
    for name, parameter in autoencoder.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name


def test_what_moves_weighs_more():
    still, moving = torch.zeros(1, 3, 4, 16, 16), torch.zeros(1, 3, 4, 16, 16)
    moving[:, :, 2:] = 0.5
    assert not moving_mask(still).any()
    assert moving_mask(moving)[0, 0, :, 0, 0].tolist() == [False, False, True, False]
    assert reconstruction_loss(moving + 0.1, moving) > 2 * reconstruction_loss(still + 0.1, still)


def test_fewer_channels_are_the_first_ones_alone(autoencoder: Autoencoder):
    narrow = autoencoder.narrowed(8)
    groups = torch.rand(1, 2, 32, 32, 12) * 2 - 1
    with torch.no_grad():
        raw = autoencoder.encode_raw(groups)
        assert torch.allclose(narrow.encode_raw(groups), raw[..., :8], atol=1e-5)
        raw[..., 8:] = 0
        assert torch.allclose(narrow.decode_raw(raw[..., :8])[0], autoencoder.decode_raw(raw)[0], atol=1e-4)
    with pytest.raises(ValueError, match=r"12 channels: one of \(8,\)"):
        autoencoder.narrowed(12)


def test_a_tile_is_the_whole_away_from_its_borders(autoencoder: Autoencoder):
    x = video(8, 160, 160)
    with torch.no_grad():
        latents = autoencoder.encode(x)
        whole, _ = autoencoder.decode_piece(latents, None)
        tile, _ = autoencoder.decode_piece(latents[..., 4:18, 4:18], None)
        assert torch.equal(autoencoder.decode(latents, 8, 160, 160, steady=False), whole)
        part = autoencoder.encode(x[..., 32:144, 32:144])
    assert torch.allclose(tile[..., 40:-40, 40:-40], whole[..., 72:104, 72:104], atol=1e-3)
    assert torch.allclose(part[..., 5:-5, 5:-5], latents[..., 9:13, 9:13], atol=1e-3)


def test_a_tile_of_what_is_decoded_across_borders_is_the_whole_further_inside(autoencoder: Autoencoder):
    latents = torch.randn(1, 16, 2, 36, 36, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = autoencoder.decode(latents, 8, 288, 288)
        tile = autoencoder.decode(latents[..., 2:34, 2:34], 8, 256, 256)
    assert torch.allclose(tile[..., 120:-120, 120:-120], whole[..., 136:152, 136:152], atol=1e-3)  # decoded, encoded and decoded: three margins of 40
    assert not torch.allclose(tile[:, :, 2:6, 40:-40, 40:-40], whole[:, :, 2:6, 56:-56, 56:-56], atol=1e-3)


@pytest.mark.parametrize(("bad", "message"), [
    (torch.full((1, 3, 4, 16, 16), float("nan")), "not finite"), (torch.full((1, 3, 4, 16, 16), 3.0), r"outside \[-1, 1\]"),
    (torch.zeros(1, 3, 4, 16, 16, dtype=torch.float64), "float64"), (torch.zeros(1, 1, 4, 16, 16), r"\[B 3 T H W\]"), (torch.zeros(1, 4, 4, 16, 16), r"\[B 3 T H W\]"),
    (torch.zeros(1, 3, 0, 16, 16), "empty axis"), (torch.zeros(3, 4, 16, 16), r"\[B 3 T H W\]"), ([torch.zeros(1, 3, 4, 16, 16), torch.zeros(1, 3, 4, 32, 16)], "video is a list"),
])  # fmt: skip
def test_what_is_no_video_is_refused(autoencoder: Autoencoder, bad: torch.Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        autoencoder.encode(bad)
    with pytest.raises(ValueError, match="lead is 4"):
        autoencoder.encode(video(4, 32, 32), lead=4)


@pytest.mark.parametrize(("bad", "message"), [
    *((torch.zeros(shape), r"latents are \[") for shape in ((1, 8, 1, 2, 2), (1, 16, 2, 2, 2), (1, 16, 1, 4, 2), (16, 1, 2, 2))),
    ([torch.zeros(16, 1, 2, 2)], "latents are list"), (torch.zeros(1, 16, 1, 2, 2, dtype=torch.float64), "float64"), (torch.full((1, 16, 1, 2, 2), torch.inf), "not finite"),
])  # fmt: skip
def test_what_are_no_latents_is_refused(autoencoder: Autoencoder, bad: torch.Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        autoencoder.decode(bad, 4, 16, 16)


@pytest.mark.parametrize("asked", [(5, 16, 16, -1), (0, 16, 16, 4), (0, 16, 16, 1), (4, 0, 0, 0)])
def test_impossible_frames_are_refused(autoencoder: Autoencoder, asked: tuple[int, int, int, int]):
    with pytest.raises(ValueError, match=r"with lead -?\d need"):
        autoencoder.decode(torch.zeros(1, 16, 1, 2, 2), *asked)


def test_a_long_clip_is_coded_in_parts_that_change_nothing(autoencoder: Autoencoder, monkeypatch: pytest.MonkeyPatch):
    x = video(13, 32, 48)
    with torch.no_grad():
        whole = autoencoder.encode(x, 3)
        back = autoencoder.decode(whole, 13, 32, 48, 3)
        monkeypatch.setattr("reverie.autoencoder.autoencoder.AT_ONCE", 32 * 48)
        assert torch.allclose(autoencoder.encode(x, 3), whole, atol=1e-5)
        assert torch.allclose(autoencoder.decode(whole, 13, 32, 48, 3), back, atol=1e-5)


def test_parts_of_a_batch_add_up(autoencoder: Autoencoder, footage_folder: Path):
    """So that processes and --accumulate learn the same: noise and hidden channels are drawn by the sample's number."""
    footage = Footage(footage_folder)
    losses = []
    for numbers in (range(8), range(3), range(3, 8)):
        loss, count, _ = autoencoder_objective(1.0, autoencoder, Cuts(crops_at(footage, numbers, 0), numbers), 0)
        assert count == 2 * len(numbers)
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1] + losses[2], rel=1e-4)
    assert losses[1] / 3 != pytest.approx(losses[2] / 5, rel=1e-3)  # they are not all the same


def test_a_stream_takes_no_more_memory_the_longer_it_is():
    root = Path(__file__).parent.parent
    command = [sys.executable, "benchmarks/streaming.py", "--seconds", "2"]  # of 1920x1080 at 24 fps; sixty were measured once
    settled = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}  # glibc gives back at once what is freed: what is counted is what is held, not what lies in pieces
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, env={**os.environ, **settled, "PYTHONPATH": str(root)})
    rows = json.loads(out.stdout.splitlines()[-1])["rows"]
    assert [row["seconds_of_film"] for row in rows] == pytest.approx([n / 6 for n in range(1, 13)], abs=0.01)
    assert rows[-1]["resident_gib"] < rows[2]["resident_gib"] + 0.05  # the first group has no past
    assert rows[-1]["resident_gib"] < (2 if fast_dtype() is torch.bfloat16 else 2.3)


@torch.inference_mode()
def test_frames_beside_a_border_come_from_the_group_across_it(autoencoder: Autoencoder):
    """By hand: decode, encode again from the third frame on, and take the middle two of each group; in pieces of any length it is the same, two frames later."""
    latents = torch.randn(1, 16, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    plain, _ = autoencoder.decode_piece(latents, None)
    across = autoencoder.decode_piece(autoencoder.encode(plain[:, :, 2:18]), None)[0]
    wanted = plain.clone()
    for border in range(4, 20, 4):
        wanted[:, :, border - 1 : border + 1] = across[:, :, border - 3 : border - 1]
    assert (wanted - plain).abs().max() > 0.01
    assert torch.allclose(autoencoder.decode(latents, 20, 32, 32), wanted, atol=1e-5)
    state, pieces = None, []
    for part in plain.split([4, 12, 4], 2):
        piece, state = autoencoder.lap(part, state)
        pieces.append(piece)
    assert state is not None
    assert [piece.shape[2] for piece in pieces] == [2, 12, 4]
    assert torch.allclose(torch.cat([*pieces, state[0]], 2), wanted, atol=1e-5)
    one = autoencoder.lap(plain[:, :, :4], None)
    assert torch.equal(torch.cat([one[0], one[1][0]], 2), plain[:, :, :4])  # one group has no border
