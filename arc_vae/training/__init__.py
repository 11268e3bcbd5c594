from arc_vae.training.early_stopping import EarlyStopping
from arc_vae.training.trainer import Trainer

__all__ = ["EarlyStopping", "Trainer"]
