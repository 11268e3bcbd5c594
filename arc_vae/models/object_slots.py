"""A VAE whose code is one of objects: where each stands, how large, of which colour and how turned, then their shapes.

In the code of n objects the first n dimensions say how many rows and columns each takes up, how it is turned or
mirrored, of which colour it is and where its corner stands; the next says that there are no more. All others hold the
shapes: they are dealt in turn to the objects, so that one object has them all and two have half each. An encoder
without parameters finds the grid's connected components, largest first, and turns each upright, so that eight shapes
are one; one network encodes the shape of every object, another paints it within its box; painted shapes are moved to
their places and turned back, the smaller before the larger. Where and what apart, and one object after the other, is
AIR's idea (Eslami et al. 2016), one network for every slot that of slot attention (Locatello et al. 2020).
"""

import logging
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.grids import BACKGROUND, CELLS, NUM_COLORS, SIZE
from arc_vae.models.beta_vae import GaussianVAE
from arc_vae.models.dense import OCTAVES, fourier_features, residual_stack
from arc_vae.models.encoder import MIN_SIGMA, Posterior
from arc_vae.models.object_paths import object_paths
from arc_vae.models.objects import Aligned, align, count_objects, deal
from arc_vae.models.placing import nearest_free
from arc_vae.models.slots import Slots
from arc_vae.models.stations import OBJECT_COLORS, Objects, form_number, gray_read, stations_of

logger = logging.getLogger(__name__)

# Of a corpus's grids, how many may hold more objects than there are slots before that is worth a word.
CROWDED_SHARE = 0.01
# Grids of the train split by which the prior's forms and numbers of objects are counted, and how many at a time.
COUNTED, COUNTED_AT_ONCE = 50_000, 1000
# Of a cell to hold an object, at most; of a cell to hold one of a colour, at least: keeps logits finite.
MAX_FILLED, MIN_COLOR = 1 - 1e-5, 1e-7


class ObjectSlotEncoder(Slots):
    """Grids → μ and σ of each object's place, size, symmetry and colour, then of the shapes."""

    def __init__(self, latent_dim: int, num_slots: int | None, hidden_dim: int, num_blocks: int):
        super().__init__(latent_dim, num_slots, hidden_dim, num_blocks)
        shape_dim = self.shape_dims.most
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
        objects, symmetry, count = self.objects(grids)
        per_grid = (len(grids), self.num_slots, -1)
        filled = (objects.grids != BACKGROUND).float().view(per_grid)
        h = self.blocks(self.read(torch.cat([filled, self.shape_dims.features(count)], dim=2)).flatten(0, 1))
        shape_mu = self.mu_head(h).float().view(per_grid)
        sigma = F.softplus(self.sigma_head(h).float()).view(per_grid) + MIN_SIGMA
        # Objects that share a slot are of one colour to it: that of most cells.
        color = F.one_hot(objects.grids.flatten(1).long(), NUM_COLORS).sum(dim=1)[:, BACKGROUND + 1 :].argmax(dim=1)
        mu, spacing = self.stations.code(
            count, color.view_as(symmetry), symmetry, objects.extent.view(per_grid), objects.corner.view(per_grid)
        )
        stop_mu, stop_sigma = self.stations.stop()
        stops = torch.arange(self.num_slots, device=grids.device) == count[:, None]
        where_mu = torch.where(stops, stop_mu, mu)
        where_sigma = torch.where(stops, stop_sigma, sigma[:, :, 0] * spacing)
        mu = self.shape_dims.join(where_mu, shape_mu, count)
        sigma = self.shape_dims.join(where_sigma, sigma[:, :, 1:], count)
        return Posterior(mu, 2 * torch.log(sigma))

    def objects(self, grids: Tensor) -> tuple[Aligned, Tensor, Tensor]:
        """Integer grids (B, 16, 16) → the slots' objects, upright, in the corner (B · S); the symmetries that put them
        so (B, S); how many slots hold one, at least 1 (B,).
        """
        objects = deal(grids, self.num_slots).flatten(0, 1)
        symmetry = self.symmetries.upright(objects)
        objects = align(self.symmetries.turn(objects, symmetry))
        count = (~objects.empty).view(len(grids), self.num_slots).sum(dim=1).clamp(min=1)
        return objects, symmetry.view(len(grids), self.num_slots), count


