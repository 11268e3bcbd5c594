"""What a fallback row comes to on a configuration, and what makes samples poor."""

from pathlib import Path

import pytest
from conftest import TINY_JOB, call_command
from documented import composed as composed_with_hydra
from omegaconf import DictConfig, OmegaConf

from arc_vae.common.errors import UserError
from arc_vae.configuration.instantiate import instantiate_group
from arc_vae.configuration.paths import conf_dir
from arc_vae.configuration.validate import validate_config
from arc_vae.sweeps.inspection import Decoded, judge_sides
from arc_vae.sweeps.variants import changed, read_row, variant_overrides

ROWS = sorted(file.stem for file in (conf_dir() / "fallback").glob("*.yaml"))
EXPERIMENTS = [None, *sorted(file.stem for file in (conf_dir() / "experiment").glob("*.yaml"))]


def composed(*overrides: str) -> DictConfig:
    cfg = composed_with_hydra("config", list(overrides))
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def applied(cfg: DictConfig, overrides: list[str]) -> DictConfig:
    cfg = cfg.copy()
    for override in overrides:
        key, _, value = override.partition("=")
        assert OmegaConf.select(cfg, key, throw_on_missing=True) is not None or key == "training.gradient_clip"
        OmegaConf.update(cfg, key, OmegaConf.create(f"value: {value}").value)
    return cfg


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_has_variants_of_every_row(experiment):
    cfg = composed(*([f"experiment={experiment}"] if experiment else []))
    for row in ROWS:
        variants = variant_overrides(cfg, read_row(row))
        assert len(variants) >= 2, row
        for overrides in variants:
            variant = applied(cfg, overrides)
            validate_config(variant, "config")
            instantiate_group(variant, "beta_schedule")
            assert variant != cfg


def effective(cfg) -> float:
    beta = instantiate_group(cfg, "beta_schedule").final_beta
    return instantiate_group(cfg, "loss").effective_beta(beta, cfg.model.latent_dim)


@pytest.mark.parametrize("schedule", ["three_phase", "constant", "linear_warmup", "cyclical"])
@pytest.mark.parametrize("loss", ["balanced", "elbo"])
def test_more_dimensions_keep_the_effective_beta(schedule, loss):
    cfg = composed(f"beta_schedule={schedule}", f"loss={loss}")
    variants = [applied(cfg, overrides) for overrides in variant_overrides(cfg, read_row("low_accuracy"))]
    assert [variant.model.latent_dim for variant in variants] == [12, 14, 16]
    assert [effective(variant) for variant in variants] == pytest.approx([effective(cfg)] * 3)
    (lower,) = variant_overrides(cfg, [{"effective_beta": "x 0.5"}])
    assert effective(applied(cfg, lower)) == pytest.approx(effective(cfg) / 2)


def test_a_longer_warmup_is_taken_from_the_last_phases():
    def phases(*epochs: int) -> list[str]:
        cfg = composed(*(f"beta_schedule.phase{n}_epochs={e}" for n, e in enumerate(epochs, 1)))
        ((*found,),) = variant_overrides(cfg, [{"warmup": "x 2"}])
        changed = applied(cfg, found).beta_schedule
        return [changed.phase1_epochs, changed.phase2_epochs, changed.phase3_epochs]

    assert phases(10, 20, 20) == [20, 20, 10]
    assert phases(8, 5, 4) == [16, 1, 0]
    assert phases(8, 2, 1) == [11, 0, 0]
    assert variant_overrides(composed("beta_schedule=constant"), [{"warmup": "x 2"}]) == []


def test_a_change_is_relative_and_what_a_run_lacks_is_left_out():
    assert (changed(10, "+ 2"), changed(3e-3, "/ 3"), changed(2.0, "x 1.5")) == (12, 1e-3, 3.0)
    assert (changed(None, "x 0.5"), changed(0.0, "x 10"), changed(0.0, 10.0)) == (0.5, 10.0, 10.0)
    assert isinstance(changed(50, "x 1.5"), int)
    with pytest.raises(UserError, match="must be a number"):
        changed("auto", "x 2")
    slots = composed("experiment=object_slots", "model.num_slots=2")
    assert variant_overrides(slots, [{"model.num_slots": None}]) == [["model.num_slots=null"]]
    own = OmegaConf.create({"model": {"width": 3}, "beta_schedule": {"steps": 4}, "loss": {}, "training": {}})
    assert all(variant_overrides(own, read_row(row)) == [] for row in ROWS if row != "trained_too_little")


@pytest.mark.slow
def test_a_row_is_swept_by_hand_relative_to_what_is_composed(tmp_path):
    options = ("fallback=poor_samples", "beta_schedule=constant", "seed=3,4", "hydra.launcher.dry_run=true")
    words = call_command("train", "-m", *[o for o in TINY_JOB if "phase" not in o], *options, cwd=tmp_path).stdout
    assert words.count("seed=3 beta_schedule.beta=") == words.count("seed=4 beta_schedule.beta=") == 3
    assert "seed=4 beta_schedule.beta=1.25" in words and "seed=4 beta_schedule.beta=2\n" in words


METRICS = {
    "criteria": {"sample_validity": {"threshold": 0.9}},
    "sample_validity": 0.7,
    "sample_blank_rate": 0.02,
    "sample_foreground_ratio": 0.6,
    "prior_c2st": 0.8,
    "prior_gap_per_dim": [0.1, 0.4],
}


@pytest.mark.parametrize(
    ("blank", "posterior", "row"),
    [
        (0.02, 0.95, "poor_samples"),
        (0.02, 0.6, "poor_decoder"),
        (0.2, 0.95, "blank_samples"),
        (0.2, 0.6, "blank_samples"),
        (0.02, None, "poor_samples"),
    ],
)
def test_the_side_that_fails_picks_the_row(blank, posterior, row):
    decoded = None if posterior is None else Decoded(posterior, "isolated", 0.772, 0.0)
    found = judge_sides(METRICS | {"sample_blank_rate": blank}, decoded)
    assert found.row == row and f"{blank:.3f} of samples blank; 0.60 times the real foreground" in found.finding
    assert "codes told from N(0, I) in 0.80 of cases, at most 0.40 nats off it" in found.finding
    assert decoded is None or "furthest off: isolated, 0.77 on average for real grids' 0.00" in found.finding


FAILING_RUNS = Path(__file__).parents[1] / "benchmarks" / "fallback_runs"


@pytest.mark.parametrize("file", sorted((FAILING_RUNS / "experiment").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_failing_run_of_the_benchmark_composes_and_its_row_has_variants(file):
    cfg = composed(f"experiment={file.stem}", f"hydra.searchpath=[{FAILING_RUNS}]")
    validate_config(cfg, "config")
    assert cfg.name == file.stem and cfg.data.num_grids == 10_000
    assert len(variant_overrides(cfg, read_row(file.stem))) >= 2
