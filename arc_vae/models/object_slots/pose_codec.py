"""Encode an object's size, symmetry, colour and position as one latent dimension.

A form is a bounding box and a symmetry. A placement of a form is a colour, a row and a column at which it fits. The
placements of each form are numbered in the order of a reflected Gray code: from one to the next the colour, the row or
the column changes by one. A form's share of the prior and a placement's rank together become a quantile of N(0, 1).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from arc_vae.common.gaussian import cdf, icdf, interval_width
from arc_vae.common.grids import NUM_COLORS, NUM_SYMMETRIES, SIZE
from arc_vae.models.object_slots.form_prior import FormPrior
from arc_vae.models.object_slots.layers import cumulative_product

OBJECT_COLORS = NUM_COLORS - 1


class Poses(NamedTuple):
    """The decoded poses of a code's slots, (B, S) but for `num_objects` (B,).

    `num_objects`: how many slots hold an object; `extent` (B, S, 2): rows and columns of its bounding box as it stands
    upright; `symmetry`: how it is turned; `rank`: its placement among those of its form, a real number; `past_stop`:
    the distance from "stop" (no more objects) in placements, negative where the slot says "stop".
    """

    num_objects: Tensor
    extent: Tensor
    symmetry: Tensor
    rank: Tensor
    past_stop: Tensor

    def nearest_placement(self) -> tuple[Tensor, Tensor]:
        """Colours less one (B, S) and corners (B, S, 2) of the placements nearest to `rank`, the objects upright."""
        placement = torch.minimum(self.rank.round().long().clamp(min=0), num_placements(self.extent) - 1)
        return rank_to_placement(placement, self.extent)


def num_placements(extent: Tensor) -> Tensor:
    """Number of placements (...) of objects whose boxes are so many rows and columns (..., 2)."""
    return OBJECT_COLORS * (SIZE + 1 - extent).prod(dim=-1)


def placement_to_rank(color: Tensor, corner: Tensor, extent: Tensor) -> Tensor:
    """Colours less one (...), corners and extents (..., 2) → the placement's rank, from 0."""
    rows, columns = (SIZE + 1 - extent).unbind(dim=-1)
    row, column = corner.unbind(dim=-1)
    line = color * rows + _back_if_odd(row, rows, color)
    return line * columns + _back_if_odd(column, columns, line)


def rank_to_placement(rank: Tensor, extent: Tensor) -> tuple[Tensor, Tensor]:
    """Ranks (...) of boxes (..., 2) → colours less one (...) and corners (..., 2): undoes `placement_to_rank`."""
    rows, columns = (SIZE + 1 - extent).unbind(dim=-1)
    line = rank // columns
    color = line // rows
    corner = _back_if_odd(line % rows, rows, color), _back_if_odd(rank % columns, columns, line)
    return color, torch.stack(corner, dim=-1)


def _back_if_odd(digit: Tensor, radix: Tensor, turn: Tensor) -> Tensor:
    """The digit, or its complement in `radix` where `turn` is odd: Gray codes count every second time down."""
    return torch.where(turn % 2 == 0, digit, radix - 1 - digit)


class PoseCodec(nn.Module):
    """Encodes and decodes the poses of S slots, a quantile of N(0, 1) each.

    The lowest part of [0, 1] means "stop, no more objects". Above it each form has its share of `FormPrior`, divided
    evenly among its placements. The first slot never stops; the others stop so often that 1 to S objects are as likely
    as in the grids that were counted.
    """

    def __init__(self, num_slots: int):
        super().__init__()
        self.num_slots = num_slots
        self.form_prior = FormPrior(num_slots)

    def stop_share(self) -> Tensor:
        """The probability that each slot says "stop", float64 (S,)."""
        number = self.form_prior.number_shares
        at_least = number.flip(0).cumsum(dim=0).flip(0)
        return torch.cat([number.new_zeros(1), (number / at_least)[:-1]])

    def stop_posterior(self) -> tuple[Tensor, Tensor]:
        """μ and σ of "stop", (S,) both; the prior's for the first slot, which never stops.

        μ is the middle of the share that means "stop", three σ lead to its end.
        """
        share = self.stop_share()
        never = share == 0
        middle, end = icdf(share / 2), icdf(share)
        return middle.masked_fill(never, 0).float(), ((end - middle) / 3).masked_fill(never, 1).float()

    def encode(
        self, count: Tensor, color: Tensor, symmetry: Tensor, extent: Tensor, corner: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Each slot's z, and the distance of neighbouring placements in z there, float32 (B, S) both.

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
        """z (B, S) → poses: the inverse of `encode`."""
        stop = self.stop_share()
        level = (cdf(z.double()) - stop) / (1 - stop)
        count = cumulative_product((level > 0).long()).sum(dim=1).clamp(min=1)
        form = self.form_prior.icdf(count, level)
        extent, symmetry = form_from_index(form)
        begin, share = self.form_prior.cdf_interval(count, form)
        rank = (level - begin) / share * num_placements(extent) - 0.5
        # In placements of the form that lies beside "stop".
        first = self.form_prior.icdf(count, torch.zeros_like(level))
        _, share = self.form_prior.cdf_interval(count, first)
        past_stop = level / share * num_placements(form_from_index(first)[0])
        return Poses(count, extent, symmetry, rank.float(), past_stop.float())


def form_index(extent: Tensor, symmetry: Tensor) -> Tensor:
    """Extents (..., 2), 1 to 16, and symmetries (...) → the forms' numbers (...)."""
    return ((extent[..., 0] - 1) * SIZE + extent[..., 1] - 1) * NUM_SYMMETRIES + symmetry


def form_from_index(form: Tensor) -> tuple[Tensor, Tensor]:
    """Forms' numbers (...) → extents (..., 2) and symmetries (...)."""
    box = form // NUM_SYMMETRIES
    return torch.stack([box // SIZE + 1, box % SIZE + 1], dim=-1), form % NUM_SYMMETRIES
