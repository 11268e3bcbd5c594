"""Which dimensions of a code belong to which object: one for each pose, one for "stop", the others for the shapes."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.common.errors import require
from arc_vae.models.object_slots.pose_codec import PoseCodec
from arc_vae.models.object_slots.symmetries import Symmetries


class ShapeAllocation(nn.Module):
    """Assigns a code's d dimensions to poses, "stop" and shapes, by the number n of objects, 1 to S.

    The first n dimensions are the objects' poses. The next says "stop", unless n = S. The others hold the shapes, dealt
    in turn: of n objects the i-th has every n-th from the i-th on. So one object has them all, and two have half each.

    Args:
        latent_dim: d, above S. num_slots: S.
    """

    owned: Tensor  # by number of objects, slot and turn, (S + 1, S, D): the dimension; d where there is none
    of_shapes: Tensor  # by number of objects and dimension, (S + 1, d): whether it is a shape's
    source: Tensor  # likewise: its index among all slots' own dimensions (S · D)

    def __init__(self, latent_dim: int, num_slots: int):
        super().__init__()
        self.num_slots = num_slots
        self.max_dims = latent_dim - 1  # dimensions that an object's shape has, at most: D
        count = torch.arange(num_slots + 1).clamp(min=1)[:, None]
        first = (count + 1).clamp(max=num_slots)
        slot, turn, dim = torch.arange(num_slots)[:, None], torch.arange(self.max_dims), torch.arange(latent_dim)
        owned = first[:, :, None] + slot + turn * count[:, :, None]  # (S + 1, S, D): by number, slot and turn
        nothing = (owned >= latent_dim) | (slot >= count[:, :, None])
        owner, when = (dim - first) % count, torch.div(dim - first, count, rounding_mode="floor")
        tables = {
            "owned": owned.masked_fill(nothing, latent_dim),
            "of_shapes": dim >= first,
            "source": (owner * self.max_dims + when).masked_fill(dim < first, 0),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def slot_features(self, count: Tensor) -> Tensor:
        """Numbers of objects (B,) → indicators (B, S, 3D): each slot's number of dimensions, its own number, and that
        of objects. They are as wide for any S.
        """
        number = torch.arange(self.max_dims, device=count.device)
        slot = torch.arange(self.num_slots, device=count.device)[:, None] == number
        counts = (count[:, None] == number + 1)[:, None].expand(-1, self.num_slots, -1)
        owned = self.owned[count] <= self.max_dims
        return torch.cat([owned, slot.expand_as(counts), counts], dim=2).float()

    def assemble_code(self, where: Tensor, shapes: Tensor, count: Tensor) -> Tensor:
        """Poses (B, S), shapes from their first dimension on (B, S, D), numbers of objects (B,) → codes (B, d)."""
        shapes = shapes.flatten(1).gather(1, self.source[count])
        return torch.where(self.of_shapes[count], shapes, F.pad(where, (0, shapes.shape[1] - self.num_slots)))

    def split_code(self, code: Tensor, count: Tensor) -> Tensor:
        """Codes (B, d) of so many objects (B,) → each slot's shape dimensions (B, S, D), 0 where it has none."""
        return F.pad(code, (0, 1)).gather(1, self.owned[count].flatten(1)).view(code.shape[0], self.num_slots, -1)


# The tables of the prior's forms grow with the square of it: 20 MB at 16.
MAX_SLOTS = 16


class SlotLayout(nn.Module):
    """The layout of the code, which encoder and decoder share: the base class of both. Nothing in it is trained.

    Args:
        latent_dim: d. num_slots: S; None until `set_num_slots`, which then may be asked for any, up to
            `max_slots`.
        hidden_dim: width of the dense layers. num_blocks: residual blocks.
    """

    needs_float64 = True
    num_slots: int
    pose_codec: PoseCodec
    shape_allocation: ShapeAllocation

    def __init__(self, latent_dim: int, num_slots: int | None, hidden_dim: int, num_blocks: int):
        super().__init__()
        possible = num_slots is None or 1 <= num_slots <= MAX_SLOTS
        require(possible, "num_slots", num_slots, f"from 1 to {MAX_SLOTS}, or null")
        require(hidden_dim >= 1, "hidden_dim", hidden_dim, "at least 1")
        require(num_blocks >= 0, "num_blocks", num_blocks, "0 or more")
        needed = num_slots or 1
        wanted = f"above num_slots={needed}: a dimension is each slot's place and colour, the others are the shapes"
        require(latent_dim > needed, "latent_dim", latent_dim, wanted)
        self.arguments: dict[str, Any] = {
            "latent_dim": latent_dim,
            "num_slots": num_slots,
            "hidden_dim": hidden_dim,
            "num_blocks": num_blocks,
        }
        self.max_slots = min(latent_dim - 1, MAX_SLOTS)
        self.symmetries = Symmetries()
        self.set_num_slots(num_slots or self.max_slots)
        self.register_load_state_dict_pre_hook(_set_saved_num_slots)

    def set_num_slots(self, num_slots: int) -> None:
        """Lay the code out for that many slots; the weights suit any number."""
        device = next((parameter.device for parameter in self.parameters()), None)
        self.num_slots = num_slots
        self.pose_codec = PoseCodec(num_slots).to(device)
        self.shape_allocation = ShapeAllocation(self.arguments["latent_dim"], num_slots).to(device)


def _set_saved_num_slots(slots: SlotLayout, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Lay the code out as in a state dict that is about to be loaded. Loading refuses what is missing or impossible."""
    counts = state.get(f"{prefix}pose_codec.form_prior.counts", slots.pose_codec.form_prior.counts)
    if counts.dim() == 3 and 1 <= counts.shape[1] <= slots.max_slots:
        slots.set_num_slots(counts.shape[1])
