"""Experiment 0.3 on a run: draw pairs, learn what has to be learnt, try every operation, judge."""

import logging

import torch
from torch import Tensor

from arc_vae.common.errors import UserError
from arc_vae.corpus.corpus import Corpus
from arc_vae.models.base import VAE
from arc_vae.operations.applying import learnable
from arc_vae.operations.codes import states_objects
from arc_vae.operations.fitting import fit_operators, varied
from arc_vae.operations.gate import gate
from arc_vae.operations.learnt import learnt_operators
from arc_vae.operations.store import FILE_NAME, give_operators, load_operators, save_operators
from arc_vae.operations.telling import tell_operations
from arc_vae.operations.trials import Trial, Trials, on_one_object, on_the_grid, others
from arc_vae.runs.run_directory import RunDirectory

logger = logging.getLogger(__name__)

# Train and validation grids for the baselines.
NUM_LINEAR, NUM_HELD_OUT = 8000, 1000


def drawn(grids: Tensor, count: int, seed: int) -> Tensor:
    """So many of the grids (N, 16, 16), or all, in an order fixed by the seed."""
    order = torch.randperm(len(grids), generator=torch.Generator().manual_seed(seed))
    return grids[order[:count].to(grids.device)]


def refuse_without_operators(directory: RunDirectory, model: VAE) -> None:
    """Refuse a model that has no operators, where none are to be learnt."""
    path = directory.checkpoints / FILE_NAME
    if not states_objects(model) and not load_operators(path, model):
        raise UserError(
            f"{path} does not exist, and {type(model).__name__} has no other operators: leave out fit=false"
        )


def provide_operators(
    directory: RunDirectory, model: VAE, corpus: Corpus, augment: bool, fit: bool | None, num_fit: int, seed: int
) -> dict[str, dict]:
    """See that a model whose codes state no objects has learnt operators; what each reached on validation.

    Each is kept as soon as it is learnt: interrupted, the command goes on with those that are missing.
    """
    path = directory.checkpoints / FILE_NAME
    if states_objects(model):
        return {}
    reached = {} if fit is True else load_operators(path, model)
    missing = [operation for operation in learnable() if operation.name not in reached]
    if fit is False or not missing:
        return reached
    operators = learnt_operators(model) if reached else {}
    device = next(model.parameters()).device
    train, validation = (torch.from_numpy(grids).to(device) for grids in (corpus.train, corpus.val))
    for name, operator, told in fit_operators(model, missing, varied(train, num_fit, augment, seed), validation, seed):
        operators[name], reached[name] = operator, told
        save_operators(path, model, operators, reached)
    give_operators(model, operators)
    return reached


def run_trials(model: VAE, corpus: Corpus, num_pairs: int, depth: int, seed: int) -> tuple[dict, list[Trial], Tensor]:
    """Everything that operations.json says of a model on test pairs; the trials, and the grids they are on, to draw."""
    device = next(model.parameters()).device
    test, train, val = (torch.from_numpy(grids).to(device) for grids in (corpus.test, corpus.train, corpus.val))
    trials = Trials(model, drawn(test, num_pairs, seed), drawn(train, NUM_LINEAR, seed), val[:NUM_HELD_OUT])
    slots = states_objects(model)
    whole = [trials.rate(operation) for operation in on_the_grid()]
    single = [trials.rate(operation) for operation in on_one_object()] if slots else []
    rest = []
    for operation, *same in zip(*map(others, (trials.grids, trials.train, trials.validation)), strict=True):
        rest.append(trials.rate(operation if slots else operation.through_the_grid(), *same))
    results = {
        "pairs": len(trials.grids),
        "seed": seed,
        "whole_grid": [trial.row for trial in whole],
        "one_object": [trial.row for trial in single],
        "others": [trial.row for trial in rest],
        "depth": [trials.at_depth(number, seed) for number in range(1, depth + 1)],
        "told": tell_operations(model, on_the_grid(), trials.grids, seed),
    }
    results["gate"] = gate(results)
    return results, [*whole, *single, *rest], trials.grids
