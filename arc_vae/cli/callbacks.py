"""Checks that a command runs before Hydra creates or writes anything."""

import traceback
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from arc_vae.cli.command import exit_with_error
from arc_vae.common.errors import UserError
from arc_vae.configuration.validate import validate_config
from arc_vae.runs.run_directory import RunDirectory


class ValidateConfig(Callback):
    """Holds the composed configuration against `conf/` before Hydra creates or writes anything."""

    # Hydra's own signature leaves out that it passes the name too.
    def on_run_start(self, config: DictConfig, config_name: str, **kwargs: Any) -> None:  # type: ignore[override]
        cfg = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        try:
            validate_config(cfg, config_name)
            self.check(cfg, Path(config.hydra.run.dir))
        except UserError as error:
            exit_with_error(error)
        except Exception:
            # Hydra would turn it into a warning and go on.
            traceback.print_exc()
            raise SystemExit(1) from None

    def check(self, cfg: DictConfig, output_dir: Path) -> None:
        """Raise UserError for what this command cannot work with; its keys and types are right already."""


class PreflightCallback(ValidateConfig):
    """Step 0 of a run, before Hydra makes its directory: see `arc_vae.runs.prepare`."""

    def check(self, cfg: DictConfig, output_dir: Path) -> None:
        directory = RunDirectory(output_dir)
        if directory.state == "finished":
            print(f"{directory.path} is finished already; its verdict is in {directory.metrics_file}")
            raise SystemExit(0)
        # torch is imported only when there is something to train: --help answers at once.
        from arc_vae.runs.prepare import keep_prepared, prepare_run

        keep_prepared(prepare_run(cfg, RunDirectory(output_dir.absolute())))
