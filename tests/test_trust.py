"""Whose code runs: what the user names, what they named before and have not changed since, and nobody else's."""

import importlib
import stat
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from arc_vae.cli.plugins import ignore_plugins_of_current_folder
from arc_vae.common.errors import UserError
from arc_vae.configuration import memory, trust
from arc_vae.configuration.foreign import open_foreign_config
from arc_vae.models import BetaVAE
from arc_vae.models.saved import load_module, save_module
from arc_vae.notebooks.helpers import launch_folder
from arc_vae.objective import BetaVAELoss
from arc_vae.runs.own_classes import refuse_incomplete, try_own_classes
from arc_vae.sweeps.snapshot import FOLDER, code_environment

MINE = """
import json
from os import system
from pathlib import Path
from arc_vae.models import BetaVAE, Decoder
Path(__file__).with_name("ran").touch()

class Model(BetaVAE):
    pass

class MyDecoder(Decoder):
    pass
"""
CONFIG = {"model": {"_target_": "mine.Model", "latent_dim": 4}}


@pytest.fixture(autouse=True)
def forgetful(tmp_path, monkeypatch):
    """Nothing is trusted or remembered yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(trust, "_of_this_process", set())
    memory.is_remembered_code.cache_clear()
    yield
    sys.modules.pop("mine", None)


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """The user's own module, on Python's path."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path / "here")
    return tmp_path / "here" / "mine.py"


def another_process(monkeypatch) -> None:
    monkeypatch.setattr(trust, "_of_this_process", set())
    sys.modules.pop("mine", None)
    importlib.invalidate_caches()


def test_what_a_command_named_is_remembered_until_its_source_changes(mine, monkeypatch):
    with pytest.raises(UserError, match=r"mine.Model; only targets .*trust=\[module\]"):
        open_foreign_config(CONFIG, "a.pth")
    assert not mine.with_name("ran").exists()
    trust.trust_target("mine.Model")
    another_process(monkeypatch)
    assert open_foreign_config(CONFIG, "a.pth").model.latent_dim == 4
    for other in ("mine.system", "mine.json.loads", "mine.BetaVAE"):
        with pytest.raises(UserError, match="no class that|cannot be imported|only targets"):
            open_foreign_config({"model": {"_target_": other}}, "a.pth")
    another_process(monkeypatch)
    mine.with_name("ran").unlink()
    mine.write_text(MINE + "\n")
    with pytest.raises(UserError, match="mine.Model; only targets"):
        open_foreign_config(CONFIG, "a.pth")
    assert not mine.with_name("ran").exists(), "it is known by its digest, without being run"


def test_a_name_by_which_a_package_passes_a_class_on_is_remembered_too(mine, monkeypatch):
    """As `torch.optim.SGD`, which torch.optim.sgd defines; no other name of that package is."""
    trust.trust_target("torch.optim.SGD")
    another_process(monkeypatch)
    assert trust.trusted_class("torch.optim.SGD", (), "a.pth") is torch.optim.SGD
    for other in ("torch.optim.Rprop", "torch.optim.sgd.SGD"):
        with pytest.raises(UserError, match="no class that what you trust defines"):
            trust.trusted_class(other, (), "a.pth")


def test_a_module_of_the_same_name_elsewhere_is_not_the_one_remembered(mine, tmp_path, monkeypatch):
    trust.trust_target("mine.Model")
    another_process(monkeypatch)
    (tmp_path / "strangers").mkdir()
    (tmp_path / "strangers" / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path / "strangers")
    with pytest.raises(UserError, match="mine.Model; only targets"):
        open_foreign_config(CONFIG, "a.pth")
    assert not (tmp_path / "strangers" / "ran").exists()


def test_the_memory_is_the_users_alone_and_a_damaged_one_trusts_nothing(mine, tmp_path, monkeypatch):
    trust.trust_target("mine.Model")
    file = memory.state_file()
    assert file.is_relative_to(tmp_path / "state") and not stat.S_IMODE(file.parent.stat().st_mode) & 0o077
    another_process(monkeypatch)
    for text in ("{", "[]", '{"modules": 3}', '{"modules": {"mine": 3}}', '{"modules": {"mine": {"whole": true}}}'):
        file.write_text(text)
        assert not trust.is_trusted("mine.Model")


def test_a_part_of_ones_own_is_rebuilt_once_its_model_is_trusted(mine, tmp_path, monkeypatch):
    trust.trust_target("mine.Model")
    part = sys.modules["mine"].MyDecoder(4, (8, 10), 8)
    save_module(part, tmp_path / "decoder.pth")
    another_process(monkeypatch)
    assert type(load_module(tmp_path / "decoder.pth")).__name__ == "MyDecoder"
    another_process(monkeypatch)
    memory.state_file().unlink()
    with pytest.raises(UserError, match="names the class mine.MyDecoder"):
        load_module(tmp_path / "decoder.pth")


def test_what_a_command_names_is_trusted_and_told_to_its_jobs(mine, tmp_path):
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("_target_: mine.Model\nlatent_dim: 4\n")
    sources = [
        {"provider": "main", "path": str(tmp_path)},
        {"provider": "command-line", "path": str(tmp_path / "conf")},
        {"provider": "schema", "path": ""},
    ]
    trust.trust_of_command([], sources)
    assert open_foreign_config(CONFIG, "a.pth").model.latent_dim == 4
    trust.trust_of_command(["other"], [])
    (argument,) = trust.trust_argument()
    assert argument == "trust=[mine.Model,other]" and trust.read_trust_argument(argument) == ["mine.Model", "other"]
    for wrong in ("mine", [3], 7, None):
        with pytest.raises(UserError, match="trust=.*: must be a list of your own modules"):
            trust.trust_of_command(wrong, [])


