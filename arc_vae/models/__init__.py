from arc_vae.models.beta_vae import BetaVAE, VAEOutput, reparameterize
from arc_vae.models.decoder import Decoder
from arc_vae.models.encoder import Encoder, Posterior

__all__ = ["BetaVAE", "Decoder", "Encoder", "Posterior", "VAEOutput", "reparameterize"]
