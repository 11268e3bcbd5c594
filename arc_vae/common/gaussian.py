"""Quantiles of N(0, 1), the prior of every dimension."""

import math

import torch
from torch import Tensor


def icdf(share: Tensor) -> Tensor:
    """Quantiles of N(0, 1): probabilities → z."""
    return math.sqrt(2) * torch.erfinv(2 * share - 1)


def cdf(z: Tensor) -> Tensor:
    """Cumulative probability of N(0, 1): z → probabilities. The inverse of `icdf`."""
    return 0.5 * (1 + torch.erf(z / math.sqrt(2)))


def interval_width(share: Tensor | float, z: Tensor) -> Tensor:
    """Width in z of a small probability of N(0, 1) at z."""
    return share * math.sqrt(2 * math.pi) * torch.exp(0.5 * z**2)
