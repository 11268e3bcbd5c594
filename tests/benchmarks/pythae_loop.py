"""The same training by pythae's BaseTrainer: the project's encoder and decoder wrapped in its base classes.

The trainer offers no gradient clipping, so a subclass adds it to its optimizer step. It measures the loss alone, no
accuracy, at each step and in validation: less than the others do.
"""

import time
from pathlib import Path

from plain_loop import BATCH_SIZE, ETA_MIN, GRADIENT_CLIP, LEARNING_RATE, GridDataset, datasets
from pythae.data.datasets import DatasetOutput
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import Dataset

from arc_vae.models import BetaVAE, Decoder, Encoder
from arc_vae.objective import BetaVAELoss
from arc_vae.objective.beta_schedule import ThreePhase


class PythaeDataset(Dataset):
    """The plain loop's dataset with each grid under the key pythae reads."""

    def __init__(self, grids: GridDataset):
        self.grids = grids

    def __len__(self) -> int:
        return len(self.grids)

    def __getitem__(self, index: int) -> DatasetOutput:
        return DatasetOutput(data=self.grids[index])


class PythaeEncoder(BaseEncoder):
    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, grids: Tensor) -> ModelOutput:
        mu, logvar = self.encoder(grids)
        return ModelOutput(embedding=mu, log_covariance=logvar)


class PythaeDecoder(BaseDecoder):
    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.decoder(z))


class PythaeVAE(VAE):
    """pythae's VAE with the project's objective; β after `beta`, its final value in validation."""

    def __init__(self, beta: ThreePhase):
        parts = BetaVAE()
        config = VAEConfig(input_dim=(16, 16), latent_dim=parts.latent_dim)
        super().__init__(config, PythaeEncoder(parts.encoder), PythaeDecoder(parts.decoder))
        self.objective = BetaVAELoss()
        self.beta = beta

    def forward(self, inputs: DatasetOutput, epoch: int = 1, **_: object) -> ModelOutput:
        grids = inputs["data"]
        posterior = self.encoder(grids)
        mu, logvar = posterior.embedding, posterior.log_covariance
        z, _ = self._sample_gauss(mu, (0.5 * logvar).exp())
        logits = self.decoder(z).reconstruction
        terms = self.objective(logits, grids, mu, logvar, self.beta(epoch) if self.training else self.beta.final_beta)
        return ModelOutput(
            loss=terms.total, recon_loss=terms.reconstruction, reg_loss=terms.kl, recon_x=logits.argmax(dim=1), z=z
        )


class ClippingTrainer(BaseTrainer):
    def _optimizers_step(self, model_output: ModelOutput) -> None:
        self.optimizer.zero_grad()
        model_output.loss.backward()
        clip_grad_norm_(self.model.parameters(), GRADIENT_CLIP)
        self.optimizer.step()


def train(corpus_file: Path, beta: ThreePhase, epochs: int, num_workers: int, folder: Path) -> float:
    """Train for `epochs` epochs; returns the seconds of `train`, its validation and checkpoints included."""
    config = BaseTrainerConfig(
        output_dir=str(folder),
        num_epochs=epochs,
        per_device_train_batch_size=BATCH_SIZE,
        per_device_eval_batch_size=BATCH_SIZE,
        train_dataloader_num_workers=num_workers,
        optimizer_cls="Adam",
        learning_rate=LEARNING_RATE,
        scheduler_cls="CosineAnnealingLR",
        scheduler_params={"T_max": epochs, "eta_min": ETA_MIN},
        steps_saving=1,
    )
    train_set, val_set = (PythaeDataset(split) for split in datasets(corpus_file))
    trainer = ClippingTrainer(PythaeVAE(beta), train_set, val_set, config)
    started = time.perf_counter()
    trainer.train()
    return time.perf_counter() - started
