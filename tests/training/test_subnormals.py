"""Steps of a trained model must not slow down over numbers below 1.2e-38, which processors handle in microcode."""

import subprocess
import sys
import textwrap

import pytest
import torch

from arc_vae.objective.terms import non_blank_nats, reconstruction_nats
from arc_vae.training.muon import Muon

TINY = torch.finfo(torch.float32).tiny

# Prints how many of a large product's elements are not 0, computed on two threads: 1e-40 each unless it is flushed.
PROBE = "torch.set_num_threads(2); print(int((torch.full((2**20,), 1e-30) * 1e-10 != 0).sum()))"


@pytest.fixture(autouse=True)
def _rounding_as_without_commands():
    """An earlier test of this process may have switched it."""
    torch.set_flush_denormal(False)


def count_subnormals(x: torch.Tensor) -> int:
    return int(((x != 0) & (x.abs() < TINY)).sum())


def printed(source: str, folder) -> str:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_importing_the_package_leaves_rounding_as_it_was(tmp_path):
    source = f"import torch, arc_vae, arc_vae.runs.run, arc_vae.generate_samples; {PROBE}"
    assert int(printed(source, tmp_path)) == 2**20


COMMANDS = {
    "train": ("arc_vae.runs.run.run_training", "arc_vae.train", ["data=npz", "data.path=grids.npz"]),
    "worker": ("arc_vae.sweeps.worker.run_job", "arc_vae.sweeps.worker", ["a job's folder"]),
    "evaluate": ("arc_vae.runs.experiment.load_experiment", "arc_vae.evaluate", ["run=a"]),
    "generate_samples": ("arc_vae.models.saved.load_module", "arc_vae.generate_samples", ["run=a"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_flushes_subnormals_on_every_thread(name, tmp_path):
    """Where its work begins, the probe stands instead: on both halves of a product, in threads started since."""
    import numpy as np

    np.savez(tmp_path / "grids.npz", np.ones((1500, 16, 16), np.uint8))
    replaced, command, overrides = COMMANDS[name]
    module, _, function = replaced.rpartition(".")
    source = f"""
        import sys, {command}, {module}
        def probe(*_, **__):
            import torch
            {PROBE}
            sys.exit(0)
        {module}.{function} = probe
        sys.argv = ["command", *{overrides!r}]
        {command}.main()
    """
    assert printed(source, tmp_path) == "0"


def test_moments_of_dead_units_become_zero():
    matrix, bias = torch.nn.Parameter(torch.ones(4, 8)), torch.nn.Parameter(torch.ones(4))
    optimizer = Muon([matrix, bias])
    for step in range(2500):
        for parameter in (matrix, bias):
            parameter.grad = torch.full_like(parameter, 1e-3 if step == 0 else 0.0)
            parameter.grad[0] = 1e-3  # a live unit
        optimizer.step()
        state = [x for state in optimizer.state.values() for x in state.values() if torch.is_tensor(x)]
        assert sum(map(count_subnormals, state)) == 0
    momentum = optimizer.state[matrix]["momentum"]
    assert (momentum[0] > 9e-4).all() and (momentum[1:] == 0).all()
    assert torch.isfinite(matrix).all() and torch.isfinite(bias).all()


def test_a_confident_decoder_sends_no_subnormal_gradients_back():
    generator = torch.Generator().manual_seed(0)
    grids = torch.randint(0, 10, (8, 16, 16), generator=generator)
    logits = 30 * torch.randn(8, 10, 16, 16, generator=generator)
    plain = logits.clone().requires_grad_()
    plain.log_softmax(dim=1).gather(1, grids[:, None]).sum().neg().backward()
    assert count_subnormals(plain.grad) > 0, "these logits do not show the fault"

    ours = logits.clone().requires_grad_()
    sum(part.sum() for part in reconstruction_nats(ours, grids)).backward()
    assert count_subnormals(ours.grad) == 0
    torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-4, atol=1e-4)

    blank = (logits / 6 + 80 * (torch.arange(10) == 0)[:, None, None]).requires_grad_()
    non_blank_nats(blank).sum().backward()
    assert count_subnormals(blank.grad) == 0 and (blank.grad != 0).any()
