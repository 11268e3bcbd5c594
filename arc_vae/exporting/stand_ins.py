"""What stands in for operations that ONNX or ONNX Runtime lacks, while a model is traced.

Each gives what the original gives, by sums, products and comparisons alone. ONNX has no inverse error function and no
search in sorted values; ONNX Runtime has Erf in float32 alone and no FFT of these; a loop that ends when nothing
changes cannot be traced, nor how many objects are in the way of others; and bare numbers are rounded to float32.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from arc_vae.common.grids import BACKGROUND, CELLS, NUM_SYMMETRIES, SIZE
from arc_vae.models.object_slots.components import bounding_boxes
from arc_vae.models.object_slots.form_prior import NUM_FORMS, FormPrior
from arc_vae.models.object_slots.placement import search_free_corner
from arc_vae.models.object_slots.symmetries import Symmetries

# Cumulative N(0, 1) by Hart's algorithm 5666 (Hart et al. 1968; West 2005), quantiles by AS 241 (Wichura 1988).
_HART = (
    (
        *(3.52624965998911e-2, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871),
        *(221.213596169931, 220.206867912376),
    ),
    (
        *(8.83883476483184e-2, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674),
        *(637.333633378831, 793.826512519948, 440.413735824752),
    ),
)
_HART_END = 7.07106781186547
_MIDDLE = (
    (
        *(2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457),
        *(13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    ),
    (
        *(5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867),
        *(5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
    ),
)
_SIDES = (
    (
        *(7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258),
        *(3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    ),
    (
        *(1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459),
        *(0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
    ),
)
_TAILS = (
    (
        *(2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093),
        *(0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    ),
    (
        *(2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4),
        *(0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
    ),
)
# Rounds in which every cell of a component learns the number of its last one: see `label_components`.
ROUNDS = 10
_AROUND = [(down, right) for down in range(3) for right in range(3) if (down, right) != (1, 1)]


def _exactly(number: float) -> Tensor:
    """The number in float64: a bare one reaches an ONNX file in float32."""
    return torch.tensor(number, dtype=torch.float64)


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    value = torch.zeros_like(x) + _exactly(coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + _exactly(coefficient)
    return value


def _ratio(coefficients: tuple[Sequence[float], Sequence[float]], x: Tensor) -> Tensor:
    return _polynomial(coefficients[0], x) / _polynomial(coefficients[1], x)


def cdf(z: Tensor) -> Tensor:
    """Cumulative probability of N(0, 1), to 15 digits in float64."""
    x = z.abs().clamp(max=37)
    density = torch.exp(-x * x / 2)
    end = _exactly(_HART_END)
    near = density * _ratio(_HART, torch.minimum(x, end))
    far = density / (x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + _exactly(0.65)))))) / _exactly(math.sqrt(2 * math.pi))
    tail = torch.where(x < end, near, far)
    return torch.where(z > 0, 1 - tail, tail)


def icdf(share: Tensor) -> Tensor:
    """Quantiles of N(0, 1), to 15 digits in float64."""
    q = share - 0.5
    middle = q * _ratio(_MIDDLE, _exactly(0.180625) - q * q)
    r = torch.sqrt(-torch.log(torch.maximum(torch.minimum(share, 1 - share), _exactly(1e-300))))
    outside = torch.where(r <= 5, _ratio(_SIDES, r - _exactly(1.6)), _ratio(_TAILS, r - 5)) * torch.sign(q)
    return torch.where(q.abs() <= _exactly(0.425), middle, outside)


def label_components(grids: Tensor) -> Tensor:
    """As the model's own, in a fixed number of rounds: in each, a cell and the cell whose number it has take the
    largest number around it, and then that of the cell which has that one, so that numbers travel ever further.
    """
    holds_object = grids != BACKGROUND
    bordered = F.pad(grids, (1, 1, 1, 1), value=BACKGROUND)
    joined = [
        (bordered[:, down : down + SIZE, right : right + SIZE] == grids) & holds_object for down, right in _AROUND
    ]
    numbers = torch.arange(1, CELLS + 1, device=grids.device).view(SIZE, SIZE) * holds_object
    for _ in range(ROUNDS):
        around, largest = F.pad(numbers, (1, 1, 1, 1)), numbers
        for (down, right), same in zip(_AROUND, joined, strict=True):
            largest = torch.maximum(largest, around[:, down : down + SIZE, right : right + SIZE] * same)
        flat = largest.flatten(1)
        known = F.pad(flat, (1, 0)).scatter_reduce(1, numbers.flatten(1), flat, "amax")
        numbers = known.gather(1, known[:, 1:]).view_as(numbers)
    return numbers


def form_icdf(self: FormPrior, count: Tensor, level: Tensor) -> Tensor:
    """`FormPrior.icdf` by counting the ends below each level."""
    table = self._table(count)
    value = (table + level.detach().clamp(0, 1))[:, :, None]
    found = (self.ends.view(-1, NUM_FORMS)[table] <= value).sum(dim=2)
    return self.order[table, found.clamp(0, NUM_FORMS - 1)]


def canonical(self: Symmetries, grids: Tensor, boxes: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """`Symmetries.canonical` with powers out of its table and a difference for 1 - 1e-9, neither of which float32 has
    the digits for.
    """
    corner, extent = boxes or bounding_boxes(grids)
    eight = torch.arange(NUM_SYMMETRIES, device=grids.device)[:, None]
    corner, _ = self.transform_box(corner.expand(NUM_SYMMETRIES, -1, -1), extent, eight)
    moved = self.weight[:, 0][corner[..., 0] * SIZE + corner[..., 1]]  # DOWN**row * RIGHT**column, (8, N)
    weight = ((grids != BACKGROUND).flatten(1).double() @ self.weight).T / moved
    largest = weight.amax(dim=0)
    return (largest - weight < largest * 1e-9).int().argmax(dim=0)


def collisions(taken: Tensor, shape: Tensor) -> Tensor:
    """Whether a shape moved to each corner meets a taken cell, (N, 16, 16): every place's cells compared at once."""
    padded = F.pad(taken, (0, SIZE, 0, SIZE)).flatten(1)
    cells = torch.arange(SIZE, device=taken.device)
    place = (cells[:, None] * 2 * SIZE + cells).flatten()
    met = padded[:, place[:, None] + place] @ shape.flatten(1)[:, :, None]  # (N, 256, 1)
    return met.view_as(taken) > 0.5


@contextmanager
def stand_ins() -> Iterator[None]:
    """Models compute by these while it lasts."""
    models = "arc_vae.models"
    places = {
        f"{models}.object_slots.pose_codec.cdf": cdf,
        f"{models}.object_slots.pose_codec.icdf": icdf,
        f"{models}.palette.codec.cdf": cdf,
        f"{models}.palette.codec.icdf": icdf,
        f"{models}.object_slots.components.label_components": label_components,
        f"{models}.object_slots.symmetries.Symmetries.canonical": canonical,
        f"{models}.object_slots.placement._collisions": collisions,
        f"{models}.object_slots.decoder.nearest_free_corner": search_free_corner,
        f"{models}.object_slots.form_prior.FormPrior.icdf": form_icdf,
    }
    with ExitStack() as stack:
        for place, stand_in in places.items():
            stack.enter_context(patch(place, stand_in))
        yield
