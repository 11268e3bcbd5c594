"""Batches of a corpus that lies on the device whole: shuffled and augmented there, copied nowhere."""

from collections.abc import Iterator

import torch
from torch import Tensor

from arc_vae.grids import CELLS, SIZE, symmetry_table


class Augmentation:
    """The specification's rotations and flips: one of the square's eight symmetries a grid, uniformly.

    A quarter turn drawn of four, then each flip with p = 0.5, hits each of the eight twice in sixteen,
    so one uniform draw of eight is the same distribution.
    """

    def __init__(self, device: torch.device):
        self.table = torch.from_numpy(symmetry_table()).to(device)

    def __call__(self, grids: Tensor) -> Tensor:
        """Integer grids (B, 16, 16) → the same grids, each turned or mirrored at random."""
        choice = torch.randint(len(self.table), (len(grids),), device=grids.device)
        return grids.reshape(-1, CELLS).gather(1, self.table[choice]).view(-1, SIZE, SIZE)


class Batches:
    """One epoch a call: each grid at most once, in random order from torch's global generator.

    The rest that fills no batch is left out; with a new order each epoch no grid is left out for long.
    """

    def __init__(self, grids: Tensor, batch_size: int, augment: bool):
        self.grids = grids
        self.batch_size = batch_size
        self.augmentation = Augmentation(grids.device) if augment else None

    def __len__(self) -> int:
        return len(self.grids) // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.randperm(len(self.grids), device=self.grids.device)
        for i in range(len(self)):
            batch = self.grids[order[i * self.batch_size : (i + 1) * self.batch_size]]
            yield self.augmentation(batch) if self.augmentation else batch
