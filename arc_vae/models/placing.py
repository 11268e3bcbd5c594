"""Where painted objects can stand: within the grid, and not on one another.

Corners in, corners out: nothing here has parameters or gradients.
"""

import torch
from torch import Tensor

from arc_vae.grids import CELLS, SIZE


def extents(canvas: Tensor) -> Tensor:
    """Canvases (N, 16, 16) of cells' probabilities → how many rows and columns, from the corner on, hold the cells
    that are more likely filled than not, int64 (N, 2); 1 where none are.
    """
    filled = canvas > 0.5
    lines = torch.stack([filled.any(dim=2), filled.any(dim=1)], dim=1)  # (N, 2, 16)
    return (lines * torch.arange(1, SIZE + 1, device=canvas.device)).amax(dim=2).clamp(min=1)


def folded(corner: Tensor, room: Tensor) -> Tensor:
    """Corners, integers from 0, turned back at the border: itself up to `room`, the largest corner that fits, then down
    again, room + 1 being room too, so that places spread evenly over the grid are spread evenly over those that fit.
    """
    way = corner % (2 * room + 2)
    return torch.minimum(way, 2 * room + 1 - way)


def nearest_free(taken: Tensor, shape: Tensor, wanted: Tensor, room: Tensor) -> Tensor:
    """Corners (N, 2) nearest to those wanted at which shapes meet no taken cell; those wanted if there are none.

    Args:
        taken, shape: (N, 16, 16), 1 where filled. wanted, room: integers (N, 2); room is the largest corner that fits.
    """
    # Cells met at each corner: a correlation, by way of Fourier transforms wide enough not to wrap around.
    size = (2 * SIZE, 2 * SIZE)
    met = torch.fft.irfft2(torch.fft.rfft2(taken, s=size) * torch.fft.rfft2(shape, s=size).conj(), s=size)
    cells = torch.arange(SIZE, device=taken.device)
    fits = (cells <= room[:, :1])[:, :, None] & (cells <= room[:, 1:])[:, None]
    away = (cells - wanted[:, :1]).square()[:, :, None] + (cells - wanted[:, 1:]).square()[:, None]
    nowhere = 3 * CELLS  # further than any place
    least, nearest = away.masked_fill(~fits | (met[:, :SIZE, :SIZE] > 0.5), nowhere).flatten(1).min(dim=1)
    nearest = torch.stack([nearest // SIZE, nearest % SIZE], dim=1)
    return torch.where((least < nowhere)[:, None], nearest, wanted)
