"""`python -m arc_vae.sweeps.worker <job directory> [trust=[module,…]]`: run, or go on with, a frozen job."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from arc_vae.common.commands import worker_command
from arc_vae.common.errors import INTERRUPTED, USER_MISTAKE, UserError, disk_error
from arc_vae.common.inside import refuse_links_outside
from arc_vae.common.output import drop_unwritable_output, escape_logs
from arc_vae.common.printable import printable
from arc_vae.configuration.trust import read_trust_argument, trust
from arc_vae.runs.frozen_config import load_frozen_config
from arc_vae.runs.run import run_training
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.lifeline import stop_without_launcher
from arc_vae.training.device import configure_process

# Hydra's own.
LINE = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"


def run_job(directory: Path, wait_seconds: float = 0, trusted: Sequence[str] = ()) -> None:
    """Train in the directory as it was frozen there, or go on; the log goes to the terminal and to train.log.

    Waits so long for another process to leave the directory. `trusted` are the modules and classes of the user's own
    that its launcher trusts.
    """
    drop_unwritable_output()
    trust(trusted)
    refuse_links_outside(directory)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout), logging.FileHandler(directory / "train.log")]
    logging.basicConfig(level=logging.INFO, format=LINE, handlers=handlers, force=True)
    escape_logs()
    try:
        config = load_frozen_config(directory)
    except UserError as error:
        # For the ledger: the run itself has not begun and says nothing.
        RunDirectory(directory).record_end("failed", f"UserError: {error}", ("finished",), "user_error")
        raise
    run_training(config, directory, command=worker_command(directory), wait_seconds=wait_seconds)


def main() -> None:
    """Exit status 2 for a user's mistake, 130 after Ctrl-C, 1 for any other failure."""
    stop_without_launcher()
    configure_process()
    try:
        run_job(Path(sys.argv[1]), trusted=[name for words in sys.argv[2:] for name in read_trust_argument(words)])
    except (UserError, OSError) as error:
        if not (mistake := error if isinstance(error, UserError) else disk_error(error, sys.argv[1])):
            raise
        print(f"error: {printable(str(mistake))}", file=sys.stderr)
        raise SystemExit(USER_MISTAKE) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
