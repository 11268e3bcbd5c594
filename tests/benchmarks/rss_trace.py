"""The memory of a training run over time, and what the run was doing. Linux only: reads /proc."""

import csv
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fresh import memory_mb

EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Sample:
    """One reading. Memory in MB: all of the process, its share of files mapped in, its peak so far; its children."""

    seconds: float
    phase: str
    rss: float
    files: float
    peak: float
    children: float


def trace_training(overrides: Sequence[str], run_dir: Path) -> list[Sample]:
    """Run `python -m arc_vae.train` in `run_dir` with `overrides`, reading its memory every 0.2 s.

    Raises:
        SystemExit: the run failed; its output ends the message.
    """
    run_dir.mkdir(parents=True)
    command = [sys.executable, "-m", "arc_vae.train", f"hydra.run.dir={run_dir}", *overrides]
    samples = []
    with (run_dir.parent / "output.txt").open("w+") as output:
        run = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        started = time.monotonic()
        while run.poll() is None:
            samples.append(read_sample(run.pid, time.monotonic() - started, phase(run_dir)))
            time.sleep(EVERY_SECONDS)
        output.seek(0)
        if run.returncode:
            raise SystemExit(f"the run failed:\n{output.read()[-2000:]}")
    return [sample for sample in samples if sample.rss]


def read_sample(pid: int, seconds: float, phase: str) -> Sample:
    """Memory of the process and, summed, of all that descend from it (wandb's service)."""
    children = sum(memory_mb("VmRSS", child) for child in descendants(pid))
    rss, files, peak = (memory_mb(field, pid) for field in ("VmRSS", "RssFile", "VmHWM"))
    return Sample(round(seconds, 2), phase, rss, files, peak, children)


def descendants(pid: int) -> list[int]:
    """Process ids of children and their children."""
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in listing.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += children + [grandchild for child in children for grandchild in descendants(child)]
    return found


def phase(run_dir: Path) -> str:
    """What the run is at, by the files it has written."""
    if (run_dir / "metrics.json").exists():
        return "5 report, end of W&B"
    if (run_dir / "latent_space_pca.png").exists():
        return "4 closing pictures"
    if (run_dir / "checkpoints" / "vae_final.pth").exists():
        return "3 closing evaluation"
    log = run_dir / "train.log"
    described = log.exists() and "sha256" in log.read_text()
    return "2 training" if described else "1 imports and corpus"


def write_trace(samples: Sequence[Sample], path: Path) -> None:
    """All readings as CSV, memory in MB."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, asdict(samples[0]))
        writer.writeheader()
        writer.writerows(asdict(sample) for sample in samples)
