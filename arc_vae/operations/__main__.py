"""`python -m arc_vae.operations run=<run dir>`: Experiment 0.3, operations in latent space on test pairs."""

from omegaconf import DictConfig

from arc_vae.cli.command import command
from arc_vae.common.errors import require

# Fewer pairs than these tell nothing, and the classifier's folds would be empty.
LEAST_PAIRS = 10


@command("operations")
def main(cfg: DictConfig) -> None:
    """Write operations.json and images/operations.png, rewrite report.html, and print the gate."""
    for name, least in (("num_pairs", LEAST_PAIRS), ("depth", 1), ("seed", 0), ("num_fit", 1000)):
        value = cfg[name]
        good = isinstance(value, int) and not isinstance(value, bool) and value >= least
        require(good, name, value, f"an integer of at least {least}")
    require(cfg.fit is None or isinstance(cfg.fit, bool), "fit", cfg.fit, "null, true or false")

    from arc_vae.common.files import write_json
    from arc_vae.operations.experiment import provide_operators, run_trials
    from arc_vae.operations.picture import draw_operations
    from arc_vae.operations.restore import restore
    from arc_vae.reporting.operations_tables import closing_words
    from arc_vae.reporting.run_report import write_report
    from arc_vae.training.device import configure_process

    configure_process()
    directory, model, corpus, augment = restore(str(cfg.run), cfg.device)
    learnt = provide_operators(directory, model, corpus, augment, cfg.fit, cfg.num_fit, cfg.seed)
    results, trials, grids = run_trials(model, corpus, cfg.num_pairs, cfg.depth, cfg.seed)
    directory.images.mkdir(exist_ok=True)
    draw_operations(grids, trials, directory.images / "operations.png")
    write_json(directory.path / "operations.json", {**results, "learnt": learnt})
    write_report(directory.path)
    print(closing_words(results))


if __name__ == "__main__":
    main()
