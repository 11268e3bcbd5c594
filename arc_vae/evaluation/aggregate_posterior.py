"""How far the codes of real grids, taken together, are from the prior that samples are drawn from.

The KL of the objective holds each grid's posterior to N(0, I); a sample is only as good as the decoder is where no
posterior of a real grid lies. What counts for it is the aggregate posterior q(z) = mean over grids of q(z | x)
(Hoffman & Johnson 2016).
"""

import numpy as np
import torch
from torch import Tensor

from arc_vae.common.gaussian import cdf
from arc_vae.evaluation.two_sample import classifier_two_sample_accuracy
from arc_vae.models import reparameterize
from arc_vae.models.float64 import in_float64

# Edges of the bins in which a dimension's aggregate posterior and N(0, 1) are compared; two more reach to infinity.
EDGES = torch.linspace(-5, 5, 201, dtype=torch.float64)
SMALLEST_MASS = 1e-12


def aggregate_posterior_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(q(z_j) || N(0, 1)) of each dimension's aggregate posterior, in nats, (d,).

    Without sampling: the mass that posteriors N(mu, exp(logvar)), both (N, d), put in each of 202 bins, averaged over
    grids, against N(0, 1)'s mass in it. Bins lose what differs within them, 0.05 wide, so this is a lower bound.
    """
    mu, sigma = in_float64(mu), torch.exp(0.5 * in_float64(logvar))
    edges = EDGES.to(mu.device)
    below = torch.stack([cdf((edge - mu) / sigma).mean(dim=0) for edge in edges], dim=1)  # (d, edges)
    posterior = _masses(below).clamp(min=SMALLEST_MASS)
    prior = _masses(cdf(edges)[None]).clamp(min=SMALLEST_MASS)
    return (posterior * torch.log(posterior / prior)).sum(dim=1)


def prior_c2st(mu: Tensor, logvar: Tensor, seed: int = 0) -> float:
    """Cross-validated accuracy of telling codes of real grids from draws of N(0, I), all dimensions at once.

    0.5 is best, 1 worst. One posterior sample a grid, (N, d), against as many draws.
    """
    generator = torch.Generator().manual_seed(seed)
    codes = reparameterize(mu.cpu(), logvar.cpu(), generator)
    drawn = torch.randn(codes.shape, generator=generator)
    return classifier_two_sample_accuracy(np.asarray(codes), np.asarray(drawn), seed=seed)


def _masses(below: Tensor) -> Tensor:
    """Mass below each edge (…, E) → mass of each bin (…, E + 1)."""
    ends = below.new_zeros(below.shape[0], 1), below.new_ones(below.shape[0], 1)
    return torch.cat([ends[0], below, ends[1]], dim=1).diff(dim=1)
