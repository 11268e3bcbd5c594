"""Operations on the objects of grids and of codes: translate, rotate, reflect, recolour, duplicate, …, composed.

from arc_vae import operations
move = operations.translate(dx=2, dy=0, of="largest").then(operations.rotate_90())
move.truth(grids)                              # what the grids should become
move.on(model).on_codes(z)                     # the same in the model's codes
operations.apply(model, move, grids)           # encoded, changed, decoded
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "applying": ("apply", "available"),
    "catalogue": (
        "connect",
        "difference",
        "duplicate",
        "group",
        "intersection",
        "recolour",
        "reflect",
        "remove",
        "repeat",
        "rotate_90",
        "scale",
        "symmetrize",
        "tile",
        "translate",
        "union",
    ),
    "batches": ("Done", "Refused"),
    "operation": ("Operation", "compose"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """torch is imported only when there is something to do: the command's --help answers at once."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
