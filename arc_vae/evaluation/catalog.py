"""Every metric once: its key, what it is called, its unit, what to read it against, and where it is shown.

metrics.json, the `val/*` records, the verdict, a run's page and a sweep's leaderboard all read this table. A new
metric is measured in one place and described in one more: here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One measured figure.

    Args:
        key: its name in metrics.json; with `val/` before it, in the records of validation.
        label: what it is called on a run's page; None leaves it out there.
        format: how it is written, as `format()` takes it.
        unit: nats per grid, a share, a count.
        against: what to read it against, filled in with the other figures: the best value, the baseline.
        column: its heading in the terminal's and the page's leaderboard; None leaves it out there.
        in_csv: whether leaderboard.csv has a column of it.
        each_epoch: whether validation measures it every epoch, so that early stopping can watch it.
        on_validation: whether the best epoch is judged by it on the validation split too, at the end of a run.
        of_run: whether it is the run's own, whatever the split.
        verdict: a line under the verdict's table, filled in with all figures.
    """

    key: str
    label: str | None = None
    format: str = ".4f"
    unit: str = "share"
    against: str = ""
    column: str | None = None
    in_csv: bool = True
    each_epoch: bool = False
    on_validation: bool = False
    of_run: bool = False
    verdict: str | None = None


NATS = "nats per grid"
# A dimension whose KL is above this carries information (specification, "Secondary Monitoring").
ACTIVE_KL_NATS = 0.05

CATALOG = (
    Metric("loss_total", unit="the objective's own", in_csv=False, each_epoch=True),
    Metric("loss_reconstruction", unit="the objective's own", in_csv=False, each_epoch=True),
    Metric("loss_kl", unit="the objective's own", in_csv=False, each_epoch=True),
    Metric("pixel_accuracy", "Pixel accuracy", against="all background: {baseline_accuracy:.4f}", each_epoch=True),
    Metric("baseline_accuracy", each_epoch=True),
    Metric(
        "object_accuracy",
        "Object accuracy (non-background cells)",
        against="all background: 0",
        column="object",
        each_epoch=True,
        verdict="object accuracy   {object_accuracy:.4f} (all-background 0); "
        "{object_precision:.4f} of the object cells answered are right",
    ),
    Metric("object_precision", "Answered object cells that are right", against="best: 1", each_epoch=True),
    Metric(
        "balanced_accuracy",
        "Balanced accuracy (mean over colours)",
        against="all background: 0.1",
        column="balanced",
        each_epoch=True,
        verdict="balanced accuracy {balanced_accuracy:.4f} (all-background 0.1)",
    ),
    Metric(
        "perfect_rate",
        "Perfect grids (all 256 cells right)",
        against="best: 1",
        column="perfect",
        each_epoch=True,
        verdict="perfect grids     {perfect_rate:.4f}",
    ),
    Metric("reconstruction_nats", "Reconstruction, nats per grid", ".2f", NATS, "lower is better", each_epoch=True),
    Metric("foreground_nats", "of it: which cells hold an object", ".2f", NATS, "lower is better", each_epoch=True),
    Metric("color_nats", "of it: which colour those have", ".2f", NATS, "lower is better", each_epoch=True),
    Metric("kl_nats", "KL, nats per grid", ".2f", NATS, "what the latent code costs", each_epoch=True),
    Metric(
        "elbo_nats",
        "Their sum, the negative ELBO at β = 1",
        ".2f",
        NATS,
        "lower is better",
        column="ELBO",
        each_epoch=True,
        verdict="reconstruction    {reconstruction_nats:.2f} + KL {kl_nats:.2f} = {elbo_nats:.2f} nats per grid, "
        "{active_dims} of {dimensions} dimensions active, beta {beta:g} (effective {beta_effective:g})",
    ),
    Metric("active_dims", "Active dimensions (KL > 0.05 nats)", ".0f", "count", "of {dimensions}", each_epoch=True),
    Metric(
        "sample_validity",
        "Valid prior samples",
        against="real test grids: {real_validity:.4f}",
        column="samples",
        on_validation=True,
        verdict="prior samples     told from real grids in {sample_c2st:.3f} of cases (real from real: "
        "{real_c2st:.3f}), {sample_foreground_ratio:.2f} of the real foreground, "
        "{sample_blank_rate:.3f} blank, colours {sample_color_distance:.2f} off",
    ),
    Metric(
        "reencoded_validity",
        "the same samples, encoded and decoded again",
        against="no part of the verdict",
        verdict="validity          {reencoded_validity:.3f} of prior samples once encoded and decoded again, "
        "{real_validity:.3f} of real grids",
    ),
    Metric("sample_blank_rate", "Blank prior samples", against="best: 0", on_validation=True),
    Metric(
        "sample_c2st",
        "Samples told from test grids by a classifier",
        ".3f",
        against="real from real: {real_c2st:.3f}, worst: 1",
    ),
    Metric("sample_foreground_ratio", "Foreground of samples over that of test grids", ".2f", "ratio", "best: 1"),
    Metric(
        "sample_color_distance",
        "Samples' colours from those of test grids (total variation)",
        ".3f",
        against="best: 0, worst: 1",
    ),
    Metric(
        "prior_c2st",
        "Codes of test grids told from N(0, I) by a classifier",
        ".3f",
        against="best: 0.5, worst: 1",
    ),
    Metric(
        "interpolation_validity", "Valid grids on latent paths", against="best: 1", column="paths", on_validation=True
    ),
    Metric(
        "interpolation_smoothness",
        "Largest share of a path's change in one of 10 steps",
        ".2f",
        against="best: 0.1, worst: 1",
        on_validation=True,
        verdict="interpolation     {interpolation_smoothness:.2f} of the change in the largest of ten steps",
    ),
    Metric("latent_dim", format=".0f", unit="count", column="d", of_run=True),
    Metric("beta", format=".3g", unit="weight", of_run=True),
    Metric("beta_effective", "Effective β", ".3g", "weight", "β: {beta:.3g}", column="eff. β", of_run=True),
    Metric("epochs", "Epochs", ".0f", "count", of_run=True),
    Metric("seconds", "Training time, seconds", ",.0f", "seconds", column="seconds", of_run=True),
)

# What validation logs every epoch, and so what early stopping can watch.
VALIDATION_METRICS = tuple(f"val/{metric.key}" for metric in CATALOG if metric.each_epoch)
# What is known of the best epoch on validation, and so what `objective=` can name; no losses: their weights differ.
OBJECTIVES = tuple(
    f"val/{metric.key}"
    for metric in CATALOG
    if (metric.each_epoch or metric.on_validation) and not metric.key.startswith("loss_")
)
DEFAULT_OBJECTIVE = "val/object_accuracy"


def objective_value(metrics: dict, objective: str) -> float | None:
    """The figure named `val/…` of what metrics.json says on validation; None in runs that did not record it."""
    value = metrics.get("validation", {}).get(objective.removeprefix("val/"))
    return None if value is None else float(value)
