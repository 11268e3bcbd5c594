"""Reconstruct a split and measure the ELBO's two terms on it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from arc_vae.evaluation.accuracies import active_dims, reconstruction_accuracies
from arc_vae.models.base import VAE, reparameterize
from arc_vae.models.decoding import decode_grids, portions
from arc_vae.models.float64 import in_float64
from arc_vae.objective.loss import Loss
from arc_vae.objective.terms import ReconstructionNats, kl_divergence, reconstruction_nats


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
    nats: ReconstructionNats

    @property
    def kl_nats(self) -> float:
        return self.kl_per_dim.sum().item()


@torch.no_grad()
def reconstruct(model: VAE, grids: Tensor, seed: int = 0) -> Reconstruction:
    """Encode and decode integer grids (N, 16, 16) on the model's device.

    The posterior sample comes from a generator of its own, so measuring leaves training's random
    numbers as they were and every epoch is judged under the same noise.
    """
    generator = torch.Generator(grids.device).manual_seed(seed)
    model.eval()
    nats, predicted, mus, logvars, kls = [], [], [], [], []
    for batch in portions(grids):
        mu, logvar = model.encode(batch)
        nats.append(torch.stack(reconstruction_nats(model.decode(reparameterize(mu, logvar, generator)), batch)))
        predicted.append(decode_grids(model.decoder, mu))
        mus.append(mu)
        logvars.append(logvar)
        kls.append(kl_divergence(mu, logvar))
    return Reconstruction(
        predicted=torch.cat(predicted),
        mu=torch.cat(mus),
        logvar=torch.cat(logvars),
        kl_per_dim=in_float64(torch.cat(kls)).mean(dim=0),
        nats=ReconstructionNats(*in_float64(torch.cat(nats, dim=1)).mean(dim=1)),
    )


def reconstruction_metrics(result: Reconstruction, grids: Tensor) -> dict:
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


def validation_metrics(model: VAE, loss: Loss, final_beta: float, grids: Tensor) -> dict:
    """One epoch's validation record: `val/*`, the objective at the final β, without `blank_weight`'s term."""
    result = reconstruct(model, grids)
    terms = loss.from_batch_means(result.nats, result.kl_per_dim, final_beta)
    losses = {name: value.item() for name, value in terms.metrics().items() if name.startswith("loss_")}
    values = {
        **losses,
        **reconstruction_metrics(result, grids),
    }
    return {f"val/{name}": value for name, value in values.items()}
