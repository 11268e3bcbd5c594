"""`python -m arc_vae.factors run=<run dir>`: which dimension says what of the atomic corpus's objects (MIG, DCI)."""

from omegaconf import DictConfig

from arc_vae.cli.command import command
from arc_vae.common.errors import UserError, require

# Fewer grids than these leave too few of each answer to learn from.
LEAST_GRIDS = 500


@command("factors")
def main(cfg: DictConfig) -> None:
    """Write the key `factors` of metrics.json and images/factors.png."""
    for name, least in (("num_grids", LEAST_GRIDS), ("seed", 0)):
        value = cfg[name]
        good = isinstance(value, int) and not isinstance(value, bool) and value >= least
        require(good, name, value, f"an integer of at least {least}")

    import torch

    from arc_vae.common.files import write_json
    from arc_vae.corpus.atomic import AtomicSource
    from arc_vae.evaluation.factors import atomic_factors, judge_factors
    from arc_vae.evaluation.metrics_file import read_metrics_file
    from arc_vae.models.saved import load_weights
    from arc_vae.operations.applying import encode
    from arc_vae.reporting.factor_figures import draw_factors
    from arc_vae.runs.evaluate_run import load_best
    from arc_vae.runs.experiment import load_experiment
    from arc_vae.runs.run_directory import RunDirectory
    from arc_vae.training.checkpoint_files import BEST
    from arc_vae.training.device import configure_process

    configure_process()
    directory = RunDirectory(str(cfg.run))
    experiment = load_experiment(directory, cfg.device)
    if not isinstance(experiment.source, AtomicSource):
        raise UserError(f"{cfg.run} was trained on {experiment.source.name}: factors are known of data=atomic alone")
    metrics = read_metrics_file(directory.path / "metrics.json")
    model = experiment.model.to(experiment.trainer.device)
    load_weights(model, load_best(directory)["model_state_dict"], directory.checkpoints / BEST)
    grids, factors = atomic_factors("test", cfg.num_grids, experiment.source.seed)
    codes = encode(model.eval(), torch.from_numpy(grids).to(experiment.trainer.device)).cpu().numpy()
    told = judge_factors(codes, grids, factors, cfg.seed)
    directory.images.mkdir(exist_ok=True)
    draw_factors(told, directory.images / "factors.png")
    write_json(directory.path / "metrics.json", {**metrics, "factors": told})
    print(f"MIG {told['mig']:.3f}; DCI: " + ", ".join(f"{name} {value:.3f}" for name, value in told["dci"].items()))
    print(f"{'factor':<10}{'read off':>10}{'commonest answer':>18}")
    for name, one in told["predicted"].items():
        print(f"{name:<10}{one['accuracy']:>10.3f}{one['chance']:>18.3f}")
    for name, one in told["neighbours_alike"].items():
        print(f"ten nearest neighbours alike in {name}: {one['share']:.3f}, by chance {one['chance']:.3f}")


if __name__ == "__main__":
    main()
