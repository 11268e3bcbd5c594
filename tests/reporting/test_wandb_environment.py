"""W&B's variables win over conf/, the command line over both; a sweep's jobs share what names one run."""

import logging

import pytest
from conftest import TINY, call_command
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict
from wandb_file import read_records

from arc_vae.cli.callbacks import PreflightCallback
from arc_vae.common.errors import UserError
from arc_vae.common.provenance import git_state
from arc_vae.configuration.paths import conf_dir
from arc_vae.sweeps.job_files import SweepJob, frozen_config
from arc_vae.tracking import WandbLogger
from arc_vae.tracking.metrics_log import MetricsLog
from arc_vae.tracking.wandb_environment import begin_job, begin_run, environment_settings

FIELDS = {"latent_dim": 10, "max_beta": 2.0}
SAID = {
    "WANDB_MODE": "online",
    "WANDB_PROJECT": "theirs",
    "WANDB_ENTITY": "team",
    "WANDB_NAME": "a {b}",
    "WANDB_RUN_GROUP": "night",
    "WANDB_TAGS": "one, two,",
    "WANDB_DIR": "/scratch/w",
    "WANDB_RUN_ID": "id.1",
}


def composed(*overrides: str):
    """A command's configuration, Hydra's node included."""
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return compose("config", overrides=list(overrides), return_hydra_config=True)


@pytest.fixture
def said(monkeypatch):
    for variable, value in SAID.items():
        monkeypatch.setenv(variable, value)


def test_variables_win_over_conf_and_the_command_line_over_them(said):
    cfg = composed()
    begin_run(cfg, [])
    wanted = ("online", "theirs", "team", "a {{b}}", "night", ["one", "two"], "/scratch/w")
    keys = ("mode", "project", "entity", "name", "group", "tags", "directory")
    assert tuple(cfg.wandb[key] for key in keys) == wanted and cfg.run_id == "id.1"
    assert cfg.hydra.run.dir.endswith("_default_id.1")
    assert WandbLogger(name=cfg.wandb.name).name.format(**FIELDS, run_id="") == "a {b}"
    typed = ["wandb.mode=disabled", "wandb.project=p", "wandb.tags=[x]", "run_id=typed"]
    cfg = composed(*typed)
    begin_run(cfg, typed)
    assert (cfg.wandb.mode, cfg.wandb.project, cfg.wandb.tags, cfg.run_id) == ("disabled", "p", ["x"], "typed")
    assert cfg.wandb.entity == "team"


def test_a_run_directorys_name_ends_with_the_runs_id():
    cfg = composed()
    begin_run(cfg, [])
    alone = OmegaConf.masked_copy(cfg, ["run_id"])  # as it is prepared and trained, without Hydra's node
    assert cfg.hydra.run.dir.endswith(f"_default_{alone.run_id}") and len(alone.run_id) == 8


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("WANDB_MODE", "of", "WANDB_MODE=of: must be offline, online or disabled"),
        ("WANDB_PROJECT", "a/b", "WANDB_PROJECT=a/b: must be 1 to 128 characters"),
        ("WANDB_TAGS", "x" * 65, f"WANDB_TAGS={'x' * 65}: must be each 1 to 64 characters"),
        ("WANDB_RUN_ID", "../b", "WANDB_RUN_ID=../b: must be 1 to 64 letters"),
    ],
)
def test_what_wandb_does_not_take_is_refused_by_its_variable(variable, value, sentence, monkeypatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError) as error:
        begin_run(composed(), [])
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("environ", "found"),
    [({"WANDB_DISABLED": "true", "WANDB_MODE": "online"}, "disabled"), ({"WANDB_MODE": "dryrun"}, "offline")]
    + [({"WANDB_MODE": ""}, None), ({"WANDB_DISABLED": "false"}, None)],
)
def test_older_spellings_and_empty_variables(environ, found):
    assert environment_settings(environ).get("mode") == found


def test_a_sweeps_jobs_share_the_group_and_begin_their_names_with_the_name(said, tmp_path):
    cfg = composed()
    with open_dict(cfg):
        del cfg["hydra"]
    frozen = frozen_config(SweepJob(3, ["seed=1", "name={a}"], tmp_path / "sweep" / "3"), cfg)
    assert frozen.wandb.name.format() == "a {b} 3 seed=1 name={a}" and frozen.wandb.group == "night"
    assert (frozen.wandb.mode, frozen.run_id) == ("online", cfg.run_id)


