"""The objective: its terms in nats, their weights, and β as a function of the epoch."""

from arc_vae.objective.beta_schedule import Constant, Cyclical, LinearWarmup, ThreePhase, get_beta
from arc_vae.objective.loss import BetaVAELoss, Loss, LossTerms

__all__ = ["BetaVAELoss", "Constant", "Cyclical", "LinearWarmup", "Loss", "LossTerms", "ThreePhase", "get_beta"]
