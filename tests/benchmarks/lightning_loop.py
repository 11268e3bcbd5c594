"""The same training by Lightning's Trainer, as its user would have it: CSVLogger, a checkpoint each epoch, no bar.

`log_every_n_steps` stays at its default of 50, so that of the values logged at each step one in fifty is written.
"""

import time
from pathlib import Path

import pytorch_lightning as pl
import torch
from plain_loop import ETA_MIN, GRADIENT_CLIP, LEARNING_RATE, loaders
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

from arc_vae.evaluation.accuracies import pixel_accuracy
from arc_vae.models import BetaVAE
from arc_vae.objective import BetaVAELoss
from arc_vae.objective.beta_schedule import ThreePhase


class LightningVAE(pl.LightningModule):
    """The project's model and objective; β after `beta`, cosine annealing over `epochs`."""

    def __init__(self, beta: ThreePhase, epochs: int):
        super().__init__()
        self.model = BetaVAE()
        self.loss = BetaVAELoss()
        self.beta = beta
        self.epochs = epochs

    def training_step(self, grids: Tensor, index: int) -> Tensor:
        """The objective of a batch, integer grids (B, 16, 16)."""
        logits, mu, logvar, _ = self.model(grids)
        terms = self.loss(logits, grids, mu, logvar, self.beta(self.current_epoch + 1))
        self.log("train/loss_total", terms.total)
        self.log("train/loss_reconstruction", terms.reconstruction)
        self.log("train/loss_kl", terms.kl)
        self.log("train/pixel_accuracy", pixel_accuracy(logits.argmax(dim=1), grids))
        return terms.total

    def validation_step(self, grids: Tensor, index: int) -> None:
        mu, logvar = self.model.encode(grids)
        logits = self.model.decode(mu)
        self.log("val/loss_total", self.loss(logits, grids, mu, logvar, self.beta.final_beta).total)
        self.log("val/pixel_accuracy", pixel_accuracy(logits.argmax(dim=1), grids))

    def configure_optimizers(self) -> dict:
        optimizer = torch.optim.Adam(self.parameters(), lr=LEARNING_RATE)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs, eta_min=ETA_MIN)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


def train(corpus_file: Path, beta: ThreePhase, epochs: int, num_workers: int, folder: Path) -> float:
    """Train for `epochs` epochs; returns the seconds of `fit`, its validation and checkpoints included."""
    train_loader, val_loader = loaders(corpus_file, num_workers)
    trainer = pl.Trainer(
        max_epochs=epochs,
        gradient_clip_val=GRADIENT_CLIP,
        logger=CSVLogger(folder),
        default_root_dir=folder,
        enable_progress_bar=False,
    )
    started = time.perf_counter()
    trainer.fit(LightningVAE(beta, epochs), train_loader, val_loader)
    return time.perf_counter() - started
