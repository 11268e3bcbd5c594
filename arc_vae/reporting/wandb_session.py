"""All that touches the wandb library: one open run, silent, bounded and with everything it need not do switched off.

Imported only when a run starts, since importing wandb takes a second. Any method may raise; `wandb_run` guards them.
"""

import logging
import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

# Crash reports would go to W&B's own servers, whatever the mode.
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
        about: `wandb.init`'s other arguments; `dir` is the run directory.

    Raises:
        wandb.Error: no API key, no answer, or a refusal.
    """

    def __init__(
        self,
        mode: Literal["online", "offline"],
        init_timeout: float,
        upload_timeout: float,
        about: Mapping[str, Any],
    ):
        settings = wandb.Settings(
            silent=True,
            console="off",
            init_timeout=init_timeout,
            finish_timeout=upload_timeout,
            finish_timeout_raises=True,
            save_code=False,
            disable_code=True,
            disable_git=True,
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )
        self.mode = mode
        self._folder = Path(about["dir"]) / "wandb" / "artifacts"
        try:
            # Silent before `init`: a silent wandb raises where it would otherwise ask for a key.
            wandb.setup(settings)
            self._run = wandb.init(mode=mode, settings=settings, **about)
        except Exception:
            # Its background process still holds the failed run's id, and would refuse it to the next attempt.
            _end_service()
            raise

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        self._run.log({key: _for_wandb(value) for key, value in metrics.items()}, step=step)

    def image(self, name: str, path: Path, step: int) -> None:
        self._run.log({name: wandb.Image(str(path))}, step=step)

    def keep(self, path: Path) -> Path:
        """Link (else copy) `path` under the run directory, so that it is uploaded as it is now, though replaced later.

        wandb's own staging would copy it into the user's home directory.
        """
        kept = self._folder / f"{path.stem}-{time.time_ns()}{path.suffix}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, kept)
        except OSError:
            shutil.copyfile(path, kept)
        return kept

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
