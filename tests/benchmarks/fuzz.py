"""Every kind of file that a command reads from a run or a sweep, damaged: each is refused in a sentence or read.

Of checkpoints and corpora, what is read of one with flipped bits is besides what it held before. A surprise is any
other exception, other weights, or a reading of over a minute.

    python tests/benchmarks/fuzz.py [--run <finished run directory>] [--seeds 0 1] [--rounds 2] [--only checkpoints]
"""

import argparse
import contextlib
import io
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzzing.damage import BYTES, WAYS, damage, restore

LONGEST_SECONDS = 60
SMALL = (
    *("data.num_grids=320", "training.batch_size=16", "training.max_epochs=2", "training.image_every=2", "name=small"),
    *("model.encoder_channels=[10,8,8]", "model.decoder_channels=[8,8,10]", "wandb.mode=disabled", "data.directory=d"),
)


class Hang(BaseException):
    """A reading that does not end."""


class Fuzz:
    """A place whose files are damaged one at a time; `surprises` in a line each, `counts` of outcomes."""

    def __init__(self, folder: Path, run: Path):
        from fuzzing.readers import READERS, Place

        self.place, self.readers = Place(folder, run), READERS
        self.surprises: list[str] = []
        self.counts: Counter[str] = Counter()
        self.wanted = {(name, by): self.read(name, by) for name in READERS for by in READERS[name]}
        self.kept = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}

    def read(self, name: str, by: str) -> Any:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return self.readers[name][by](self.place)

    def trial(self, name: str, way: str, seed: str) -> None:
        """Damage one file in one way, and have everything that reads it read it."""
        file, rng = self.place.file(name), random.Random(f"{name} {way} {seed}")
        damage(file, self.kept[file][0], way, rng)
        self.counts["inputs"] += 1
        for by in self.readers[name]:
            outcome = self.outcome(name, by, file, way)
            self.counts[outcome.partition(":")[0]] += 1
            if outcome.startswith("surprise"):
                self.surprises.append(f"{name}, {way}, seed {seed}, {by}: {outcome.partition(': ')[2]}")
        restore(file, self.kept[file][0])
        self.put_back()

    def outcome(self, name: str, by: str, file: Path, way: str) -> str:
        from arc_vae.common import locks
        from arc_vae.common.errors import UserError, disk_error

        signal.alarm(LONGEST_SECONDS)
        try:
            found = self.read(name, by)
        except UserError as error:
            return "refused" if str(error).strip() and "Traceback" not in str(error) else f"surprise: says {error!r}"
        except OSError as error:
            return "refused" if disk_error(error, file) else f"surprise: {error!r}"
        except (Exception, Hang) as error:
            return f"surprise: {type(error).__name__}: {error}".replace("\n", " ")[:300]
        finally:
            signal.alarm(0)
            locks.release_all()
        strict = way in BYTES and file.suffix in (".pth", ".npz")
        return "read" if not strict or found == self.wanted[name, by] else "surprise: read as something else"

    def put_back(self) -> None:
        """Whatever a reader has written over, as it was."""
        for file, (content, time) in self.kept.items():
            if not file.is_file() or file.stat().st_mtime_ns != time:
                restore(file, content)
                os.utime(file, ns=(time, time))


@contextlib.contextmanager
def fuzz_of(folder: Path, run: Path) -> Iterator[Fuzz]:
    """A Fuzz in a folder, nothing of the user's touched: neither the current folder nor what they trust."""
    before = Path.cwd(), os.environ.get("XDG_STATE_HOME"), logging.root.level
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    run = run.resolve()
    os.chdir(folder)
    logging.root.setLevel(logging.CRITICAL)

    def hang(number: int, frame: object) -> None:
        raise Hang(f"over {LONGEST_SECONDS} s")

    handler = signal.signal(signal.SIGALRM, hang)
    from fuzzing.readers import quick_pictures

    try:
        with quick_pictures():
            yield Fuzz(folder, run)
    finally:
        signal.signal(signal.SIGALRM, handler)
        logging.root.setLevel(before[2])
        os.chdir(before[0])
        os.environ.pop("XDG_STATE_HOME")
        if before[1] is not None:
            os.environ["XDG_STATE_HOME"] = before[1]


def small_run(folder: Path) -> Path:
    """A finished run of a small network."""
    command = [sys.executable, "-m", "arc_vae.train", *SMALL, f"hydra.run.dir={folder / 'small'}"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "small"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a finished run's directory; without one a small one is trained")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--rounds", type=int, default=2, help="inputs of each kind and way under each seed")
    parser.add_argument("--only", default="", help="part of the file's name")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as trained, tempfile.TemporaryDirectory() as folder:
        run = arguments.run or small_run(Path(trained))
        with fuzz_of(Path(folder).resolve(), run) as fuzz:
            for name in (name for name in fuzz.readers if arguments.only in name):
                before = fuzz.counts.copy()
                for seed in (f"{seed}.{number}" for seed in arguments.seeds for number in range(arguments.rounds)):
                    for way in WAYS:
                        fuzz.trial(name, way, seed)
                told = ", ".join(f"{count} {what}" for what, count in (fuzz.counts - before).items())
                print(f"{name}: {told}", flush=True)
    print(*fuzz.surprises, sep="\n")
    print(f"{len(fuzz.surprises)} surprises; {', '.join(f'{count} {what}' for what, count in fuzz.counts.items())}")
    raise SystemExit(bool(fuzz.surprises))


if __name__ == "__main__":
    main()
