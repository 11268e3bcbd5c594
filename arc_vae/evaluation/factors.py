"""Which dimension of a code says what: MIG, DCI and how well each factor can be read off, on grids whose factors are
known.

A factor table is integers (N, F): one column a factor, -1 where a grid has none (the colour of a second object of one).
"""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from arc_vae.corpus.atomic.scenes import BLOCK, MAX_OBJECTS, sample_block
from arc_vae.corpus.atomic.shapes import from_row_masks
from arc_vae.evaluation.statistics import dominant_color

# Objects of a grid that are told of, the largest first; of equals the first drawn.
OBJECTS_TOLD = 2
OF_EACH = ("type", "color", "row", "column", "size")
# Of each dimension, as in Locatello et al. 2019.
BINS = 20
TREES, DEPTH = 40, 12
NEIGHBOURS = 10


def factor_names() -> list[str]:
    """The columns of a factor table."""
    return ["objects", *(f"{name}_{rank}" for rank in range(1, OBJECTS_TOLD + 1) for name in OF_EACH)]


def atomic_factors(split: str, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The first grids of a split of the atomic corpus, uint8 (N, 16, 16), and their factors (N, F), drawn again from
    the seed.

    Type: an index into `KINDS`; row and column: of the upper left corner; size: cells.
    """
    blocks = [sample_block(split, block, seed) for block in range(-(-count // BLOCK))]
    grids = np.concatenate([scenes.paint() for scenes in blocks])[:count]
    masks = from_row_masks(np.concatenate([scenes.masks for scenes in blocks])[:count])  # (N, 4, 16, 16)
    kinds, colors = (np.concatenate([getattr(s, name) for s in blocks])[:count] for name in ("kinds", "colors"))
    size = masks.sum(axis=(2, 3))
    row, column = masks.any(axis=3).argmax(axis=2), masks.any(axis=2).argmax(axis=2)
    order = np.argsort(-size, axis=1, kind="stable")
    of_each = np.stack([kinds, colors, row, column, size], axis=2)  # (N, 4, 5)
    of_each = np.take_along_axis(np.where(size[:, :, None] > 0, of_each, -1), order[:, :, None], axis=1)
    assert size.shape[1] == MAX_OBJECTS
    told = of_each[:, :OBJECTS_TOLD].reshape(count, -1)
    return grids, np.concatenate([(size > 0).sum(axis=1)[:, None], told], axis=1)


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def shared_information(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Each dimension's information on each factor as a share of the factor's entropy, (d, F), on grids that have it;
    dimensions in 20 bins of even width.
    """
    shares = np.zeros((codes.shape[1], factors.shape[1]))
    for number, factor in enumerate(factors.T):
        has = factor >= 0
        entropy = _entropy(np.bincount(factor[has]) / max(has.sum(), 1))
        for dim, code in enumerate(codes[has].T):
            edges = np.histogram_bin_edges(code, BINS)[1:-1]
            shares[dim, number] = mutual_info_score(np.digitize(code, edges), factor[has]) / max(entropy, 1e-12)
    return shares


def mutual_information_gap(shares: np.ndarray) -> float:
    """MIG (Chen et al. 2018): how much more the best dimension says of a factor than the next one, the mean over
    factors; 1 if each factor has a dimension of its own and no other says anything of it.
    """
    ordered = np.sort(np.pad(shares, ((0, 1), (0, 0))), axis=0)[::-1]  # of one dimension the next says nothing
    return float((ordered[0] - ordered[1]).mean())


def read_off(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of random forests that read each factor off the code: importance of each dimension (d, F), share of held-out
    grids that are right (F,), and that of the commonest answer (F,).
    """
    importance = np.zeros((codes.shape[1], factors.shape[1]))
    right, chance = np.zeros(factors.shape[1]), np.zeros(factors.shape[1])
    with threadpool_limits(1):
        for number, factor in enumerate(factors.T):
            has = factor >= 0
            known, held, answers, wanted = train_test_split(codes[has], factor[has], test_size=0.3, random_state=seed)
            forest = RandomForestClassifier(TREES, max_depth=DEPTH, max_features=None, random_state=seed).fit(
                known, answers
            )
            importance[:, number] = forest.feature_importances_
            right[number] = (forest.predict(held) == wanted).mean()
            chance[number] = (wanted == np.bincount(answers).argmax()).mean()
    return importance, right, chance


def disentanglement_and_completeness(importance: np.ndarray) -> tuple[float, float]:
    """DCI (Eastwood & Williams 2018) of the importance of dimensions for factors (d, F): 1 if each dimension matters
    to one factor alone, dimensions weighted by how much they matter; 1 if each factor needs one dimension alone.
    """
    return _concentration(importance), _concentration(importance.T)


def _concentration(importance: np.ndarray) -> float:
    """One less the entropy of each row, in units of its largest; the mean over rows by their sums. Of one column: 1."""
    if importance.shape[1] == 1:
        return 1.0
    sums = importance.sum(axis=1)
    shares = importance / np.maximum(sums, 1e-12)[:, None]
    each = [1 - _entropy(row) / np.log(importance.shape[1]) for row in shares]
    return float(np.average(each, weights=sums))


def neighbours_alike(codes: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Share of ten nearest neighbours in code that have the same label (N,), and of any other grid."""
    with threadpool_limits(1):
        near = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(codes).kneighbors(codes, return_distance=False)
    others = np.array([row[row != index][:NEIGHBOURS] for index, row in enumerate(near)])
    counts = np.bincount(labels)
    chance = float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))
    return float((labels[others] == labels[:, None]).mean()), chance


def judge_factors(codes: np.ndarray, grids: np.ndarray, factors: np.ndarray, seed: int = 0) -> dict:
    """Everything that metrics.json says of the factors of grids (N, 16, 16) in codes (N, d)."""
    shares = shared_information(codes, factors)
    importance, right, chance = read_off(codes, factors, seed)
    disentanglement, completeness = disentanglement_and_completeness(importance)
    names = factor_names()
    alike = {"objects": factors[:, 0], "color": dominant_color(grids)}
    return {
        "grids": len(grids),
        "mig": mutual_information_gap(shares),
        "dci": {
            "disentanglement": disentanglement,
            "completeness": completeness,
            "informativeness": float(right.mean()),
        },
        "predicted": {
            name: {"accuracy": float(hit), "chance": float(base)}
            for name, hit, base in zip(names, right, chance, strict=True)
        },
        "neighbours_alike": {
            name: dict(zip(("share", "chance"), neighbours_alike(codes, labels), strict=True))
            for name, labels in alike.items()
        },
        "information": {name: [float(share) for share in column] for name, column in zip(names, shares.T, strict=True)},
    }
