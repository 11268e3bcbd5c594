"""The real commands as a part runs them: a process each, its peak of memory noted, its log kept.

This file is also what that process runs.
"""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

MB = 2**20
TINY = ("data.num_grids=1280", "training.batch_size=64", "lr_scheduler.warmup_steps=8", "training.max_epochs=2")
SMALL_MODEL = ("model.encoder_channels=[10,8,8]", "model.decoder_channels=[8,8,10]", "model.hidden_dim=16")
QUIET = ("wandb.mode=disabled",)


def start(
    module: str, overrides: list[str], folder: Path, log: Path, at_once: int = 1, **environment: str
) -> subprocess.Popen:
    """`python -m arc_vae.<module> <overrides>` in `folder`, its output in `log`; on the cores' share of `at_once`.

    Its peak of memory is written to the log's name with `.memory.json` when it ends by itself.
    """
    command = [sys.executable, str(Path(__file__).resolve()), str(memory_file(log)), module, *overrides]
    if at_once > 1:
        environment["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) // at_once))
    with log.open("a") as output:
        return subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )


def memory_file(log: Path) -> Path:
    """Where a command's peak of memory lies."""
    return log.with_name(f"{log.name}.memory.json")


def finish(process: subprocess.Popen, log: Path) -> None:
    """Wait for a command; one that fails ends the part with its last words."""
    if process.wait() != 0:
        raise SystemExit(f"{process.args}\nexit status {process.returncode}: {log.read_text()[-2000:]}")


def peak_memory() -> dict[str, float]:
    """This process's peaks in MB: resident memory, and on a GPU what tensors took and what torch reserved for them,
    and what the card then holds in all, CUDA's own share and other processes' included.
    """
    import torch

    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peaks = {"peak_rss_mb": int(status["VmHWM"].split()[0]) / 1024}
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        peaks["peak_tensors_mb"] = torch.cuda.max_memory_allocated() / MB
        peaks["peak_reserved_mb"] = torch.cuda.max_memory_reserved() / MB
        peaks["card_in_use_mb"] = (total - free) / MB
    return peaks


def main() -> None:
    """Run the module that the command line names, then note what memory it took."""
    note, module = Path(sys.argv[1]), f"arc_vae.{sys.argv[2]}"
    # As under `python -m`: the working directory comes first, not this file's.
    sys.path[0] = str(Path.cwd())
    sys.argv = [module, *sys.argv[3:]]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        note.write_text(json.dumps(peak_memory()))


if __name__ == "__main__":
    main()
