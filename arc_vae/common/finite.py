"""Figures that are no longer numbers are refused before anything is saved or written of them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from arc_vae.common.errors import UserError


class NonFinite(UserError):
    """A measured value or a weight is no finite number: training diverged."""


def refuse_non_finite(values: Mapping[str, Any], when: str, remedy: str) -> None:
    """Refuse numbers, at any depth of lists and dicts, that are not finite.

    Raises:
        NonFinite: names the first of them, `when` it was measured, and what to do.
    """
    for name, value in values.items():
        for found in _numbers(value):
            if not math.isfinite(found):
                raise NonFinite(f"{name}={found} {when}: training diverged; {remedy}")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _numbers(child)
