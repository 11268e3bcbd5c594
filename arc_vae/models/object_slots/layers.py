"""Dense layers: residual blocks, and features by which they tell codes apart."""

import math
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OCTAVES = 5


class ResidualBlock(nn.Module):
    """x + W₂ relu(W₁ norm(x)) on (N, width), near the identity at first (He et al. 2016, pre-activation)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        for layer, scale in ((self.first, 1.0), (self.second, 0.3)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            layer.weight.data *= scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(self.norm(x))))


def residual_stack(width: int, num_blocks: int) -> nn.Sequential:
    """Residual blocks, then a norm and a ReLU."""
    return nn.Sequential(*(ResidualBlock(width) for _ in range(num_blocks)), nn.LayerNorm(width), nn.ReLU())


def cumulative_product(factors: Tensor) -> Tensor:
    """(B, S, ...) → the products of the first 1 to S along the second axis.

    torch.cumprod's backward pass asks the host whether any factor is 0, for which a GPU has to wait, and ONNX lacks it.
    """
    return torch.stack(list(accumulate(factors.unbind(dim=1), torch.mul)), dim=1)


def fourier_features(z: Tensor, octaves: int = OCTAVES) -> Tensor:
    """z (..., d) → (..., d · (1 + 2 · octaves)): z itself, then sine and cosine of π/2 · z, π · z, 2π · z, ...

    Without them a network reads a code smoothly, too smoothly to tell neighbours apart (Tancik et al. 2020).
    """
    angles = [z * (math.pi * 2 ** (octave - 1)) for octave in range(octaves)]
    return torch.cat([z, *(wave(angle) for angle in angles for wave in (torch.sin, torch.cos))], dim=-1)
