"""How large objects are and how they are turned, and how often: the shares of the prior that a corpus's forms have.

An object's form is its bounding box once it stands upright, and the symmetry that put it so. Learned by counting: the
only thing of the object slots' prior that depends on the corpus, with the number of objects.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.common.grids import NUM_SYMMETRIES, SIZE

NUM_FORMS = SIZE * SIZE * NUM_SYMMETRIES

# So many objects' worth of the whole corpus's forms are added to what a slot was seen to hold: additive smoothing.
PSEUDO_COUNT = 10

# Of the prior, what is kept for forms never seen: float32 has the digits to tell each one's stations apart, barely.
UNSEEN_SHARE = 5e-4


class FormPrior(nn.Module):
    """Shares of the forms, by number of objects and slot: seen frequencies; uniform before any grid was counted.

    A slot's forms are laid side by side in [0, 1], the most frequent first, so that near 1, where N(0, 1) is thin and
    its quantiles are far apart, there are the rare ones with their small shares.

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
        """Count grids with so many objects (B,), of these forms (B, S), those of empty slots left aside."""
        held = torch.arange(self.num_slots, device=count.device) < count[:, None]
        cell = (self._table(count) * NUM_FORMS + form)[held]
        self.counts += cell.bincount(minlength=self.counts.numel()).view_as(self.counts).int()
        self._update_tables()

    def cdf_interval(self, count: Tensor, form: Tensor) -> tuple[Tensor, Tensor]:
        """Where in [0, 1] a slot's form begins, and its share: grids' numbers of objects (B,) and forms (B, S) →
        float64 (B, S) both.
        """
        table = self._table(count)
        place = self.position[table, form]
        return self.begin[table, place], self.share[table, place]

    def icdf(self, count: Tensor, level: Tensor) -> Tensor:
        """The form (B, S) that a slot has at a level of [0, 1], float64 (B, S): the nearest if it is outside."""
        table = self._table(count)
        found = torch.searchsorted(self.ends, table + level.detach().clamp(0, 1), right=True) - table * NUM_FORMS
        return self.order[table, found.clamp(0, NUM_FORMS - 1)]

    def _table(self, count: Tensor) -> Tensor:
        """Which row of the tables each slot has among so many objects (B,), (B, S)."""
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
