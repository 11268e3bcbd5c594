"""What the commands share: Hydra on `conf/`, users' mistakes told in one sentence."""

import os
import secrets
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arc_vae.binding import validate
from arc_vae.config import conf_dir, explain
from arc_vae.errors import UserError

USER_MISTAKE = 2
INTERRUPTED = 130  # the shell's own status for a process ended by Ctrl-C

# Whether the user asked to see where an error came from; read before `main` sets the variable for itself.
SHOW_TRACEBACK = "HYDRA_FULL_ERROR" in os.environ or any(a.startswith("hydra.verbose=") for a in sys.argv)

# Cached by each configuration: the same run asks twice and gets one id, two jobs of a sweep get two.
OmegaConf.register_new_resolver("new_run_id", lambda: secrets.token_hex(4), use_cache=True, replace=True)


def command(config_name: str) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Make a task function a Hydra command on `conf/<config_name>.yaml`.

    A user's mistake ends the process with one sentence and exit status 2; with a traceback
    under `hydra.verbose=true` or HYDRA_FULL_ERROR=1.
    """

    def decorate(task: Callable[[DictConfig], None]) -> Callable[[], None]:
        def guarded(cfg: DictConfig) -> None:
            try:
                # Again, since the jobs of a sweep do not pass by RefuseMistakes.
                validate(cfg, config_name)
                task(cfg)
            except UserError as error:
                refuse(error)
            except KeyboardInterrupt:
                print("interrupted", file=sys.stderr)
                raise SystemExit(INTERRUPTED) from None

        # Hydra names the job after the task's module.
        guarded.__module__ = task.__module__

        def main() -> None:
            # Hydra then raises what it would otherwise print in its own words.
            before = os.environ.get("HYDRA_FULL_ERROR")
            os.environ["HYDRA_FULL_ERROR"] = "1"
            if "-m" in sys.argv or "--multirun" in sys.argv:
                from arc_vae.sweeping.launcher import register

                register()
            try:
                hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(guarded)()
            except (UserError, HydraException, OmegaConfBaseException, ValueError) as error:
                mistake = users_mistake(error)
                if mistake is None or (SHOW_TRACEBACK and mistake is not error):
                    raise
                refuse(mistake)
            finally:
                if before is None:
                    del os.environ["HYDRA_FULL_ERROR"]

        return main

    return decorate


def users_mistake(error: Exception) -> UserError | None:
    """What a user did to be answered with this error, in one sentence; None where nobody but us is to blame."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return UserError(explain(error))
    # Two mistakes for which Hydra raises no HydraException: `loss=null`, and `-m` with `--cfg`.
    given = " ".join(sys.argv[1:])
    if str(error).startswith("Config group override must be"):
        return UserError(f"a config group takes the name of one of its options, not null or a number: {given}")
    if str(error).startswith("Only one of --run"):
        return UserError(f"one of -m, --cfg and --info at a time: {given}")
    return None


class RefuseMistakes(Callback):
    """Holds the composed configuration against `conf/` before Hydra creates or writes anything."""

    def on_run_start(self, config: DictConfig, config_name: str, **kwargs: Any) -> None:
        cfg = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
        try:
            validate(cfg, config_name)
            self.check(cfg, Path(config.hydra.run.dir))
        except UserError as error:
            refuse(error)
        except Exception:
            # Hydra would turn it into a warning and go on.
            traceback.print_exc()
            raise SystemExit(1) from None

    def check(self, cfg: DictConfig, output_dir: Path) -> None:
        """Raise UserError for what this command cannot work with; its keys and types are right already."""


def refuse(error: UserError) -> None:
    """Say the sentence and end the process."""
    if SHOW_TRACEBACK:
        traceback.print_exception(error)
    else:
        print(f"error: {error}", file=sys.stderr)
    raise SystemExit(USER_MISTAKE)
