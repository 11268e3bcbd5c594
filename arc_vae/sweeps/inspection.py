"""Why prior samples are not valid: the codes, the decoder, or samples that hold nothing."""

from dataclasses import dataclass

import numpy as np
import torch

from arc_vae.common.errors import UserError
from arc_vae.corpus.corpus import Corpus
from arc_vae.evaluation.statistics import STATISTIC_NAMES, structural_statistics
from arc_vae.evaluation.validity import fitted_detector
from arc_vae.models.base import VAE, reparameterize
from arc_vae.models.decoding import decode_grids
from arc_vae.models.saved import load_weights
from arc_vae.runs.evaluate_run import check_corpus_digest, load_best
from arc_vae.runs.experiment import load_experiment
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training.checkpoint_files import BEST

NUM_GRIDS = 1000  # validation grids whose codes are decoded, and prior samples: a validity of 0.9 is known to 0.9 %
SEED = 0
# Of the samples that are not valid, the share that holds nothing from which that is the cause.
MOSTLY_BLANK = 0.5


@dataclass(frozen=True)
class Decoded:
    """What the decoder makes of codes of real grids, one posterior sample each, and of N(0, I), on validation.

    statistic: the structural statistic whose mean over prior samples (`of_samples`) is furthest from that over
    validation grids (`of_grids`), by these grids' standard deviations; one constant there is the first to tell.
    """

    posterior_validity: float
    statistic: str
    of_samples: float
    of_grids: float


@dataclass(frozen=True)
class Inspection:
    """A cause in a sentence, and the row of `conf/fallback/` that answers it."""

    finding: str
    row: str


def inspect_samples(run: RunDirectory) -> Inspection:
    """Which side of a run fails first, by its metrics.json and by its decoder."""
    decoded, missing = None, ""
    try:
        decoded = decode_both(run)
    except UserError as error:  # the corpus or the checkpoint may lie elsewhere by now
        missing = f"; the decoder was not inspected: {error}"
    found = judge_sides(run.metrics(), decoded)
    return Inspection(found.finding + missing, found.row)


def judge_sides(metrics: dict, decoded: Decoded | None) -> Inspection:
    """The cause, by what metrics.json says of codes and samples and by what the decoder makes of either."""
    wanted = metrics["criteria"]["sample_validity"]["threshold"]
    invalid, blank = 1 - metrics["sample_validity"], metrics.get("sample_blank_rate", 0.0)
    told = [f"{blank:.3f} of samples blank"]
    if "sample_foreground_ratio" in metrics:
        told.append(f"{metrics['sample_foreground_ratio']:.2f} times the real foreground")
    if "prior_c2st" in metrics:
        gap = max(metrics["prior_gap_per_dim"])
        told.append(f"codes told from N(0, I) in {metrics['prior_c2st']:.2f} of cases, at most {gap:.2f} nats off it")
    if decoded:
        told.append(f"posterior samples {decoded.posterior_validity:.3f} valid")
        means = f"{decoded.of_samples:.2f} on average for real grids' {decoded.of_grids:.2f}"
        told.append(f"furthest off: {decoded.statistic}, {means}")
    if metrics["sample_validity"] < wanted and blank >= MOSTLY_BLANK * invalid:
        cause, row = "most of the samples that are not valid hold no object", "blank_samples"
    elif decoded and decoded.posterior_validity < wanted:
        cause, row = "the decoder fails on codes of real grids too", "poor_decoder"
    else:
        cause, row = "the decoder draws what is valid from codes of real grids, not from N(0, I)", "poor_samples"
    return Inspection(f"{cause} ({'; '.join(told)})", row)


def decode_both(run: RunDirectory) -> Decoded:
    """What a run's best checkpoint decodes from codes of validation grids and from N(0, I).

    Raises:
        UserError: its corpus or its checkpoint is not to be found, or not to be opened.
    """
    experiment = load_experiment(run, "cpu", places={})
    corpus, best = experiment.load_corpus(), load_best(run)
    check_corpus_digest(corpus.sha256, best, run.checkpoints / BEST)
    load_weights(experiment.model, best["model_state_dict"], run.checkpoints / BEST)
    return compare_decoded(experiment.model.eval(), corpus)


@torch.no_grad()
def compare_decoded(model: VAE, corpus: Corpus) -> Decoded:
    """What a model on the CPU decodes from codes of the corpus's validation grids and from N(0, I)."""
    generator = torch.Generator().manual_seed(SEED)
    real = corpus.val[:NUM_GRIDS]
    codes = reparameterize(*model.encode(torch.from_numpy(real))[:2], generator)
    of_posterior = structural_statistics(decode_grids(model.decoder, codes).numpy())
    z = torch.randn(NUM_GRIDS, model.latent_dim, generator=generator)
    of_prior, of_real = structural_statistics(decode_grids(model.decoder, z).numpy()), structural_statistics(real)
    sampled, wanted = of_prior.mean(axis=0), of_real.mean(axis=0)
    furthest = int((np.abs(sampled - wanted) / np.maximum(of_real.std(axis=0), 1e-6)).argmax())
    valid = float(fitted_detector(corpus).is_valid(of_posterior).mean())
    return Decoded(valid, STATISTIC_NAMES[furthest], float(sampled[furthest]), float(wanted[furthest]))
