"""Patches, positions and packing are exact for any shape."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reverie.patches.actions import ACTION_WIDTH, ACTIONS, action_rows
from reverie.patches.packing import Piece, extras_of, pack, unpack
from reverie.patches.patches import patchify, unpatchify
from reverie.patches.positions import latent_times, token_positions
from reverie.worlds.motion import STEERING

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))


@given(SHAPES)
def test_patchify_has_an_inverse(shape: tuple[int, int, int, int]):
    c, t, h, w = shape
    latents = torch.randn(c, t, 2 * h, 2 * w)
    tokens = patchify(latents)
    assert tokens.shape == (t * h * w, 4 * c)
    assert torch.equal(unpatchify(tokens, (t, h, w)), latents)


@given(st.lists(SHAPES, min_size=1, max_size=5))
def test_packing_has_an_inverse(shapes: list[tuple[int, int, int, int]]):
    pieces = []
    for _, t, h, w in shapes:
        tokens = torch.randn(t * h * w, 8)
        pieces.append(Piece(tokens, token_positions(torch.arange(t), (h, w)), torch.rand(t), torch.arange(t).repeat_interleave(h * w), extras_of(16 * w, 16 * h, 8)))
    packed = pack(pieces)
    for piece, tokens in zip(pieces, unpack(packed.tokens, packed.lengths), strict=True):
        assert torch.equal(piece.tokens, tokens)
    for b, piece in enumerate(pieces):
        mine = packed.sample_ids == b
        assert torch.equal(packed.sigma[packed.level_ids[mine]], piece.sigma[piece.level_ids])
        assert torch.equal(packed.positions[mine], piece.positions)


def test_positions_are_physical():
    wide = token_positions(torch.tensor([0.0, 0.5]), (6, 10))
    assert torch.allclose(wide.mean(0), torch.tensor([0.5, 0.0, 0.0]), atol=1e-6)  # t is twice the seconds; the plane is centred
    steps = wide.reshape(2, 6, 10, 3)
    dy, dx = steps[0, 1, 0, 1] - steps[0, 0, 0, 1], steps[0, 0, 1, 2] - steps[0, 0, 0, 2]
    assert torch.allclose(dy, dx)  # the same unit both ways
    fine = token_positions(torch.tensor([0.0]), (12, 20)).reshape(12, 20, 3)
    assert torch.allclose(fine[1, 0, 1] - fine[0, 0, 1], dy / 2)  # twice the resolution is half the step


def test_times_are_the_middle_of_the_shown_frames():
    assert latent_times(2, 8.0).tolist() == [1.5 / 8, 5.5 / 8]
    assert latent_times(2, 8.0, lead=3).tolist() == [0.0, 2.5 / 8]


def test_actions_are_a_row_per_latent_and_a_lead_repeats_the_first():
    rows = action_rows(["left", "left", "", "back", "stand"], lead=3).reshape(2, 4, len(ACTIONS))
    assert [[ACTIONS[a.argmax()] if a.any() else "" for a in row] for row in rows] == [["left"] * 4, ["left", "", "back", "stand"]]
    assert rows.sum() == 7
    short = action_rows(["right"])
    assert short.shape == (1, ACTION_WIDTH) and short.reshape(4, -1)[:, ACTIONS.index("right")].all()  # filled up with the last
    assert action_rows([]).shape == (0, ACTION_WIDTH)
    assert STEERING == ACTIONS  # what worlds record is what networks are told
    with pytest.raises(ValueError, match="no action 'lefft'; did you mean 'left'"):
        action_rows(["lefft"])


def test_pieces_without_actions_have_zeros_beside_those_with():
    def piece(t: int, actions: torch.Tensor | None) -> Piece:
        return Piece(torch.randn(t, 8), torch.zeros(t, 3), torch.rand(t), torch.arange(t), torch.zeros(3), actions=actions)

    rows = torch.from_numpy(action_rows(["left"] * 8))
    actions = pack([piece(3, None), piece(2, rows), piece(1, None)]).actions
    assert actions is not None and torch.equal(actions, torch.cat([torch.zeros(3, ACTION_WIDTH), rows, torch.zeros(1, ACTION_WIDTH)]))
    assert pack([piece(3, None)]).actions is None
