import numpy as np
import pytest

from arc_vae.common.errors import InvalidValue
from arc_vae.corpus.atomic.source import AtomicSource
from arc_vae.evaluation.statistics import structural_statistics
from arc_vae.evaluation.two_sample import classifier_two_sample_accuracy, color_distance, foreground_ratio
from arc_vae.evaluation.validity import ValidityDetector

COUNT = 1000


def accuracy(samples: np.ndarray, real: np.ndarray, seed: int = 0) -> float:
    """Of telling grids (N, 16, 16) from grids (M, 16, 16)."""
    return classifier_two_sample_accuracy(structural_statistics(samples), structural_statistics(real), seed)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return AtomicSource(num_grids=5_000, seed=1, directory=str(tmp_path_factory.mktemp("corpus"))).load()


@pytest.fixture(scope="module")
def real(corpus):
    return corpus.train[:COUNT]


def test_one_distribution_is_a_coin_toss(corpus, real):
    standard_error = np.sqrt(1 / (8 * COUNT))
    assert accuracy(corpus.train[COUNT : 2 * COUNT], real) == pytest.approx(0.5, abs=4 * standard_error)


def test_noise_is_told_apart(real):
    noise = np.random.default_rng(0).integers(0, 10, real.shape, dtype=np.uint8)
    assert accuracy(noise, real) > 0.99


def test_valid_samples_all_alike_are_told_apart(corpus, real):
    """The failure that validity cannot see: one real grid in its eight symmetries, again and again."""
    yardstick = ValidityDetector(corpus.train, corpus.val)
    one = corpus.test[yardstick.is_valid(structural_statistics(corpus.test))][0]
    turned = [np.rot90(base, turns) for base in (one, one.T) for turns in range(4)]
    alike = np.tile(turned, (COUNT // 8, 1, 1))
    assert yardstick.is_valid(structural_statistics(alike)).all()
    assert accuracy(alike, real) > 0.95


def test_takes_equal_numbers(corpus, real):
    """With unequal sets, always answering the larger one would score above chance."""
    few = corpus.train[COUNT : COUNT + 200]
    assert accuracy(few, real) == pytest.approx(0.5, abs=4 * np.sqrt(1 / (8 * 200)))


def test_deterministic(corpus, real):
    few = corpus.test[:200]
    assert accuracy(few, real, seed=5) == accuracy(few, real, seed=5)


def test_too_few_grids_are_refused(real):
    with pytest.raises(InvalidValue, match="grids per set=4"):
        accuracy(real[:4], real)


def test_foreground_ratio():
    real = np.zeros((4, 16, 16), dtype=np.uint8)
    real[:, 0, :6] = 7
    samples = np.zeros((2, 16, 16), dtype=np.uint8)
    samples[0, :3, 0] = [1, 2, 3]
    assert foreground_ratio(samples, real) == pytest.approx(0.25)
    assert foreground_ratio(real, real) == 1
    assert foreground_ratio(samples[1:], real) == 0


def test_color_distance_is_half_the_summed_difference_of_shares():
    real, samples = np.zeros((2, 2, 16, 16), dtype=np.uint8)
    real[0, 0, :4] = (1, 2, 3, 4)
    samples[0, 0, :2] = (1, 2)
    samples[1, 0, :2] = (1, 1)
    assert color_distance(real, real[::-1]) == 0
    assert color_distance(samples, real) == pytest.approx((0.5 + 0 + 0.25 + 0.25) / 2)
    assert color_distance(np.zeros_like(real), real) == 1
