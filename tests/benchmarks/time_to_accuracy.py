"""Wall-clock time until validation object accuracy reaches a target on data=atomic.

The real command, `python -m arc_vae.train` in its default configuration, against the plain PyTorch loop with the
specification's hyperparameters: Adam at 1e-3, CosineAnnealingLR(T_max=50, eta_min=1e-5) stepped per epoch, batches of
128, its three-phase beta. The plain loop gets the balanced reduction (sum over cells, mean over dimensions) without
further weights, because the specification's literal one collapses to the all-black answer and would never arrive.

Object accuracy is the share of right cells among the non-background cells of the validation grids, decoding the
posterior mean, measured at the end of each epoch. The clock starts with the process, imports and reading the corpus
included, and stops when that measurement is made; the process is then interrupted. Building the corpus file is not in
it. Overrides after `--` go to the real command: `time_to_accuracy.py -- optimizer.lr=1e-3`.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from plain_loop import loaders, train
from timing import print_table

from arc_vae.corpus.atomic.source import AtomicSource
from arc_vae.objective.beta_schedule import ThreePhase

# The specification's max_epochs, over which its learning rate anneals.
T_MAX = 50

OBJECT_ACCURACY = "val/object_accuracy"
NAMES = {"real": "python -m arc_vae.train", "plain": "plain PyTorch loop"}
HEADER = ("contender", "seed", "epoch", "seconds", "object accuracy", "real / plain, s")

# One validation: epoch, seconds since the process began, object accuracy.
Point = tuple[int, float, float]


def command_of(name: str, args: argparse.Namespace, seed: int, folder: Path) -> list[str]:
    """The contender's command; it appends its validations to `folder`/metrics.jsonl."""
    if name == "real":
        overrides = [f"hydra.run.dir={folder}", f"data.num_grids={args.num_grids}", f"data.directory={args.datasets}"]
        return [sys.executable, "-m", "arc_vae.train", *overrides, f"seed={seed}", *args.overrides]
    options = {"num-grids": args.num_grids, "max-epochs": args.max_epochs, "datasets": args.datasets}
    options |= {"num-workers": args.num_workers, "seeds": seed, "folder": folder}
    return [sys.executable, __file__, *(f"--{option}={value}" for option, value in options.items())]


def train_plain(args: argparse.Namespace) -> None:
    """Be the plain loop's process."""
    random.seed(args.seeds[0])
    torch.manual_seed(args.seeds[0])
    args.folder.mkdir(parents=True, exist_ok=True)

    def record(epoch: int, metrics: dict[str, float]) -> None:
        with (args.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"epoch": epoch, "time": time.time(), **metrics}) + "\n")

    corpus_file = AtomicSource(args.num_grids, directory=args.datasets).path
    train(loaders(corpus_file, args.num_workers), ThreePhase(), args.max_epochs, T_MAX, args.folder, record)


def new_validations(path: Path, offset: int) -> tuple[list[dict], int]:
    """The validation records in the whole lines from byte `offset` on, and the offset behind them."""
    if not path.is_file():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    end = content.rfind(b"\n") + 1
    found = [json.loads(line) for line in content[:end].splitlines() if f'"{OBJECT_ACCURACY}"'.encode() in line]
    return found, offset + end


def stop(process: subprocess.Popen) -> None:
    """Interrupt it as Ctrl-C would; kill it when a minute later it still runs."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def curve_of(command: list[str], folder: Path, target: float, max_epochs: int) -> list[Point]:
    """Run the command until a validation reaches `target`, or `max_epochs` are over; all its validations.

    Raises:
        SystemExit: the command failed by itself; its last words are shown.
    """
    curve: list[Point] = []
    offset, output = 0, folder.with_suffix(".log")
    started = time.time()
    with output.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        while not curve or (curve[-1][2] < target and curve[-1][0] < max_epochs):
            ended = process.poll() is not None
            records, offset = new_validations(folder / "metrics.jsonl", offset)
            for record in records:
                curve.append((record["epoch"], record["time"] - started, record[OBJECT_ACCURACY]))
                print("  epoch {}: {:.1f} s, object accuracy {:.4f}".format(*curve[-1]), flush=True)
            if ended and process.returncode:
                raise SystemExit(f"{' '.join(command)} failed:\n{output.read_text()[-3000:]}")
            if ended:
                break
            time.sleep(0.5)
    finally:
        stop(process)
    return curve


def compare(args: argparse.Namespace, seed: int) -> list[list[str]]:
    """A row for each contender: where and when it reached the target, or the best it came to."""
    rows, seconds = [], []
    for name, title in NAMES.items():
        print(f"{title}, seed {seed}", flush=True)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "run"
            curve = curve_of(command_of(name, args, seed, folder), folder, args.target, args.max_epochs)
        epoch, at, accuracy = next((p for p in curve if p[2] >= args.target), max(curve, key=lambda p: p[2]))
        if accuracy >= args.target:
            seconds.append(at)
            rows.append([title, seed, epoch, f"{at:.1f}", f"{accuracy:.4f}"])
        else:
            rows.append([title, seed, epoch, f"not in {curve[-1][1]:.1f}", f"best {accuracy:.4f}"])
    ratio = f"{seconds[0] / seconds[1]:.2f}" if len(seconds) == 2 else "-"
    return [[*rows[0], ratio], [*rows[1], ""]]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=float, default=0.35, help="object accuracy, 0 to 1 (default %(default)s)")
    parser.add_argument("--max-epochs", type=int, default=20, help="epochs without it (default %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of weights and batches (default 0)")
    parser.add_argument("--num-grids", type=int, default=100_000, help="grids of data=atomic (default %(default)s)")
    parser.add_argument("--num-workers", type=int, default=0, help="of the plain loop's DataLoader (default 0)")
    parser.add_argument("--datasets", type=Path, default=Path("datasets"), help="folder of the corpus file")
    parser.add_argument("overrides", nargs="*", help="further overrides of the real command, after --")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    args = parse()
    if args.folder:
        train_plain(args)
        return
    AtomicSource(args.num_grids, directory=args.datasets).load()  # builds it now if need be, at nobody's expense
    rows = [row for seed in args.seeds for row in compare(args, seed)]
    title = (
        f"time until validation object accuracy {args.target:g}, {args.num_grids:,} grids, at most {args.max_epochs}"
    )
    print_table(" ".join([title, "epochs", *args.overrides]), HEADER, rows)


if __name__ == "__main__":
    main()
