"""A run directory: where its files lie, and the state the run is in."""

import os
import socket
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from arc_vae.common import locks
from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.common.inside import inside, refuse_links_outside
from arc_vae.evaluation.metrics_file import read_metrics_file
from arc_vae.runs.status_file import read_status

# What status.json says of a failure: training diverged; the user can mend it; a fault of ours or of the machine; the
# process ended without a word.
INSTABILITY = "instability"  # also the row of conf/fallback/ that answers it
FAILURE_KINDS = (INSTABILITY, "user_error", "error", "killed")


class RunDirectory:
    """The files of one run, by name."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.status_file = self.path / "status.json"
        self.metrics_file = self.path / "metrics.json"
        self.checkpoints = self.path / "checkpoints"
        self.images = self.path / "images"
        # Whoever keeps it trains here; part of every run directory, old ones too.
        self._lock_file = self.path / "train.log"

    def status(self) -> dict:
        """What status.json says; {} where there is none.

        Raises:
            UserError: it is damaged.
        """
        return read_status(inside(self.path, self.status_file)) if self.status_file.is_file() else {}

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

        Raises:
            UserError: another live process trains here: it alone says how the run fares.
        """
        with self._kept():
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

    def record_end(
        self,
        state: str,
        reason: str,
        over: Container[str] = ("finished", "failed", "preempted"),
        kind: str = "killed",
    ) -> str:
        """Speak for a run whose process ended without a word; the state that its directory tells then.

        Nothing is written where the run itself has said one of `over`, or where another process trains it now.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with self._kept():
                if self.state not in over:
                    self.set_state(state, reason, kind=kind if state == "failed" else None)
        except UserError:
            pass
        return self.state

    def acquire(self, wait_seconds: float = 0) -> None:
        """Keep the directory to this process until it ends; made where it does not exist. Again: nothing.

        Waits so long for another process to let go: where a job is requeued the old one may be ending yet.

        Raises:
            UserError: another live process trains here, or a link leads out of the directory.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        refuse_links_outside(self.path)
        deadline = time.monotonic() + wait_seconds
        while not locks.keep(self._lock_file):
            if time.monotonic() >= deadline:
                raise UserError(
                    f"{self.path} is in use by another run; wait for it to end or choose another hydra.run.dir"
                )
            time.sleep(0.2)

    def release(self) -> None:
        """Let another process train here."""
        locks.release(self._lock_file)

    def is_locked(self) -> bool | None:
        """Whether a live process trains here, seen without taking part; None where the system cannot tell."""
        return locks.is_kept(self._lock_file)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """The directory kept to this process, for a while unless it is anyway."""
        was_kept = locks.keeps(self._lock_file)
        self.acquire()
        try:
            yield
        finally:
            if not was_kept:
                self.release()

    def metrics(self) -> dict:
        """What metrics.json says.

        Raises:
            UserError: there is none yet, or it is damaged.
        """
        if not self.metrics_file.is_file():
            raise UserError(f"{self.metrics_file} does not exist; give a run directory whose training has finished")
        return read_metrics_file(inside(self.path, self.metrics_file))
