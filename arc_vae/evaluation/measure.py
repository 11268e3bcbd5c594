"""Everything metrics.json says of a trained model: on the test split in full, on validation what is judged there."""

from dataclasses import dataclass

import numpy as np
import torch

from arc_vae.common.finite import refuse_non_finite
from arc_vae.common.grids import BACKGROUND
from arc_vae.corpus.corpus import Corpus
from arc_vae.evaluation.aggregate_posterior import aggregate_posterior_kl, prior_c2st
from arc_vae.evaluation.criteria import Judge
from arc_vae.evaluation.interpolation import STEPS, interpolation_smoothness, straight_paths, valid_points
from arc_vae.evaluation.noise import path_error, real_c2st_error, real_validity_error, share_error
from arc_vae.evaluation.reconstruction import reconstruct, reconstruction_metrics
from arc_vae.evaluation.statistics import statistic, structural_statistics
from arc_vae.evaluation.two_sample import classifier_two_sample_accuracy, color_distance, foreground_ratio
from arc_vae.evaluation.validity import fitted_detector
from arc_vae.models.base import VAE
from arc_vae.models.decoding import decode_grids, reconstruct_grids

NUM_SAMPLES = 5000  # prior samples: a validity of 0.9 is then known to 0.4 %
NUM_PATHS = 500
SEED = 0
REMEDY = "train anew with a lower optimizer.lr or training.gradient_clip"
# Validation's draws are its own: no run is chosen by the luck of those that its test figures come from.
VALIDATION_SEED = 1
# While training goes on: fewer, a validity of 0.9 is then known to 0.9 %.
EPOCH_SAMPLES = 1000
EPOCH_PATHS = 100


@dataclass(frozen=True)
class Measurements:
    """The measured values, and what pictures are drawn from.

    mu: posterior means of the test grids (N, d); num_objects: 8-connected objects in each of them, int64 (N,);
    paths: decoded latent paths by name, uint8 (P, 11, 16, 16), the straight ones and those the model itself offers.
    """

    metrics: dict
    mu: np.ndarray
    num_objects: np.ndarray
    paths: dict[str, np.ndarray]


def measure(model: VAE, corpus: Corpus, criteria: Judge, device: torch.device) -> Measurements:
    """Measure reconstructions, latents, prior samples and interpolations, and judge them.

    All random draws are seeded: the same model gives the same figures. Beside what a sample can reach stands
    what real grids reach: `real_validity` of the test split, `real_c2st` of validation against test grids
    (above 0.5 where splits differ, as ARC's do, which share no task).
    """
    grids = torch.from_numpy(corpus.test).to(device)
    result = reconstruct(model, grids, seed=SEED)
    reconstructed = reconstruction_metrics(result, grids)
    # Before anything is drawn from them: forests and classifiers read what is no number as one more value.
    refuse_non_finite({**reconstructed, "mu": result.mu.sum().item()}, "on the test split", REMEDY)
    generator = torch.Generator().manual_seed(SEED)
    z = torch.randn(NUM_SAMPLES, model.latent_dim, generator=generator).to(device)
    drawn = decode_grids(model.decoder, z)
    reencoded = reconstruct_grids(model.encoder, model.decoder, drawn).cpu().numpy()
    samples = drawn.cpu().numpy()
    paths = _decode_paths(model, result.mu, generator)
    test = structural_statistics(corpus.test)
    metrics = {
        **own_metrics(criteria, model, grids, result.predicted),
        **reconstructed,
        "prior_gap_per_dim": aggregate_posterior_kl(result.mu, result.logvar).tolist(),
        "prior_c2st": prior_c2st(result.mu[:NUM_SAMPLES], result.logvar[:NUM_SAMPLES], seed=SEED),
        **_validity(corpus, test, samples, reencoded, paths),
    }
    refuse_non_finite(metrics, "on the test split", REMEDY)
    num_objects = statistic(test, "objects").astype(np.int64)
    return Measurements({**metrics, **criteria.check(metrics)}, result.mu.cpu().numpy(), num_objects, paths)


@torch.no_grad()
def own_metrics(criteria: Judge, model: VAE, grids: torch.Tensor, predicted: torch.Tensor) -> dict:
    """The metrics that the criteria bring along, by key."""
    return {metric.key: metric(model, grids, predicted) for metric in criteria.metrics}


