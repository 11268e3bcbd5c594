import math

import pytest
import torch

from arc_vae.evaluation.aggregate_posterior import aggregate_posterior_kl, prior_c2st


def codes(scale: float = 1.0, shift: float = 0.0, sigma: float = 0.3, count: int = 4000):
    """Posteriors whose aggregate is N(shift, scale²) in each of three dimensions."""
    generator = torch.Generator().manual_seed(7)
    mu = shift + math.sqrt(scale**2 - sigma**2) * torch.randn(count, 3, generator=generator)
    return mu, torch.full_like(mu, 2 * math.log(sigma))


def test_no_gap_where_the_aggregate_posterior_is_the_prior():
    mu, logvar = codes()
    assert aggregate_posterior_kl(mu, logvar).max() < 0.005
    assert prior_c2st(mu, logvar) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("scale", "shift"), [(1.5, 0.0), (0.5, 0.0), (1.0, 1.0)])
def test_gap_of_a_gaussian_in_closed_form(scale, shift):
    mu, logvar = codes(scale, shift)
    expected = 0.5 * (scale**2 + shift**2 - 1) - math.log(scale)
    assert aggregate_posterior_kl(mu, logvar).tolist() == pytest.approx([expected] * 3, rel=0.1, abs=0.005)
    assert prior_c2st(mu, logvar) > 0.6


def test_each_dimension_can_be_right_and_the_joint_wrong():
    generator = torch.Generator().manual_seed(7)
    mu = math.sqrt(1 - 0.1**2) * torch.randn(4000, 1, generator=generator).expand(-1, 3)  # three times the same
    logvar = torch.full_like(mu, 2 * math.log(0.1))
    assert aggregate_posterior_kl(mu, logvar).max() < 0.005
    assert prior_c2st(mu, logvar) > 0.9


def test_codes_beyond_the_last_bin_count():
    mu, logvar = torch.full((10, 1), 40.0), torch.full((10, 1), -4.0)
    assert aggregate_posterior_kl(mu, logvar).item() > 10
