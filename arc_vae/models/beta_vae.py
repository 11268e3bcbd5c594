"""The β-VAE: encoder, reparameterisation, decoder (Higgins et al. 2017; specification, "Architecture")."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from arc_vae.models.decoder import Decoder
from arc_vae.models.encoder import Encoder, Posterior


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

    def look_at(self, grids: Tensor) -> None:
        """Take in, before training, what the model does not learn by gradients from the train split, integers
        (N, 16, 16); nothing by itself.
        """

    def other_paths(self, start: Tensor, end: Tensor, steps: int) -> dict[str, Tensor]:
        """Ways between codes (P, d) that suit this model better than straight ones, by name, (P, steps + 1, d) each."""
        return {}

    def misfit(self, grids: Tensor) -> str | None:
        """In a sentence, why this model does not suit such grids, integers (N, 16, 16); None if it does."""
        return None

    def forward(self, grids: Tensor, generator: Generator | None = None) -> VAEOutput:
        """Integer grids (B, 16, 16) → logits of one posterior sample."""
        mu, logvar = self.encode(grids)
        z = reparameterize(mu, logvar, generator)
        return VAEOutput(self.decode(z), mu, logvar, z)


class BetaVAE(GaussianVAE):
    """The specification's VAE over grids: at the defaults its 792,542 parameters.

    Args:
        latent_dim: d, the number of latent dimensions.
        encoder_channels: channels of the encoder's convolutions, from the ten colours down.
        decoder_channels: channels of the decoder's convolutions, up to the ten colours.
        hidden_dim: width of the dense layers between convolutions and latents.

    Raises:
        InvalidValue: sizes that do not fit a 16×16 grid of ten colours.
    """

    encoder_class, decoder_class = Encoder, Decoder

    def __init__(
        self,
        latent_dim: int = 10,
        encoder_channels: Sequence[int] = (10, 32, 64, 128),
        decoder_channels: Sequence[int] = (128, 64, 32, 10),
        hidden_dim: int = 128,
    ):
        super().__init__(
            latent_dim,
            self.encoder_class(latent_dim, encoder_channels, hidden_dim),
            self.decoder_class(latent_dim, decoder_channels, hidden_dim),
        )
