"""The objective L = reconstruction + β · KL, its three reductions, and the units of each.

Everything here counts in nats. One grid has 256 cells; the ELBO's own units are nats per grid:
cross-entropy summed over cells, KL summed over latent dimensions, both averaged over the batch.

The cross-entropy of a cell is that of "object or background?" plus, on object cells, that of "which of the nine
colours?": the chain rule of -log p(colour). The first costs nothing on a grid whose objects are located exactly;
the second costs ln 9 = 2.197 nats an object cell as long as nothing is known of colours.
"""

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from arc_vae.common.errors import require
from arc_vae.common.grids import CELLS
from arc_vae.objective.terms import ReconstructionNats, kl_divergence, non_blank_nats, reconstruction_nats


class LossTerms(NamedTuple):
    """One batch's objective (scalars but for `kl_per_dim`).

    `total` = `reconstruction` + β · `kl` + blank_weight · `blank_nats`, in the objective's own units;
    `reconstruction_nats` = `foreground_nats` + `color_nats` and `kl_nats` are nats per grid whatever the objective;
    `blank_nats` is nats per prior sample, 0 where none was decoded;
    `kl_per_dim` (d,) is nats per grid and dimension, before any free bits.
    """

    total: Tensor
    reconstruction: Tensor
    kl: Tensor
    reconstruction_nats: Tensor
    foreground_nats: Tensor
    color_nats: Tensor
    kl_nats: Tensor
    blank_nats: Tensor
    kl_per_dim: Tensor

    def metrics(self) -> dict[str, Tensor]:
        """The scalars by the names that records give them: `loss_total`, `reconstruction_nats`, …"""
        named = {f"loss_{name}": getattr(self, name) for name in ("total", "reconstruction", "kl")}
        return named | {name: value for name, value in self._asdict().items() if name.endswith("_nats")}


class Loss(Protocol):
    """What training and evaluation ask of an objective. `BetaVAELoss` is the package's own."""

    blank_weight: float
    """Above 0, each step also decodes codes drawn from N(0, I) and gives their logits as `samples`."""

    def __call__(
        self,
        logits: Tensor,
        grids: Tensor,
        mu: Tensor,
        logvar: Tensor,
        beta: float | Tensor,
        foreground_weight: float | Tensor = 1.0,
        samples: Tensor | None = None,
    ) -> LossTerms:
        """A batch's terms: logits (B, 10, 16, 16), integer grids (B, 16, 16), mu and logvar (B, d). Each step."""

    def from_batch_means(self, nats: ReconstructionNats, kl_per_dim: Tensor, beta: float) -> LossTerms:
        """The terms from means over a split, nats per grid (scalars) and KL (d,): validation, at the final β."""

    def effective_beta(self, beta: float, latent_dim: int) -> float:
        """The β of the ELBO in nats per grid that this objective equals, up to its overall scale."""

    def foreground_weight(self, step: int) -> float:
        """The weight that `__call__` is given after so many steps of training."""


