"""What the commands share: Hydra on `conf/`, users' mistakes told in one sentence."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from arc_vae.cli.arguments import overrides_first
from arc_vae.cli.hydra_sweeps import job_failed, report_hydra_sweep
from arc_vae.cli.plugins import ignore_plugins_of_current_folder
from arc_vae.common import locks
from arc_vae.common.errors import INTERRUPTED, JOB_FAILED, USER_MISTAKE, JobFailed, UserError, disk_error
from arc_vae.common.output import drop_unwritable_output, escape_logs
from arc_vae.common.printable import printable
from arc_vae.configuration.paths import conf_dir
from arc_vae.configuration.suggest import describe_hydra_error
from arc_vae.configuration.trust import trust_of_command
from arc_vae.configuration.validate import validate_config
from arc_vae.configuration.yaml_faults import UNREADABLE, describe_yaml_error

# Whether the user asked to see where an error came from; read before `main` sets the variable for itself.
SHOW_TRACEBACK = "HYDRA_FULL_ERROR" in os.environ or any(a.startswith("hydra.verbose=") for a in sys.argv)


def command(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Make a task function a Hydra command on `conf/<config_name>.yaml`.

    A user's mistake ends the process with one sentence and exit status 2; with a traceback
    under `hydra.verbose=true` or HYDRA_FULL_ERROR=1.
    """

    def decorate(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
        return lambda: _run(_guarded(task, config_name), config_name)

    return decorate


def _guarded(task: Callable[[DictConfig], Any], config_name: str) -> Callable[[DictConfig], Any]:
    """The task on a valid configuration; what ends a sweep's job is said of it, what ends a run ends the process."""

    def guarded(cfg: DictConfig) -> Any:
        escape_logs()
        try:
            hydra_config = HydraConfig.get()
            trust_of_command(cfg.get("trust", []), hydra_config.runtime.config_sources)
            # Again, since the jobs of a sweep do not pass by ValidateConfig.
            validate_config(cfg, config_name)
            return task(cfg)
        except Exception as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise job_failed(error) from error
            mistake = as_user_error(error)
            if mistake and (mistake is error or not SHOW_TRACEBACK):
                exit_with_error(mistake)
            raise

    # Hydra names the job after the task's module.
    guarded.__module__ = task.__module__
    return guarded


def _run(task: Callable[[DictConfig], Any], config_name: str) -> None:
    """Have Hydra compose the configuration of this process's command line and call the task, once or for each job."""
    drop_unwritable_output()
    sys.argv[1:] = overrides_first(sys.argv[1:])
    # Hydra then raises what it would otherwise print in its own words.
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    ignore_plugins_of_current_folder()
    try:
        try:
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(task)()
        finally:
            # Before anything is raised that ended it.
            report_hydra_sweep()
    except JobFailed as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(JOB_FAILED) from None
    except (UserError, HydraException, OmegaConfBaseException, YAMLError, ValueError, OSError, RecursionError) as error:
        mistake = as_user_error(error, config_name)
        if mistake is None or (SHOW_TRACEBACK and mistake is not error):
            raise
        exit_with_error(mistake)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    finally:
        locks.release_all()
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]


def as_user_error(error: Exception, config_name: str | None = None) -> UserError | None:
    """What a user did to be answered with this error, in one sentence; None where nobody but us is to blame.

    With the name of a command's configuration: every fault of the command line, a line each.
    """
    if isinstance(error, UserError):
        return error
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return (faults_of_command_line(config_name) if config_name else None) or UserError(describe_hydra_error(error))
    if isinstance(error, UNREADABLE):
        named = get_args_parser().parse_args().config_dir
        return describe_yaml_error(error, [*([Path(named)] if named else []), conf_dir()])
    if isinstance(error, OSError):
        return disk_error(error, Path.cwd())
    if isinstance(error, RecursionError):
        return UserError("a configuration nests too deep, or a key refers to itself; write its value")
    # Mistakes for which Hydra raises no HydraException: `loss=null`, `-m` with `--cfg`, a file's header or defaults.
    given = " ".join(sys.argv[1:])
    if str(error).startswith("Config group override must be"):
        return UserError(f"a config group takes the name of one of its options, not null or a number: {given}")
    if str(error).startswith("Only one of --run"):
        return UserError(f"one of -m, --cfg and --info at a time: {given}")
    if str(error).startswith("Unable to configure handler") and isinstance(error.__cause__, OSError):
        return disk_error(error.__cause__, Path.cwd())
    if str(error).startswith(("Invalid defaults list", "Expected header format")):
        return UserError(f"a file of a --config-dir or conf/ cannot be used: {error}")
    return None


def faults_of_command_line(config_name: str) -> UserError | None:
    """Every fault of this process's command line."""
    from arc_vae.configuration.faults import refuse_faults

    given = get_args_parser().parse_args()
    try:
        multirun = given.multirun or "hydra.mode=MULTIRUN" in given.overrides
        refuse_faults(given.config_name or config_name, given.overrides, given.config_dir, multirun)
    except UserError as faults:
        return faults
    except (HydraException, OmegaConfBaseException, *UNREADABLE):  # the configuration itself cannot be composed
        return None
    return None


def exit_with_error(error: UserError) -> None:
    """Say the sentence, or one a fault, and end the process."""
    if SHOW_TRACEBACK:
        traceback.print_exception(error)
    else:
        lines = printable(str(error)).splitlines()
        print("\n".join(f"error: {line}" for line in lines), file=sys.stderr)
    raise SystemExit(USER_MISTAKE)
