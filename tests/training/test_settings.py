"""Precision, compilation and devices change the speed, not the objective."""

import shutil

import pytest
import torch

from arc_vae.common.errors import InvalidValue
from arc_vae.models import BetaVAE
from arc_vae.objective import BetaVAELoss
from arc_vae.training import Trainer
from arc_vae.training.batches import Batches
from arc_vae.training.early_stopping import EarlyStopping
from arc_vae.training.lr_schedule import cosine
from arc_vae.training.state import TrainingState
from arc_vae.training.step import STEP_METRICS, TrainingStep


def losses(
    precision: str = "float32", compile: bool = False, device: str = "cpu", steps: int = 10, watched: str = "default"
) -> list[float]:
    """The objective over a few steps on fixed grids, from fixed weights; `watched` is CUDA's mode for synchronising."""
    torch.manual_seed(0)
    model = BetaVAE().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = cosine(optimizer, steps, warmup_steps=0)
    learner = TrainingState(model, optimizer, scheduler, EarlyStopping(), {}, "sha", run_id="id", precision=precision)
    grids = (torch.randint(10, (64, 16, 16)) * (torch.rand(64, 16, 16) < 0.07)).to(torch.uint8).to(device)
    step = TrainingStep(learner, BetaVAELoss(), 1.0, precision, compile)
    batches = [next(iter(Batches(grids, 32, augment=True))) for _ in range(steps)]
    if device == "cuda":
        torch.cuda.set_sync_debug_mode(watched)
    records = [step(batch, 1.0, 1.0) for batch in batches]
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("default")
    return torch.stack(records)[:, STEP_METRICS.index("train/loss_total")].tolist()


def test_bfloat16_follows_float32():
    full, half = losses(), losses("bfloat16")
    assert half == pytest.approx(full, rel=0.02) and half != full


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++, which is not installed")
def test_compiled_follows_eager():
    # The compiled noise then comes from the eager generator, so that the curves can be compared.
    with torch._inductor.config.patch(fallback_random=True):
        assert losses(compile=True, steps=4) == pytest.approx(losses(steps=4), rel=1e-3)


def test_compilation_without_a_compiler_is_refused(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InvalidValue, match="compile=True: must be false, or install no-such-compiler first"):
        Trainer(device="cpu", compile=True)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_gpu_follows_the_cpu(precision):
    # Noise and augmentation come from the device's own generator: the curves agree in level, not in digits.
    on_cpu = losses(precision if precision != "float16" else "float32")  # float16 is slow there
    assert losses(precision, device="cuda")[0] == pytest.approx(on_cpu[0], rel=0.02)
    assert losses(precision, device="cuda", steps=30)[-1] < 0.9 * losses(precision, device="cuda", steps=30)[0]


@pytest.mark.gpu
def test_compiled_follows_eager_on_the_gpu():
    with torch._inductor.config.patch(fallback_random=True):
        compiled = losses("bfloat16", compile=True, device="cuda", steps=30)
    assert compiled == pytest.approx(losses("bfloat16", device="cuda", steps=30), rel=0.02)


@pytest.mark.gpu
def test_no_step_waits_for_the_gpu():
    losses(device="cuda", steps=3, watched="error")
