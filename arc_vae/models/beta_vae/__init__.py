"""`model=beta_vae`: the specification's convolutional β-VAE, one code for the whole grid."""

from arc_vae.models.beta_vae.decoder import Decoder
from arc_vae.models.beta_vae.encoder import Encoder
from arc_vae.models.beta_vae.model import BetaVAE

__all__ = ["BetaVAE", "Decoder", "Encoder"]
