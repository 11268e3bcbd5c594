"""The loss's terms in nats: cross-entropy by its chain rule, grids that are not blank, the KL."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from arc_vae.common.grids import BACKGROUND

# Gradients below this count as 0: see `DropNegligibleGradient`.
NEGLIGIBLE_GRADIENT = 1e-30


class ReconstructionNats(NamedTuple):
    """The parts of -log p(x | z), cross-entropies summed over the cells of each grid, (B,) each.

    `empty`: that the background's cells hold no object; `occupied`: that the objects' cells hold one;
    `color`: which colour those have.
    """

    empty: Tensor
    occupied: Tensor
    color: Tensor

    @property
    def foreground(self) -> Tensor:
        """Which cells hold an object."""
        return self.empty + self.occupied

    @property
    def whole(self) -> Tensor:
        """The cross-entropy of all cells."""
        return self.foreground + self.color


class DropNegligibleGradient(torch.autograd.Function):
    """The identity, whose gradient is 0 where it is below NEGLIGIBLE_GRADIENT.

    A confident decoder gives colours probabilities of e^-90. They would reach its convolutions' backward pass as
    subnormal numbers, which many processors handle in microcode.
    """

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return F.hardshrink(gradient, NEGLIGIBLE_GRADIENT)


def reconstruction_nats(logits: Tensor, grids: Tensor) -> ReconstructionNats:
    """-log p(x | z) of each grid by its chain rule.

    Args:
        logits: (B, 10, 16, 16). grids: integers (B, 16, 16).
    """
    log_p = DropNegligibleGradient.apply(logits.float()).log_softmax(dim=1)
    background = log_p[:, BACKGROUND]
    # Kept off zero: float32 cannot tell 1 - p of a background more certain than that.
    an_object = torch.log1p(-background.exp().clamp(max=1 - 1e-6))
    holds_object = grids != BACKGROUND
    empty = -background.masked_fill(holds_object, 0).sum(dim=(1, 2))
    occupied = -an_object.masked_fill(~holds_object, 0).sum(dim=(1, 2))
    whole = -log_p.gather(1, grids.long()[:, None]).sum(dim=(1, 2, 3))
    return ReconstructionNats(empty, occupied, whole - empty - occupied)


def non_blank_nats(logits: Tensor) -> Tensor:
    """-log(1 - P(blank | z)) of decoded codes, logits (B, 10, 16, 16) → (B,): nats for "some cell holds an object".

    By way of each cell's log odds, so that there is a gradient where a blank grid is all but certain.
    """
    logits = DropNegligibleGradient.apply(logits.float())
    odds = logits[:, BACKGROUND + 1 :].logsumexp(dim=1) - logits[:, BACKGROUND]
    not_blank = F.softplus(odds).sum(dim=(1, 2)).clamp(min=torch.finfo(torch.float32).tiny)  # -log P(blank)
    return -torch.log(-torch.expm1(-not_blank))


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(μ, σ²) || N(0, 1)) of each grid and dimension, (B, d), in nats (Kingma & Welling 2014, appendix B)."""
    return -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())
