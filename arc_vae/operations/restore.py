"""A run's best model, alone or with its corpus, to work with."""

from collections.abc import Callable
from pathlib import Path

import torch

from arc_vae.corpus.corpus import Corpus
from arc_vae.models.base import VAE
from arc_vae.models.saved import load_weights
from arc_vae.runs.evaluate_run import check_corpus_digest, load_best
from arc_vae.runs.experiment import Experiment, load_experiment
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training.checkpoint_files import BEST


def restore(
    run: str, device: str, refuse: Callable[[VAE], None] = lambda _: None
) -> tuple[RunDirectory, VAE, Corpus, bool]:
    """The directory, the model of its best checkpoint in eval mode on the device, the corpus it was trained on, and
    whether its grids were turned and mirrored in training.

    Args:
        refuse: is shown the model before its corpus is read, or built.

    Raises:
        UserError: no checkpoint there, a foreign file, another corpus, or what `refuse` raises.
    """
    directory = RunDirectory(run)
    experiment = load_experiment(directory, device)
    path = directory.checkpoints / BEST
    best = load_best(directory)
    model = _best_model(experiment, best, path)
    refuse(model)
    corpus = experiment.load_corpus()
    check_corpus_digest(corpus.sha256, best, path)
    return directory, model, corpus, experiment.source.augment


def restore_model(run: str, device: str) -> tuple[RunDirectory, VAE]:
    """The directory, and the model as `restore` gives it; the corpus need not be there.

    Raises:
        UserError: no checkpoint there, or a foreign file.
    """
    directory = RunDirectory(run)
    experiment = load_experiment(directory, device)
    return directory, _best_model(experiment, load_best(directory), directory.checkpoints / BEST)


def _best_model(experiment: Experiment, best: dict, path: Path) -> VAE:
    model = experiment.model.to(experiment.trainer.device)
    model.to(memory_format=torch.channels_last)  # as in training; its convolutions are quicker so
    load_weights(model, best["model_state_dict"], path)
    return model.eval()
