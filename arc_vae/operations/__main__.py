"""`python -m arc_vae.operations run=<run dir>`: Experiment 0.3, operations in latent space on test pairs.

With `tasks=<folder of ARC JSON>`: those tasks, by analogy.
"""

from functools import partial
from math import inf
from pathlib import Path

from omegaconf import DictConfig

from arc_vae.cli.command import command
from arc_vae.common.errors import require

# Fewer pairs than these tell nothing, and the classifier's folds would be empty.
LEAST_PAIRS = 10
# Operations one after the other: of test pairs, and of programs that are searched for tasks.
DEPTH, DEPTH_OF_PROGRAMS = 5, 2


@command("operations")
def main(cfg: DictConfig) -> None:
    """Write operations.json and images/operations.png, rewrite report.html, and print the gate; or analogies.json."""
    for name, least in (("num_pairs", LEAST_PAIRS), ("depth", 1), ("seed", 0), ("num_fit", 1000)):
        value = cfg[name]
        good = isinstance(value, int) and not isinstance(value, bool) and value >= least
        require(good or (name == "depth" and value is None), name, value, f"an integer of at least {least}")
    number = isinstance(cfg.seconds, (int, float)) and not isinstance(cfg.seconds, bool)
    require(number and 0 < cfg.seconds < inf, "seconds", cfg.seconds, "a number above 0")
    require(cfg.fit is None or isinstance(cfg.fit, bool), "fit", cfg.fit, "null, true or false")

    if cfg.tasks is not None:
        by_analogy(cfg)
        return

    from arc_vae.common.files import write_json
    from arc_vae.operations.experiment import provide_operators, refuse_without_operators, run_trials
    from arc_vae.operations.picture import draw_operations
    from arc_vae.operations.restore import restore
    from arc_vae.reporting.operations_tables import closing_words
    from arc_vae.reporting.run_report import write_report
    from arc_vae.runs.run_directory import RunDirectory
    from arc_vae.training.device import configure_process

    configure_process()
    refuse = partial(refuse_without_operators, RunDirectory(str(cfg.run)))
    known = (refuse,) if cfg.fit is False else ()
    directory, model, corpus, augment = restore(str(cfg.run), cfg.device, *known)
    learnt = provide_operators(directory, model, corpus, augment, cfg.fit, cfg.num_fit, cfg.seed)
    results, trials, grids = run_trials(model, corpus, cfg.num_pairs, cfg.depth or DEPTH, cfg.seed)
    directory.images.mkdir(exist_ok=True)
    draw_operations(grids, trials, directory.images / "operations.png")
    write_json(directory.path / "operations.json", {**results, "learnt": learnt})
    write_report(directory.path)
    print(closing_words(results))


def by_analogy(cfg: DictConfig) -> None:
    """Write analogies.json, rewrite report.html, and print the table."""
    from arc_vae.common.files import write_json
    from arc_vae.corpus.arc_tasks import read_whole_tasks
    from arc_vae.operations.restore import restore_model
    from arc_vae.operations.store import FILE_NAME, load_operators
    from arc_vae.reporting.analogies_tables import closing_words
    from arc_vae.reporting.run_report import write_report
    from arc_vae.tasks.analogies.experiment import solve_tasks
    from arc_vae.training.device import configure_process

    tasks = read_whole_tasks(Path(str(cfg.tasks)).expanduser())
    configure_process()
    directory, model = restore_model(str(cfg.run), cfg.device)
    load_operators(directory.checkpoints / FILE_NAME, model)
    results = solve_tasks(model, tasks, cfg.depth or DEPTH_OF_PROGRAMS, cfg.seconds)
    write_json(directory.path / "analogies.json", results)
    write_report(directory.path)
    print(closing_words(results))


if __name__ == "__main__":
    main()
