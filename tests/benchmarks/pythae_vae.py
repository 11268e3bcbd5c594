"""pythae's own VAE: its dense networks, its loss, its trainer; wrapped so that our evaluation can call it."""

import tempfile

import numpy as np
import torch
from pythae.data.datasets import DatasetOutput
from pythae.models import VAE, VAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn
from torch.utils.data import Dataset

from arc_vae.common.grids import NUM_COLORS, SIZE
from arc_vae.models.base import GaussianVAE, Posterior

INPUT = (NUM_COLORS, SIZE, SIZE)


def as_input(grids: Tensor) -> Tensor:
    """Integer grids (B, 16, 16) → one-hot (B, 10, 16, 16)."""
    return nn.functional.one_hot(grids.long(), NUM_COLORS).movedim(3, 1).float()


class OneHotGrids(Dataset):
    def __init__(self, grids: Tensor):
        self.grids = grids

    def __len__(self) -> int:
        return len(self.grids)

    def __getitem__(self, index: int) -> DatasetOutput:
        return DatasetOutput(data=as_input(self.grids[index : index + 1])[0])


class PythaeEncoder(nn.Module):
    """pythae's encoder as our evaluation calls one."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, grids: Tensor) -> Posterior:
        output = self.encoder(as_input(grids))
        return Posterior(output.embedding, output.log_covariance)


class PythaeDecoder(nn.Module):
    """pythae's decoder as our evaluation calls one: logits whose softmax is its probabilities, divided by their sum."""

    def __init__(self, decoder: nn.Module):
        super().__init__()
        self.decoder = decoder

    def forward(self, z: Tensor) -> Tensor:
        return self.decoder(z).reconstruction.clamp(min=1e-9).log()


def train(train_grids: np.ndarray, val_grids: np.ndarray, latent_dim: int, epochs: int, seed: int) -> GaussianVAE:
    """A trained model, in evaluation mode."""
    torch.manual_seed(seed)
    model = VAE(VAEConfig(input_dim=INPUT, latent_dim=latent_dim, reconstruction_loss="bce"))
    sets = [OneHotGrids(torch.from_numpy(grids)) for grids in (train_grids, val_grids)]
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            per_device_train_batch_size=128,
            per_device_eval_batch_size=128,
            learning_rate=1e-3,
            seed=seed,
            no_cuda=True,
        )
        BaseTrainer(model, *sets, settings).train()
    return GaussianVAE(latent_dim, PythaeEncoder(model.encoder), PythaeDecoder(model.decoder)).eval()
