"""What every model is: a Gaussian posterior, a decoder to logits, and the noise between."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

# Keeps logvar = 2 log σ finite where softplus underflows to zero.
MIN_SIGMA = 1e-6


class Posterior(NamedTuple):
    """Diagonal Gaussian q(z | x): mean and log variance, each (B, d)."""

    mu: Tensor
    logvar: Tensor


class VAEOutput(NamedTuple):
    """What one pass gives: logits (B, 10, 16, 16), the posterior's mu and logvar (B, d), the sample z (B, d)."""

    logits: Tensor
    mu: Tensor
    logvar: Tensor
    z: Tensor


def reparameterize(mu: Tensor, logvar: Tensor, generator: Generator | None = None) -> Tensor:
    """z = μ + σ ε with ε ~ N(0, I), σ = exp(logvar / 2); all (B, d) (Kingma & Welling 2014, section 2.4)."""
    epsilon = torch.randn(mu.shape, device=mu.device, dtype=mu.dtype, generator=generator)
    return mu + torch.exp(0.5 * logvar) * epsilon


class GaussianVAE(nn.Module):
    """An encoder to a diagonal Gaussian posterior over d dimensions, a decoder to logits, and the noise between.

    Args:
        encoder: integer grids (B, 16, 16) → Posterior of (B, d). decoder: z (B, d) → logits (B, 10, 16, 16).
    """

    # Whether the code is computed in float64, which Apple's GPUs (mps) lack.
    needs_float64 = False
    # Steps after which training was seen to leave the all-background answer, with room for slower corpora; a run of
    # fewer is warned. Measured: outputs/RESULTS.md, "Small corpora".
    steps_off_baseline = 1500

    def __init__(self, latent_dim: int, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, grids: Tensor) -> Posterior:
        """Integer grids (B, 16, 16) → posterior mu, logvar (B, d)."""
        return self.encoder(grids)

    def decode(self, z: Tensor) -> Tensor:
        """z (B, d) → logits (B, 10, 16, 16)."""
        return self.decoder(z)

    def fit_prior(self, grids: Tensor) -> None:
        """Take in, before training, what the model does not learn by gradients from the train split, integers
        (N, 16, 16); nothing by itself.
        """

    def interpolation_paths(self, start: Tensor, end: Tensor, steps: int) -> dict[str, Tensor]:
        """Ways between codes (P, d) that suit this model better than straight ones, by name, (P, steps + 1, d) each."""
        return {}

    def suitability_warning(self, grids: Tensor) -> str | None:
        """In a sentence, why this model does not suit such grids, integers (N, 16, 16); None if it does."""
        return None

    def forward(self, grids: Tensor, generator: Generator | None = None) -> VAEOutput:
        """Integer grids (B, 16, 16) → logits of one posterior sample."""
        mu, logvar = self.encode(grids)
        z = reparameterize(mu, logvar, generator)
        return VAEOutput(self.decode(z), mu, logvar, z)
