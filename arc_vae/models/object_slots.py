"""A VAE whose code is one of objects: each slot says where its objects lie and what they look like.

The d dimensions are divided among S slots. An encoder without parameters deals the grid's connected components to
the slots and moves each slot's to the corner; a network shared by all slots encodes what is there. The decoder paints
each slot's canvas, moves it to its place, and lets the slots' objects compete for each cell. Where and what apart is
AIR's idea (Eslami et al. 2016), one network for every slot that of slot attention (Locatello et al. 2020).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.errors import require
from arc_vae.grids import BACKGROUND, CELLS, NUM_COLORS, SIZE
from arc_vae.models.beta_vae import GaussianVAE
from arc_vae.models.encoder import MIN_SIGMA, Posterior, one_hot
from arc_vae.models.objects import align, deal

WHERE = 2  # dimensions of a slot that say how far down and how far right
OBJECT_COLORS = NUM_COLORS - 1
# What a canvas is described by: where it is filled, by which colour each cell, by which colours at all.
PARTS = (CELLS, OBJECT_COLORS * CELLS, OBJECT_COLORS)
OCTAVES = 3
# Of a cell to hold no object, and to hold one of a colour: keeps log odds finite.
MIN_EMPTY, MIN_COLOR = 1e-5, 1e-7


class ResidualBlock(nn.Module):
    """x + W₂ relu(W₁ norm(x)) on (N, width), near the identity at first (He et al. 2016, pre-activation)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        for layer, scale in ((self.first, 1.0), (self.second, 0.3)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            layer.weight.data *= scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(self.norm(x))))


def residual_stack(width: int, num_blocks: int) -> nn.Sequential:
    """Residual blocks, then a norm and a ReLU."""
    return nn.Sequential(*(ResidualBlock(width) for _ in range(num_blocks)), nn.LayerNorm(width), nn.ReLU())


def fourier_features(z: Tensor, octaves: int = OCTAVES) -> Tensor:
    """z (N, d) → (N, d · (1 + 2 · octaves)): z itself, then sine and cosine of π/2 · z, π · z, 2π · z, ...

    Without them a network reads a code smoothly, too smoothly to tell neighbours apart (Tancik et al. 2020).
    """
    angles = [z * (math.pi * 2 ** (octave - 1)) for octave in range(octaves)]
    return torch.cat([z, *(wave(angle) for angle in angles for wave in (torch.sin, torch.cos))], dim=1)


def position_to_code(position: Tensor) -> Tensor:
    """Rows or columns 0-15 → z: the quantiles of N(0, 1) at which sixteen equally likely places stand."""
    return math.sqrt(2) * torch.erfinv(2 * (position + 0.5) / SIZE - 1)


def code_to_position(z: Tensor) -> Tensor:
    """z → rows or columns, real numbers from -0.5 to 15.5: the inverse of `position_to_code`."""
    return SIZE * 0.5 * (1 + torch.erf(z / math.sqrt(2))) - 0.5


def extents(canvas: Tensor) -> Tensor:
    """Canvases (N, 9, 16, 16) of cells' probabilities → how many rows and columns, from the corner on, hold the cells
    that are more likely filled than not, int64 (N, 2); 1 where none are.
    """
    filled = canvas.sum(dim=1) > 0.5
    lines = torch.stack([filled.any(dim=2), filled.any(dim=1)], dim=1)  # (N, 2, 16)
    return (lines * torch.arange(1, SIZE + 1, device=canvas.device)).amax(dim=2).clamp(min=1)


def checked_arguments(latent_dim: int, num_slots: int, hidden_dim: int, num_blocks: int) -> dict[str, int]:
    """The arguments by name; sizes that leave a slot without a dimension for its looks are refused."""
    require(num_slots >= 1, "num_slots", num_slots, "at least 1")
    require(hidden_dim >= 1, "hidden_dim", hidden_dim, "at least 1")
    require(num_blocks >= 0, "num_blocks", num_blocks, "0 or more")
    wanted = f"a multiple of num_slots={num_slots}, at least {(WHERE + 1) * num_slots}: two of a slot's are its place"
    require(latent_dim % num_slots == 0 and latent_dim > WHERE * num_slots, "latent_dim", latent_dim, wanted)
    return {"latent_dim": latent_dim, "num_slots": num_slots, "hidden_dim": hidden_dim, "num_blocks": num_blocks}


class ObjectSlotEncoder(nn.Module):
    """Grids → for each slot μ and σ of where (2) and what (d / S - 2).

    Args:
        latent_dim: d. num_slots: S. hidden_dim: width of the dense layers. num_blocks: residual blocks.
    """

    def __init__(self, latent_dim: int, num_slots: int, hidden_dim: int, num_blocks: int):
        super().__init__()
        self.arguments = checked_arguments(latent_dim, num_slots, hidden_dim, num_blocks)
        self.num_slots = num_slots
        slot_dim = latent_dim // num_slots
        self.read = nn.Linear(sum(PARTS), hidden_dim)
        self.read.weight.data *= 8  # some twenty of its 2,569 inputs are ones
        self.slot = nn.Parameter(0.1 * torch.randn(num_slots, hidden_dim))
        self.blocks = residual_stack(hidden_dim, num_blocks)
        self.mu_head = nn.Linear(hidden_dim, slot_dim - WHERE)
        self.sigma_head = nn.Linear(hidden_dim, slot_dim)
        # Precise from the start: a wide posterior teaches the decoder to ignore the code.
        nn.init.zeros_(self.sigma_head.weight)
        sigma = torch.tensor([0.1] * WHERE + [0.3] * (slot_dim - WHERE))
        self.sigma_head.bias.data = torch.log(torch.expm1(sigma))

    def forward(self, grids: Tensor) -> Posterior:
        """Integer grids (B, 16, 16) → posterior with mu, logvar (B, d), slot after slot."""
        objects = align(deal(grids, self.num_slots).flatten(0, 1))
        colors = one_hot(objects.grids)[:, BACKGROUND + 1 :]
        filled, palette = colors.sum(dim=1), colors.sum(dim=(2, 3)).clamp(max=1)
        h = self.read(torch.cat([filled.flatten(1), colors.flatten(1), palette], dim=1))
        h = self.blocks((h.view(len(grids), self.num_slots, -1) + self.slot.to(h.dtype)).flatten(0, 1))
        sigma = F.softplus(self.sigma_head(h).float()) + MIN_SIGMA
        where, what = position_to_code(objects.corner.float()), self.mu_head(h).float()
        # Where nothing is, is nowhere: the prior, at no cost.
        nowhere = objects.empty[:, None]
        mu = torch.cat([where.masked_fill(nowhere, 0), what], dim=1)
        sigma = torch.cat([sigma[:, :WHERE].masked_fill(nowhere, 1), sigma[:, WHERE:]], dim=1)
        return Posterior(mu.view(len(grids), -1), 2 * torch.log(sigma).view(len(grids), -1))


