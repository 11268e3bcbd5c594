"""The default trained so that operations are linear in its code, against the default as it is.

Beside the objective each step asks of one operation T, in turn, that one matrix M lead from z(x) to a code that T x is
decoded from, learnt with the network (after Bouchacourt, Ibrahim & Deny 2021). The reconstruction is then
(that of x + WEIGHT · that of T x from M z + b) / (1 + WEIGHT). Grids of which T would push a cell over the border are
left out.

Told of the test split: the run's figures, and of each operation the object accuracy of decoded M z(x), of ridge
regression fitted after training, and of the true grid encoded and decoded ("anew", the ceiling).

    python tests/benchmarks/linear_operators.py --weight 1 --datasets datasets
"""

import argparse
import itertools
from pathlib import Path

import torch
from step_setup import configuration
from timing import print_table
from torch import Tensor, nn

from arc_vae.common.grids import BACKGROUND
from arc_vae.configuration.instantiate import to_plain
from arc_vae.evaluation.measure import epoch_validity
from arc_vae.evaluation.reconstruction import validation_metrics
from arc_vae.objective.loss import LossTerms
from arc_vae.objective.terms import ReconstructionNats, reconstruction_nats
from arc_vae.operations.applying import decode_grids, encode
from arc_vae.operations.catalogue import reflect, rotate_90, translate
from arc_vae.operations.figures import figures
from arc_vae.operations.fitting import linear_operators, pairs_of
from arc_vae.runs.experiment import build_experiment
from arc_vae.runs.run import build_training_state
from arc_vae.training.batches import Batches
from arc_vae.training.device import autocast, configure_process
from arc_vae.training.step import TrainingStep

OPERATIONS = {
    "translate by 1": translate(1, 0),
    "translate by 3": translate(3, 0),
    "rotate": rotate_90(),
    "reflect": reflect(),
}
FITTED, JUDGED = 20_000, 2000  # train grids of the ridge regression; validation and test grids


def transformed(grids: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Grids (B, 16, 16) after an operation, and for which of them nothing would cross the border (B,)."""
    if name.startswith("translate"):
        cells = int(name[-1])
        return grids.roll(cells, dims=2), (grids[:, :, -cells:] == BACKGROUND).flatten(1).all(dim=1)
    turned = grids.rot90(1, dims=(1, 2)) if name == "rotate" else grids.flip(2)
    return turned, torch.ones(len(grids), dtype=torch.bool)


class StepWithOperators(TrainingStep):
    """A training step that asks the operations' matrices of its model too."""

    def add_operators(self, weight: float) -> None:
        """Begin with the identity for each."""
        dims = self.state.model.latent_dim
        self.operators = nn.ModuleDict({name: nn.Linear(dims, dims) for name in OPERATIONS})
        for operator in self.operators.values():
            nn.init.eye_(operator.weight)
            nn.init.zeros_(operator.bias)
        self.turns, self.weight = itertools.cycle(OPERATIONS), weight
        self.moved = torch.optim.Adam(self.operators.parameters(), lr=3e-3)
        self.objective = self._with_operators

    def _with_operators(self, batch: Tensor, beta: Tensor, foreground_weight: Tensor) -> tuple[LossTerms, Tensor]:
        name = next(self.turns)
        wanted, fine = transformed(batch, name)
        with autocast(batch.device, self.precision):
            output, samples = self._forward(batch)
            moved = self.state.model.decode(self.operators[name](output.z.float())[fine])
        terms = self.loss(output.logits, batch, output.mu, output.logvar, beta, foreground_weight, samples)
        nats = ReconstructionNats(*(part.mean() for part in reconstruction_nats(moved, wanted[fine])))
        asked = self.loss.from_batch_means(nats, torch.zeros_like(output.mu[0]), 0.0, foreground_weight).total
        more = (asked - terms.reconstruction) * self.weight / (1 + self.weight)
        return terms._replace(total=terms.total + more), output.logits

    def _update(self, batch: Tensor) -> Tensor:
        self.moved.zero_grad(set_to_none=True)
        values = super()._update(batch)
        self.moved.step()
        return values


@torch.no_grad()
def judged(step: StepWithOperators, train: Tensor, validation: Tensor, test: Tensor) -> list[list[str]]:
    """A row an operation: object accuracies on the test grids and their shares of the ceiling."""
    model, rows = step.state.model, []
    codes, chosen_on, held = (encode(model, grids) for grids in (train, validation, test))
    for name, operation in OPERATIONS.items():
        pairs = pairs_of(model, test, held, operation)
        validated = pairs_of(model, validation, chosen_on, operation)
        ridge = linear_operators(pairs_of(model, train, codes, operation), validated)["ridge"]
        accuracies = {
            kind: figures(decode_grids(model, code), pairs.truth, pairs.grids)["object_accuracy"]
            for kind, code in (
                ("matrix", step.operators[name](pairs.codes)),
                ("ridge", ridge(pairs.codes)),
                ("anew", pairs.wanted),
            )
        }
        shares = [f"{accuracies[kind] / accuracies['anew']:.3f}" for kind in ("matrix", "ridge")]
        rows.append([name, *(f"{accuracy:.3f}" for accuracy in accuracies.values()), *shares])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weight", type=float, default=1.0, help="of the operations' part; 0 is the default as it is")
    parser.add_argument("--epochs", type=int, default=6, help="a sixth, a third and half of them in β's three phases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--datasets", type=Path, default=Path("datasets"), help="folder of the corpus file")
    arguments = parser.parse_args()

    configure_process()
    first, second = arguments.epochs // 6, arguments.epochs // 3
    phases = first, second, arguments.epochs - first - second
    cfg = configuration(
        f"seed={arguments.seed}",
        f"training.max_epochs={arguments.epochs}",
        f"data.directory={arguments.datasets}",
        "training.device=cpu",
        *(f"beta_schedule.phase{number}_epochs={epochs}" for number, epochs in enumerate(phases, start=1)),
    )
    experiment = build_experiment(cfg)
    corpus, trainer = experiment.load_corpus(), experiment.trainer
    state = build_training_state(experiment, corpus, to_plain(cfg))
    step = StepWithOperators(state, experiment.loss, trainer.gradient_clip, trainer.precision, compile=False)
    step.add_operators(arguments.weight)
    train, validation, test = (torch.from_numpy(grids) for grids in (corpus.train, corpus.val, corpus.test))
    for epoch in range(1, arguments.epochs + 1):
        state.model.train()
        for batch in Batches(train, trainer.batch_size, augment=True):
            step(batch, experiment.beta_schedule(epoch), experiment.loss.foreground_weight(state.step))
        state.model.eval()
        with autocast(test.device, trainer.precision):
            told = validation_metrics(state.model, experiment.loss, experiment.beta_schedule.final_beta, validation)
        wanted = ("pixel_accuracy", "object_accuracy", "perfect_rate", "reconstruction_nats", "kl_nats")
        print(epoch, {name: round(told[f"val/{name}"], 4) for name in wanted}, flush=True)
    valid = epoch_validity(state.model, corpus, validation)
    print({name: round(value, 4) for name, value in valid.items() if isinstance(value, float)})
    print_table(
        f"object accuracy, weight {arguments.weight}, {arguments.epochs} epochs, seed {arguments.seed}",
        ["operation", "matrix", "ridge", "anew", "matrix/anew", "ridge/anew"],
        judged(step, train[:FITTED], validation[:JUDGED], test[:JUDGED]),
    )


if __name__ == "__main__":
    main()
