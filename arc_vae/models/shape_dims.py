"""How objects share the dimensions of their shapes: dealt in turn, so that one has them all and two have half each."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ShapeDims(nn.Module):
    """Of n objects the i-th has the dimensions i, i + n, i + 2n, ... of the D there are.

    Args:
        num_slots: S, the most objects. shape_dim: D.
    """

    def __init__(self, num_slots: int, shape_dim: int):
        super().__init__()
        self.num_slots, self.shape_dim = num_slots, shape_dim
        count = torch.arange(num_slots + 1).clamp(min=1)[:, None]
        slot, turn = torch.arange(num_slots)[:, None], torch.arange(shape_dim)
        owned = slot + turn * count[:, :, None]  # (S + 1, S, D): by number of objects, object and turn
        nothing = (owned >= shape_dim) | (slot >= count[:, :, None])
        self.register_buffer("owned", owned.masked_fill(nothing, shape_dim), persistent=False)
        # (S + 1, D): by number of objects and dimension, where the owner's is among all slots' own.
        self.register_buffer("source", turn % count * shape_dim + turn // count, persistent=False)

    def features(self, count: Tensor) -> Tensor:
        """Numbers of objects (B,) → which dimensions each slot has, which slot it is, how many objects there are:
        indicators (B, S, D + 2S).
        """
        owned = self.owned[count] < self.shape_dim
        slots = torch.eye(self.num_slots, device=count.device)
        counts = slots[count - 1][:, None].expand(-1, self.num_slots, -1)
        return torch.cat([owned, slots.expand_as(counts), counts], dim=2)

    def gather(self, per_slot: Tensor, count: Tensor) -> Tensor:
        """Every slot's own (B, S, D) → the code's (B, D)."""
        return per_slot.flatten(1).gather(1, self.source[count])

    def scatter(self, code: Tensor, count: Tensor) -> Tensor:
        """The code's (B, D) → every slot's own (B, S, D), 0 where it has none."""
        return F.pad(code, (0, 1)).gather(1, self.owned[count].flatten(1)).view(len(code), self.num_slots, -1)
