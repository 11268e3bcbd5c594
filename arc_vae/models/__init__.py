"""Models: grids → Gaussian posterior over a code → logits over colours. One folder each; `base` is what they share."""

from arc_vae.models.base import VAE, GaussianVAE, Posterior, VAEOutput, reparameterize
from arc_vae.models.beta_vae import BetaVAE, Decoder, Encoder
from arc_vae.models.object_slots import ObjectSlotDecoder, ObjectSlotEncoder, ObjectSlotVAE
from arc_vae.models.palette import PaletteDecoder, PaletteEncoder, PaletteVAE

__all__ = [
    "BetaVAE",
    "Decoder",
    "Encoder",
    "GaussianVAE",
    "ObjectSlotDecoder",
    "ObjectSlotEncoder",
    "ObjectSlotVAE",
    "PaletteDecoder",
    "PaletteEncoder",
    "PaletteVAE",
    "Posterior",
    "VAE",
    "VAEOutput",
    "reparameterize",
]
