"""A run's failures explained, and the sweeps that answer them launched until a variant passes on validation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from arc_vae.common.errors import UserError
from arc_vae.common.printable import printable
from arc_vae.reporting.verdict_text import fallback_command
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.fallback import Remedy, diagnose
from arc_vae.sweeps.job_files import all_overrides
from arc_vae.sweeps.launch import run_sweep
from arc_vae.sweeps.outcome import closest_variant, describe_closest, describe_winner, distance, passing_variant
from arc_vae.sweeps.plan import Budget, Plan, describe_cost, fingerprint, plan_round
from arc_vae.sweeps.status import JobStatus, read_statuses

if TYPE_CHECKING:
    from hydra_plugins.arc_vae_launchers import SweepLauncher

POOR_SAMPLES = "poor_samples"


def answer_failures(run_path: str, launcher_config: DictConfig | None, sweep_dir: str, budget: Budget) -> bool:
    """Print what failed and which sweep answers it; with a launcher's configuration, launch those sweeps.

    A sweep lies in `sweep_dir`, its own name in place of {sweep} or added. Returns whether all jobs finished.

    Raises:
        UserError: a run without a verdict, or whose configuration a sweep does not suit.
    """
    run = RunDirectory(run_path)
    rows = explain(run, diagnose(run))
    if not rows:
        failed = [name for name, verdict in run.metrics()["criteria"].items() if not verdict["passed"]]
        told = f"fails {', '.join(failed)}, which no fallback answers" if failed else "passes all criteria"
        print(printable(f"{run.path} {told}: there is nothing to do"))
        return True
    plan = plan_round(run, rows, budget)
    if not plan:
        raise UserError(
            f"{run.path}: no variant of fallback={', '.join(rows)} is left that was not tried, fits the budget "
            "and changes a key that the run has; sweep it by hand with -m"
        )
    print(f"\n{describe_cost(run, plan)}; {budget.describe()}")
    if launcher_config is None:
        print(f"launch: {fallback_command(run.path)}")
        return True
    from hydra.utils import instantiate

    launcher = instantiate(launcher_config)
    if budget.depth > 1 and getattr(launcher, "detach", False):
        raise UserError(
            f"depth={budget.depth}: a later round waits for the verdicts of the one before; leave out "
            "hydra.launcher.detach, or depth"
        )
    return answer_in_rounds(run, plan, launcher, sweep_dir, budget)


def explain(run: RunDirectory, remedies: Sequence[Remedy]) -> list[str]:
    """The rows that answer the remedies, each printed with what it answers. Of poor samples the cause is sought."""
    rows: dict[str, str] = {}
    for remedy in remedies:
        if remedy.sweep == POOR_SAMPLES and POOR_SAMPLES not in rows:
            from arc_vae.sweeps.inspection import inspect_samples

            print(printable(remedy.finding))
            inspection = inspect_samples(run)
            rows[POOR_SAMPLES] = inspection.row
            print(f"{printable(inspection.finding)}\n    answered by fallback={inspection.row}")
            continue
        row = rows.setdefault(remedy.sweep, remedy.sweep)
        print(f"{printable(remedy.finding)}\n    answered by fallback={row}")
    return list(rows.values())


def answer_in_rounds(run: RunDirectory, plan: Plan, launcher: "SweepLauncher", sweep_dir: str, budget: Budget) -> bool:
    """Launch a plan, then the plan of the variant that came closest, and so on; whether all jobs finished."""
    base, finished = run, True
    for number in range(1, budget.depth + 1):
        entries, all_finished = launch_plan(base, plan, launcher, _directory_of_round(sweep_dir, number), budget)
        finished &= all_finished
        if launcher.dry_run:
            break
        if winner := passing_variant(entries):
            print(f"\n{printable(describe_winner(winner, run))}")
            break
        closest = closest_variant(entries)
        if closest is None:
            print("\nno variant was judged")
            break
        if closest.validation:
            print(f"\n{printable(describe_closest(closest))}")
        if number == budget.depth:
            break
        following = RunDirectory(closest.job.directory)
        if reason := not_worth_it(base, following):
            print(printable(reason))
            break
        base = following
        print(f"\nround {number + 1} goes on from {base.path}")
        plan = plan_round(base, explain(base, diagnose(base, "val")), budget)
        if not plan:
            print(f"nothing is left to try within the budget ({budget.describe()})")
            break
        print(f"\n{describe_cost(base, plan)}; {budget.describe()}")
    return finished


def launch_plan(
    run: RunDirectory, plan: Plan, launcher: "SweepLauncher", sweep_dir: str, budget: Budget
) -> tuple[list[JobStatus], bool]:
    """What became of a plan's jobs, and whether all finished. Rows after one of which a variant passes are left out."""
    entries: list[JobStatus] = []
    base, finished = all_overrides(run.path), True
    for row, variants in plan.items():
        if passing_variant(entries):
            print(f"\nfallback={row} is not launched: a variant passes already")
            continue
        named = sweep_dir if "{sweep}" in sweep_dir else f"{sweep_dir}_{{sweep}}"
        directory = Path(named.replace("{sweep}", row))
        print(f"\nfallback={row} in {directory}", flush=True)
        budget.tried |= {fingerprint(cfg) for _, cfg in variants}
        finished &= run_sweep(directory, variants, launcher, base=base)
        if launcher.dry_run:
            continue
        judged = read_statuses(directory)
        budget.spend(len(judged), sum(entry.metrics.get("seconds", 0) for entry in judged) / 60)
        entries += judged
    return entries, finished


def not_worth_it(base: RunDirectory, following: RunDirectory) -> str | None:
    """Why a round that goes on from the closest variant would cost more than it can gain; None where it may gain."""
    before, after = (run.metrics() if run.metrics_file.is_file() else {} for run in (base, following))
    if not (before.get("validation") and after.get("validation")):
        return None
    was, now = distance(before["validation"]), distance(after["validation"])
    if now < was:
        return None
    return (
        f"no further round: the closest variant fails {now[0]} criteria by {now[1]:.3f} in all on validation, the run "
        f"before it {was[0]} by {was[1]:.3f}"
    )


def _directory_of_round(sweep_dir: str, number: int) -> str:
    return sweep_dir if number == 1 else f"{sweep_dir}_round{number}"
