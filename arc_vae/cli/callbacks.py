"""Checks that a command runs before Hydra creates or writes anything."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.utils import env_override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from arc_vae.cli.command import as_user_error, exit_with_error, faults_of_command_line
from arc_vae.cli.hydra_sweeps import remember_hydra_sweep
from arc_vae.cli.plugins import refuse_unknown_plugins
from arc_vae.cli.working_directory import keep_paths
from arc_vae.common.errors import UserError
from arc_vae.configuration.secret_names import refuse_secrets
from arc_vae.configuration.trust import trust_of_command
from arc_vae.configuration.validate import validate_config
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tracking.wandb_environment import begin_run, go_on_with_run, refuse_one_id_for_a_sweep


@contextmanager
def refusals() -> Iterator[None]:
    """End the process with a sentence for a mistake, with a traceback for a fault: Hydra would warn and go on."""
    try:
        yield
    except Exception as error:
        if mistake := as_user_error(error):
            exit_with_error(mistake)
        traceback.print_exc()
        raise SystemExit(1) from None


class ValidateConfig(Callback):
    """Holds the composed configuration against `conf/` before Hydra creates or writes anything."""

    # Hydra's own signature leaves out that it passes the name too.
    def on_run_start(self, config: DictConfig, config_name: str, **kwargs: Any) -> None:  # type: ignore[override]
        # Hydra sets these for the task alone, and much is made before it: the threads, the model, what W&B is told.
        with refusals(), env_override(config.hydra.job.env_set):
            refuse_secrets(config)
            # Before a run to go on with takes the configuration's place: what a file trusts counts for nothing.
            trust_of_command(config.get("trust", []), config.hydra.runtime.config_sources)
            self.redirect(config)
            cfg = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
            validate_config(cfg, config_name)
            self.check(cfg, config.hydra)

    def redirect(self, config: DictConfig) -> None:
        """Change the composed configuration before it is looked at, where the command must."""

    def on_multirun_start(self, config: DictConfig, config_name: str, **kwargs: Any) -> None:  # type: ignore[override]
        # Hydra would make the sweep's directory first.
        if faults := faults_of_command_line(config_name):
            exit_with_error(faults)

    def check(self, cfg: DictConfig, hydra: DictConfig) -> None:
        """Raise UserError for what this command cannot work with; its keys and types are right already."""


class PreflightCallback(ValidateConfig):
    """Step 0 of a run, before Hydra makes its directory: see `arc_vae.runs.prepare`."""

    def redirect(self, config: DictConfig) -> None:
        if config.resume is None:
            begin_run(config, config.hydra.overrides.task)
        else:
            self.point_at_run(config)
        keep_paths(config, config.hydra)

    def point_at_run(self, config: DictConfig) -> None:
        """Make of `resume=<run dir>` the configuration of that run."""
        from arc_vae.runs.resume import point_at_run
        from arc_vae.sweeps.job_files import all_overrides

        run = Path(str(config.resume))
        point_at_run(config)
        go_on_with_run(config, all_overrides(run))

    def check(self, cfg: DictConfig, hydra: DictConfig) -> None:
        launchers = [word for word in hydra.overrides.hydra if word.startswith(("hydra/launcher=", "hydra.launcher."))]
        if launchers:
            raise UserError(f"{launchers[0]}: a launcher runs a sweep's jobs; add -m, or leave it out to train here")
        # torch is imported only when there is something to train: --help answers at once.
        from arc_vae.runs.prepare import is_finished, keep_prepared, prepare_run

        output_dir = Path(hydra.run.dir)
        directory = RunDirectory(output_dir.absolute())
        if is_finished(cfg, directory):
            print(f"{output_dir} is finished already; its verdict is in {output_dir / directory.metrics_file.name}")
            raise SystemExit(0)
        keep_prepared(prepare_run(cfg, directory))

    def on_multirun_start(self, config: DictConfig, config_name: str, **kwargs: Any) -> None:  # type: ignore[override]
        from arc_vae.sweeps.claim import claim_sweep

        super().on_multirun_start(config, config_name, **kwargs)
        with refusals():
            refuse_secrets(config)
            if config.resume is not None:
                raise UserError(f"resume={config.resume} goes on with one run; leave out -m")
            refuse_one_id_for_a_sweep(config.hydra.overrides.task)
            refuse_unknown_plugins(config.hydra)
            remember_hydra_sweep(config.hydra)
            claim_sweep(Path(config.hydra.sweep.dir))
