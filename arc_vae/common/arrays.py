"""Grids and codes as users have them: numpy or torch, one or a batch. Integers are grids, floats are codes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_vae.common.errors import InvalidValue, require
from arc_vae.common.grids import NUM_COLORS, SIZE

# What a user gives, and gets back in the same kind: a numpy array or a torch tensor. Nested lists count as numpy.
Array = Any
GRIDS, CODES = "grids", "codes"


@dataclass(frozen=True)
class Batch:
    """A user's grids, uint8 (N, 16, 16), or codes, floats (N, d), and the kind that results are given back in."""

    values: Tensor
    kind: str
    single: bool
    numpy: bool

    def back(self, result: Tensor) -> Array:
        """A result with one row for each of the batch, as the user's kind, on the user's device."""
        result = result.to(self.values.device)
        result = result[0] if self.single else result
        return result.numpy() if self.numpy else result


def take_grids(grids: Array, name: str = "grids") -> Batch:
    """A batch of the integer grids, (16, 16) or (N, 16, 16), values 0-9.

    Raises:
        InvalidValue: another dtype or shape, or a value outside 0-9.
    """
    tensor, is_numpy = _tensor(grids, name)
    integer = not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
    require(integer, f"{name}.dtype", _dtype(grids), "an integer type, since floats are codes; use astype(np.uint8)")
    shape = tuple(tensor.shape)
    fits = len(shape) in (2, 3) and shape[-2:] == (SIZE, SIZE)
    require(fits, f"{name}.shape", shape, f"({SIZE}, {SIZE}) or (N, {SIZE}, {SIZE}); pad or crop the grids first")
    if tensor.dtype not in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        tensor = tensor.long()  # torch hardly computes with the larger unsigned types
    wrong = (tensor < 0) | (tensor >= NUM_COLORS)
    if wrong.any():
        place = tuple(wrong.nonzero()[0].tolist())
        at = ", ".join(map(str, place))
        raise InvalidValue(f"{name}[{at}]", int(tensor[place]), f"a colour 0-{NUM_COLORS - 1}; recolour the grid")
    single = len(shape) == 2
    return Batch((tensor[None] if single else tensor).to(torch.uint8), GRIDS, single, is_numpy)


def take_codes(codes: Array, latent_dim: int, name: str = "z") -> Batch:
    """A batch of the codes, floats (d,) or (N, d), all finite.

    Raises:
        InvalidValue: another dtype or shape, or a number that is not finite.
    """
    if isinstance(codes, tuple) and hasattr(codes, "mu"):
        raise InvalidValue(name, "a posterior", f"an array of codes; give its mean, {name}.mu")
    tensor, is_numpy = _tensor(codes, name)
    require(tensor.is_floating_point(), f"{name}.dtype", _dtype(codes), "a float type, since integers are grids")
    shape, d = tuple(tensor.shape), latent_dim
    fits = len(shape) in (1, 2) and shape[-1] == d
    require(fits, f"{name}.shape", shape, f"({d},) or (N, {d}): the model's codes have {d} dimensions")
    # float64 stays: operations give codes whose last digits tell rare objects' places.
    tensor = tensor if tensor.dtype == torch.float64 else tensor.float()
    finite = tensor.float().isfinite()
    if not finite.all():
        place = tuple((~finite).nonzero()[0].tolist())
        at = ", ".join(map(str, place))
        raise InvalidValue(f"{name}[{at}]", float(tensor[place]), "a finite number in float32")
    single = len(shape) == 1
    return Batch(tensor[None] if single else tensor, CODES, single, is_numpy)


def take(values: Array, latent_dim: int, name: str) -> Batch:
    """A batch of whichever it is: grids if integers, codes if floats."""
    return take_codes(values, latent_dim, name) if holds_codes(values, name) else take_grids(values, name)


def holds_codes(values: Array, name: str) -> bool:
    """Whether these are codes by their dtype, or a posterior in place of codes."""
    return hasattr(values, "mu") or _tensor(values, name)[0].is_floating_point()


def _dtype(values: Array) -> str:
    return str(getattr(values, "dtype", type(values).__name__)).removeprefix("torch.")


def _tensor(values: Array, name: str) -> tuple[Tensor, bool]:
    """The values as a tensor, where possible on the same memory; whether they came as numpy or as lists."""
    if isinstance(values, Tensor):
        require(values.layout == torch.strided and not values.is_meta, name, values.layout, "a dense tensor with data")
        return values.detach(), False
    array = to_array(values, name)
    # torch knows no other byte order or negative stride, and warns of arrays that it must not write to.
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(array.shape)
    return torch.from_numpy(array if array.flags.writeable else array.copy()), True


def to_array(values: Array, name: str) -> np.ndarray:
    """The values, a tensor's too, as a numpy array of numbers or booleans.

    Raises:
        InvalidValue: they are of unequal lengths, or no numbers.
    """
    wanted = "a numpy array or a torch tensor of numbers"
    try:
        array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    except (ValueError, TypeError, RuntimeError):
        raise InvalidValue(name, f"a {type(values).__name__} of unequal rows", wanted) from None
    if array.dtype.kind not in "iufb" or array.dtype.itemsize > 8:
        raise InvalidValue(name, f"a {type(values).__name__} of dtype {array.dtype}", wanted)
    return array
