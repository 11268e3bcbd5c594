"""How objects share a code: a dimension each, one to say "stop", and the others are their shapes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ShapeDims(nn.Module):
    """Which of a code's d dimensions are whose, by the number n of objects, 1 to S.

    The first n are one object's each, the next says "stop", but for n = S, and the others are dealt in turn for the
    shapes: of n objects the i-th has every n-th from the i-th on, so that one object has them all and two have half
    each.

    Args:
        latent_dim: d, above S. num_slots: S.
    """

    def __init__(self, latent_dim: int, num_slots: int):
        super().__init__()
        self.num_slots = num_slots
        self.most = latent_dim - 1  # dimensions that an object's shape has, at most: D
        count = torch.arange(num_slots + 1).clamp(min=1)[:, None]
        first = (count + 1).clamp(max=num_slots)
        slot, turn, dim = torch.arange(num_slots)[:, None], torch.arange(self.most), torch.arange(latent_dim)
        owned = first[:, :, None] + slot + turn * count[:, :, None]  # (S + 1, S, D): by number, slot and turn
        nothing = (owned >= latent_dim) | (slot >= count[:, :, None])
        owner, when = (dim - first) % count, torch.div(dim - first, count, rounding_mode="floor")
        tables = {
            "owned": owned.masked_fill(nothing, latent_dim),
            # By number and dimension, (S + 1, d): whether it is a shape's, and where in all slots' own it comes from.
            "of_shapes": dim >= first,
            "source": (owner * self.most + when).masked_fill(dim < first, 0),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def features(self, count: Tensor) -> Tensor:
        """Numbers of objects (B,) → how many dimensions each slot has, which slot it is, how many objects there are:
        indicators (B, S, 3D), as wide for any S.
        """
        number = torch.arange(self.most, device=count.device)
        slot = torch.arange(self.num_slots, device=count.device)[:, None] == number
        counts = (count[:, None] == number + 1)[:, None].expand(-1, self.num_slots, -1)
        owned = self.owned[count] <= self.most
        return torch.cat([owned, slot.expand_as(counts), counts], dim=2).float()

    def join(self, where: Tensor, shapes: Tensor, count: Tensor) -> Tensor:
        """What slots say of themselves (B, S) and of their shapes, each from its first dimension on (B, S, D) → the
        code (B, d) of so many objects (B,).
        """
        shapes = shapes.flatten(1).gather(1, self.source[count])
        return torch.where(self.of_shapes[count], shapes, F.pad(where, (0, shapes.shape[1] - self.num_slots)))

    def shapes(self, code: Tensor, count: Tensor) -> Tensor:
        """The code (B, d) of so many objects (B,) → every slot's own (B, S, D), 0 where it has none."""
        return F.pad(code, (0, 1)).gather(1, self.owned[count].flatten(1)).view(len(code), self.num_slots, -1)
