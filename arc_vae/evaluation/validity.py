"""When a grid counts as valid: neither blank nor structurally unlike the corpus."""

from functools import lru_cache

import numpy as np

from arc_vae.corpus.corpus import Corpus
from arc_vae.evaluation.statistics import statistic, structural_statistics

NUM_TREES = 300
REJECTED_PERCENTILE = 3.0

# A tree sees 256 rows; more grids than these change neither the forest nor the threshold noticeably.
MAX_TRAIN_GRIDS = 20_000
MAX_VAL_GRIDS = 10_000


class ValidityDetector:
    """Isolation forest (Liu, Ting & Zhou 2008) over a corpus's structural statistics.

    Fitted on the train split; a grid is an inlier when it scores no lower than
    all but 3 % of the validation split does. Real held-out grids are
    therefore about 97 % valid, which is the ceiling for any model's samples.
    """

    def __init__(self, train: np.ndarray, val: np.ndarray, seed: int = 0):
        """Fit on uint8 grids `train` (N, 16, 16) and place the threshold by `val` (M, 16, 16)."""
        # Imported when first needed: scikit-learn would delay every command by a second.
        from sklearn.ensemble import IsolationForest

        self._forest = IsolationForest(n_estimators=NUM_TREES, random_state=seed)
        self._forest.fit(structural_statistics(_evenly_spaced(train, MAX_TRAIN_GRIDS)))
        held_out = structural_statistics(_evenly_spaced(val, MAX_VAL_GRIDS))
        self.threshold = float(np.percentile(self.scores(held_out), REJECTED_PERCENTILE))

    def scores(self, table: np.ndarray) -> np.ndarray:
        """Scores in [-1, 0) of grids, higher for grids more like the corpus: float64 (N,).

        `table` holds the grids' structural statistics (N, F).
        """
        if len(table) == 0:  # scikit-learn refuses an empty table
            return np.empty(0)
        return self._forest.score_samples(table)

    def is_valid(self, table: np.ndarray) -> np.ndarray:
        """Which of the grids whose structural statistics are `table` (N, F) are valid: bool (N,)."""
        # Blank grids are refused by rule: a corpus may hold enough sparse ones for the forest to let them pass.
        return (statistic(table, "cells") > 0) & (self.scores(table) >= self.threshold)


@lru_cache(maxsize=1)
def fitted_detector(corpus: Corpus) -> ValidityDetector:
    """The detector of a corpus, fitted once for the epochs and the verdict of a run."""
    return ValidityDetector(corpus.train, corpus.val)


def _evenly_spaced(grids: np.ndarray, count: int) -> np.ndarray:
    """At most `count` grids, spread over the whole array so that an ordered corpus is still covered."""
    if len(grids) <= count:
        return grids
    return grids[np.linspace(0, len(grids) - 1, count).astype(np.int64)]
