"""An object turned or mirrored is the same object: of its eight images one, the upright, stands for all.

Integers in, integers out, but for the images themselves: nothing here has parameters.
"""

import torch
from torch import Tensor, nn

from arc_vae.common.grids import BACKGROUND, NUM_SYMMETRIES, SIZE, symmetry_table
from arc_vae.models.object_slots.components import bounding_boxes

# What a cell weighs against the one above it, and against the one to its left.
DOWN, RIGHT = 0.83, 0.89


class Symmetries(nn.Module):
    """The square's eight symmetries: one of an object's eight images stands for all of them."""

    turned: Tensor  # by symmetry, the cell that each of an image's cells comes from, int64 (8, 256)
    back: Tensor  # by symmetry, the cell that each of a grid's cells goes to, int64 (8, 256)
    weight: Tensor  # what each cell weighs in each image, float64 (256, 8)

    def __init__(self) -> None:
        super().__init__()
        turned = torch.from_numpy(symmetry_table())
        back = turned.argsort(dim=1)
        # To move an image is to scale what it weighs, so that images compare wherever they stand. The two numbers are
        # unlike enough for an object's images to weigh the same only if they are the same.
        cells = torch.arange(SIZE, dtype=torch.float64)
        weight = torch.outer(DOWN**cells, RIGHT**cells).flatten()
        for name, constant in {"turned": turned, "back": back, "weight": weight[back].T}.items():
            self.register_buffer(name, constant, persistent=False)

    def transform(self, grids: Tensor, symmetry: Tensor) -> Tensor:
        """Grids (N, 16, 16) → their images under a symmetry each (N,)."""
        return grids.flatten(1).gather(1, self.turned[symmetry]).view_as(grids)

    def invert(self, grids: Tensor, symmetry: Tensor) -> Tensor:
        """Images (N, 16, 16) under a symmetry each (N,) → the grids."""
        return grids.flatten(1).gather(1, self.back[symmetry]).view_as(grids)

    def transform_box(self, corner: Tensor, extent: Tensor, symmetry: Tensor) -> tuple[Tensor, Tensor]:
        """Corners and extents (..., 2) of boxes in grids → those in the grids' images under a symmetry each (...)."""
        return self._box(self.back, corner, extent, symmetry)

    def invert_box(self, corner: Tensor, extent: Tensor, symmetry: Tensor) -> tuple[Tensor, Tensor]:
        """Corners and extents (..., 2) of boxes in images under a symmetry each (...) → those in the grids."""
        return self._box(self.turned, corner, extent, symmetry)

    @staticmethod
    def _box(goes_to: Tensor, corner: Tensor, extent: Tensor, symmetry: Tensor) -> tuple[Tensor, Tensor]:
        ends = torch.stack([corner, corner + extent - 1])
        cell = goes_to[symmetry, ends[..., 0] * SIZE + ends[..., 1]]
        first, last = torch.stack([cell // SIZE, cell % SIZE], dim=-1).aminmax(dim=0)
        return first, last + 1 - first

    @torch.no_grad()
    def canonical(self, grids: Tensor, boxes: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Integer grids (N, 16, 16) → the symmetry (N,) whose image of each grid's objects is the upright one; `boxes`
        where their `bounding_boxes` are known.

        It is broad, and full at its top left; all eight images of a grid have the same one, moved.
        """
        corner, extent = boxes or bounding_boxes(grids)
        eight = torch.arange(NUM_SYMMETRIES, device=grids.device)[:, None]
        corner, _ = self.transform_box(corner.expand(NUM_SYMMETRIES, -1, -1), extent, eight)
        down, right = corner.double().unbind(dim=-1)  # of each image, (8, N)
        filled = (grids != BACKGROUND).flatten(1).double()
        weight = (filled @ self.weight).T / (DOWN**down * RIGHT**right)
        return (weight > weight.amax(dim=0) * (1 - 1e-9)).int().argmax(dim=0)
