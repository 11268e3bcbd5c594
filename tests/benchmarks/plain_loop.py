"""The training loop a competent newcomer writes in plain PyTorch from the specification, which the benchmarks measure.

A `Dataset` that turns and mirrors one grid at a time, shuffling `DataLoader`s, float32, the default memory format,
`.item()` of what is logged at every step, cosine annealing per epoch, validation in batches of 128. It gets this
project's model and objective, so that a difference in time is the loop's alone (and the precision's, where the real
command computes in bfloat16 by default).

`num_workers=0` is the default: a batch costs the dataset and its loader about a millisecond, its step tens of them.
Worker processes could hide that millisecond, but on two cores they take from the step the cores it computes on, and
each batch comes through shared memory. `--num-workers 2` tells what that is worth on the machine at hand.
"""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, Dataset

from arc_vae.evaluation.accuracies import pixel_accuracy
from arc_vae.models import BetaVAE
from arc_vae.objective import BetaVAELoss
from arc_vae.objective.beta_schedule import ThreePhase

# The specification's.
BATCH_SIZE = 128
LEARNING_RATE = 1e-3
ETA_MIN = 1e-5
GRADIENT_CLIP = 1.0

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class GridDataset(Dataset):
    """One grid at a time, uint8 (16, 16); with `augment` after the specification's rotation and two flips."""

    def __init__(self, grids: np.ndarray, augment: bool):
        self.grids = torch.from_numpy(grids)
        self.augment = augment

    def __len__(self) -> int:
        return len(self.grids)

    def __getitem__(self, index: int) -> Tensor:
        grid = self.grids[index]
        if self.augment:
            grid = torch.rot90(grid, random.randrange(4))
            if random.random() < 0.5:
                grid = torch.flip(grid, [1])
            if random.random() < 0.5:
                grid = torch.flip(grid, [0])
        return grid


def datasets(corpus_file: Path) -> tuple[GridDataset, GridDataset]:
    """The train split, augmented, and the validation split of a corpus file."""
    with np.load(corpus_file) as corpus:
        return GridDataset(corpus["train"], augment=True), GridDataset(corpus["val"], augment=False)


def loaders(corpus_file: Path, num_workers: int) -> tuple[DataLoader, DataLoader]:
    """Batches of 128 of both splits; `num_workers` processes prepare those of the train split."""
    train, val = datasets(corpus_file)
    workers = {"num_workers": num_workers, "persistent_workers": num_workers > 0}
    return DataLoader(train, BATCH_SIZE, shuffle=True, **workers), DataLoader(val, BATCH_SIZE)


@torch.no_grad()
def validate(model: BetaVAE, loss: BetaVAELoss, loader: DataLoader, beta: float) -> dict[str, float]:
    """Mean objective, pixel and object accuracy (over non-background cells), decoding the posterior mean."""
    model.eval()
    total, right, objects_right, objects, grids_seen = 0.0, 0, 0, 0, 0
    for grids in loader:
        grids = grids.to(DEVICE)
        mu, logvar = model.encode(grids)
        logits = model.decode(mu)
        total += loss(logits, grids, mu, logvar, beta).total.item() * len(grids)
        correct, object_cells = logits.argmax(dim=1) == grids, grids != 0
        right += correct.sum().item()
        objects_right += (correct & object_cells).sum().item()
        objects += object_cells.sum().item()
        grids_seen += len(grids)
    return {
        "val/loss_total": total / grids_seen,
        "val/pixel_accuracy": right / (grids_seen * 256),
        "val/object_accuracy": objects_right / max(objects, 1),
    }


def train(
    batches: tuple[DataLoader, DataLoader],
    beta: ThreePhase,
    epochs: int,
    t_max: int,
    folder: Path,
    after_epoch: Callable[[int, dict[str, float]], None],
) -> None:
    """Train for `epochs` epochs, annealing over `t_max`; the checkpoint of each goes to `folder`.

    `after_epoch` is called with the epoch, from 1, and what validation measured.
    """
    train_loader, val_loader = batches
    model, loss = BetaVAE().to(DEVICE), BetaVAELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=t_max, eta_min=ETA_MIN)
    history = []
    for epoch in range(1, epochs + 1):
        model.train()
        for grids in train_loader:
            grids = grids.to(DEVICE)
            logits, mu, logvar, _ = model(grids)
            terms = loss(logits, grids, mu, logvar, beta(epoch))
            optimizer.zero_grad()
            terms.total.backward()
            clip_grad_norm_(model.parameters(), GRADIENT_CLIP)
            optimizer.step()
            accuracy = pixel_accuracy(logits.argmax(dim=1), grids)
            history.append((terms.total.item(), terms.reconstruction.item(), terms.kl.item(), accuracy.item()))
        scheduler.step()
        metrics = validate(model, loss, val_loader, beta.final_beta)
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, folder / "last.pth")
        after_epoch(epoch, metrics)
