"""The streams never change, and are uniform."""

import numpy as np

from arc_vae.corpus.stable_random import StableRandom

GOLDEN_BELOW = [676, 653, 477, 322, 586, 909, 213, 108]
GOLDEN_ORDER = [0, 4, 7, 1, 2, 6, 5, 3]


def test_stream_is_the_recorded_one():
    """These numbers name every stored corpus: a change here must raise GENERATOR_VERSION."""
    random = StableRandom("golden", 0)
    assert random.integers(1000, 8).tolist() == GOLDEN_BELOW
    assert random.permutation(8).tolist() == GOLDEN_ORDER


def test_streams_of_other_keys_differ():
    keys = [("a", 1), ("a", 2), ("b", 1), ("a", 1, 0), ("a", 11)]
    draws = {tuple(StableRandom(*key).integers(1 << 30, 4)) for key in keys}
    assert len(draws) == len(keys)


def test_below_is_uniform_and_covers_its_range():
    count = 100_000
    draws = StableRandom("uniform").integers(10, count)
    shares = np.bincount(draws, minlength=10) / count
    assert len(shares) == 10
    assert abs(shares - 0.1).max() < 5 * np.sqrt(0.1 * 0.9 / count)


def test_below_takes_a_bound_per_number():
    bounds = np.tile([1, 2, 7], 5000)
    draws = StableRandom("bounds").integers(bounds, len(bounds))
    assert [draws[bounds == bound].max() for bound in (1, 2, 7)] == [0, 1, 6]
    assert draws.min() == 0


def test_permutations_hold_every_number_once_and_are_uniform():
    orders = StableRandom("orders").permutations(30_000, 3)
    assert (np.sort(orders, axis=1) == np.arange(3)).all()
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert abs(counts / 30_000 - 1 / 6).max() < 5 * np.sqrt(5 / 36 / 30_000)
