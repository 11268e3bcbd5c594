"""A run directory: where its files lie, and the state the run is in."""

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import IO

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json

# What status.json says of a failure: training diverged; the user can mend it; a fault of ours or of the machine; the
# process ended without a word.
FAILURE_KINDS = ("instability", "user_error", "error", "killed")


class RunDirectory:
    """The files of one run, by name."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.status_file = self.path / "status.json"
        self.metrics_file = self.path / "metrics.json"
        self.checkpoints = self.path / "checkpoints"
        self.images = self.path / "images"
        self._lock: IO[str] | None = None

    def status(self) -> dict:
        """What status.json says; {} where there is none."""
        return json.loads(self.status_file.read_text()) if self.status_file.is_file() else {}

    @property
    def state(self) -> str:
        """running, finished, failed or preempted; pending before the run has begun."""
        return self.status().get("state", "pending")

    @property
    def is_over(self) -> bool:
        """Whether the run itself has said that it is over, well or not."""
        return self.state in ("finished", "failed")

    def set_state(self, state: str, reason: str | None = None, kind: str | None = None) -> None:
        """Record the state (running, finished, failed, preempted), its reason, and who runs it where.

        `kind` says what sort of failure it was: one of FAILURE_KINDS.
        """
        write_json(
            self.status_file,
            {
                "state": state,
                "kind": kind,
                "reason": reason,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "job_id": os.environ.get("SLURM_JOB_ID"),
                "time": time.time(),
            },
        )

    def acquire(self) -> None:
        """Keep the directory to this process until it ends; made where it does not exist. Again: nothing.

        Raises:
            UserError: another live process trains here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = self._lock or self._try_lock()
        if self._lock is None:
            raise UserError(f"{self.path} is in use by another run; wait for it to end or choose another hydra.run.dir")

    def is_locked(self) -> bool:
        """Whether a live process, seen from this machine, keeps the directory to itself."""
        held = self._try_lock()
        if held is not None:
            held.close()
        return held is None

    def _try_lock(self) -> IO[str] | None:
        """The open file that holds the lock; None where another process holds it."""
        file = (self.path / "train.log").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def metrics(self) -> dict:
        """What metrics.json says.

        Raises:
            UserError: there is none yet.
        """
        if not self.metrics_file.is_file():
            raise UserError(f"{self.metrics_file} does not exist; give a run directory whose training has finished")
        return json.loads(self.metrics_file.read_text())
