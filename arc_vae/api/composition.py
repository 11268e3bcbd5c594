"""A configuration composed outside of a command: Hydra's own state left as it was."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from omegaconf import DictConfig, OmegaConf

from arc_vae.common.errors import InvalidValue, UserError


def composed(overrides: Sequence[str]) -> tuple[DictConfig, DictConfig]:
    """The configuration of `arc_vae.train` under these overrides, held against `conf/`, and Hydra's own node.

    Raises:
        UserError: what the command would refuse, in its sentence.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from arc_vae.cli.command import as_user_error  # registers the resolver of `run_id` too
    from arc_vae.configuration.paths import conf_dir
    from arc_vae.configuration.validate import validate_config

    _check(overrides)
    try:
        with _hydra_kept(), initialize_config_dir(str(conf_dir()), version_base="1.3"):
            whole = compose("config", list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise as_user_error(error) or error from error
    except ValueError as error:  # Hydra's own, of `loss=null`
        raise UserError(f"{' '.join(str(error).split())}: {' '.join(overrides)}") from error
    run_id = whole.run_id  # drawn once for each configuration: a copy would draw its own
    cfg = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
    cfg.run_id = run_id
    validate_config(cfg, "config")
    return cfg, whole.hydra


def _check(overrides: Sequence[str]) -> None:
    wanted = "a list of key=value, as on the command line: ['model.latent_dim=12', 'seed=1']"
    if isinstance(overrides, str) or not all(isinstance(word, str) for word in overrides):
        raise InvalidValue("overrides", repr(overrides), wanted)
    for word in overrides:
        if word.startswith("-"):
            raise InvalidValue(
                "overrides", repr(word), f"{wanted}; flags are the command line's, python -m arc_vae.train"
            )


@contextmanager
def _hydra_kept() -> Iterator[None]:
    """Context manager within which Hydra can be initialised anew, in a user's Hydra app too."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.version import VersionBase

    hydra, base = GlobalHydra.instance().hydra, VersionBase.instance().version_base
    GlobalHydra.instance().hydra = None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra
        VersionBase.instance().version_base = base
