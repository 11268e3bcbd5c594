"""Hydra imports every `hydra_plugins` that Python finds, the current folder's among them: a stranger's, perhaps."""

import importlib
import os
import sys
from pathlib import Path

from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from arc_vae.common.errors import UserError
from arc_vae.common.provenance import ROOT


def ignore_plugins_of_current_folder() -> None:
    """Have Hydra leave out the current folder's `hydra_plugins`, unless it is ours or PYTHONPATH names the folder.

    `python -m` puts the current folder first among the places that Python searches.
    """
    here = Path.cwd().resolve()
    named = {Path(place).resolve() for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place}
    if here == ROOT.resolve() or here in named or not (here / "hydra_plugins").is_dir():
        return
    if (here / "hydra_plugins" / "__init__.py").is_file():
        # No namespace: it would hide every other one, our launchers' too, and importing it would run it.
        kept = list(sys.path)
        sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != here]
        importlib.import_module("hydra_plugins")
        sys.path[:] = kept
    plugins = importlib.import_module("hydra_plugins")
    plugins.__path__ = [place for place in plugins.__path__ if Path(place).resolve() != here / "hydra_plugins"]


def refuse_unknown_plugins(hydra: DictConfig) -> None:
    """See that Hydra has found the sweeper and the launcher that a sweep asks for.

    Raises:
        UserError: it has not; names where it looks.
    """
    for kind in ("sweeper", "launcher"):
        target = str(OmegaConf.select(hydra, f"{kind}._target_"))
        if target not in Plugins.instance().class_name_to_class:
            raise UserError(
                f"hydra/{kind}: Hydra has no plugin {target}; it looks in the folders hydra_plugins of Python's path: "
                "install the package that has it, or for your own set PYTHONPATH to the folder above hydra_plugins"
            )
