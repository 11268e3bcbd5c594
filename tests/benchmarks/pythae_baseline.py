"""An independent library's VAE on the same corpus, judged as our runs are: pythae's own networks, loss and trainer.

pythae's VAE with its default dense networks (one hidden layer of 512 units each side), Adam at 1e-3, batches of 128,
reads grids as one-hot vectors and sums a binary cross-entropy over them. Its decoder's probabilities of a cell's ten
colours, divided by their sum, are the categorical p(x | z) by which nats are counted here.

    pip install pythae==0.1.2; python tests/benchmarks/pythae_baseline.py --epochs 50
"""

import argparse
import json
import tempfile
import time

import torch
from pythae.data.datasets import DatasetOutput
from pythae.models import VAE, VAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn
from torch.utils.data import Dataset

from arc_vae.corpus.atomic import AtomicCorpus
from arc_vae.evaluation.evaluation import evaluate
from arc_vae.evaluation.verdict import Criteria
from arc_vae.grids import NUM_COLORS, SIZE
from arc_vae.models.beta_vae import GaussianVAE
from arc_vae.models.encoder import Posterior

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--latent-dim", type=int, default=10)
    parser.add_argument("--num-grids", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    corpus = AtomicCorpus(arguments.num_grids).load()
    torch.manual_seed(arguments.seed)
    config = VAEConfig(input_dim=INPUT, latent_dim=arguments.latent_dim, reconstruction_loss="bce")
    model = VAE(config)
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=arguments.epochs,
            per_device_train_batch_size=128,
            per_device_eval_batch_size=128,
            learning_rate=1e-3,
            seed=arguments.seed,
            no_cuda=True,
        )
        train, val = (OneHotGrids(torch.from_numpy(split)) for split in (corpus.train, corpus.val))
        started = time.process_time()
        BaseTrainer(model, train, val, settings).train()
        minutes = (time.process_time() - started) / 60
    judged = GaussianVAE(arguments.latent_dim, PythaeEncoder(model.encoder), PythaeDecoder(model.decoder)).eval()
    evaluation = evaluate(judged, corpus, Criteria(), torch.device("cpu"))
    print(json.dumps({"cpu_minutes": round(minutes, 1), **evaluation.metrics}, indent=2))


if __name__ == "__main__":
    main()
