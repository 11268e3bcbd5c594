"""Every configuration is held against the code it configures."""

import inspect

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_object
from omegaconf import OmegaConf

from arc_vae.common.errors import UserError
from arc_vae.configuration.keys import all_keys
from arc_vae.configuration.paths import conf_dir
from arc_vae.configuration.suggest import did_you_mean
from arc_vae.configuration.validate import HYDRA_KEYS, matches_type, validate_config

GROUPS = sorted(path.name for path in conf_dir().iterdir() if path.is_dir())
OPTIONS = [(path.parent.name, path.stem) for path in sorted(conf_dir().glob("*/*.yaml"))]


def composed(*overrides: str, config_name: str = "config"):
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return compose(config_name, overrides=list(overrides))


def test_the_groups_are_the_contracts():
    contract = "model loss beta_schedule optimizer lr_scheduler data training early_stopping wandb criteria"
    assert set(GROUPS) == {*contract.split(), "fallback", "experiment", "debug", "hydra"}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_binds_its_targets_signature(group, option):
    cfg = composed(f"{group}={option}", *(["data.path=x.npz"] if option == "npz" else []))
    validate_config(cfg, "config")
    for name, node in cfg.items():
        if OmegaConf.is_dict(node) and "_target_" in node:
            signature = inspect.signature(get_object(node._target_))
            arguments = {key: value for key, value in node.items() if key not in HYDRA_KEYS}
            bind = signature.bind_partial if node.get("_partial_") else signature.bind
            assert bind(**arguments).arguments.keys() == arguments.keys(), name


@pytest.mark.parametrize(("group", "option"), [o for o in OPTIONS if o[0] not in ("experiment", "fallback", "debug")])
def test_every_option_states_every_knob(group, option):
    """A knob that its YAML does not state could not be found or overridden without `+`."""
    node = OmegaConf.load(conf_dir() / group / f"{option}.yaml")
    if "_target_" not in node:  # another option with other values
        assert "defaults" in node
        return
    target = get_object(node._target_)
    if not target.__module__.startswith("arc_vae"):
        return
    wanted = set(inspect.signature(target).parameters) - {"params", "optimizer", "steps_per_epoch", "metrics"}
    assert set(node) - HYDRA_KEYS == wanted


@pytest.mark.parametrize("config_name", ["evaluate", "generate_samples", "build_corpus", "sweep", "fallback"])
def test_the_other_commands_compose(config_name):
    needed = {"evaluate": "run=outputs/x", "fallback": "run=outputs/x", "sweep": "dir=multirun_sweeps/x"}
    overrides = [needed[config_name]] if config_name in needed else []
    validate_config(composed(*overrides, config_name=config_name), config_name)


def test_the_defaults_are_the_contracts():
    cfg = composed()
    assert (cfg.model.latent_dim, cfg.training.max_epochs, cfg.training.batch_size) == (10, 50, 128)
    assert list(cfg.model.encoder_channels) == [10, 32, 64, 128]
    assert list(cfg.model.decoder_channels) == [128, 64, 32, 10]
    assert (cfg.beta_schedule.phase1_beta, cfg.beta_schedule.max_beta) == (1.0, 2.0)
    assert (cfg.early_stopping.patience, cfg.early_stopping.monitor) == (10, "val/loss_total")
    assert (cfg.training.gradient_clip, cfg.wandb.mode, cfg.seed, cfg.data.num_grids) == (1.0, "offline", 0, 100000)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["+sed=1"], "sed is not a key of this configuration; did you mean seed?"),
        (["+model.latnt_dim=3"], "model.latnt_dim is not an argument of arc_vae.models.BetaVAE; did you mean latent_"),
        (["+optimizer.lrr=3"], "optimizer.lrr is not an argument of arc_vae.training.Muon; did you mean lr?"),
        (["training.batch_size=12.5"], "training.batch_size=12.5: must be an integer"),
        (["training.batch_size=true"], "training.batch_size=True: must be an integer"),
        (["training.compile=1"], "training.compile=1: must be true or false or auto"),
        (["optimizer.lr=quick"], "optimizer.lr=quick: must be a number"),
        (["optimizer.betas=[0.9]"], "optimizer.betas=[0.9]: must be a list of 2 values"),
        (["model.encoder_channels=[10,a]"], "must be a list, each entry an integer"),
        (["training.precision=float8"], "training.precision=float8: must be auto or float32 or bfloat16 or float16"),
        (["data=npz"], "data.path has no value; give one: data.path=…"),
        (["model._target_=no.such.Model"], "model._target_=no.such.Model cannot be imported"),
    ],
)
def test_what_hydra_lets_pass_is_refused(overrides, sentence):
    with pytest.raises(UserError) as error:
        validate_config(composed(*overrides), "config")
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("value", "hint", "fit"),
    [(1, float, True), (True, int, False), (None, int | None, True), ("1", int, False), ([1, 2], list[int], True)],
)
def test_fits(value, hint, fit):
    assert matches_type(value, hint) is fit


def test_nearest_prefers_the_same_last_part():
    assert did_you_mean("modle.latent_dim", all_keys()) == "; did you mean model.latent_dim?"
    assert did_you_mean("xyzzy", all_keys()) == ""
