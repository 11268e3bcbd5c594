"""Where painted objects can stand: within the grid, and not on one another.

Corners in, corners out: nothing here has parameters or gradients.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from arc_vae.common.grids import CELLS, SIZE
from arc_vae.models.object_slots.components import moved_to_corner


def nearest_free_corner(taken: Tensor, shape: Tensor, wanted: Tensor, room: Tensor) -> Tensor:
    """Corners (N, 2) at which shapes meet no taken cell: those wanted, else the nearest at which they do not touch one
    either, else the nearest; those wanted if there are none.

    Not touching, since an object that was in the way of another would else always end up beside it.

    Args:
        taken, shape: (N, 16, 16), 1 where filled. wanted, room: integers (N, 2); room is the largest corner that fits,
            and wanted is no larger.
    """
    # How many are in the way is known only when it runs: a GPU would wait for it, and what is traced freezes it.
    if taken.is_cuda or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return search_free_corner(taken, shape, wanted, room)
    in_the_way = (moved_to_corner(taken, wanted) * shape > 0.5).flatten(1).any(dim=1).nonzero()[:, 0]
    if not len(in_the_way):  # a Fourier transform of no grids raises
        return wanted
    corner = wanted.clone()
    corner[in_the_way] = search_free_corner(*(given[in_the_way] for given in (taken, shape, wanted, room)))
    return corner


def search_free_corner(taken: Tensor, shape: Tensor, wanted: Tensor, room: Tensor) -> Tensor:
    """`nearest_free_corner`, all places of every shape tried."""
    around = F.max_pool2d(taken[:, None], kernel_size=3, stride=1, padding=1)[:, 0]
    meets, touches = _collisions(taken, shape), _collisions(around, shape)
    cells = torch.arange(SIZE, device=taken.device)
    fits = (cells <= room[:, :1])[:, :, None] & (cells <= room[:, 1:])[:, None]
    away = (cells - wanted[:, :1]).square()[:, :, None] + (cells - wanted[:, 1:]).square()[:, None]
    further = 2 * CELLS  # than any place
    cost = away + further * (touches & (away > 0))
    least, nearest = cost.masked_fill(~fits | meets, 3 * further).flatten(1).min(dim=1)
    nearest = torch.stack([nearest // SIZE, nearest % SIZE], dim=1)
    return torch.where((least < 3 * further)[:, None], nearest, wanted)


def _collisions(taken: Tensor, shape: Tensor) -> Tensor:
    """Whether a shape moved to each corner meets a taken cell, (N, 16, 16): a correlation, by way of Fourier transforms
    wide enough not to wrap around.
    """
    size = (2 * SIZE, 2 * SIZE)
    met = torch.fft.irfft2(torch.fft.rfft2(taken, s=size) * torch.fft.rfft2(shape, s=size).conj(), s=size)
    return met[:, :SIZE, :SIZE] > 0.5
