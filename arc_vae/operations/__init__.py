"""Operations on the objects of grids and of codes: translate, rotate, reflect, recolour, duplicate, …, composed.

>>> import arc_vae
>>> from arc_vae import operations
>>> move = operations.translate(dx=2, dy=0, of="largest").then(operations.rotate_90())
>>> move.name
'translate(dx=2, dy=0, of=largest), rotate_90()'
>>> move.truth(grids).shape                    # what the grids should become
(6, 16, 16)
>>> moved = model.apply(move, grids)           # encoded, changed, decoded
>>> z = model.encode(grids).mu
>>> codes = move.on(model).on_codes(z)         # as model.apply(move, z)
>>> bool((model.decode(codes, apart=move.apart) == moved).all())
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arc_vae.operations.applying import apply as apply
    from arc_vae.operations.applying import available as available
    from arc_vae.operations.batches import Done as Done
    from arc_vae.operations.batches import Refused as Refused
    from arc_vae.operations.catalogue import connect as connect
    from arc_vae.operations.catalogue import difference as difference
    from arc_vae.operations.catalogue import duplicate as duplicate
    from arc_vae.operations.catalogue import group as group
    from arc_vae.operations.catalogue import intersection as intersection
    from arc_vae.operations.catalogue import recolour as recolour
    from arc_vae.operations.catalogue import reflect as reflect
    from arc_vae.operations.catalogue import remove as remove
    from arc_vae.operations.catalogue import repeat as repeat
    from arc_vae.operations.catalogue import rotate_90 as rotate_90
    from arc_vae.operations.catalogue import scale as scale
    from arc_vae.operations.catalogue import symmetrize as symmetrize
    from arc_vae.operations.catalogue import tile as tile
    from arc_vae.operations.catalogue import translate as translate
    from arc_vae.operations.catalogue import union as union
    from arc_vae.operations.operation import Operation as Operation
    from arc_vae.operations.operation import compose as compose

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


if not TYPE_CHECKING:  # which would take any name for known

    def __getattr__(name: str) -> Any:
        """torch is imported only when there is something to do: the command's --help answers at once."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__} has no attribute {name}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
