"""A code of objects → logits over colours."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.common.grids import CELLS, SIZE
from arc_vae.models.object_slots.components import moved_to_corner
from arc_vae.models.object_slots.layers import OCTAVES, cumulative_product, fourier_features, residual_stack
from arc_vae.models.object_slots.layout import SlotLayout
from arc_vae.models.object_slots.placement import nearest_free_corner
from arc_vae.models.object_slots.pose_codec import OBJECT_COLORS, Poses, num_placements, rank_to_placement

# Of a cell to hold an object, at most; of a cell to hold one of a colour, at least: keeps logits finite.
MAX_FILLED, MIN_COLOR = 1 - 1e-5, 1e-7


class ObjectSlotDecoder(SlotLayout):
    """z → for each slot a painted shape, moved to its place and turned; then logits of all, the smaller before the
    larger.
    """

    shift: Tensor  # by how much a canvas's row (second index) moves to become a grid's row; SIZE where it moves up

    def __init__(self, latent_dim: int, num_slots: int | None, hidden_dim: int, num_blocks: int):
        super().__init__(latent_dim, num_slots, hidden_dim, num_blocks)
        self.hidden = nn.Linear(self.shape_allocation.max_dims * (1 + 2 * OCTAVES + 3) + 2 * SIZE, hidden_dim)
        self.blocks = residual_stack(hidden_dim, num_blocks)
        self.paint = nn.Linear(hidden_dim, CELLS)
        nn.init.constant_(self.paint.bias, -3.0)  # most cells are empty
        self.sharpness = nn.Parameter(torch.tensor(8.0))
        cells = torch.arange(SIZE)
        shift = cells[:, None] - cells[None, :]
        self.register_buffer("shift", torch.where(shift >= 0, shift, SIZE), persistent=False)

    def forward(self, z: Tensor, apart: bool = True) -> Tensor:
        """z (B, d) → logits (B, 10, 16, 16): log-probabilities.

        `apart`: whether an object that would overlap a larger one is moved to a free place; never while training.
        """
        objects = self.pose_codec.decode(z[:, : self.num_slots])
        z = z.float()
        # A slot holds an object if it does not say stop and none before it does.
        present = cumulative_product(torch.sigmoid(self.sharpness.abs() * objects.past_stop))
        canvas = self.paint_shapes(z, objects.num_objects, objects.extent)
        detour = self.overlap_offsets(canvas, objects) if apart and not self.training else 0
        placed, colors = self.place_shapes(canvas, objects, detour)
        placed = placed.view(z.shape[0], self.num_slots, SIZE, SIZE) * present[:, :, None, None]
        return self.composite(placed.clamp(max=MAX_FILLED), colors.view(z.shape[0], self.num_slots, -1))

    def paint_shapes(self, z: Tensor, count: Tensor, extent: Tensor) -> Tensor:
        """Codes (B, d) of so many objects (B,), of so many rows and columns (B, S, 2) → cells' probabilities to be
        filled (B · S, 16, 16), 0 outside each one's rows and columns.
        """
        own = fourier_features(self.shape_allocation.split_code(z, count))
        box = F.one_hot(extent - 1, SIZE).flatten(2)
        h = self.hidden(torch.cat([own, self.shape_allocation.slot_features(count), box], dim=2)).flatten(0, 1)
        painted = self.paint(self.blocks(h)).float().sigmoid().view(-1, SIZE, SIZE)
        row, column = (torch.arange(SIZE, device=extent.device) < extent.flatten(0, 1)[:, :, None]).unbind(dim=1)
        return painted * (row[:, :, None] & column[:, None])

    def place_shapes(self, canvas: Tensor, objects: Poses, detour: Tensor | int = 0) -> tuple[Tensor, Tensor]:
        """Canvases (B · S, 16, 16) → the same, moved to the two placements nearest to each one's rank, weighted by how
        near, and turned; and the probabilities of their colours (B · S, 9).

        Neighbouring placements differ in row, column or colour alone, so that the three are independent.
        """
        extent, rank = objects.extent.flatten(0, 1), objects.rank.flatten()
        first = torch.minimum(rank.detach().floor().long().clamp(min=0), num_placements(extent) - 2)
        second = torch.sigmoid(self.sharpness.abs() * (rank - first - 0.5))[:, None]
        moves, colors = [], []  # of both placements
        for share, placement in ((1 - second, first), (second, first + 1)):
            color, corner = rank_to_placement(placement, extent)
            corner = torch.minimum((corner + detour).clamp(min=0), SIZE - extent)
            moves.append(share[:, :, None] * F.one_hot(corner, SIZE))
            colors.append(share * F.one_hot(color, OBJECT_COLORS))
        down, right = self._moves(moves[0] + moves[1])
        with torch.autocast(canvas.device.type, enabled=False):
            moved = down @ canvas @ right.mT
        return self.symmetries.invert(moved, objects.symmetry.flatten()), colors[0] + colors[1]

    @torch.no_grad()
    def overlap_offsets(self, canvas: Tensor, objects: Poses) -> Tensor:
        """By how many rows and columns each object, upright, has to move so as to be on none of the larger ones,
        (B · S, 2).

        To the nearest free place within the grid; objects for which there is none stay. The prior draws places
        independently of each other, and would put one object on another where a corpus does not.
        """
        count, extent, symmetry = objects.num_objects, objects.extent, objects.symmetry
        _, wanted = objects.nearest_placement()
        shapes = (canvas > 0.5).float().view(*symmetry.shape, SIZE, SIZE)
        taken = torch.zeros_like(shapes[:, 0])
        corners = []
        for slot in range(self.num_slots):
            # The object stays upright, and the grid with the larger ones is turned.
            turned = self.symmetries.transform(taken, symmetry[:, slot])
            corners.append(nearest_free_corner(turned, shapes[:, slot], wanted[:, slot], SIZE - extent[:, slot]))
            placed = self.symmetries.invert(moved_to_corner(shapes[:, slot], -corners[-1]), symmetry[:, slot])
            taken += placed * (slot < count)[:, None, None]
        return (torch.stack(corners, dim=1) - wanted).flatten(0, 1)

    def _moves(self, corner: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of a corner's row and column (N, 2, 16) → of each row to come from each of a canvas' rows,
        and of each column likewise, (N, 16, 16) both.
        """
        down, right = F.pad(corner, (0, 1))[:, :, self.shift].unbind(dim=1)
        return down, right

    def composite(self, filled: Tensor, colors: Tensor) -> Tensor:
        """Objects' cells (B, S, 16, 16) and colours (B, S, 9), the last in front → log-probabilities."""
        clear = cumulative_product((1 - filled).flip(1)).flip(1)  # of each object and all before it
        before = F.pad(clear[:, 1:], (0, 0, 0, 0, 0, 1), value=1.0)
        with torch.autocast(filled.device.type, enabled=False):
            color = torch.einsum("bsc,bshw->bchw", colors, filled * before)
        return torch.cat([clear[:, :1], color.clamp(min=MIN_COLOR)], dim=1).log()
