"""`python -m arc_vae.evaluate run=<run dir> [data=…] [split=val|test]`: judge a run's best checkpoint again."""

from omegaconf import DictConfig

from arc_vae.cli.command import command


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Rewrite metrics.json, the closing pictures and report.html, and print the verdict.

    With another corpus or `split=val`, write `evaluations/<corpus>.json` instead and leave all else as it is.
    """
    from arc_vae.common.errors import require
    from arc_vae.common.printable import printable
    from arc_vae.configuration.instantiate import instantiate_group
    from arc_vae.corpus.as_trained import AsTrained
    from arc_vae.reporting.drawing import only_a_picture
    from arc_vae.reporting.run_report import write_report
    from arc_vae.runs.evaluate_run import evaluate_run, format_summary
    from arc_vae.runs.experiment import load_experiment
    from arc_vae.runs.other_corpus import HELD_OUT_SPLITS, judge_other
    from arc_vae.runs.run_directory import RunDirectory
    from arc_vae.training.device import configure_process

    require(cfg.split in HELD_OUT_SPLITS, "split", cfg.split, "val or test")
    configure_process()
    directory = RunDirectory(str(cfg.run))
    source = instantiate_group(cfg, "data")
    as_trained = isinstance(source, AsTrained)
    experiment = load_experiment(directory, cfg.device, source.places if as_trained else None)
    if not as_trained or cfg.split != "test":
        judged = experiment.source if as_trained else source
        print(printable(judge_other(directory, experiment, judged, cfg.split)))
        return
    metrics = evaluate_run(directory, experiment, experiment.load_corpus())
    with only_a_picture("report.html"):
        write_report(directory.path)
    print(printable(format_summary(metrics, directory)))


if __name__ == "__main__":
    main()
