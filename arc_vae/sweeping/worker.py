"""`python -m arc_vae.sweeping.worker <job directory>`: run, or go on with, one job of a sweep as it was frozen."""

import logging
import shlex
import sys
from pathlib import Path

from arc_vae.command import INTERRUPTED, USER_MISTAKE
from arc_vae.errors import UserError
from arc_vae.pipeline import run
from arc_vae.sweeping.frozen import thaw
from arc_vae.training.hardware import use_machine_well

# Hydra's own.
LINE = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"


def work(directory: Path) -> None:
    """Train in the directory as it was frozen there, or go on; the log goes to the terminal and to train.log."""
    handlers = [logging.StreamHandler(sys.stdout), logging.FileHandler(directory / "train.log")]
    logging.basicConfig(level=logging.INFO, format=LINE, handlers=handlers, force=True)
    run(thaw(directory), directory, again=f"python -m arc_vae.sweeping.worker {shlex.quote(str(directory))}")


def main() -> None:
    """Exit status 2 for a user's mistake, 130 after Ctrl-C, 1 for any other failure."""
    use_machine_well()
    try:
        work(Path(sys.argv[1]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(USER_MISTAKE) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
