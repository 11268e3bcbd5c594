"""One small run through the real command line, shared by every test that looks at a run directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# 16 steps an epoch through all three phases of β: seconds, not a result. The same precision on every machine.
TINY = (
    "data.num_grids=1280",
    "training.batch_size=64",
    "training.max_epochs=3",
    "training.image_every=2",
    "training.checkpoint_every=2",
    "beta_schedule.phase1_epochs=1",
    "beta_schedule.phase2_epochs=1",
    "beta_schedule.phase3_epochs=1",
    "lr_scheduler.warmup_steps=8",
    "training.precision=float32",
    "name=tiny",
)


def pytest_addoption(parser):
    parser.addoption("--record-golden", action="store_true", help="write the golden curves instead of comparing")


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch sees no GPU on this machine")


def run_command(module: str, *overrides: str, cwd: Path, check: bool = True, **env: str) -> subprocess.CompletedProcess:
    """`python -m arc_vae.<module> <overrides>` in a folder of its own, on one thread so that sums keep their order."""
    done = subprocess.run(
        [sys.executable, "-m", f"arc_vae.{module}", *overrides],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "WANDB_ERROR_REPORTING": "false", **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if check and done.returncode:
        pytest.fail(f"arc_vae.{module} {overrides} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture(scope="session")
def tiny_workplace(tmp_path_factory) -> Path:
    """A folder in which the tiny run's corpus and output lie."""
    return tmp_path_factory.mktemp("workplace")


@pytest.fixture(scope="session")
def tiny_output(tiny_workplace) -> str:
    """What the tiny run printed; its directory is the one under outputs/."""
    return run_command("train", *TINY, cwd=tiny_workplace).stdout


@pytest.fixture(scope="session")
def tiny_run(tiny_workplace, tiny_output) -> Path:
    """A finished run's directory. Tests that change it work on a copy."""
    (directory,) = tiny_workplace.glob("outputs/*/*_tiny_*")
    return directory
