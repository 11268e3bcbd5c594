"""The specification's networks on grids whose colours are named in the order of their areas.

The first dimension of the code tells the palette: read off the grid and put back by rule, without parameters. The
networks never have to learn that colours are interchangeable, and the other dimensions are free of them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from arc_vae.common.errors import require
from arc_vae.models.base import Posterior
from arc_vae.models.beta_vae.decoder import Decoder
from arc_vae.models.beta_vae.encoder import Encoder
from arc_vae.models.beta_vae.model import BetaVAE
from arc_vae.models.palette.codec import PaletteCodec


def free_of_palette(latent_dim: int) -> int:
    """How many of the dimensions are the networks'."""
    require(latent_dim >= 2, "latent_dim", latent_dim, "at least 2: one dimension is the palette's")
    return latent_dim - 1


class PaletteEncoder(nn.Module):
    """Grids → μ and σ of the palette (1), then of the renamed grid (d - 1). Arguments: `Encoder`'s."""

    needs_float64 = True

    def __init__(self, latent_dim: int, channels: Sequence[int], hidden_dim: int):
        super().__init__()
        self.palettes = PaletteCodec()
        self.network = Encoder(free_of_palette(latent_dim), channels, hidden_dim)
        self.arguments = {**self.network.arguments, "latent_dim": latent_dim}

    def forward(self, grids: Tensor) -> Posterior:
        """Integer grids (B, 16, 16) → posterior with mu, logvar (B, d)."""
        first, told = self.palettes.encode(grids)
        renamed = self.palettes.names[first].gather(1, grids.flatten(1).long()).view_as(grids)
        mu, logvar = self.network(renamed)
        palette_mu, palette_sigma = self.palettes.posterior(first, told)
        mu = torch.cat([palette_mu[:, None], mu], dim=1)
        return Posterior(mu, torch.cat([2 * torch.log(palette_sigma[:, None]), logvar], dim=1))


class PaletteDecoder(nn.Module):
    """z → logits over names, given back to the colours that the palette names so. Arguments: `Decoder`'s."""

    needs_float64 = True

    def __init__(self, latent_dim: int, channels: Sequence[int], hidden_dim: int):
        super().__init__()
        self.palettes = PaletteCodec()
        self.network = Decoder(free_of_palette(latent_dim), channels, hidden_dim)
        self.arguments = {**self.network.arguments, "latent_dim": latent_dim}

    def forward(self, z: Tensor) -> Tensor:
        """z (B, d) → logits (B, 10, 16, 16), unnormalised."""
        logits = self.network(z[:, 1:])
        return logits.gather(1, self.palettes.decode(z[:, 0])[:, :, None, None].expand_as(logits))


class PaletteVAE(BetaVAE):
    """The specification's VAE over grids of renamed colours: `BetaVAE`'s arguments and networks, d - 1 dimensions wide,
    and one dimension for the palette.

    Raises:
        InvalidValue: sizes that do not fit a 16×16 grid of ten colours, or leave no dimension beside the palette's.
    """

    needs_float64 = True
    encoder_class, decoder_class = PaletteEncoder, PaletteDecoder
