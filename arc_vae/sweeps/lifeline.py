"""How a job on this machine learns that its launcher is gone, killed without a word: a pipe between them ends.

The launcher keeps the end that is written to, and no other process has it; the job waits for the end of what it reads.
"""

import logging
import os
import signal
import stat
import threading
from collections.abc import Mapping

logger = logging.getLogger(__name__)

# The number of the file from which a job reads.
VARIABLE = "ARC_VAE_LAUNCHER_FILE"


class Lifeline:
    """The pipe of a launcher to its jobs."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def options(self, environment: Mapping[str, str]) -> dict:
        """What `subprocess` is to be told so that a command holds on to it."""
        return {"env": {**environment, VARIABLE: str(self._read)}, "pass_fds": (self._read,)}

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


def stop_without_launcher() -> None:
    """From now on this process gets SIGTERM, at which a run saves itself, once the launcher that began it is gone."""
    number = os.environ.pop(VARIABLE, "")
    try:
        if not stat.S_ISFIFO(os.fstat(int(number)).st_mode):
            return
    except (ValueError, OSError, OverflowError):
        return  # begun by hand, or by a command that passes no files on
    os.set_inheritable(int(number), False)
    threading.Thread(target=_wait, args=(int(number),), daemon=True, name="launcher").start()


def _wait(file: int) -> None:
    while os.read(file, 1):
        pass
    logger.warning("the sweep's launcher is gone: this job is saved and stops")
    os.kill(os.getpid(), signal.SIGTERM)
