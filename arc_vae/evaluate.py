"""`python -m arc_vae.evaluate run=<run dir>`: judge a run's best checkpoint on the test split again."""

from omegaconf import DictConfig

from arc_vae.cli.command import command


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Rewrite metrics.json, the closing pictures and report.html, and print the verdict."""
    from arc_vae.reporting.run_report import write_report
    from arc_vae.runs.evaluate_run import evaluate_run, format_summary
    from arc_vae.runs.experiment import load_experiment
    from arc_vae.runs.run_directory import RunDirectory
    from arc_vae.training.device import configure_process

    configure_process()
    directory = RunDirectory(str(cfg.run))
    experiment = load_experiment(directory, cfg.device)
    metrics = evaluate_run(directory, experiment, experiment.source.load())
    write_report(directory.path)
    print(format_summary(metrics, directory))


if __name__ == "__main__":
    main()
