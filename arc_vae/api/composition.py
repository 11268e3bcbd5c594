"""A configuration composed outside of a command: Hydra's own state left as it was."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import RLock

from omegaconf import DictConfig, OmegaConf

from arc_vae.common.errors import InvalidValue, UserError

_one_at_a_time = RLock()


def composed(overrides: list[str]) -> tuple[DictConfig, DictConfig]:
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
    from arc_vae.runs.experiment import faults_of_settings

    try:
        with _hydra_kept(), initialize_config_dir(str(conf_dir()), version_base="1.3"):
            whole = compose("config", overrides, return_hydra_config=True)
        run_id = whole.run_id  # drawn once for each configuration: a copy would draw its own
        cfg = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
        cfg.run_id = run_id
        validate_config(cfg, "config")
        faults = faults_of_settings(cfg)
    except (HydraException, OmegaConfBaseException) as error:
        raise as_user_error(error) or error from error
    except ValueError as error:  # Hydra's own, of `loss=null`
        if isinstance(error, UserError):
            raise
        raise UserError(f"{' '.join(str(error).split())}: {' '.join(overrides)}") from error
    if faults:
        raise UserError("\n".join(map(str, faults)))
    return cfg, whole.hydra


def listed(overrides: Iterable[str]) -> list[str]:
    """The overrides that a user gave, as a list.

    Raises:
        InvalidValue: they are no key=value each, or a flag is among them.
    """
    wanted = "a list of key=value, as on the command line: ['model.latent_dim=12', 'seed=1']"
    if isinstance(overrides, str) or not isinstance(overrides, Iterable):
        raise InvalidValue("overrides", repr(overrides), wanted)
    words = list(overrides)
    for word in words:
        if not isinstance(word, str):
            raise InvalidValue("overrides", repr(words), wanted)
        if word.startswith("-"):
            raise InvalidValue(
                "overrides", repr(word), f"{wanted}; flags are the command line's, python -m arc_vae.train"
            )
    return words


@contextmanager
def _hydra_kept() -> Iterator[None]:
    """Context manager within which Hydra can be initialised anew, in a user's Hydra app too; one thread at a time, for
    the whole process has one Hydra.
    """
    from hydra.core.global_hydra import GlobalHydra
    from hydra.version import VersionBase

    with _one_at_a_time:
        hydra, base = GlobalHydra.instance().hydra, VersionBase.instance().version_base
        GlobalHydra.instance().hydra = None
        try:
            yield
        finally:
            GlobalHydra.instance().hydra = hydra
            VersionBase.instance().version_base = base