class BetaVAELoss:
    """The β-VAE objective under a stated reduction.

    Args:
        reconstruction: "sum" over the 256 cells, or "mean" over them.
        kl: "sum" over the latent dimensions, or "mean" over them.
        free_bits: nats per dimension below which the KL costs nothing: each dimension counts
            max(its batch mean, free_bits) (Kingma et al. 2016, appendix C.8).
        object_weight: weight of the objects' cells in the reconstruction, against 1 of the background's. An ELBO
            has 1; then the model in doubt answers background, of which 93 % of the cells are.
        foreground_warmup_steps: steps over which the weight of "object or background?" in the reconstruction rises
            from 0 to 1, so that colours are learnt first. Learnt second, they wait on a saddle: nine exchangeable
            colours, none of which either network can begin to tell before the other does.
        blank_weight: weight of a prior sample's nats for "some cell holds an object", against 1 of a background's cell.
            Without it, regions of the prior that no grid is encoded into decode to nothing. For corpora in which
            every grid holds an object.
    """

    def __init__(
        self,
        reconstruction: Literal["sum", "mean"] = "sum",
        kl: Literal["sum", "mean"] = "mean",
        free_bits: float = 0.0,
        object_weight: float = 1.0,
        foreground_warmup_steps: int = 0,
        blank_weight: float = 0.0,
    ):
        require(reconstruction in ("sum", "mean"), "reconstruction", reconstruction, "sum or mean")
        require(kl in ("sum", "mean"), "kl", kl, "sum or mean")
        require(free_bits >= 0, "free_bits", free_bits, "0 or more nats per dimension")
        require(object_weight > 0, "object_weight", object_weight, "above 0; 1 is the ELBO")
        require(foreground_warmup_steps >= 0, "foreground_warmup_steps", foreground_warmup_steps, "0 or more steps")
        require(blank_weight >= 0, "blank_weight", blank_weight, "0 or more; 0 decodes no prior samples")
        self.cell_weight = 1.0 if reconstruction == "sum" else 1.0 / CELLS
        self.kl_reduction = kl
        self.free_bits = free_bits
        self.object_weight = object_weight
        self.foreground_warmup_steps = foreground_warmup_steps
        self.blank_weight = blank_weight

    def dim_weight(self, latent_dim: int) -> float:
        """Weight of one nat of KL in the objective's KL term."""
        return 1.0 if self.kl_reduction == "sum" else 1.0 / latent_dim

    def effective_beta(self, beta: float, latent_dim: int) -> float:
        """The β of the ELBO in nats per grid that this objective equals, up to its overall scale."""
        return beta * self.dim_weight(latent_dim) / self.cell_weight

    def foreground_weight(self, step: int) -> float:
        """Weight of the foreground's nats in the reconstruction term after so many steps of training."""
        return min(1.0, step / self.foreground_warmup_steps) if self.foreground_warmup_steps else 1.0

    def from_batch_means(
        self,
        nats: ReconstructionNats,
        kl_per_dim: Tensor,
        beta: float | Tensor,
        foreground_weight: float | Tensor = 1.0,
    ) -> LossTerms:
        """The objective from its batch means: reconstruction in nats per grid (scalars), KL (d,) in nats.

        Without the part of `blank_weight`, which is about samples, not about grids.
        """
        foreground = nats.empty + self.object_weight * nats.occupied
        reconstruction = self.cell_weight * (foreground_weight * foreground + self.object_weight * nats.color)
        counted = torch.clamp(kl_per_dim, min=self.free_bits) if self.free_bits > 0 else kl_per_dim
        kl = self.dim_weight(len(kl_per_dim)) * counted.sum()
        return LossTerms(
            total=reconstruction + beta * kl,
            reconstruction=reconstruction,
            kl=kl,
            reconstruction_nats=nats.whole,
            foreground_nats=nats.foreground,
            color_nats=nats.color,
            kl_nats=kl_per_dim.sum(),
            blank_nats=torch.zeros_like(reconstruction),
            kl_per_dim=kl_per_dim,
        )

    def __call__(
        self,
        logits: Tensor,
        grids: Tensor,
        mu: Tensor,
        logvar: Tensor,
        beta: float | Tensor,
        foreground_weight: float | Tensor = 1.0,
        samples: Tensor | None = None,
    ) -> LossTerms:
        """Objective of a batch: logits (B, 10, 16, 16), integer grids (B, 16, 16), mu and logvar (B, d).

        `samples` are the logits (S, 10, 16, 16) of codes drawn from N(0, I).
        """
        nats = ReconstructionNats(*(part.mean() for part in reconstruction_nats(logits, grids)))
        terms = self.from_batch_means(nats, kl_divergence(mu, logvar).mean(dim=0), beta, foreground_weight)
        if samples is None:
            return terms
        blank = non_blank_nats(samples).mean()
        return terms._replace(total=terms.total + self.blank_weight * blank, blank_nats=blank)


if TYPE_CHECKING:
    _: type[Loss] = BetaVAELoss
