"""All that touches the wandb library: one open run, silent, bounded and with everything it need not do switched off.

Imported only by a started run's own thread, since importing wandb takes a second. Any method may raise or hang;
`wandb_thread` guards them.
"""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from arc_vae.common.provenance import git_state

# Crash reports would go to W&B's own servers, whatever the mode; some versions of wandb read this once, when imported.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

import wandb  # noqa: E402

# Its own log file has everything; passed on, a traceback of each failure would reach the console too.
logging.getLogger("wandb").propagate = False


class WandbSession:
    """An open W&B run. Never prompts.

    Args:
        mode: `online` or `offline`.
        init_timeout: seconds to wait for the server, in total: wandb's background process
            makes it the common deadline of all requests of the start, name look-up included.
        upload_timeout: seconds `finish` may wait for uploads before it raises TimeoutError.
        about: `wandb.init`'s other arguments.
        environment: whether system metrics, the git commit of this code and the installed packages are recorded.

    Raises:
        wandb.Error: no API key, no answer, or a refusal.
    """

    def __init__(
        self,
        mode: Literal["online", "offline"],
        init_timeout: float,
        upload_timeout: float,
        about: Mapping[str, Any],
        environment: bool,
    ):
        git = git_state() if environment else None
        settings = wandb.Settings(
            silent=True,
            console="off",
            # The default would go on in the previous job's run, had that been given up unfinished.
            reinit="create_new",
            init_timeout=init_timeout,
            finish_timeout=upload_timeout,
            finish_timeout_raises=True,
            save_code=False,
            disable_code=True,
            # Of this code's checkout. wandb itself would look at the current folder's.
            disable_git=True,
            git_commit=str(git["commit"]) if git else None,
            x_disable_machine_info=not environment,
            x_disable_meta=not environment,
            x_disable_stats=not environment,
            x_save_requirements=environment,
        )
        self.mode = mode
        try:
            # Silent before `init`: a silent wandb raises where it would otherwise ask for a key.
            wandb.setup(settings)
            # Where it does not exist, wandb would write to a temporary folder.
            Path(about["dir"]).mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(mode=mode, settings=settings, **about)
        except Exception:
            # Its background process still holds the failed run's id, and would refuse it to the next attempt.
            _end_service()
            raise
        self.folder = self._run.settings.sync_dir
        # Charts of validation are drawn over epochs; their summary is set where an epoch is the best (`summary`).
        self._run.define_metric("epoch")
        self._run.define_metric("val/*", step_metric="epoch", summary="none")

    def log(self, metrics: Mapping[str, Any], step: int, timestamp: float) -> None:
        record = {key: _for_wandb(value) for key, value in metrics.items()}
        # By default, a record's time would be that of this call, which may come late.
        self._run.log({**record, "_timestamp": timestamp}, step=step)

    def image(self, name: str, path: Path, step: int, timestamp: float) -> None:
        self._run.log({name: wandb.Image(str(path)), "_timestamp": timestamp}, step=step)

    def artifact(self, path: Path, filename: str, name: str, type: str, aliases: Sequence[str]) -> None:
        """Log the file at `path`, which must stay as it is. Online, this waits for the server's answers, unbounded."""
        artifact = wandb.Artifact(name, type=type)
        artifact.add_file(str(path), name=filename, policy="immutable", skip_cache=True)
        self._run.log_artifact(artifact, aliases=["latest", *aliases])

    def summary(self, values: Mapping[str, Any]) -> None:
        self._run.summary.update(dict(values))

    def finish(self, exit_code: int) -> None:
        """End the run; its files are whole when this returns."""
        try:
            self._run.finish(exit_code=exit_code)
        finally:
            # `finish` returns before the background process has written the last records.
            _end_service()


def _end_service() -> None:
    try:
        wandb.teardown()
    except SystemExit as error:
        raise RuntimeError(f"wandb's background process ended with status {error.code}") from None


def _for_wandb(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    finite = [number for number in value if math.isfinite(number)]
    return wandb.Histogram(finite) if finite else None
