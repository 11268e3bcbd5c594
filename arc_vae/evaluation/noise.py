"""How far chance alone moves the verdict's figures, and when the yardstick itself tells nothing."""

import math

import numpy as np

from arc_vae.evaluation.validity import MAX_VAL_GRIDS, REJECTED_PERCENTILE

# Share of real grids that the yardstick is made to call valid, and what telling real from real should come to.
REAL_VALIDITY = 1 - REJECTED_PERCENTILE / 100
REAL_C2ST = 0.5

# How far off both may be, and in standard errors, before the figures they stand beside lose their meaning.
TOLERANCE = {"real_validity": 0.025, "real_c2st": 0.05}
ERRORS = 3

# A yardstick whose own share of real grids is known no better than this cannot tell 0.88 from 0.92.
COARSE = 0.02


def share_error(share: float, count: int) -> float:
    """Standard error of a share found in `count` independent grids."""
    return math.sqrt(share * (1 - share) / count)


def path_error(valid: np.ndarray) -> float:
    """Standard error of the mean of bool (P, S): rows are independent paths, the points of one path are not."""
    return float(valid.mean(axis=1).std() / math.sqrt(len(valid)))


def real_validity_error(num_val: int, num_test: int) -> float:
    """Standard error of the share of valid test grids, where both splits are of one distribution.

    Both are finite: the threshold is a percentile of the validation split, the share is counted in the test split.
    """
    return math.sqrt(REAL_VALIDITY * (1 - REAL_VALIDITY) * (1 / min(num_val, MAX_VAL_GRIDS) + 1 / num_test))


def real_c2st_error(num_grids: int) -> float:
    """Standard error of the accuracy of telling two sets of `num_grids` grids of one distribution apart."""
    return math.sqrt(1 / (8 * num_grids))


def doubts(metrics: dict) -> list[str]:
    """A sentence for each reason why the yardstick of validity, or the two-sample test, says little on this corpus.

    Empty where it says what it should, and for metrics that were measured without standard errors.
    """
    errors = metrics.get("standard_errors", {})
    found = []
    if error := errors.get("real_validity"):
        value = metrics["real_validity"]
        told = f"real test grids are valid in {value:.3f} of cases"
        if abs(value - REAL_VALIDITY) > max(TOLERANCE["real_validity"], ERRORS * error):
            found.append(
                f"{told}, not in {REAL_VALIDITY:.2f} ± {error:.3f}: validation and test grids differ (few do by "
                "chance), and validity here measures that as well as the samples"
            )
        elif error > COARSE:
            found.append(
                f"{told}, known to ± {error:.3f} only: with so few validation and test grids chance places the "
                "threshold of validity; more of them make it tell"
            )
    if error := errors.get("real_c2st"):
        value = metrics["real_c2st"]
        if abs(value - REAL_C2ST) > max(TOLERANCE["real_c2st"], ERRORS * error):
            found.append(
                f"real grids are told from real ones in {value:.3f} of cases, not in {REAL_C2ST:.2f} ± {error:.3f}: "
                "validation and test grids differ (few do by chance), and how well samples are told from real ones "
                "means little"
            )
    return found


def with_error(verdict: dict) -> str:
    """A criterion's value, with its standard error where it has one: '0.8930 ± 0.0044'."""
    error = verdict.get("standard_error")
    return f"{verdict['value']:.4f}" + ("" if error is None else f" ± {error:.4f}")


def against_noise(verdict: dict) -> str:
    """': short by more than its noise' or ': passed by less than its noise'; empty without a standard error."""
    error = verdict.get("standard_error")
    distance = abs(verdict["value"] - verdict["threshold"])
    if error is None or (verdict["passed"] and distance > error):
        return ""
    side = "passed" if verdict["passed"] else "short"
    return f": {side} by {'more' if distance > error else 'less'} than its noise"
