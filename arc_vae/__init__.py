"""arc_vae: train, judge and compare β-VAEs on ARC-like grids.

In Python: `load` a trained model, `compose` a configuration, `run` a training, `plot` grids.
`arc_vae.api.functions` tells how. Nothing but this file is imported until a name is used.
"""

# As type checkers know it; importing typing would take longer than all the rest here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from arc_vae import grids as grids
    from arc_vae import operations as operations
    from arc_vae.api.functions import FinishedRun as FinishedRun
    from arc_vae.api.functions import RunFailed as RunFailed
    from arc_vae.api.functions import compose as compose
    from arc_vae.api.functions import load as load
    from arc_vae.api.functions import plot as plot
    from arc_vae.api.functions import run as run
    from arc_vae.api.model import Model as Model
    from arc_vae.common.errors import UserError as UserError

# A literal: setup.cfg reads it without importing.
__version__ = "0.1.0"

# Where each public name is defined. None may be a submodule's: once imported, the module would hide it.
_HOMES = {
    "FinishedRun": "arc_vae.api.functions",
    "Model": "arc_vae.api.model",
    "RunFailed": "arc_vae.api.functions",
    "UserError": "arc_vae.common.errors",
    "compose": "arc_vae.api.functions",
    "load": "arc_vae.api.functions",
    "plot": "arc_vae.api.functions",
    "run": "arc_vae.api.functions",
}

__all__ = ["__version__", *_HOMES]


if not TYPE_CHECKING:  # which would take any name for known

    def __getattr__(name: str) -> "Any":
        """The public name, or the submodule (`arc_vae.common.grids`), imported at its first use."""
        from importlib import import_module
        from importlib.util import find_spec

        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        if not name.startswith("_") and find_spec(f"arc_vae.{name}"):
            return import_module(f"arc_vae.{name}")
        raise AttributeError(f"module 'arc_vae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
