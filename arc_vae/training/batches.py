"""Batches of a corpus that lies on the device whole: shuffled and augmented there, copied nowhere."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from arc_vae.common.grids import CELLS, SIZE, symmetry_table


class Augmentation:
    """The specification's rotations and flips: one of the square's eight symmetries a grid, uniformly.

    A quarter turn drawn of four, then each flip with p = 0.5, hits each of the eight twice in sixteen,
    so one uniform draw of eight is the same distribution.
    """

    def __init__(self, device: torch.device):
        self.table = torch.from_numpy(symmetry_table()).to(device)

    def draw(self, count: int) -> Tensor:
        """A symmetry for each of `count` grids, (count,)."""
        return torch.randint(len(self.table), (count,), device=self.table.device)

    def apply(self, grids: Tensor, symmetry: Tensor) -> Tensor:
        """Integer grids (B, 16, 16) → the same grids, each turned or mirrored by its `symmetry` (B,)."""
        return grids.reshape(-1, CELLS).gather(1, self.table[symmetry]).view(-1, SIZE, SIZE)


class EpochOrder(NamedTuple):
    """What an epoch draws when it begins: the order of the grids (N,), and each one's symmetry (N,) or None."""

    order: Tensor
    symmetry: Tensor | None


class Batches:
    """One epoch: each grid at most once, in random order from torch's global generator.

    The rest that fills no batch is left out; with a new order each epoch no grid is left out for long.
    """

    def __init__(self, grids: Tensor, batch_size: int, augment: bool):
        self.grids = grids
        self.batch_size = batch_size
        self.augmentation = Augmentation(grids.device) if augment else None

    def __len__(self) -> int:
        return len(self.grids) // self.batch_size

    def sample_order(self) -> EpochOrder:
        """The next epoch's order and symmetries, all of its random numbers at once."""
        used = len(self) * self.batch_size
        order = torch.randperm(len(self.grids), device=self.grids.device)[:used]
        return EpochOrder(order, self.augmentation.draw(used) if self.augmentation else None)

    def iterate(self, epoch: EpochOrder, skip: int = 0) -> Iterator[Tensor]:
        """The epoch's batches after the first `skip`, integers (B, 16, 16)."""
        for first in range(skip * self.batch_size, len(epoch.order), self.batch_size):
            batch = slice(first, first + self.batch_size)
            grids = self.grids.index_select(0, epoch.order[batch])
            if self.augmentation and epoch.symmetry is not None:
                grids = self.augmentation.apply(grids, epoch.symmetry[batch])
            yield grids

    def __iter__(self) -> Iterator[Tensor]:
        return self.iterate(self.sample_order())