def _validity(
    corpus: Corpus, test: np.ndarray, samples: np.ndarray, reencoded: np.ndarray, paths: dict[str, np.ndarray]
) -> dict:
    """What the yardstick and the two-sample test say of samples (M, 16, 16) and paths by name (P, 11, 16, 16), uint8.

    `reencoded` are the samples encoded and decoded again. `test` holds the structural statistics (N, F) of the test
    split, which the caller needs too.
    """
    yardstick = fitted_detector(corpus)
    drawn, val = structural_statistics(samples), structural_statistics(corpus.val[:NUM_SAMPLES])

    def judge(grids: np.ndarray) -> dict[str, float]:
        valid = valid_points(grids, lambda between: yardstick.is_valid(structural_statistics(between)))
        smoothness = interpolation_smoothness(grids)
        return {"validity": float(valid.mean()), "standard_error": path_error(valid), "smoothness": smoothness}

    along = {name: judge(grids) for name, grids in paths.items()}
    straight = along.pop("straight")
    sample_validity = float(yardstick.is_valid(drawn).mean())
    return {
        "sample_validity": sample_validity,
        "reencoded_validity": float(yardstick.is_valid(structural_statistics(reencoded)).mean()),
        "real_validity": float(yardstick.is_valid(test).mean()),
        "sample_blank_rate": float((samples == BACKGROUND).all(axis=(1, 2)).mean()),
        "sample_c2st": classifier_two_sample_accuracy(drawn, test[:NUM_SAMPLES], seed=SEED),
        "real_c2st": classifier_two_sample_accuracy(val, test[:NUM_SAMPLES], seed=SEED),
        "sample_foreground_ratio": foreground_ratio(samples, corpus.test),
        "sample_color_distance": color_distance(samples, corpus.test),
        "interpolation_validity": straight["validity"],
        "interpolation_smoothness": straight["smoothness"],
        "other_paths": along,
        "standard_errors": {
            "sample_validity": share_error(sample_validity, len(samples)),
            "interpolation_validity": straight["standard_error"],
            "real_validity": real_validity_error(len(corpus.val), len(corpus.test)),
            "real_c2st": real_c2st_error(min(len(val), len(test[:NUM_SAMPLES]))),
        },
    }


def _decode_paths(model: VAE, mu: torch.Tensor, generator: torch.Generator) -> dict[str, np.ndarray]:
    """Paths between the posterior means of random disjoint pairs of test grids, decoded, by name."""
    start, end = _disjoint_pairs(mu, NUM_PATHS, generator)
    paths = {
        "straight": straight_paths(start, end, STEPS),
        **model.interpolation_paths(start, end, STEPS),
    }
    return {name: _decode_path(model, codes) for name, codes in paths.items()}


def _disjoint_pairs(codes: torch.Tensor, most: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Up to so many pairs of codes (N, d), no code in two: (P, d) both."""
    count = min(most, len(codes) // 2)
    chosen = torch.randperm(len(codes), generator=generator)[: 2 * count].to(codes.device)
    return codes[chosen[:count]], codes[chosen[count:]]


def _decode_path(model: VAE, codes: torch.Tensor) -> np.ndarray:
    """Codes (P, 11, d) → grids, uint8 (P, 11, 16, 16)."""
    grids = decode_grids(model.decoder, codes.flatten(0, 1))
    return grids.view(*codes.shape[:2], *grids.shape[1:]).cpu().numpy()


def measure_validation(model: VAE, corpus: Corpus, criteria: Judge, device: torch.device) -> dict:
    """What metrics.json says under `validation`: the four criteria and what sweeps are ordered by."""
    grids = torch.from_numpy(corpus.val).to(device)
    result = reconstruct(model, grids, seed=SEED)
    metrics = {
        **reconstruction_metrics(result, grids),
        **validation_validity(model, corpus, result.mu, NUM_SAMPLES, NUM_PATHS),
        **own_metrics(criteria, model, grids, result.predicted),
    }
    return {**metrics, **criteria.check(metrics)}


@torch.no_grad()
def epoch_validity(model: VAE, corpus: Corpus, grids: torch.Tensor) -> dict:
    """`val/sample_validity` and the like of an epoch, from fewer samples and paths than the verdict's.

    `grids` is the validation split on the model's device. Training's random numbers stay as they were.
    """
    model.eval()
    generator = torch.Generator().manual_seed(VALIDATION_SEED)
    chosen = torch.randperm(len(grids), generator=generator)[: 2 * EPOCH_PATHS].to(grids.device)
    values = validation_validity(model, corpus, model.encode(grids[chosen])[0], EPOCH_SAMPLES, EPOCH_PATHS)
    return {f"val/{name}": value for name, value in values.items()}


def validation_validity(model: VAE, corpus: Corpus, mu: torch.Tensor, num_samples: int, num_paths: int) -> dict:
    """Validity of prior samples, and of straight paths between codes `mu` (N, d) of validation grids.

    The yardstick is the verdict's: fitted on the train split, its threshold from validation. It sees no test grid.
    """
    generator = torch.Generator().manual_seed(VALIDATION_SEED)
    z = torch.randn(num_samples, mu.shape[1], generator=generator).to(mu.device)
    samples = decode_grids(model.decoder, z).cpu().numpy()
    paths = _decode_path(model, straight_paths(*_disjoint_pairs(mu, num_paths, generator), STEPS))
    yardstick = fitted_detector(corpus)
    valid = valid_points(paths, lambda between: yardstick.is_valid(structural_statistics(between)))
    return {
        "sample_validity": float(yardstick.is_valid(structural_statistics(samples)).mean()),
        "sample_blank_rate": float((samples == BACKGROUND).all(axis=(1, 2)).mean()),
        "interpolation_validity": float(valid.mean()),
        "interpolation_smoothness": interpolation_smoothness(paths),
    }
