"""Training in float16 with scaled gradients; on a CPU here, where it is slow and computes the same."""

import io
import math

import pytest
import torch

from arc_vae.models import BetaVAE
from arc_vae.objective import BetaVAELoss
from arc_vae.training.device import FLOAT16_SCALE
from arc_vae.training.early_stopping import EarlyStopping
from arc_vae.training.lr_schedule import constant
from arc_vae.training.state import TrainingState
from arc_vae.training.step import STEP_METRICS, NonFiniteLoss, TrainingStep, refuse_diverged

GRIDS = (torch.randint(10, (16, 16, 16)) * (torch.rand(16, 16, 16) < 0.1)).to(torch.uint8)


def begin(precision: str, seed: int = 0) -> TrainingStep:
    """A small model's step."""
    torch.manual_seed(seed)
    model = BetaVAE(latent_dim=3, encoder_channels=(10, 8, 8), decoder_channels=(8, 8, 10), hidden_dim=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    learner = TrainingState(model, optimizer, constant(optimizer, 1), EarlyStopping(), {}, "sha", "id", precision)
    return TrainingStep(learner, BetaVAELoss(), 1.0, precision, compile=False)


def train(step: TrainingStep, steps: int) -> list[dict[str, float]]:
    """Each step's records, under the same random numbers whatever was drawn before."""
    torch.manual_seed(step.state.step)
    return [dict(zip(STEP_METRICS, step(GRIDS, 1.0, 1.0).tolist(), strict=True)) for _ in range(steps)]


def weights(step: TrainingStep) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in step.state.model.parameters()])


def test_float16_follows_float32():
    full, half = train(begin("float32"), 8), train(begin("float16"), 8)
    for name in ("train/loss_total", "train/grad_norm"):
        curves = [[record[name] for record in records] for records in (full, half)]
        assert curves[1] == pytest.approx(curves[0], rel=0.02) and curves[1] != curves[0], name


def test_a_step_whose_gradients_overflow_is_left_out_and_the_next_scaled_by_half():
    step = begin("float16")
    train(step, 1)
    step.state.scaler.load_state_dict({**step.state.scaler.state_dict(), "scale": 2.0**40})
    before = weights(step)
    record = train(step, 1)[0]
    assert torch.equal(weights(step), before) and step.state.scaler.get_scale() == 2.0**39
    assert record["train/grad_norm"] == 0 and math.isfinite(record["train/loss_total"])
    refuse_diverged(record, "at step 1")


def test_gradients_that_are_not_finite_at_any_scale_end_the_run():
    step = begin("float16")
    train(step, 1)
    step.state.scaler.load_state_dict({**step.state.scaler.state_dict(), "scale": 1.0})
    step.state.model.decoder.hidden.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(NonFiniteLoss, match="train/grad_norm"):
        refuse_diverged(train(step, 1)[0], "at step 1")


def test_the_scalers_state_is_in_the_checkpoint_and_resumes_exactly(tmp_path):
    whole, broken = begin("float16"), begin("float16")
    train(whole, 2)
    train(broken, 2)
    for step in (whole, broken):
        # About to double: the count of steps without an overflow is state too.
        step.state.scaler.load_state_dict({**step.state.scaler.state_dict(), "_growth_tracker": 1999})
    file = io.BytesIO()
    torch.save(broken.state.state_dict(), file)
    file.seek(0)
    resumed = begin("float16", seed=9)
    resumed.state.load_state_dict(torch.load(file, weights_only=True), tmp_path)
    train(whole, 3)
    train(resumed, 3)
    assert torch.equal(weights(whole), weights(resumed))
    assert whole.state.scaler.get_scale() == resumed.state.scaler.get_scale() == 2 * FLOAT16_SCALE


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_other_precisions_are_not_scaled_and_read_checkpoints_without_a_scaler(precision, tmp_path):
    step = begin(precision)
    state = step.state.state_dict()
    one = torch.tensor(1.0)
    assert state.pop("scaler") == {} and step.state.scaler.scale(one) is one
    begin(precision, seed=1).state.load_state_dict(state, tmp_path)
    begin("float16").state.load_state_dict(state, tmp_path)
