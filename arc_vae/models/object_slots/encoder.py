"""Grids → posterior over a code of objects."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.common.grids import BACKGROUND, CELLS, NUM_COLORS
from arc_vae.models.base import MIN_SIGMA, Posterior
from arc_vae.models.object_slots.components import Cropped, assign_to_slots, bounding_boxes, crop_to_corner
from arc_vae.models.object_slots.layers import residual_stack
from arc_vae.models.object_slots.layout import SlotLayout


class ObjectSlotEncoder(SlotLayout):
    """Grids → μ and σ of each object's place, size, symmetry and colour, then of the shapes."""

    def __init__(self, latent_dim: int, num_slots: int | None, hidden_dim: int, num_blocks: int):
        super().__init__(latent_dim, num_slots, hidden_dim, num_blocks)
        shape_dim = self.shape_allocation.max_dims
        self.read = nn.Linear(CELLS + 3 * shape_dim, hidden_dim)
        self.read.weight.data *= 8  # some ten of its inputs are ones
        self.blocks = residual_stack(hidden_dim, num_blocks)
        self.mu_head = nn.Linear(hidden_dim, shape_dim)
        self.sigma_head = nn.Linear(hidden_dim, 1 + shape_dim)
        # Precise from the start: a wide posterior teaches the decoder to ignore the code.
        nn.init.zeros_(self.sigma_head.weight)
        nn.init.constant_(self.sigma_head.bias, math.log(math.expm1(0.3)))

    def forward(self, grids: Tensor) -> Posterior:
        """Integer grids (B, 16, 16) → posterior with mu, logvar (B, d)."""
        objects, symmetry, count = self.extract_objects(grids)
        per_grid = (grids.shape[0], self.num_slots, -1)
        filled = (objects.grids != BACKGROUND).float().view(per_grid)
        h = self.blocks(self.read(torch.cat([filled, self.shape_allocation.slot_features(count)], dim=2)).flatten(0, 1))
        shape_mu = self.mu_head(h).float().view(per_grid)
        sigma = F.softplus(self.sigma_head(h).float()).view(per_grid) + MIN_SIGMA
        # Objects that share a slot are of one colour to it: that of most cells.
        color = count_colors(objects.grids)[:, BACKGROUND + 1 :].argmax(dim=1)
        mu, spacing = self.pose_codec.encode(
            count, color.view_as(symmetry), symmetry, objects.extent.view(per_grid), objects.corner.view(per_grid)
        )
        stop_mu, stop_sigma = self.pose_codec.stop_posterior()
        stops = torch.arange(self.num_slots, device=grids.device) == count[:, None]
        where_mu = torch.where(stops, stop_mu, mu)
        where_sigma = torch.where(stops, stop_sigma, sigma[:, :, 0] * spacing)
        mu = self.shape_allocation.assemble_code(where_mu, shape_mu, count)
        sigma = self.shape_allocation.assemble_code(where_sigma, sigma[:, :, 1:], count)
        return Posterior(mu, 2 * torch.log(sigma))

    def extract_objects(self, grids: Tensor) -> tuple[Cropped, Tensor, Tensor]:
        """Integer grids (B, 16, 16) → the slots' objects, upright, in the corner (B · S); the symmetries that put them
        so (B, S); how many slots hold one, at least 1 (B,).
        """
        slots = assign_to_slots(grids, self.num_slots).flatten(0, 1)
        boxes = bounding_boxes(slots)
        symmetry = self.symmetries.canonical(slots, boxes)
        upright = self.symmetries.transform(slots, symmetry)
        objects = crop_to_corner(upright, self.symmetries.transform_box(*boxes, symmetry))
        count = (~objects.empty).view(grids.shape[0], self.num_slots).sum(dim=1).clamp(min=1)
        return objects, symmetry.view(grids.shape[0], self.num_slots), count


def count_colors(grids: Tensor) -> Tensor:
    """Integer grids (N, 16, 16) → how many cells of each colour, int32 (N, 10)."""
    cells = grids.flatten(1).long()
    count = torch.zeros(grids.shape[0], NUM_COLORS, dtype=torch.int32, device=grids.device)
    return count.scatter_add_(1, cells, torch.ones_like(cells, dtype=torch.int32))