class ObjectSlotDecoder(Slots):
    """z → for each slot a painted shape, moved to its place and turned; then logits of all, the smaller before the
    larger.
    """

    def __init__(self, latent_dim: int, num_slots: int | None, hidden_dim: int, num_blocks: int):
        super().__init__(latent_dim, num_slots, hidden_dim, num_blocks)
        self.hidden = nn.Linear(self.shape_dims.most * (1 + 2 * OCTAVES + 3) + 2 * SIZE, hidden_dim)
        self.blocks = residual_stack(hidden_dim, num_blocks)
        self.paint = nn.Linear(hidden_dim, CELLS)
        nn.init.constant_(self.paint.bias, -3.0)  # most cells are empty
        self.sharpness = nn.Parameter(torch.tensor(8.0))
        cells = torch.arange(SIZE)
        # By how much a canvas' row (second index) moves to become a grid's row; SIZE where it would move up.
        shift = cells[:, None] - cells[None, :]
        self.register_buffer("shift", torch.where(shift >= 0, shift, SIZE), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """z (B, d) → logits (B, 10, 16, 16): log-probabilities."""
        z = z.float()
        objects = self.stations.read(z[:, : self.num_slots])
        # A slot holds an object if it does not say stop and none before it does.
        present = torch.sigmoid(self.sharpness.abs() * objects.past_stop).cumprod(dim=1)
        canvas = self.canvas(z, objects.count, objects.extent)
        detour = 0 if self.training else self.detours(canvas, objects)
        placed, colors = self.place(canvas, objects, detour)
        placed = placed.view(len(z), self.num_slots, SIZE, SIZE) * present[:, :, None, None]
        return self.compose(placed.clamp(max=MAX_FILLED), colors.view(len(z), self.num_slots, -1))

    def canvas(self, z: Tensor, count: Tensor, extent: Tensor) -> Tensor:
        """Codes (B, d) of so many objects (B,), of so many rows and columns (B, S, 2) → cells' probabilities to be
        filled (B · S, 16, 16), 0 outside each one's rows and columns.
        """
        own = fourier_features(self.shape_dims.shapes(z, count))
        box = F.one_hot(extent - 1, SIZE).flatten(2)
        h = self.hidden(torch.cat([own, self.shape_dims.features(count), box], dim=2)).flatten(0, 1)
        painted = self.paint(self.blocks(h)).float().sigmoid().view(-1, SIZE, SIZE)
        row, column = (torch.arange(SIZE, device=extent.device) < extent.flatten(0, 1)[:, :, None]).unbind(dim=1)
        return painted * (row[:, :, None] & column[:, None])

    def place(self, canvas: Tensor, objects: Objects, detour: Tensor | int = 0) -> tuple[Tensor, Tensor]:
        """Canvases (B · S, 16, 16) moved to the two stations nearest to each one's rank, as likely as it makes each,
        and turned; and the probabilities of their colours (B · S, 9).

        Neighbouring stations differ in row, column or colour alone, so that the three are independent.
        """
        extent, rank = objects.extent.flatten(0, 1), objects.rank.flatten()
        first = torch.minimum(rank.detach().floor().clamp(min=0).long(), stations_of(extent) - 2)
        second = torch.sigmoid(self.sharpness.abs() * (rank - first - 0.5))[:, None]
        moves, colors = 0, 0
        for share, station in ((1 - second, first), (second, first + 1)):
            color, corner = gray_read(station, extent)
            corner = torch.minimum((corner + detour).clamp(min=0), SIZE - extent)
            moves = moves + share[:, :, None] * F.one_hot(corner, SIZE)
            colors = colors + share * F.one_hot(color, OBJECT_COLORS)
        down, right = self._moves(moves)
        with torch.autocast(canvas.device.type, enabled=False):
            moved = down @ canvas @ right.mT
        return self.symmetries.turn_back(moved, objects.symmetry.flatten()), colors

    @torch.no_grad()
    def detours(self, canvas: Tensor, objects: Objects) -> Tensor:
        """By how many rows and columns each object, upright, has to move so as to be on none of the larger ones,
        (B · S, 2).

        To the nearest free place within the grid; objects for which there is none stay. The prior draws places
        independently of each other, and would put one object on another where a corpus does not.
        """
        count, extent, symmetry = objects.count, objects.extent, objects.symmetry
        _, wanted = objects.nearest_station()
        shapes = (canvas > 0.5).float().view(*symmetry.shape, SIZE, SIZE)
        taken = torch.zeros_like(shapes[:, 0])
        corners = []
        for slot in range(self.num_slots):
            # The object stays upright, and the grid with the larger ones is turned.
            turned = self.symmetries.turn(taken, symmetry[:, slot])
            corners.append(nearest_free(turned, shapes[:, slot], wanted[:, slot], SIZE - extent[:, slot]))
            down, right = self._moves(F.one_hot(corners[-1], SIZE).float())
            placed = self.symmetries.turn_back(down @ shapes[:, slot] @ right.mT, symmetry[:, slot])
            taken += placed * (slot < count)[:, None, None]
        return (torch.stack(corners, dim=1) - wanted).flatten(0, 1)

    def _moves(self, corner: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of a corner's row and column (N, 2, 16) → of each row to come from each of a canvas' rows,
        and of each column likewise, (N, 16, 16) both.
        """
        return F.pad(corner, (0, 1))[:, :, self.shift].unbind(dim=1)

    def compose(self, filled: Tensor, colors: Tensor) -> Tensor:
        """Objects' cells (B, S, 16, 16) and colours (B, S, 9), the last in front → log-probabilities."""
        clear = (1 - filled).flip(1).cumprod(dim=1).flip(1)  # of each object and all before it
        before = F.pad(clear[:, 1:], (0, 0, 0, 0, 0, 1), value=1.0)
        with torch.autocast(filled.device.type, enabled=False):
            color = torch.einsum("bsc,bshw->bchw", colors, filled * before)
        return torch.cat([clear[:, :1], color.clamp(min=MIN_COLOR)], dim=1).log()


class ObjectSlotVAE(GaussianVAE):
    """The β-VAE with a code of objects: a dimension for each one's place, size, symmetry and colour, the others for
    their shapes.

    Args:
        latent_dim: d, above num_slots.
        num_slots: S, the most objects that a grid's code tells apart; of more, several share a slot and its colour.
            None: as many as 99 % of the grids that the model looks at hold, if d allows it.
        hidden_dim: width of the dense layers. num_blocks: residual blocks in encoder and decoder.

    Raises:
        InvalidValue: sizes that leave no dimension for the objects' shapes.
    """

    def __init__(self, latent_dim: int = 10, num_slots: int | None = None, hidden_dim: int = 256, num_blocks: int = 3):
        super().__init__(
            latent_dim,
            ObjectSlotEncoder(latent_dim, num_slots, hidden_dim, num_blocks),
            ObjectSlotDecoder(latent_dim, num_slots, hidden_dim, num_blocks),
        )

    @torch.no_grad()
    def look_at(self, grids: Tensor) -> None:
        """Lay the code out for as many objects as the grids hold, and count how many and of which forms: the prior has
        as many of each.
        """
        parts = grids[:: math.ceil(len(grids) / COUNTED)].split(COUNTED_AT_ONCE)
        if self.encoder.arguments["num_slots"] is None:
            enough = slots_enough(torch.cat([count_objects(part) for part in parts]))
            num_slots = min(enough, self.encoder.max_slots)
            logger.info("99 %% of the train grids hold at most %d objects: model.num_slots=%d", enough, num_slots)
            for half in (self.encoder, self.decoder):
                half.use_slots(num_slots)
        counts, forms = [], []
        for part in parts:
            objects, symmetry, count = self.encoder.objects(part)
            counts.append(count)
            forms.append(form_number(objects.extent.view(*symmetry.shape, 2), symmetry))
        for half in (self.encoder, self.decoder):
            half.stations.forms.add(torch.cat(counts), torch.cat(forms))

    def other_paths(self, start: Tensor, end: Tensor, steps: int) -> dict[str, Tensor]:
        """The path named "objects", on which these move."""
        return {"objects": object_paths(self.decoder.stations, self.decoder.symmetries, start, end, steps)}

    def misfit(self, grids: Tensor) -> str | None:
        """That more than one grid in a hundred holds more objects than there are slots."""
        num_slots, count = self.encoder.num_slots, count_objects(grids)
        crowded = (count > num_slots).float().mean().item()
        if crowded <= CROWDED_SHARE:
            return None
        enough = slots_enough(count)
        possible = enough <= self.encoder.max_slots
        advice = f"set model.num_slots={enough}" if possible else "model=beta_vae suits crowded grids better"
        return (
            f"{crowded:.0%} of the grids hold more objects than model.num_slots={num_slots}, up to {count.max()}; "
            f"objects that share a slot lose their colours and shapes: {advice}"
        )


def slots_enough(count: Tensor) -> int:
    """How many slots suffice for grids of so many objects (N,), but for one in a hundred."""
    return max(1, math.ceil(count.float().quantile(1 - CROWDED_SHARE).item()))
