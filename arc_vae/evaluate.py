"""`python -m arc_vae.evaluate run=<run dir>`: judge a run's best checkpoint on the test split again."""

from omegaconf import DictConfig

from arc_vae.command import command


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Rewrite metrics.json, the closing pictures and report.html, and print the verdict."""
    from arc_vae.experiment import reassemble
    from arc_vae.judging import closing_words, judge
    from arc_vae.reporting.report import write_report
    from arc_vae.run_directory import RunDirectory
    from arc_vae.training.hardware import use_machine_well

    use_machine_well()
    directory = RunDirectory(str(cfg.run))
    experiment = reassemble(directory, cfg.device)
    metrics = judge(directory, experiment, experiment.source.load())
    write_report(directory.path)
    print(closing_words(metrics, directory))


if __name__ == "__main__":
    main()
