"""One number for where an object stands, of which colour and how turned: a tour through all of these, and the codes
of its stations.

The tour visits each cell in each of the nine colours and eight symmetries of the square once. A step of it changes the
row, the column, the symmetry or the colour by one: within a colour and a symmetry it follows Hilbert's curve (Hilbert
1891), on which near cells are near, forth in one and back in the next.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.grids import CELLS, NUM_COLORS, SIZE, SYMMETRIES
from arc_vae.models import normal

STATIONS = (NUM_COLORS - 1) * SYMMETRIES * CELLS


def hilbert_curve(size: int) -> Tensor:
    """The cells of a size×size grid in the order of Hilbert's curve, int64 (size², 2); size is a power of two."""
    curve = torch.zeros(1, 2, dtype=torch.int64)
    side = 1
    while side < size:
        turned = curve.flip(1)
        right, opposite = torch.tensor([0, side]), torch.tensor([2 * side - 1, side - 1])
        curve = torch.cat([turned, curve + right, curve + side, opposite - turned])
        side *= 2
    return curve


def tour() -> Tensor:
    """Colour less one, symmetry, row and column of each station, int64 (STATIONS, 4)."""
    return _forth_and_back(NUM_COLORS - 1, _forth_and_back(SYMMETRIES, hilbert_curve(SIZE)))


def _forth_and_back(times: int, way: Tensor) -> Tensor:
    """A way (N, k) gone so many times, every second time back, the number of the time in front, (times · N, k + 1)."""
    return torch.cat([F.pad(way if time % 2 == 0 else way.flip(0), (1, 0), value=time) for time in range(times)])


class Stations(nn.Module):
    """Codes of S slots, each a quantile of N(0, 1): below a share of the prior a slot says "stop, no more objects";
    above it the stations have equal shares. The first slot never stops; the others' shares, 1 / S, 1 / (S - 1),
    ..., 1 / 2 where none before has stopped, make 1 to S objects equally likely.
    """

    def __init__(self, num_slots: int):
        super().__init__()
        slot = torch.arange(num_slots, dtype=torch.float64)
        stop = (1 / (num_slots + 1 - slot)).masked_fill(slot == 0, 0)
        middle, end = normal.quantile(stop / 2), normal.quantile(stop)
        stations = tour()
        rank = torch.empty(NUM_COLORS - 1, SYMMETRIES, SIZE, SIZE, dtype=torch.int64)
        rank[stations.unbind(dim=1)] = torch.arange(STATIONS)
        constants = {
            "stop_share": stop.float(),
            # Of "stop": the middle of its share, and a third of the way to its end. The first slot's are never used.
            "stop_mu": middle.masked_fill(slot == 0, 0).float(),
            "stop_sigma": ((end - middle) / 3).masked_fill(slot == 0, 1).float(),
            "tour": stations,
            "ranks": rank,
        }
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    def code(self, color: Tensor, symmetry: Tensor, corner: Tensor) -> Tensor:
        """Colours less one, symmetries (B, S) and corners (B, S, 2), integers → each slot's z, float32 (B, S)."""
        rank = self.ranks[color, symmetry, corner[..., 0], corner[..., 1]]
        share = self.stop_share + (1 - self.stop_share) * ((rank + 0.5) / STATIONS).double()
        return normal.quantile(share).float()

    def rank(self, z: Tensor) -> Tensor:
        """z (B, S) → the station as a real number, float32 (B, S): the inverse of `code`; below -0.5 it is "stop"."""
        share = normal.share_below(z.float())
        return STATIONS * (share - self.stop_share) / (1 - self.stop_share) - 0.5

    def spacing(self, z: Tensor) -> Tensor:
        """How far apart in z neighbouring stations are at z (B, S)."""
        return normal.width((1 - self.stop_share) / STATIONS, z)

    def read(self, station: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Integers (N,) → colour less one (N,), symmetry (N,), row and column (N, 2)."""
        color, symmetry, row, column = self.tour[station].unbind(dim=1)
        return color, symmetry, torch.stack([row, column], dim=1)
