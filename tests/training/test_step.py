import pytest
import torch

from arc_vae.models import BetaVAE
from arc_vae.objective import BetaVAELoss
from arc_vae.training import Muon
from arc_vae.training.early_stopping import EarlyStopping
from arc_vae.training.lr_schedule import constant
from arc_vae.training.state import TrainingState
from arc_vae.training.step import STEP_METRICS, TrainingStep

GRIDS = torch.randint(10, (8, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Counting(BetaVAE):
    """Counts how often it decodes."""

    decoded = 0

    def decode(self, z):
        self.decoded += 1
        return super().decode(z)


class OwnPass(Counting):
    """A class of one's own: its pass counts how often it is called."""

    passes = 0

    def forward(self, grids, generator=None):
        self.passes += 1
        return super().forward(grids, generator)


class Witness(BetaVAELoss):
    """Keeps the samples that it was given."""

    def __call__(self, *arguments):
        self.samples = arguments[-1]
        return super().__call__(*arguments)


def measured(model: BetaVAE, loss: BetaVAELoss) -> dict[str, float]:
    """What one step from seed 0 measures."""
    optimizer = Muon(model.parameters())
    state = TrainingState(model, optimizer, constant(optimizer, 1), EarlyStopping(), {}, "sha", "id", "float32")
    step = TrainingStep(state, loss, 1.0, "float32", compile=False)
    torch.manual_seed(0)
    return dict(zip(STEP_METRICS, step(GRIDS, 1.0, 1.0).tolist(), strict=True))


@pytest.mark.parametrize("blank_weight", [0.0, 3.0])
def test_a_class_with_a_pass_of_its_own_trains_by_it_on_the_same_samples(blank_weight):
    torch.manual_seed(1)
    model, own = Counting(), OwnPass()
    own.load_state_dict(model.state_dict())
    losses = Witness(blank_weight=blank_weight), Witness(blank_weight=blank_weight)
    assert measured(own, losses[1]) == pytest.approx(measured(model, losses[0]), rel=1e-4)
    assert own.passes == 1
    assert (model.decoded, own.decoded) == (1, 2 if blank_weight else 1)
    if blank_weight:
        assert losses[0].samples.shape == (2, 10, 16, 16)  # a quarter of the batch
        torch.testing.assert_close(losses[0].samples, losses[1].samples)
    else:
        assert losses[0].samples is None and losses[1].samples is None
