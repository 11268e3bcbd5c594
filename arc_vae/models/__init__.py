from arc_vae.models.beta_vae import BetaVAE, GaussianVAE, VAEOutput, reparameterize
from arc_vae.models.decoder import Decoder
from arc_vae.models.encoder import Encoder, Posterior
from arc_vae.models.object_slots import ObjectSlotDecoder, ObjectSlotEncoder, ObjectSlotVAE
from arc_vae.models.palette_vae import PaletteDecoder, PaletteEncoder, PaletteVAE

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
    "VAEOutput",
    "reparameterize",
]
