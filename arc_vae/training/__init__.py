"""The training loop and what it is made of."""

from arc_vae.training.early_stopping import EarlyStopping
from arc_vae.training.lr_schedule import constant, cosine
from arc_vae.training.muon import Muon
from arc_vae.training.trainer import Trainer

__all__ = ["EarlyStopping", "Muon", "Trainer", "constant", "cosine"]
