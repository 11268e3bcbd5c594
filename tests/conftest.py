"""What the tests share: commands, in a process of their own or in this one, and one small run through the real one."""

import fcntl
import importlib
import io
import logging
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

# What tests trust is not remembered for the user.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="arc_vae_state_")
from hydra.core.global_hydra import GlobalHydra

# One thread, here and in every process begun here: sums keep their order, and pytest's workers do not share cores.
# Set before anything imports torch.
os.environ["OMP_NUM_THREADS"] = "1"
# A sweep gives a lone job every core: its threads sleep while they wait, since other tests run beside it.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
# No W&B settings of the machine's user.
for name in [name for name in os.environ if name.startswith("WANDB_")]:
    del os.environ[name]
os.environ["WANDB_ERROR_REPORTING"] = "false"
# A shell without job control has what it starts by `&` ignore Ctrl-C, and so all that this starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

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
# A sweep's job: as many steps an epoch, on smaller batches and networks.
TINY_JOB = (
    *TINY,
    "data.num_grids=320",
    "training.batch_size=16",
    "training.max_epochs=1",
    "training.image_every=100",
    "model.encoder_channels=[10,8,8]",
    "model.decoder_channels=[8,8,10]",
    "wandb.mode=disabled",
)


def pytest_addoption(parser):
    parser.addoption("--record-golden", action="store_true", help="write the golden curves instead of comparing")


# Begun first, so that no worker is left with one of these at the end.
LONGEST_FILES = (
    *("sweeping/test_slurm.py", "test_run.py", "sweeping/test_sweep.py", "test_legacy.py", "test_api.py"),
    *("operations/test_command.py", "test_evaluate.py", "sweeping/test_answers.py", "test_docs.py"),
    "test_extending.py",
)


def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent
    order = {folder / name: place for place, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_runtest_setup(item):
    if item.get_closest_marker("long") and os.environ.get("ARC_VAE_TEST_LONG") != "1":
        pytest.skip("ARC_VAE_TEST_LONG=1 runs what takes a minute of its own")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch sees no GPU on this machine")


def run_command(module: str, *overrides: str, cwd: Path, check: bool = True, **env: str) -> subprocess.CompletedProcess:
    """`python -m arc_vae.<module> <overrides>` in a folder of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"arc_vae.{module}", *overrides],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if check and done.returncode:
        pytest.fail(f"arc_vae.{module} {overrides} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def call_command(
    module: str, *overrides: str, cwd: Path, check: bool = True, **env: str
) -> subprocess.CompletedProcess:
    """The same in this process, which has imported already what each process would import anew."""
    out, err = io.StringIO(), io.StringIO()
    GlobalHydra.instance().clear()
    handlers, level = logging.root.handlers[:], logging.root.level
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in env.items():
            patch.setenv(name, value)
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["arc_vae", *overrides])
        status = 0
        try:
            importlib.import_module(f"arc_vae.{module}").main()
        except SystemExit as end:
            status = end.code or 0
        finally:
            # Hydra's write to what stands for standard output here, and to files of the run.
            for handler in set(logging.root.handlers) - set(handlers):
                logging.root.removeHandler(handler)
                handler.close()
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)
    done = subprocess.CompletedProcess([module, *overrides], status, out.getvalue(), err.getvalue())
    if check and done.returncode:
        pytest.fail(f"arc_vae.{module} {overrides} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture(scope="session")
def tiny_workplace(tmp_path_factory) -> Path:
    """A folder in which the tiny run's corpus and output lie, the same one for all of pytest's workers."""
    base = tmp_path_factory.getbasetemp()
    workplace = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "workplace"
    workplace.mkdir(exist_ok=True)
    return workplace


@pytest.fixture(scope="session")
def tiny_output(tiny_workplace) -> str:
    """What the tiny run printed; its directory is the one under outputs/."""
    words = tiny_workplace / "tiny.out"
    with (tiny_workplace / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first worker to need it trains it
        if not words.is_file():
            words.write_text(run_command("train", *TINY, cwd=tiny_workplace).stdout)
    return words.read_text()


@pytest.fixture(scope="session")
def tiny_run(tiny_workplace, tiny_output) -> Path:
    """A finished run's directory. Tests that change it work on a copy."""
    (directory,) = tiny_workplace.glob("outputs/*/*_tiny_*")
    return directory
