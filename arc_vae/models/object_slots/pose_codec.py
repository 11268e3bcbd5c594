"""One number for how large an object is, how turned, of which colour and where it stands: a tour through all of these,
and the codes of its stations.

Of each form (bounding box and symmetry) the tour visits every colour, row and column at which it fits. They are in the
order of a reflected Gray code: a step of the tour changes the colour, the row or the column by one.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from arc_vae.common.gaussian import cdf, icdf, interval_width
from arc_vae.common.grids import NUM_COLORS, NUM_SYMMETRIES, SIZE
from arc_vae.models.object_slots.form_prior import FormPrior

OBJECT_COLORS = NUM_COLORS - 1


class Poses(NamedTuple):
    """What the slots of a code say, (B, S) but for `num_objects` (B,).

    `num_objects`: how many slots hold an object; `extent` (B, S, 2): rows and columns of its bounding box as it stands
    upright; `symmetry`: how it is turned; `rank`: its station among those of its form, a real number; `past_stop`:
    how many stations away from saying "stop", negative where the slot says so.
    """

    num_objects: Tensor
    extent: Tensor
    symmetry: Tensor
    rank: Tensor
    past_stop: Tensor

    def nearest_placement(self) -> tuple[Tensor, Tensor]:
        """Colours less one (B, S) and corners (B, S, 2) as the objects stand upright."""
        station = torch.minimum(self.rank.round().clamp(min=0).long(), num_placements(self.extent) - 1)
        return rank_to_placement(station, self.extent)


def num_placements(extent: Tensor) -> Tensor:
    """How many stations objects have whose boxes are so many rows and columns (..., 2)."""
    return OBJECT_COLORS * (SIZE + 1 - extent).prod(dim=-1)


def placement_to_rank(color: Tensor, corner: Tensor, extent: Tensor) -> Tensor:
    """Colours less one (...), corners and extents (..., 2) → the number of the station, from 0."""
    rows, columns = (SIZE + 1 - extent).unbind(dim=-1)
    row, column = corner.unbind(dim=-1)
    line = color * rows + _back_if_odd(row, rows, color)
    return line * columns + _back_if_odd(column, columns, line)


def rank_to_placement(rank: Tensor, extent: Tensor) -> tuple[Tensor, Tensor]:
    """Stations' numbers (...) of boxes (..., 2) → colours less one (...) and corners (..., 2): undoes `gray_rank`."""
    rows, columns = (SIZE + 1 - extent).unbind(dim=-1)
    line = rank // columns
    color = line // rows
    corner = _back_if_odd(line % rows, rows, color), _back_if_odd(rank % columns, columns, line)
    return color, torch.stack(corner, dim=-1)


def _back_if_odd(digit: Tensor, radix: Tensor, turn: Tensor) -> Tensor:
    """Every second time the digits are counted down."""
    return torch.where(turn % 2 == 0, digit, radix - 1 - digit)


class PoseCodec(nn.Module):
    """Codes of S slots, each a quantile of N(0, 1): below a share of the prior a slot says "stop, no more objects";
    above it the forms have the shares of `Forms`, and all stations of a form the same. The first slot never stops; the
    others' shares make 1 to S objects as likely as they are in the grids that were counted.
    """

    def __init__(self, num_slots: int):
        super().__init__()
        self.num_slots = num_slots
        self.form_prior = FormPrior(num_slots)

    def stop_share(self) -> Tensor:
        """The share of each slot below which it says "stop", float64 (S,)."""
        number = self.form_prior.number_shares
        at_least = number.flip(0).cumsum(dim=0).flip(0)
        return torch.cat([number.new_zeros(1), (number / at_least)[:-1]])

    def stop_posterior(self) -> tuple[Tensor, Tensor]:
        """μ and σ of "stop", (S,) both: the middle of its share, and a third of the way to its end; for the first slot,
        which never stops, the prior's.
        """
        share = self.stop_share()
        never = share == 0
        middle, end = icdf(share / 2), icdf(share)
        return middle.masked_fill(never, 0).float(), ((end - middle) / 3).masked_fill(never, 1).float()

    def encode(
        self, count: Tensor, color: Tensor, symmetry: Tensor, extent: Tensor, corner: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Each slot's z, and how far apart in z neighbouring stations are there, float32 (B, S) both.

        Args:
            count: numbers of objects (B,). color: less one (B, S). symmetry: (B, S). extent, corner: (B, S, 2).
        """
        z, share = self.precise_code(count, color, symmetry, extent, corner)
        return z.float(), interval_width(share, z.float()).float()

    def precise_code(
        self, count: Tensor, color: Tensor, symmetry: Tensor, extent: Tensor, corner: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Each slot's z, and the prior's share of its station, float64 (B, S) both.

        float32 cannot tell all stations of forms that the corpus has hardly ever: about one in seven is taken for its
        neighbour.
        """
        begin, share = self.form_prior.cdf_interval(count, form_index(extent, symmetry))
        step = share / num_placements(extent)
        stop = self.stop_share()
        level = stop + (1 - stop) * (begin + step * (placement_to_rank(color, corner, extent) + 0.5))
        return icdf(level), (1 - stop) * step

    def decode(self, z: Tensor) -> Poses:
        """z (B, S) → what it says: the inverse of `code`."""
        stop = self.stop_share()
        level = (cdf(z.double()) - stop) / (1 - stop)
        count = (level > 0).cumprod(dim=1).sum(dim=1).clamp(min=1)
        form = self.form_prior.icdf(count, level)
        extent, symmetry = form_from_index(form)
        begin, share = self.form_prior.cdf_interval(count, form)
        rank = (level - begin) / share * num_placements(extent) - 0.5
        # In stations of the form that lies beside "stop".
        first = self.form_prior.icdf(count, torch.zeros_like(level))
        _, share = self.form_prior.cdf_interval(count, first)
        past_stop = level / share * num_placements(form_from_index(first)[0])
        return Poses(count, extent, symmetry, rank.float(), past_stop.float())


def form_index(extent: Tensor, symmetry: Tensor) -> Tensor:
    """Extents (..., 2), 1 to 16, and symmetries (...) → the form's number."""
    return ((extent[..., 0] - 1) * SIZE + extent[..., 1] - 1) * NUM_SYMMETRIES + symmetry


def form_from_index(form: Tensor) -> tuple[Tensor, Tensor]:
    """Forms' numbers (...) → extents (..., 2) and symmetries (...)."""
    box = form // NUM_SYMMETRIES
    return torch.stack([box // SIZE + 1, box % SIZE + 1], dim=-1), form % NUM_SYMMETRIES
