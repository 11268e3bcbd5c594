"""Probability of each form of object, counted on a corpus.

An object's form is its bounding box once it stands upright, and the symmetry that put it so. Forms and numbers of
objects are all of the object slots' prior that depends on the corpus.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.common.grids import NUM_SYMMETRIES, SIZE

NUM_FORMS = SIZE * SIZE * NUM_SYMMETRIES

# Additive smoothing: objects with the whole corpus's forms that are added to those counted in each slot.
PSEUDO_COUNT = 10

# Probability kept for forms never seen: float32 has just enough digits to tell the placements of each apart.
UNSEEN_SHARE = 5e-4


class FormPrior(nn.Module):
    """Probabilities of the forms by number of objects and slot, as counted; uniform before any grid is counted.

    A slot's forms lie side by side in [0, 1], the most frequent first. The rare ones, with their small shares, lie near
    1, where quantiles of N(0, 1) are far apart.

    Args:
        num_slots: S, the most objects.
    """

    counts: Tensor  # grids by number of objects, 0 to S, slot and form, int32 (S + 1, S, FORMS); all else follows
    number_shares: Tensor  # how likely 1 to S objects are, float64 (S,)
    # A row for each number of objects and slot, (T, FORMS):
    share: Tensor  # of each form, the most frequent first, float64
    order: Tensor  # which form stands at each place
    position: Tensor  # at which place each form stands
    begin: Tensor  # where each place's share begins in [0, 1], float64
    ends: Tensor  # where it ends, all rows one after the other, float64 (T · FORMS,): one search finds any form

    def __init__(self, num_slots: int):
        super().__init__()
        self.num_slots = num_slots
        self.register_buffer("counts", torch.zeros(num_slots + 1, num_slots, NUM_FORMS, dtype=torch.int32))
        self.register_load_state_dict_post_hook(lambda module, keys: module._update_tables())
        self._update_tables()

    @torch.no_grad()
    def update_counts(self, count: Tensor, form: Tensor) -> None:
        """Add grids with so many objects (B,) of these forms (B, S) to the counts; empty slots' forms are ignored."""
        held = torch.arange(self.num_slots, device=count.device) < count[:, None]
        cell = (self._table(count) * NUM_FORMS + form)[held]
        self.counts += cell.bincount(minlength=self.counts.numel()).view_as(self.counts).int()
        self._update_tables()

    def cdf_interval(self, count: Tensor, form: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of objects (B,), forms (B, S) → where each begins in [0, 1], and its share, float64 (B, S) both."""
        table = self._table(count)
        place = self.position[table, form]
        return self.begin[table, place], self.share[table, place]

    def icdf(self, count: Tensor, level: Tensor) -> Tensor:
        """Numbers of objects (B,) and levels in [0, 1], float64 (B, S) → forms (B, S); outside, the nearest."""
        table = self._table(count)
        found = torch.searchsorted(self.ends, table + level.detach().clamp(0, 1), right=True) - table * NUM_FORMS
        return self.order[table, found.clamp(0, NUM_FORMS - 1)]

    def _table(self, count: Tensor) -> Tensor:
        """Numbers of objects (B,) → each slot's row in the tables (B, S)."""
        return count[:, None] * self.num_slots + torch.arange(self.num_slots, device=count.device)

    def _update_tables(self) -> None:
        """Compute the other buffers from the counts."""
        counts = self.counts.flatten(0, 1).double()
        seen = counts.sum(dim=0)
        everywhere = seen / seen.sum() if seen.any() else torch.full_like(seen, 1 / NUM_FORMS)
        share = (counts + PSEUDO_COUNT * everywhere) / (counts.sum(dim=1, keepdim=True) + PSEUDO_COUNT)
        share = (1 - UNSEEN_SHARE) * share + UNSEEN_SHARE / NUM_FORMS
        share, order = share.sort(dim=1, descending=True, stable=True)
        end = share.cumsum(dim=1)
        rows = torch.arange(len(end), device=end.device)[:, None]
        grids = self.counts[1:, 0].sum(dim=1).double() + 1
        tables = {
            "number_shares": grids / grids.sum(),
            "share": share,
            "order": order,
            "position": order.argsort(dim=1),
            "begin": F.pad(end[:, :-1], (1, 0)),
            "ends": (rows + end / end[:, -1:]).flatten(),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
