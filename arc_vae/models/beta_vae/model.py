"""The β-VAE: encoder, reparameterisation, decoder (Higgins et al. 2017; specification, "Architecture")."""

from collections.abc import Sequence

from torch import nn

from arc_vae.models.base import GaussianVAE
from arc_vae.models.beta_vae.decoder import Decoder
from arc_vae.models.beta_vae.encoder import Encoder


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

    encoder_class: type[nn.Module] = Encoder
    decoder_class: type[nn.Module] = Decoder

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