def test_a_fallbacks_jobs_keep_what_its_runs_command_line_said(said):
    cfg = composed("wandb.mode=disabled", "wandb.name=mine")
    begin_job(cfg, "sweep", 0, ["seed=1"], base=["wandb.mode=disabled", "wandb.name=mine"])
    assert (cfg.wandb.mode, cfg.wandb.name, cfg.wandb.project) == ("disabled", "mine 0 seed=1", "theirs")


def test_one_id_for_a_sweep_is_refused_before_anything_is_written(tmp_path):
    done = call_command("train", "-m", *TINY, "seed=0,1", cwd=tmp_path, check=False, WANDB_RUN_ID="one")
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert done.stderr.startswith("error: WANDB_RUN_ID=one: a sweep's jobs are runs of their own in W&B; unset it")


def test_a_run_is_begun_as_the_variables_say(said, monkeypatch, tmp_path):
    monkeypatch.setattr("arc_vae.runs.run.run_training", lambda cfg, directory: {"validation": {}})
    call_command("train", *TINY, "wandb.mode=offline", "+hydra.job.env_set.WANDB_ENTITY=set", cwd=tmp_path)
    (run,) = tmp_path.glob("outputs/*/*_tiny_id.1")
    frozen = OmegaConf.load(run / ".hydra" / "config.yaml")
    assert (frozen.wandb.mode, frozen.wandb.project, frozen.run_id) == ("offline", "theirs", "id.1")
    assert frozen.wandb.entity == "set"


def test_a_run_that_goes_on_stays_the_run_that_it_is(said, tiny_run):
    cfg = composed(f"resume={tiny_run}")
    PreflightCallback().redirect(cfg)
    assert (cfg.wandb.mode, cfg.wandb.project) == ("online", "arc-controllable-generation")
    assert cfg.run_id != "id.1" and cfg.wandb.group is None


def offline_run(folder, run_id, **settings):
    run = WandbLogger(**settings)
    run.start(folder / run_id, run_id, {}, FIELDS)
    record = MetricsLog(folder / run_id, run)
    record.log({"train/loss_total": 1.0}, step=1, epoch=1)
    record.close()


def test_records_of_several_runs_lie_in_a_folder_of_the_users_and_the_command_to_upload_names_it(tmp_path, caplog):
    place = tmp_path / "made" / "there"
    for run_id in ("a", "b"):
        (tmp_path / run_id).mkdir()
        with caplog.at_level(logging.INFO):
            offline_run(tmp_path, run_id, directory=str(place), environment=run_id == "a", name="n" * 200)
    (of_a,), (of_b,) = (list(place.glob(f"wandb/offline-run-*-{run_id}")) for run_id in "ab")
    assert [line for line in caplog.messages if line.endswith(f"wandb sync {of_a}")]
    assert not list(place.glob("wandb/superseded-*")) and not (tmp_path / "a" / "wandb").exists()
    kinds = {}
    for folder in (of_a, of_b):
        records = read_records(next(folder.glob("run-*.wandb")))
        kinds[folder] = {record.WhichOneof("record_type") for record in records}
        run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
        assert run.display_name == "n" * 128
        assert run.git.commit == ((git_state() or {}).get("commit", "") if folder == of_a else "")
    assert kinds[of_a] >= {"environment", "stats", "files"} and (of_a / "files" / "requirements.txt").is_file()
    assert not kinds[of_b] & {"environment", "stats", "files"}


def test_the_best_epochs_summary_forgets_what_only_an_earlier_best_had(tmp_path):
    class Kept(WandbLogger):
        def summary(self, values):
            kept.append(values)

    kept: list[dict] = []
    record = MetricsLog(tmp_path, Kept(mode="disabled"))
    for epoch, metrics in ((1, {"val/loss_total": 3.0, "val/sample_validity": 0.5}), (2, {"val/loss_total": 2.0})):
        record.log(metrics, step=epoch, epoch=epoch)
        record.best(metrics, epoch)
    assert kept[1] == {"val/loss_total": 2.0, "val/sample_validity": None, "best_epoch": 2}
    record.flush()
    record.best_again(1)
    assert kept[2] == {"val/loss_total": 3.0, "val/sample_validity": 0.5, "best_epoch": 1}
