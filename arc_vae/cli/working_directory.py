"""`hydra.job.chdir=true`: the run's directory becomes the current one, and paths mean what they meant when typed."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, read_write

# Of the configuration, those that name a place.
PATHS = ("data.path", "data.directory", "init_from")


def keep_paths(cfg: DictConfig, hydra: Any) -> None:
    """Make the paths of a configuration absolute, from where the command was typed, if Hydra leaves that folder."""
    if not hydra.job.chdir:
        return
    for key in PATHS:
        value = OmegaConf.select(cfg, key)
        if isinstance(value, str):
            with read_write(cfg):
                OmegaConf.update(cfg, key, str(Path(hydra.runtime.cwd) / Path(value).expanduser()))
