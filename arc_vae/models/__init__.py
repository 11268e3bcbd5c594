from arc_vae.models.beta_vae import BetaVAE, GaussianVAE, VAEOutput, reparameterize
from arc_vae.models.decoder import Decoder
from arc_vae.models.encoder import Encoder, Posterior
from arc_vae.models.object_slots import ObjectSlotDecoder, ObjectSlotEncoder, ObjectSlotVAE

__all__ = [
    "BetaVAE",
    "Decoder",
    "Encoder",
    "GaussianVAE",
    "ObjectSlotDecoder",
    "ObjectSlotEncoder",
    "ObjectSlotVAE",
    "Posterior",
    "VAEOutput",
    "reparameterize",
]