def test_a_copy_of_the_code_runs_only_as_its_own_launcher_left_it(tmp_path, monkeypatch):
    copy = tmp_path / "sweep" / FOLDER
    (copy / "arc_vae").mkdir(parents=True)
    (copy / "arc_vae" / "train.py").write_text("pass")
    with pytest.raises(UserError, match=r"code is not the code that a launcher of yours .*trust=\[code\]"):
        code_environment(tmp_path / "sweep")
    assert code_environment(tmp_path / "sweep", refuse=False) == {}, "nor is it in a command that is printed"
    memory.is_remembered_code.cache_clear()
    trust.remember_code(copy)
    assert code_environment(tmp_path / "sweep")["PYTHONPATH"].startswith(str(copy))
    for planted in ("sitecustomize.py", "arc_vae/__pycache__"):
        memory.is_remembered_code.cache_clear()
        (copy / planted).parent.mkdir(exist_ok=True)
        (copy / planted).write_text("print('mine now')")
        with pytest.raises(UserError, match="is not the code that a launcher of yours"):
            code_environment(tmp_path / "sweep")
        (copy / planted).unlink()
    (copy / "sitecustomize.py").symlink_to("/dev/null")
    trust.trust(["code"])
    assert code_environment(tmp_path / "sweep")


def test_the_current_folders_plugins_are_not_imported(tmp_path, monkeypatch):
    plugins = importlib.import_module("hydra_plugins")
    ours = list(plugins.__path__)
    monkeypatch.setattr(plugins, "__path__", [*ours, str(tmp_path / "hydra_plugins")])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "hydra_plugins" / "evil").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    ignore_plugins_of_current_folder()
    assert list(plugins.__path__) == ours


def test_the_notebook_believes_no_folder_that_a_run_does_not_lie_in(tmp_path, monkeypatch):
    run, project = tmp_path / "project" / "outputs" / "run", tmp_path / "project"
    (run / ".hydra").mkdir(parents=True)
    monkeypatch.chdir(project)
    monkeypatch.setenv("ELSEWHERE", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for named, believed in ((project, project), (elsewhere, project), ("${oc.env:ELSEWHERE}", project), ("[", project)):
        (run / ".hydra" / "hydra.yaml").write_text(f"hydra: {{runtime: {{cwd: '{named}'}}}}")
        assert launch_folder(run) == believed


class Half(torch.nn.Module):
    """What is nearly a model."""

    latent_dim = 4
    needs_float64 = False

    def encode(self, grids):
        return grids


class WrongShape(BetaVAE):
    def decode(self, z):
        return super().decode(z)[:, :9]


class Failing(BetaVAELoss):
    def from_batch_means(self, *means):
        raise RuntimeError("not\nwritten yet")


def test_all_that_a_class_lacks_is_told_at_once():
    with pytest.raises(UserError) as error:
        refuse_incomplete(Half(), "model")
    said = str(error.value)
    for name in ("encoder", "decoder", "decode", "fit_prior", "interpolation_paths", "suitability_warning"):
        assert f" {name}" in said
    assert "Half lacks" in said and "arc_vae.models.base.VAE says what each does" in said
    assert "encode," not in said and "\n" not in said
    with pytest.raises(UserError, match="loss: builtins.list lacks .*from_batch_means, effective_beta"):
        refuse_incomplete([], "loss")
    with pytest.raises(UserError, match="data: builtins.list lacks name, augment, sizes, load, verify"):
        refuse_incomplete([], "data")
    model = BetaVAE(latent_dim=4)
    model.encoder.arguments = None
    with pytest.raises(UserError, match="lacks encoder.arguments; "):
        refuse_incomplete(model, "model")
    refuse_incomplete(BetaVAE(latent_dim=4), "model")
    refuse_incomplete(BetaVAELoss(), "loss")


@pytest.mark.parametrize(
    ("model", "loss", "said"),
    [
        (WrongShape, BetaVAELoss, r"model mine.Model: a batch .* logits has the shape \(4, 9, 16, 16\), not \(4, 10"),
        (BetaVAE, Failing, r"loss mine.Loss: a batch of 4 grids does not pass \(RuntimeError: not written yet\)"),
    ],
)
def test_a_batch_is_pushed_through_what_is_ones_own(model, loss, said):
    own = {"_target_": "mine.Model"}, {"_target_": "mine.Loss"}
    ours = {"_target_": "arc_vae.models.BetaVAE"}, {"_target_": "arc_vae.objective.BetaVAELoss"}
    cfg = OmegaConf.create({"model": own[0] if model is WrongShape else ours[0], "loss": own[loss is Failing]})
    if loss is BetaVAELoss:
        cfg.loss = ours[1]
    before = torch.get_rng_state()
    with pytest.raises(UserError, match=said):
        try_own_classes(cfg, model(latent_dim=4), loss(), 2.0)
    try_own_classes(OmegaConf.create({"model": own[0], "loss": own[1]}), BetaVAE(latent_dim=4), BetaVAELoss(), 2.0)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    try_own_classes(OmegaConf.create({"model": own[0], "loss": own[1]}), BETA, BetaVAELoss(), 2.0)
    assert torch.equal(before, torch.get_rng_state()), "training draws the numbers it would have drawn"


BETA = BetaVAE(latent_dim=4)
