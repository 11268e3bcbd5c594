"""A few words may describe a model of billions of numbers: it is refused before they take memory."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from arc_vae.common.errors import UserError
from arc_vae.common.room import gigabytes, machine_memory

# Numbers that building a model may take beside its weights: the tables of sixteen object slots are five million.
OTHER_NUMBERS = 10_000_000

# Bytes that training keeps of each weight: itself, its gradient and a momentum, float32.
BYTES_A_WEIGHT = 12

_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.eye, torch.rand, torch.randn, torch.arange}


class _Outsized(Exception):
    """More numbers than the file's weights account for."""


class _SizeLimit(TorchFunctionMode):
    """Raises before a tensor larger than the limit is made, or once those made from nothing are larger together."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit
        self.made = 0
        self.exceeded = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FACTORIES:
            self.made += math.prod(_sizes([*args, *(kwargs[name] for name in ("size", "end") if name in kwargs)]))
        shapes = [arg.shape for arg in args if isinstance(arg, Tensor)]
        asked = math.prod(map(max, zip(*_aligned(shapes), strict=True))) if len(shapes) > 1 else 0
        if max(self.made, asked) > self.limit:
            self.exceeded = True
            raise _Outsized
        return func(*args, **kwargs)


def _sizes(arguments: Any) -> Iterator[int]:
    for value in arguments:
        if isinstance(value, (list, tuple)):
            yield from _sizes(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield max(value, 1)


def _aligned(shapes: list[torch.Size]) -> list[list[int]]:
    """Shapes with ones before them, all of one length, as broadcasting aligns them."""
    length = max(map(len, shapes))
    return [[1] * (length - len(shape)) + list(shape) for shape in shapes]


@contextmanager
def limited_to(weights: Any, where: str) -> Iterator[None]:
    """Within it, a model is built only as large as the state dict `weights` of its file accounts for.

    Raises:
        UserError: a far larger one, or weights that are more than the file holds; `where` names the file.
    """
    tensors = [value for value in weights.values() if isinstance(value, Tensor)] if isinstance(weights, dict) else []
    if any(tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes() for tensor in tensors):
        raise UserError(f"{where} names weights larger than it holds: it is damaged or not one of arc_vae's")
    refusal = (
        f"{where} does not hold the weights of the model that it describes, which is far larger: it is damaged or "
        "not one of arc_vae's"
    )
    with _refused_beyond(OTHER_NUMBERS + 2 * sum(tensor.numel() for tensor in tensors), refusal):
        yield


@contextmanager
def limited_to_memory(group: str) -> Iterator[None]:
    """Within it, what a group configures is built only as large as this machine could train it.

    Raises:
        UserError: it is larger.
    """
    memory = machine_memory()
    refusal = (
        f"{group}: training what its keys describe needs more than this machine's memory, {gigabytes(memory)}; "
        "lower them"
    )
    with _refused_beyond(memory // BYTES_A_WEIGHT, refusal):
        yield


@contextmanager
def _refused_beyond(numbers: int, refusal: str) -> Iterator[None]:
    """Within it, what makes a tensor of more numbers ends in a UserError of that sentence, whatever it raised."""
    limit = _SizeLimit(numbers)
    try:
        with limit:
            yield
    except Exception:
        if not limit.exceeded:
            raise
        raise UserError(refusal) from None
