"""The wall clock of a whole run of this checkout against one of another: `python -m arc_vae.train`, W&B offline.

Each is run for a few epochs, as a process of its own, by turns; the corpus that `data` names among the overrides is
built before. The wall clock of a run with all of its epochs is then what the process took beside them, its start and
its verdict, and one epoch, training and validation, as often as this checkout's configuration says. OMP_NUM_THREADS
sets the threads.

    git worktree add --detach /tmp/before ece1766
    python tests/benchmarks/wall_clock.py /tmp/before experiment=object_slots
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from step_setup import configuration
from timing import print_table

CHECKOUT = Path(__file__).parents[2]


def command(checkout: Path, module: str, *overrides: str) -> float:
    """Seconds of a command of a checkout."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", f"arc_vae.{module}", f"data.directory={checkout / 'datasets'}", *overrides],
        cwd=checkout,  # where `-m` looks first
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr or done.stdout}")
    return time.perf_counter() - started


def timed_run(checkout: Path, overrides: list[str], epochs: int) -> tuple[float, float]:
    """Seconds beside the epochs, and of an epoch."""
    with tempfile.TemporaryDirectory() as folder:
        given = [f"hydra.run.dir={folder}/run", *overrides, f"training.max_epochs={epochs}", "wandb.mode=offline"]
        whole = command(checkout, "train", *given)
        in_epochs = json.loads((Path(folder) / "run" / "metrics.json").read_text())["seconds"]
    return whole - in_epochs, in_epochs / epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("overrides", nargs="*", help="of the default configuration, as experiment=object_slots")
    parser.add_argument("--epochs", type=int, default=2, help="of each process (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each checkout (default %(default)s)")
    arguments = parser.parse_intermixed_args()

    epochs = configuration(*arguments.overrides).training.max_epochs
    checkouts = (arguments.before.resolve(), CHECKOUT)
    if len(set(checkouts)) == 1:
        parser.error(f"{arguments.before} is this checkout: give another")
    for checkout in checkouts:
        command(checkout, "build_corpus", *(word for word in arguments.overrides if word.startswith("data")))
    measured: dict[Path, list[tuple[float, float]]] = {checkout: [] for checkout in checkouts}
    for turn in range(arguments.rounds):
        for checkout in checkouts if turn % 2 else checkouts[::-1]:
            measured[checkout].append(timed_run(checkout, arguments.overrides, arguments.epochs))
            print(f"round {turn + 1}, {checkout}: {measured[checkout][-1]}", flush=True)
    whole = {checkout: [rest + epochs * one for rest, one in times] for checkout, times in measured.items()}
    before, after = whole.values()
    rows = [
        [
            str(checkout),
            *(f"{median(values):.1f}" for values in zip(*times, strict=True)),
            f"{median(whole[checkout]):.0f}",
        ]
        for checkout, times in measured.items()
    ]
    rows[-1].append(f"{median(now / then for now, then in zip(after, before, strict=True)):.2f}")
    rows[0].append("1")
    header = ["checkout", "start and end, s", "an epoch, s", f"{epochs} epochs whole, s", "ratio"]
    print_table(f"{' '.join(arguments.overrides)}, {arguments.epochs} epochs timed", header, rows)


if __name__ == "__main__":
    main()
