"""N(0, 1): the prior of every dimension, by shares."""

import math

import torch
from torch import Tensor


def icdf(share: Tensor) -> Tensor:
    """The z below which N(0, 1) has so large a share."""
    return math.sqrt(2) * torch.erfinv(2 * share - 1)


def cdf(z: Tensor) -> Tensor:
    """The share that N(0, 1) has below z: the inverse of `quantile`."""
    return 0.5 * (1 + torch.erf(z / math.sqrt(2)))


def interval_width(share: Tensor | float, z: Tensor) -> Tensor:
    """How wide so small a share of N(0, 1) is at z."""
    return share * math.sqrt(2 * math.pi) * torch.exp(0.5 * z**2)
