"""The maths of noise, against closed forms."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reverie.diffusion import flow
from reverie.diffusion.guidance import guide
from reverie.diffusion.noise import latent_noise
from reverie.diffusion.schedules import levels, resolution_shift, shifted


def test_step_walks_the_straight_line_exactly():
    """With the true clean latents every step lands on the interpolant, whatever the steps."""
    clean, noise = torch.randn(50, 4, dtype=torch.float64), torch.randn(50, 4, dtype=torch.float64)
    x = flow.mix(clean, noise, torch.tensor(1.0))
    for now, after in [(1.0, 0.7), (0.7, 0.65), (0.65, 0.1), (0.1, 0.0)]:
        x = flow.step(x, clean, torch.tensor(now, dtype=torch.float64), torch.tensor(after, dtype=torch.float64))
        assert torch.allclose(x, flow.mix(clean, noise, torch.tensor(after, dtype=torch.float64)), atol=1e-12)


def test_tokens_at_sigma_zero_never_move():
    x = torch.randn(8, 4)
    assert torch.equal(flow.step(x, torch.full_like(x, torch.nan), torch.zeros(8, 1), torch.zeros(8, 1)), x)


def test_velocity_and_clean_say_the_same():
    clean, noise, sigma = torch.randn(9, 3), torch.randn(9, 3), torch.rand(9, 1)
    x = flow.mix(clean, noise, sigma)
    assert torch.allclose(flow.to_clean(noise - clean, x, sigma, "velocity"), clean, atol=1e-6)
    assert torch.equal(flow.to_clean(clean, x, sigma, "clean"), clean)


def test_euler_is_of_first_order_on_a_known_field():
    """Clean latents that depend on x: dx/dsigma = (x - clean) / sigma with clean = x / 2 has the solution x ~ sqrt(sigma)."""

    def end(num_steps: int) -> float:
        x = torch.ones(1, dtype=torch.float64)
        grid = torch.linspace(1, 0.25, num_steps + 1, dtype=torch.float64)
        for i in range(num_steps):
            x = flow.step(x, x / 2, grid[i], grid[i + 1])
        return float(x)

    errors = [abs(end(n) - 0.5) for n in (16, 32, 64)]
    assert 1.8 < errors[0] / errors[1] < 2.2
    assert 1.8 < errors[1] / errors[2] < 2.2


@given(st.floats(1, 4), st.integers(1, 60))
def test_levels_fall_from_one_to_zero(shift: float, num_steps: int):
    u = levels(num_steps, shift)
    assert u[0] == 1
    assert u[-1] == 0
    assert (u[1:] < u[:-1]).all()


def test_shift_is_bounded_and_keeps_the_ends():
    assert resolution_shift(1) == 1
    assert resolution_shift(4 * 64) == 5
    assert resolution_shift(10**9) == 10
    assert shifted(torch.tensor([0.0, 1.0]), 3.0).tolist() == [0.0, 1.0]


def test_guidance_of_one_is_the_conditional_alone():
    a, b = torch.randn(5), torch.randn(5)
    assert torch.allclose(guide(a, b, 1.0), a, atol=1e-6)  # fp32: b + (a - b)
    assert torch.equal(guide(a, b, 0.0), b)


@given(st.integers(0, 2**63), st.integers(-5, 5), st.integers(1, 5))
def test_noise_of_a_latent_does_not_depend_on_its_window(seed: int, first: int, count: int):
    whole = latent_noise(seed, first, (4, count, 6, 4))
    for i in range(count):
        assert torch.equal(latent_noise(seed, first + i, (4, 1, 6, 4))[:, 0], whole[:, i])


def test_noise_is_standard_normal_and_differs_between_seeds_and_streams():
    a, b = latent_noise(1, 0, (16, 4, 32, 32)), latent_noise(2, 0, (16, 4, 32, 32))
    c = latent_noise(1, 0, (16, 4, 32, 32), "context")
    for x in (a, b, c):
        assert abs(float(x.mean())) < 0.02  # five standard errors of 65,536 draws
        assert abs(float(x.std()) - 1) < 0.02
    for x, y in ((a, b), (a, c), (a[:, :1], a[:, 1:2])):
        assert abs(np.corrcoef(x.flatten(), y.flatten())[0, 1]) < 0.05


def test_unknown_stream_is_refused():
    with pytest.raises(ValueError, match="not in"):
        latent_noise(0, 0, (1, 1, 2, 2), "other")


def test_euler_shows_order_one_and_heun_order_two_on_a_known_field():
    """Data N(0, s^2): the best clean prediction and the whole path x(sigma) ~ sqrt(((1 - sigma) s)^2 + sigma^2) are known."""
    spread = 0.5

    def clean_of(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return x * spread**2 * (1 - sigma) / (((1 - sigma) * spread) ** 2 + sigma**2)

    def error(solver: str, num_steps: int) -> float:
        x, u = torch.ones((), dtype=torch.float64), levels(num_steps, 1.0).double()
        for now, after in itertools.pairwise(u):
            clean = clean_of(x, now)
            x_next = flow.step(x, clean, now, after)
            x = flow.heun(x, clean, x_next, clean_of(x_next, after), now, after) if solver == "heun" else x_next
        return abs(float(x) - spread)

    assert 1.7 < error("euler", 50) / error("euler", 100) < 2.3
    assert 3.3 < error("heun", 50) / error("heun", 100) < 4.8
