"""What was given lies over what was dreamed: exactly, without a seam, and without a double of what was dreamed otherwise."""

import numpy as np

from reverie.sampling.canvas import Given


def laid_over(given: Given, dreamed: np.ndarray, size: int | None = None, known: bool = True) -> np.ndarray:
    size = size or len(dreamed)
    return np.concatenate(list(given.over_pieces((dreamed[n : n + size] for n in range(0, len(dreamed), size)), np.full(len(dreamed), known))))


def test_what_was_given_lies_over_pieces_as_over_the_whole():
    rng = np.random.default_rng(0)
    frames, dreamed = (rng.integers(0, 255, (26, 6, 5, 3), dtype=np.uint8) for _ in range(2))
    for keep in (np.isin(np.arange(26), [0, 1, 9, 18, 25])[:, None, None], rng.random((1, 6, 5)) < 0.5, rng.random((26, 6, 5)) < 0.5):
        given = Given(frames, keep)
        for size in (1, 3, 4, 20):
            assert np.array_equal(laid_over(given, dreamed, size), laid_over(given, dreamed))


def test_what_was_lost_of_kept_frames_is_given_back_while_the_same_is_seen():
    ends = np.isin(np.arange(12), (0, 1, 11))
    dreamed, frames = np.full((12, 4, 12, 3), 100, np.uint8), np.full((12, 4, 12, 3), 109, np.uint8)
    assert (laid_over(Given(frames, ends[:, None, None]), dreamed) == 109).all()
    assert (laid_over(Given(frames, (ends & (np.arange(12) < 2))[:, None, None]), dreamed) == 109).all()
    rising = [100, 100, 100, *range(101, 110)]  # over FADE frames
    assert laid_over(Given(frames, (np.arange(12) == 11)[:, None, None]), dreamed)[:, 0, 0, 0].tolist() == rising
    frames[:2] = 100
    assert laid_over(Given(frames, ends[:, None, None]), dreamed)[:, 0, 0, 0].tolist() == rising
    dreamed[4:6, 0, 0] = 148  # something passes
    result = laid_over(Given(frames, ends[:, None, None]), dreamed)
    assert result[:, 0, 0, 0].tolist() == [*rising[:4], 148, 148, *rising[6:]] and result[4, 0, 4, 0] == rising[4]


def test_the_outline_of_a_thing_that_has_left_is_not_given_back():
    """Decoded, a thing's edge lies between thing and ground: near enough to the ground beside the thing, to which the edge must not come back."""
    frames, dreamed = np.full((6, 16, 16, 3), 100, np.uint8), np.full((6, 16, 16, 3), 96, np.uint8)
    frames[0, :, :8] = 200
    dreamed[0, :, :7], dreamed[0, :, 7] = 196, 110
    result = laid_over(Given(frames, (np.arange(6) == 0)[:, None, None]), dreamed)
    assert (result[0] == frames[0]).all() and (result[1:, :, :10] == 96).all() and (result[1:, :, 10:] == 100).all()


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