class ObjectSlotDecoder(nn.Module):
    """z → for each slot a canvas of objects, moved to its place; then logits of all slots together.

    Args:
        latent_dim: d. num_slots: S. hidden_dim: width of the dense layers. num_blocks: residual blocks.
    """

    def __init__(self, latent_dim: int, num_slots: int, hidden_dim: int, num_blocks: int):
        super().__init__()
        self.arguments = checked_arguments(latent_dim, num_slots, hidden_dim, num_blocks)
        self.num_slots = num_slots
        looks = (latent_dim // num_slots - WHERE) * (1 + 2 * OCTAVES)
        self.hidden = nn.Linear(looks, hidden_dim)
        self.slot = nn.Parameter(0.1 * torch.randn(num_slots, hidden_dim))
        self.blocks = residual_stack(hidden_dim, num_blocks)
        self.paint = nn.Linear(hidden_dim, sum(PARTS))
        self.sharpness = nn.Parameter(torch.tensor(4.0))
        cells = torch.arange(SIZE)
        # By how much a canvas' row (second index) moves to become a grid's row; SIZE where it would move up.
        shift = cells[:, None] - cells[None, :]
        self.register_buffer("shift", torch.where(shift >= 0, shift, SIZE), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """z (B, d) → logits (B, 10, 16, 16), unnormalised."""
        slots = z.view(len(z), self.num_slots, -1)
        canvas = self.canvas(slots[:, :, WHERE:])
        placed = self.place(canvas, slots[:, :, :WHERE].flatten(0, 1))
        placed = placed.view(len(z), self.num_slots, *placed.shape[1:]).clamp(min=MIN_COLOR)
        empty = (1 - placed.sum(dim=2, keepdim=True)).clamp(min=MIN_EMPTY)
        odds = (placed / empty).sum(dim=1)  # of each colour against an empty cell; any slot may fill it
        return torch.cat([torch.zeros_like(odds[:, :1]), odds.log()], dim=1)

    def canvas(self, what: Tensor) -> Tensor:
        """What each slot holds (B, S, ·) → each cell's probabilities of the object colours (B · S, 9, 16, 16)."""
        h = self.hidden(fourier_features(what.flatten(0, 1))).view(*what.shape[:2], -1)
        h = self.blocks((h + self.slot.to(h.dtype)).flatten(0, 1))
        filled, colors, palette = self.paint(h).float().split(PARTS, dim=1)
        logits = filled[:, None] + colors.view(-1, OBJECT_COLORS, CELLS) + palette[:, :, None]
        # Against a background whose logit is 0.
        return F.pad(logits, (0, 0, 1, 0)).softmax(dim=1)[:, 1:].view(-1, OBJECT_COLORS, SIZE, SIZE)

    def place(self, canvas: Tensor, where: Tensor) -> Tensor:
        """Canvases (N, 9, 16, 16) moved down and right by whole cells, as likely as `where` (N, 2) makes each.

        No further than they fit: the prior of a place does not know of sizes, and would cut objects off at the border.
        """
        position = torch.minimum(code_to_position(where.float()), SIZE - extents(canvas))[:, :, None]
        steps = torch.arange(SIZE, device=where.device)
        likely = (-self.sharpness.abs() * (steps - position) ** 2).softmax(dim=2)
        moves = F.pad(likely, (0, 1))[:, :, self.shift]  # (N, 2, 16, 16): to this row from that
        down, right = moves.unbind(dim=1)
        with torch.autocast(canvas.device.type, enabled=False):
            across = torch.einsum("ncyx,nwx->ncyw", canvas, right)
            return torch.einsum("ncyw,nhy->nchw", across, down)


class ObjectSlotVAE(GaussianVAE):
    """The β-VAE with a code of objects: `latent_dim` / `num_slots` dimensions a slot, two of them its place.

    Args:
        latent_dim: d, a multiple of num_slots.
        num_slots: S; grids of more objects have several in one slot.
        hidden_dim: width of the dense layers. num_blocks: residual blocks in encoder and decoder.

    Raises:
        InvalidValue: sizes that leave a slot no dimension for what its objects look like.
    """

    def __init__(self, latent_dim: int = 10, num_slots: int = 2, hidden_dim: int = 512, num_blocks: int = 3):
        super().__init__(
            latent_dim,
            ObjectSlotEncoder(latent_dim, num_slots, hidden_dim, num_blocks),
            ObjectSlotDecoder(latent_dim, num_slots, hidden_dim, num_blocks),
        )
