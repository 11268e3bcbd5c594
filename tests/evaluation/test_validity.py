"""The fixed test of the yardstick: what it must let pass and what it must refuse, on the atomic corpus."""

import numpy as np
import pytest

from arc_vae.common.grids import NUM_COLORS
from arc_vae.corpus.atomic.source import AtomicSource
from arc_vae.evaluation.statistics import structural_statistics
from arc_vae.evaluation.validity import ValidityDetector


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return AtomicSource(num_grids=20_000, seed=0, directory=str(tmp_path_factory.mktemp("corpus"))).load()


@pytest.fixture(scope="module")
def yardstick(corpus):
    return ValidityDetector(corpus.train, corpus.val)


def valid_share(yardstick: ValidityDetector, grids: np.ndarray) -> float:
    return float(yardstick.is_valid(structural_statistics(grids)).mean())


def independent_draws(train: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Each cell drawn from its position's colour frequencies in `train`, without regard to the others."""
    frequencies = np.stack([(train == color).mean(axis=0) for color in range(NUM_COLORS)], axis=-1)
    draws = rng.random((count, *train.shape[1:], 1))
    return (draws > frequencies.cumsum(axis=-1)[..., :-1]).sum(axis=-1).astype(np.uint8)


def recolored(grids: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Every non-background cell is, with probability `share`, given another of the colours 1-9."""
    chosen = (grids > 0) & (rng.random(grids.shape) < share)
    others = (grids.astype(np.int64) - 1 + rng.integers(1, NUM_COLORS - 1, grids.shape)) % (NUM_COLORS - 1) + 1
    return np.where(chosen, others, grids).astype(np.uint8)


def test_lets_real_grids_pass(corpus, yardstick):
    assert valid_share(yardstick, corpus.test) >= 0.95


def test_refuses_blank_grids(corpus, yardstick):
    assert valid_share(yardstick, np.zeros_like(corpus.test)) == 0


def test_refuses_uniform_noise(corpus, yardstick):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, NUM_COLORS, corpus.test.shape, dtype=np.uint8)
    assert valid_share(yardstick, noise) <= 0.05


def test_refuses_independent_draws(corpus, yardstick):
    draws = independent_draws(corpus.train, len(corpus.test), np.random.default_rng(0))
    assert valid_share(yardstick, draws) <= 0.05


def test_refuses_recolored_objects(corpus, yardstick):
    grids = recolored(corpus.test, 0.3, np.random.default_rng(0))
    assert valid_share(yardstick, grids) <= 0.20


def test_blank_is_refused_by_rule_even_in_a_blank_corpus():
    blank = np.zeros((50, 16, 16), dtype=np.uint8)
    assert not ValidityDetector(blank, blank).is_valid(structural_statistics(blank)).any()


def test_the_seed_decides_everything(corpus):
    first, second = (ValidityDetector(corpus.train[:500], corpus.val[:200], seed=3) for _ in range(2))
    assert first.threshold == second.threshold
    table = structural_statistics(corpus.test[:200])
    np.testing.assert_array_equal(first.scores(table), second.scores(table))


def test_no_grids(corpus, yardstick):
    assert yardstick.is_valid(structural_statistics(corpus.test[:0])).shape == (0,)
