"""The objective L = reconstruction + β · KL, its three reductions, and the units of each.

Everything here counts in nats. One grid has 256 cells; the ELBO's own units are nats per grid:
cross-entropy summed over cells, KL summed over latent dimensions, both averaged over the batch.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from arc_vae.errors import require
from arc_vae.grids import CELLS


class LossTerms(NamedTuple):
    """One batch's objective (scalars but for `kl_per_dim`).

    `total` = `reconstruction` + β · `kl`, in the objective's own units;
    `reconstruction_nats` and `kl_nats` are nats per grid whatever the objective;
    `kl_per_dim` (d,) is nats per grid and dimension, before any free bits.
    """

    total: Tensor
    reconstruction: Tensor
    kl: Tensor
    reconstruction_nats: Tensor
    kl_nats: Tensor
    kl_per_dim: Tensor


def reconstruction_nats(logits: Tensor, grids: Tensor) -> Tensor:
    """-log p(x | z) of each grid, (B,): cross-entropy summed over the 256 cells.

    Args:
        logits: (B, 10, 16, 16). grids: integers (B, 16, 16).
    """
    return F.cross_entropy(logits.float(), grids.long(), reduction="none").sum(dim=(1, 2))


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(μ, σ²) || N(0, 1)) of each grid and dimension, (B, d), in nats (Kingma & Welling 2014, appendix B)."""
    return -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())


class BetaVAELoss:
    """The β-VAE objective under a stated reduction.

    Args:
        reconstruction: "sum" over the 256 cells, or "mean" over them.
        kl: "sum" over the latent dimensions, or "mean" over them.
        free_bits: nats per dimension below which the KL costs nothing: each dimension counts
            max(its batch mean, free_bits) (Kingma et al. 2016, appendix C.8).
    """

    def __init__(
        self,
        reconstruction: Literal["sum", "mean"] = "sum",
        kl: Literal["sum", "mean"] = "mean",
        free_bits: float = 0.0,
    ):
        require(reconstruction in ("sum", "mean"), "reconstruction", reconstruction, "sum or mean")
        require(kl in ("sum", "mean"), "kl", kl, "sum or mean")
        require(free_bits >= 0, "free_bits", free_bits, "0 or more nats per dimension")
        self.cell_weight = 1.0 if reconstruction == "sum" else 1.0 / CELLS
        self.kl_reduction = kl
        self.free_bits = free_bits

    def dim_weight(self, latent_dim: int) -> float:
        """Weight of one nat of KL in the objective's KL term."""
        return 1.0 if self.kl_reduction == "sum" else 1.0 / latent_dim

    def effective_beta(self, beta: float, latent_dim: int) -> float:
        """The β of the ELBO in nats per grid that this objective equals, up to its overall scale."""
        return beta * self.dim_weight(latent_dim) / self.cell_weight

    def combine(self, nats: Tensor, kl_per_dim: Tensor, beta: float | Tensor) -> LossTerms:
        """The objective from its batch means: reconstruction in nats per grid (scalar), KL (d,) in nats."""
        reconstruction = self.cell_weight * nats
        counted = torch.clamp(kl_per_dim, min=self.free_bits) if self.free_bits > 0 else kl_per_dim
        kl = self.dim_weight(len(kl_per_dim)) * counted.sum()
        return LossTerms(reconstruction + beta * kl, reconstruction, kl, nats, kl_per_dim.sum(), kl_per_dim)

    def __call__(self, logits: Tensor, grids: Tensor, mu: Tensor, logvar: Tensor, beta: float | Tensor) -> LossTerms:
        """Objective of a batch: logits (B, 10, 16, 16), integer grids (B, 16, 16), mu and logvar (B, d)."""
        return self.combine(reconstruction_nats(logits, grids).mean(), kl_divergence(mu, logvar).mean(dim=0), beta)
