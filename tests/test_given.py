"""What was given lies over what was dreamed: exactly, without a seam, and without a double of what was dreamed otherwise."""

import numpy as np

from reverie.sampling.canvas import Given


def laid_over(given: Given, dreamed: np.ndarray, size: int | None = None, known: bool = True, own: np.ndarray | None = None) -> np.ndarray:
    size, own = size or len(dreamed), dreamed if own is None else own
    return np.concatenate(list(given.over_pieces(((dreamed[n : n + size], own[n : n + size]) for n in range(0, len(dreamed), size)), np.full(len(dreamed), known))))


def test_what_was_given_lies_over_pieces_as_over_the_whole():
    rng = np.random.default_rng(0)
    frames, dreamed = (rng.integers(0, 255, (26, 6, 5, 3), dtype=np.uint8) for _ in range(2))
    for keep in (np.isin(np.arange(26), [0, 1, 9, 18, 25])[:, None, None], rng.random((1, 6, 5)) < 0.5, rng.random((26, 6, 5)) < 0.5):
        given = Given(frames, keep)
        for size in (1, 3, 4, 20):
            assert np.array_equal(laid_over(given, dreamed, size), laid_over(given, dreamed))


def test_what_was_lost_of_kept_frames_is_given_back_while_the_same_is_seen():
    ends = np.isin(np.arange(12), (0, 1, 11))
    dreamed, frames = np.full((12, 4, 4, 3), 100, np.uint8), np.full((12, 4, 4, 3), 109, np.uint8)
    assert (laid_over(Given(frames, ends[:, None, None]), dreamed) == 109).all()
    assert (laid_over(Given(frames, (ends & (np.arange(12) < 2))[:, None, None]), dreamed) == 109).all()
    rising = [100, 100, 100, *range(101, 110)]  # over FADE frames
    assert laid_over(Given(frames, (np.arange(12) == 11)[:, None, None]), dreamed)[:, 0, 0, 0].tolist() == rising
    frames[:2] = 100
    assert laid_over(Given(frames, ends[:, None, None]), dreamed)[:, 0, 0, 0].tolist() == rising
    dreamed[4:6, 0, 0] = 148  # something passes
    result = laid_over(Given(frames, ends[:, None, None]), dreamed)
    assert result[:, 0, 0, 0].tolist() == [*rising[:4], 148, 148, *rising[6:]] and result[4, 0, 1, 0] == rising[4]


def test_nothing_is_given_back_where_either_decoding_of_a_kept_frame_shows_something_else():
    """The outline of a thing that leaves after a kept frame: its own group shows the thing there, the group across the border the ground already."""
    dreamed, own, frames = (np.full((6, 4, 4, 3), level, np.uint8) for level in (100, 100, 109))
    own[0, 0, 0], frames[0, 0, 0] = 190, 200
    result = laid_over(Given(frames, (np.arange(6) == 0)[:, None, None]), dreamed, own=own)
    assert result[:, 0, 0, 0].tolist() == [200] + [100] * 5 and result[:, 0, 1, 0].tolist() == [109] * 6


def test_a_picture_around_which_something_else_was_dreamed_leaves_no_double():
    dreamed, frames = np.full((12, 4, 4, 3), 100, np.uint8), np.full((12, 4, 4, 3), 109, np.uint8)
    frames[:, 0, 0] = 160
    result = laid_over(Given(frames, (np.arange(12) == 4)[:, None, None]), dreamed, known=False)
    assert result[:, 0, 0, 0].tolist() == [100] * 4 + [160] + [100] * 7
    assert result[:, 0, 1, 0].tolist() == [105, 106, 107, 108, 109, 108, 107, 106, 105, 104, 103, 102]  # what was lost comes and goes


def test_after_the_end_of_a_loop_comes_its_beginning():
    dreamed, frames = np.full((12, 4, 4, 3), 100, np.uint8), np.full((12, 4, 4, 3), 109, np.uint8)
    frames[1] = 100
    given = Given(frames, (np.arange(12) < 2)[:, None, None], around=True)
    assert laid_over(given, dreamed)[:, 0, 0, 0].tolist() == [109, 100, 100, 100, *range(101, 109)]


def test_what_was_lost_of_a_kept_region_fades_across_its_border():
    dreamed, frames = np.full((1, 20, 20, 3), 100, np.uint8), np.full((1, 20, 20, 3), 150, np.uint8)
    keep = np.broadcast_to(np.arange(20) < 8, (1, 20, 20))
    assert laid_over(Given(frames, keep), dreamed)[0, 10, :, 0].tolist() == [150] * 8 + [140, 124, 112, 104] + [100] * 8
