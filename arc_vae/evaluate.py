"""`python -m arc_vae.evaluate run=<run dir>`: judge a run's best checkpoint on the test split again."""

from omegaconf import DictConfig, OmegaConf

from arc_vae.command import command


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Rewrite metrics.json, the closing pictures and report.html, and print the verdict."""
    from arc_vae.config import refuse_foreign_targets
    from arc_vae.experiment import assemble
    from arc_vae.pipeline import closing_words, judge
    from arc_vae.reporting.report import write_report
    from arc_vae.run_directory import RunDirectory
    from arc_vae.training import checkpoints as files

    directory = RunDirectory(cfg.run)
    best = directory.checkpoints / files.BEST
    config = files.load(best, {"config"}, "the vae_best.pth of an arc_vae run: run=<run directory>")["config"]
    refuse_foreign_targets(config, str(best))
    config["training"]["device"] = cfg.device
    experiment = assemble(OmegaConf.create(config))
    metrics = judge(directory, experiment, experiment.source.load())
    write_report(directory.path)
    print(closing_words(metrics, directory))


if __name__ == "__main__":
    main()
