"""Wall clock of the real command against other training loops.

The real command is `python -m arc_vae.train` with everything on: validation, records, pictures, checkpoints, W&B
offline, and the closing evaluation on the test split, which the others lack. Against it on the same model, corpus,
objective, beta schedule, epochs, batch size, Adam, learning rate and gradient clip: a plain PyTorch loop, Lightning's
Trainer, pythae's BaseTrainer, each with validation and a checkpoint an epoch.

Each runs in a process of its own with torch's default threads, one after the other. "process" is the whole process,
imports included. "an epoch" is training and validation divided by the epochs; of the real command it is `seconds` of
its metrics.json, without the pictures and checkpoints, which the process has. The others compute in float32; the real
command's precision is its own default (bfloat16 where the CPU has it): `-- training.precision=float32` makes it theirs.
"""

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from plain_loop import LEARNING_RATE, loaders
from plain_loop import train as train_plain
from schedule import phases, short
from timing import print_table

from arc_vae.corpus.atomic.source import AtomicSource
from arc_vae.objective.beta_schedule import ThreePhase

REAL = "real"
# What the table calls them, the module they need, and how to get it. lightning 2.6.2 and 2.6.3 were malicious.
CONTENDERS = {
    REAL: ("python -m arc_vae.train", "arc_vae", "-e ."),
    "plain": ("plain PyTorch loop", "torch", "torch"),
    "lightning": ("Lightning Trainer", "pytorch_lightning", "pytorch-lightning==2.6.1"),
    "pythae": ("pythae BaseTrainer", "pythae", "pythae==0.1.2"),
}
# The others' objective and learning rate.
PLAIN_OBJECTIVE = (
    "loss.object_weight=1",
    "loss.foreground_warmup_steps=0",
    "loss.blank_weight=0",
    "optimizer=adam",
    f"optimizer.lr={LEARNING_RATE}",
    "lr_scheduler.warmup_steps=0",
)
HEADER = ("contender", "process, s", "training, s", "an epoch, s", "real / this: process", "an epoch")


def real_command(args: argparse.Namespace, folder: Path) -> list[str]:
    """The command that trains `args.epochs` epochs, its run directory `folder`."""
    overrides = [
        f"hydra.run.dir={folder}",
        f"data.num_grids={args.num_grids}",
        f"data.directory={args.datasets}",
        *PLAIN_OBJECTIVE,
        *short(args.epochs),
    ]
    return [sys.executable, "-m", "arc_vae.train", *overrides, *args.overrides]


def own_command(args: argparse.Namespace, name: str, folder: Path) -> list[str]:
    """This script again, as the process of one other contender."""
    options = {"only": name, "num-grids": args.num_grids, "epochs": args.epochs, "datasets": args.datasets}
    options |= {"num-workers": args.num_workers, "folder": folder}
    return [sys.executable, __file__, *(f"--{option}={value}" for option, value in options.items())]


def run(args: argparse.Namespace, name: str, folder: Path) -> tuple[float, float] | str:
    """Seconds of the contender's process and of its training alone, or why there are none."""
    _, module, package = CONTENDERS[name]
    if importlib.util.find_spec(module) is None:
        return f"not installed: pip install {package}"
    command = real_command(args, folder) if name == REAL else own_command(args, name, folder)
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return f"failed with exit status {done.returncode}"
    training = json.loads((folder / "metrics.json").read_text())["seconds"]
    return seconds, training


def train_only(args: argparse.Namespace) -> None:
    """Be the process of one contender: train and leave metrics.json in `args.folder`, as the real command does."""
    corpus_file = AtomicSource(args.num_grids, directory=args.datasets).path
    beta = ThreePhase(*phases(args.epochs))
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.only == "plain":
        batches = loaders(corpus_file, args.num_workers)
        started = time.perf_counter()
        train_plain(batches, beta, args.epochs, args.epochs, args.folder, after_epoch=print)
        seconds = time.perf_counter() - started
    else:
        module = importlib.import_module(f"{args.only}_loop")
        seconds = module.train(corpus_file, beta, args.epochs, args.num_workers, args.folder)
    (args.folder / "metrics.json").write_text(json.dumps({"seconds": seconds}))


def table(measured: dict[str, list[tuple[float, float] | str]], epochs: int) -> list[list[str]]:
    """A row for each contender: medians over the rounds, ratios to the real command's medians."""
    rows, real = [], None
    for name, results in measured.items():
        times = [result for result in results if not isinstance(result, str)]
        if len(times) < len(results):
            reason = next(result for result in results if isinstance(result, str))
            rows.append([CONTENDERS[name][0], *["-"] * (len(HEADER) - 2), reason])
            continue
        process, training = (median(values) for values in zip(*times, strict=True))
        real = (process, training) if name == REAL else real
        ratios = [f"{real[i] / (process, training)[i]:.2f}" if real else "-" for i in range(2)]
        rows.append([CONTENDERS[name][0], f"{process:.1f}", f"{training:.1f}", f"{training / epochs:.2f}", *ratios])
    return rows


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-grids", type=int, default=100_000, help="grids of data=atomic (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of each contender (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="times each runs; medians are told (default %(default)s)")
    parser.add_argument("--num-workers", type=int, default=0, help="of the others' DataLoader (default %(default)s)")
    parser.add_argument("--datasets", type=Path, default=Path("datasets"), help="folder of the corpus file")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="which to run")
    parser.add_argument("overrides", nargs="*", help="further overrides of the real command, after --")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    args = parse()
    if args.only:
        train_only(args)
        return
    AtomicSource(args.num_grids, directory=args.datasets).load()  # builds it now if need be, at nobody's expense
    names = [name for name in CONTENDERS if name in args.contenders]
    measured: dict[str, list] = {name: [] for name in names}
    for turn in range(args.rounds):
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                measured[name].append(run(args, name, Path(folder) / "run"))
            print(f"round {turn + 1}, {CONTENDERS[name][0]}: {measured[name][-1]}", flush=True)
    title = f"{args.epochs} epochs of {args.num_grids:,} grids, {args.num_workers} loader workers, {args.rounds} rounds"
    print_table(" ".join([title, *args.overrides]), HEADER, table(measured, args.epochs))


if __name__ == "__main__":
    main()
