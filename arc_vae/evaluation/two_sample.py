"""How far a model's samples, taken together, are from real grids.

Validity judges grids one at a time and is blind to a model that draws one valid grid
again and again; the two-sample test is not.
"""

from typing import Any

import numpy as np

from arc_vae.common.errors import require
from arc_vae.common.grids import BACKGROUND, NUM_COLORS

FOLDS = 5


def classifier_two_sample_accuracy(samples: np.ndarray, real: np.ndarray, seed: int = 0) -> float:
    """Cross-validated accuracy of telling `samples` from `real`: 0.5 is best, 1 worst.

    The classifier two-sample test of Lopez-Paz & Oquab (ICLR 2017): gradient-boosted trees read the
    structural statistics of two sets of grids, tables (N, F) and (M, F), min(N, M) rows drawn from each, in 5
    stratified folds. The statistics ignore where objects lie and what their colours are called, so the test does too.

    Two sets of n grids of one distribution score 0.5 ± √(1/8n), one standard error: figures under 0.5 are chance.
    The same distribution gap scores higher with more grids: compare runs at equal n.
    """
    # Imported when first needed: scikit-learn would delay every command by a second.
    from sklearn.model_selection import StratifiedKFold

    count = min(len(samples), len(real))
    require(count >= FOLDS, "grids per set", count, f"at least {FOLDS}, one for each fold of the two-sample test")
    rng = np.random.default_rng(seed)
    features = np.concatenate([table[rng.permutation(len(table))[:count]] for table in (samples, real)])
    is_sample = np.repeat([True, False], count)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return cross_validated_accuracy(features, is_sample, folds, None, seed)


def cross_validated_accuracy(
    table: np.ndarray, labels: np.ndarray, folds: Any, groups: np.ndarray | None, seed: int
) -> float:
    """Mean accuracy of gradient-boosted trees over the folds: labels (N,) told from the rows of a table (N, F).

    Args:
        folds: one of scikit-learn's splitters. groups: (N,), for a splitter that keeps a group in one fold.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_score
    from threadpoolctl import threadpool_limits

    classifier = HistGradientBoostingClassifier(random_state=seed)
    # One thread: a tree's loops are short, and on two busy cores the second thread made them ten times slower.
    with threadpool_limits(1):
        return float(cross_val_score(classifier, table, labels, groups=groups, cv=folds).mean())


def foreground_ratio(samples: np.ndarray, real: np.ndarray) -> float:
    """Mean non-background cells of a sample over those of a real grid: 1 is best, 0 for blank samples.

    Both are uint8 (N, 16, 16). Blank real grids count as one cell in all: samples of nothing else then score 1 or more.
    """
    drawn, wanted = (samples != BACKGROUND).mean(), (real != BACKGROUND).mean()
    return float(drawn / wanted) if wanted else 1.0 + float(drawn * real.size)


def color_distance(samples: np.ndarray, real: np.ndarray) -> float:
    """Total variation between the colours of samples' and of real grids' object cells: 0 is best, 1 worst.

    Validity and the two-sample test ignore what colours are called, and so that a model paints with two of nine.
    Both are uint8 (N, 16, 16); 1 where either holds no object cell.
    """
    counts = [np.bincount(grids[grids != BACKGROUND], minlength=NUM_COLORS) for grids in (samples, real)]
    if not all(count.any() for count in counts):
        return 1.0
    sampled, wanted = (count / count.sum() for count in counts)
    return float(np.abs(sampled - wanted).sum() / 2)
