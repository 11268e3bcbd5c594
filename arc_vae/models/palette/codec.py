"""Encode which colours a grid has, its palette, as one latent dimension.

Colours are interchangeable: renamed in the order of their areas, all recolourings of a grid are one grid. A palette
says which colour has which name. It is a mixed-radix number whose first digit is the most frequent colour. Colours a
grid lacks need no digit: a grid of two colours has the share of the prior of all palettes that begin with these two.
"""

import itertools
import math

import torch
from torch import Tensor, nn

from arc_vae.common.gaussian import cdf, icdf, interval_width
from arc_vae.common.grids import BACKGROUND, CELLS, NUM_COLORS

# Digits of a palette: colours whose names are coded. The others are named in ascending order: float32 has no room.
NUM_CODED_COLORS = 5

# Radix of each digit: how many colours are left at that place in the order of areas.
RADICES = [NUM_COLORS - 1 - place for place in range(NUM_CODED_COLORS)]
PALETTES = math.prod(RADICES)

# Standard deviations from the middle of a palette's share to its border.
SIGMAS = 4


class PaletteCodec(nn.Module):
    """Encodes and decodes palettes. All have the same share of the prior, in their order as numbers."""

    names: Tensor  # by palette, the name of each of the ten colours, int64 (PALETTES, 10)
    shared: Tensor  # by number of colours coded, how many palettes begin with the same, int64

    def __init__(self) -> None:
        super().__init__()
        orders = torch.tensor(list(itertools.permutations(range(BACKGROUND + 1, NUM_COLORS), NUM_CODED_COLORS)))
        names = torch.zeros(PALETTES, NUM_COLORS, dtype=torch.int64)
        names.scatter_(1, orders, torch.arange(1, NUM_CODED_COLORS + 1).expand(PALETTES, -1))
        unnamed = names == 0
        unnamed[:, BACKGROUND] = False
        names = torch.where(unnamed, NUM_CODED_COLORS + unnamed.cumsum(dim=1), names)
        shared = torch.tensor([math.prod(RADICES[told:]) for told in range(NUM_CODED_COLORS + 1)])
        for name, constant in {"names": names, "shared": shared}.items():
            self.register_buffer(name, constant, persistent=False)

    @torch.no_grad()
    def encode(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """Integer grids (B, 16, 16) → the first palette (B,) that names their colours by area, and the number of digits
        that it needs (B,). Of equal areas the one whose last cell stands later comes first.
        """
        cells = grids.flatten(1).long()
        area = torch.zeros(grids.shape[0], NUM_COLORS, dtype=torch.int64, device=grids.device)
        last = area.scatter_reduce(1, cells, torch.arange(CELLS, device=grids.device).expand_as(cells), "amax")
        area = area.scatter_add(1, cells, torch.ones_like(cells))[:, BACKGROUND + 1 :]
        told = (area > 0).sum(dim=1).clamp(max=NUM_CODED_COLORS)
        order = (area * CELLS + last[:, BACKGROUND + 1 :]).argsort(dim=1, descending=True, stable=True)[
            :, :NUM_CODED_COLORS
        ]
        # A digit counts the colours left that are lower: those lower but for those that stand before it.
        digits = order - (order[:, None] < order[:, :, None]).tril(diagonal=-1).sum(dim=2)
        digits = digits.masked_fill(torch.arange(NUM_CODED_COLORS, device=grids.device) >= told[:, None], 0)
        return (digits * self.shared[1:]).sum(dim=1), told

    def posterior(self, first: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """First palettes and numbers of digits (B,) → μ and σ (B,): SIGMAS σ within the share of all that begin so."""
        share = self.shared[told].double() / PALETTES
        mu = icdf(first.double() / PALETTES + share / 2)
        # Of no colours nothing is told, at no cost.
        sigma = (interval_width(share, mu) / (2 * SIGMAS)).masked_fill(told == 0, 1)
        return mu.float(), sigma.float()

    def decode(self, z: Tensor) -> Tensor:
        """z (B,) → the name of each of the ten colours, int64 (B, 10); the background's is 0."""
        return self.names[(cdf(z.double()) * PALETTES).long().clamp(0, PALETTES - 1)]
