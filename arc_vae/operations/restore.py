"""A run's best model and its corpus, to work with."""

import torch

from arc_vae.corpus.corpus import Corpus
from arc_vae.models.base import VAE
from arc_vae.models.saved import load_weights
from arc_vae.runs.evaluate_run import check_corpus_digest, load_best
from arc_vae.runs.experiment import load_experiment
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training.checkpoint_files import BEST


def restore(run: str, device: str) -> tuple[RunDirectory, VAE, Corpus, bool]:
    """The directory, the model of its best checkpoint in eval mode on the device, the corpus it was trained on, and
    whether its grids were turned and mirrored in training.

    Raises:
        UserError: no checkpoint there, a foreign file, or another corpus.
    """
    directory = RunDirectory(run)
    experiment = load_experiment(directory, device)
    path = directory.checkpoints / BEST
    best = load_best(directory)
    corpus = experiment.source.load()
    check_corpus_digest(corpus.sha256, best, path)
    model = experiment.model.to(experiment.trainer.device)
    model.to(memory_format=torch.channels_last)  # as in training; its convolutions are quicker so
    load_weights(model, best["model_state_dict"], path)
    return directory, model.eval(), corpus, experiment.source.augment
