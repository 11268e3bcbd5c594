"""Reconstruct a split and measure the ELBO's two terms on it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from arc_vae.evaluation.metrics import active_dims, reconstruction_accuracies
from arc_vae.models import BetaVAE, reparameterize
from arc_vae.models.decoder import most_likely_colors
from arc_vae.objective.loss import BetaVAELoss, CellNats, cell_nats, kl_divergence

# As quick as larger ones; at 1,000 the activations added 150 MB to a run's peak.
BATCH = 256


@dataclass(frozen=True)
class Reconstruction:
    """A split seen through the model.

    predicted: argmax decoded from the posterior mean, uint8 (N, 16, 16); mu, logvar: (N, d);
    kl_per_dim: (d,) nats, averaged over grids; nats: cross-entropies per grid at one posterior sample, averaged
    over grids (scalars).
    """

    predicted: Tensor
    mu: Tensor
    logvar: Tensor
    kl_per_dim: Tensor
    nats: CellNats

    @property
    def kl_nats(self) -> float:
        return self.kl_per_dim.sum().item()


@torch.no_grad()
def decode_grids(decoder: torch.nn.Module, z: Tensor) -> Tensor:
    """z (N, d) → the most likely colour of each cell, uint8 (N, 16, 16)."""
    return torch.cat([most_likely_colors(decoder(part)) for part in z.split(BATCH)])


@torch.no_grad()
def reencode(encoder: torch.nn.Module, decoder: torch.nn.Module, grids: Tensor) -> Tensor:
    """Integer grids (N, 16, 16) → those decoded from their posterior means, uint8 (N, 16, 16)."""
    return torch.cat([decode_grids(decoder, encoder(part).mu) for part in grids.split(BATCH)])


@torch.no_grad()
def reconstruct(model: BetaVAE, grids: Tensor, seed: int = 0) -> Reconstruction:
    """Encode and decode integer grids (N, 16, 16) on the model's device.

    The posterior sample comes from a generator of its own, so measuring leaves training's random
    numbers as they were and every epoch is judged under the same noise.
    """
    generator = torch.Generator(grids.device).manual_seed(seed)
    model.eval()
    nats, predicted, mus, logvars, kls = [], [], [], [], []
    for batch in grids.split(BATCH):
        mu, logvar = model.encode(batch)
        nats.append(torch.stack(cell_nats(model.decode(reparameterize(mu, logvar, generator)), batch)))
        predicted.append(decode_grids(model.decoder, mu))
        mus.append(mu)
        logvars.append(logvar)
        kls.append(kl_divergence(mu, logvar))
    return Reconstruction(
        predicted=torch.cat(predicted),
        mu=torch.cat(mus),
        logvar=torch.cat(logvars),
        kl_per_dim=torch.cat(kls).double().mean(dim=0),
        nats=CellNats(*torch.cat(nats, dim=1).double().mean(dim=1)),
    )


def elbo_terms(result: Reconstruction, grids: Tensor) -> dict:
    """Accuracies, nats per grid and the use of each dimension, as metrics.json names them."""
    reconstruction = result.nats.whole.item()
    return {
        **reconstruction_accuracies(result.predicted, grids),
        "reconstruction_nats": reconstruction,
        "foreground_nats": result.nats.foreground.item(),
        "color_nats": result.nats.color.item(),
        "kl_nats": result.kl_nats,
        "elbo_nats": reconstruction + result.kl_nats,
        "kl_per_dim": result.kl_per_dim.tolist(),
        "active_dims": int(active_dims(result.kl_per_dim)),
    }


def validate(model: BetaVAE, loss: BetaVAELoss, final_beta: float, grids: Tensor) -> dict:
    """One epoch's validation record: `val/*`, the objective at the final β, without `blank_weight`'s term."""
    result = reconstruct(model, grids)
    terms = loss.combine(result.nats, result.kl_per_dim, final_beta)
    values = {
        "loss_total": terms.total.item(),
        "loss_reconstruction": terms.reconstruction.item(),
        "loss_kl": terms.kl.item(),
        **elbo_terms(result, grids),
    }
    return {f"val/{name}": value for name, value in values.items()}
