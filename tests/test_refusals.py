"""A user's mistake: one sentence, exit status 2, nothing written."""

import sys

import pytest
from conftest import TINY, call_command, run_command
from hydra.core.global_hydra import GlobalHydra

from arc_vae import build_corpus, evaluate, generate_samples, sweep, train

REFUSED = [
    (["model.latnt_dim=3"], "model.latnt_dim is not a key of this configuration; did you mean model.latent_dim?"),
    (["modle.latent_dim=3"], "did you mean model.latent_dim?"),
    (["sed=1"], "sed is not a key of this configuration; did you mean seed?"),
    (["+sed=1"], "sed is not a key of this configuration; did you mean seed?"),
    (["loss=balancd"], "loss=balancd does not exist; did you mean balanced? (there are balanced, elbo, seed_literal)"),
    (["+model.latnt_dim=3"], "did you mean latent_dim?"),
    (["model.latent_dim=0"], "model.latent_dim=0: must be at least 1"),
    (["model.encoder_channels=[]"], "model.encoder_channels=[]: must be at least two entries"),
    (["beta_schedule.max_beta=-1"], "beta_schedule.max_beta=-1: must be 0 or more"),
    (["optimizer.lr=-1"], "optimizer.lr=-1: must be above 0"),
    (["optimizer=adam", "optimizer.lr=-1"], "optimizer: Invalid learning rate: -1"),
    (["lr_scheduler.warmup_steps=-1"], "lr_scheduler.warmup_steps=-1: must be 0 or more batches"),
    (["training.batch_size=100000"], "training.batch_size=100000: must be at most the train split's 80000 grids"),
    (["data.num_grids=20", "training.batch_size=4"], "the val split holds 2 grids; the verdict needs at least 5"),
    (["early_stopping.monitor=val/los"], "early_stopping.monitor=val/los: must be one of val/loss_total"),
    (["criteria.pixel_accuracy=90"], "criteria.pixel_accuracy=90: must be a share between 0 and 1"),
    (["data=npz", "data.path=missing.npz"], "missing.npz does not exist"),
    (["loss=null"], "a config group takes the name of one of its options, not null or a number: loss=null"),
    (["-m", "--cfg", "job"], "one of -m, --cfg and --info at a time: -m --cfg job"),
    (["~optimizer"], "optimizer has no option picked; pick one: optimizer=muon"),
    (["seed=-1"], "seed=-1: must be an integer of at least 0"),
    (["objective=val/objct_accuracy"], "objective=val/objct_accuracy: must be one of val/pixel_accuracy"),
    (["training.criteria_every=0"], "training.criteria_every=0: must be at least 1 epoch"),
    (["seed=99999999999999999999"], "seed=99999999999999999999: must be at most 4294967295"),
    (["optimizer=adam", "optimizer.lr=0"], "optimizer.lr=0: must be above 0"),
    (["optimizer.lr=inf"], "optimizer.lr=inf: must be above 0 and finite"),
    ([f"name={'a' * 300}"], "must be letters, digits, '.', '_' and '-', 100 at most"),
    (["-m", f"name={'a' * 300}"], "File name too long"),
    (["data.num_grids=1000000000000"], "data.num_grids=1000000000000: needs 512,000.0 GB of memory"),
    (["model.latent_dim=999999999999"], "model: training what its keys describe needs more than this machine's"),
    (["name=${oc.env:UNSET}"], "name: the environment variable UNSET is not set; export it, or give ${oc.env:UNSET,"),
    (["-m", "seed=${oc.env:UNSET}"], "seed: the environment variable UNSET is not set"),
    (["name=${naem}"], "name: ${naem} refers to no key; did you mean name?"),
    (["-m", "data.num_grids=1000000000000", "seed=0,1"], "GB; lower it; nothing was started"),
    (["-m", "seed=-1,-2"], "job 0 (seed=-1): seed=-1: must be an integer of at least 0; nothing was started"),
    ([f"name={'a' * 300}"], "and '-', 100 at most"),
    (["name=a/b"], "name=a/b: must be letters"),
    (["wandb.mode=of"], "wandb.mode=of: must be offline or online or disabled"),
    (["foo"], "foo: must be key=value or group=option"),
    (["name=a(b"], "name=a(b: Hydra cannot read the value; text with such signs is quoted for Hydra too: 'name="),
    (
        ["num_grids=5", "data=npz", "data.path=x"],
        "num_grids is not a key of this configuration; did you mean data.num_",
    ),
    (["training.max_epochs=abc"], "training.max_epochs=abc: must be an integer"),
    (["zzz.y=1"], "zzz.y is not a key of this configuration; --help lists the keys"),
    (["hydra.launcher.zzzz=1"], "hydra.launcher.zzzz is not a key of this configuration; hydra.launcher has snapshot"),
    (["training.lr=1"], "training.lr is not a key of this configuration; did you mean optimizer.lr?"),
    (["hydra.job.env_set.A=1"], "hydra.job.env_set.A is not a key of this configuration; add it with a +, as +hydra."),
    (["run_id='../x'"], "run_id=../x: must be 1 to 64 letters, digits"),
    (["-m", "run_id=x", "seed=0,1"], "run_id: a sweep's jobs are runs of their own in W&B; leave it out"),
    (
        ["-m", "hydra.launcher.jobs=0", "seed=0,1", "data.num_grids=20000"],
        "hydra.launcher.jobs=0: must be auto, or a numb",
    ),
]


def refusal(command, overrides: list[str], monkeypatch, capsys) -> str:
    """What the command says on standard error when it refuses, run in this process."""
    GlobalHydra.instance().clear()
    monkeypatch.setattr(sys, "argv", ["arc_vae", *overrides])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(("overrides", "sentence"), REFUSED, ids=[" ".join(o) for o, _ in REFUSED])
def test_a_mistake_is_refused_before_any_work(overrides, sentence, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    said = refusal(train, overrides, monkeypatch, capsys)
    assert said.startswith("error: ") and sentence in said
    assert "Traceback" not in said and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["hydra.run.dir=file"], "file: File exists; a file stands where a folder is wanted"),
        (["-m", "hydra.sweep.dir=file", "seed=0,1"], "file: File exists; a file stands where a folder is wanted"),
        (["init_from=file"], "file is not a checkpoint of a whole model"),
        (["init_from=nowhere"], "nowhere does not exist; give the path of a checkpoint"),
        (["-m", "--config-dir", "mine", "seed=-1,-2"], "nothing was started"),
    ],
)
def test_a_place_that_will_not_do_is_refused_before_any_work(overrides, sentence, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "broken.yaml").write_text("\t: names nothing, and nothing reads it")
    said = refusal(train, overrides, monkeypatch, capsys)
    assert sentence in said and "Traceback" not in said and said.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["broken.yaml", "file", "mine"]


@pytest.mark.parametrize(
    ("command", "key"), [(train, "init_from"), (generate_samples, "run"), (evaluate, "run"), (sweep, "dir")]
)
def test_a_place_is_text(command, key, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for value in ("[a,b]", "true", "{a:1}"):
        said = refusal(command, [f"{key}={value}"], monkeypatch, capsys)
        assert f"error: {key}=" in said and "must be text, the path of a file or folder" in said
    assert "0" in refusal(command, [f"{key}=0"], monkeypatch, capsys), "a folder may be named so"
    assert list(tmp_path.iterdir()) == []


FAULTS = [
    (["data.path=x.npz"], ["data.path is a key of data=arc, data=npz only; give one of these too"]),
    (["+experiment=smoke"], ["+experiment=smoke: leave out the +; experiment=smoke is meant"]),
    (["model.latent_dim=12,14"], ["model.latent_dim=12,14: several values are a sweep's; add -m"]),
    (["hydra/launcher=slurm"], ["hydra/launcher=slurm: a launcher runs a sweep's jobs; add -m"]),
    (["hydra.swep.dir=x"], ["hydra.swep.dir is not a key of this configuration; did you mean hydra.sweep.dir?"]),
    (
        ["sed=1", "loss=balancd", "model.latnt_dim=3", "training.batch_size=a", "seed=0,1", "+foo=1"],
        [
            "loss=balancd does not exist; did you mean balanced?",
            "sed is not a key of this configuration; did you mean seed?",
            "model.latnt_dim is not a key of this configuration; did you mean model.latent_dim?",
            "seed=0,1: several values are a sweep's; add -m",
            "foo is not a key of this configuration",
            "training.batch_size=a: must be an integer",
        ],
    ),
    (["data.version=arcagi2"], ["data.version is a key of data=arc only; give data=arc too"]),
    (["-m", "loss=elbo,balancd", "seed=0,1"], ["loss=balancd does not exist; did you mean balanced?"]),
    (
        ["seed=-1", "model.latent_dim=0", "criteria.pixel_accuracy=90"],
        ["seed=-1", "model.latent_dim=0", "criteria.pix"],
    ),
]


@pytest.mark.parametrize(("overrides", "sentences"), FAULTS, ids=[" ".join(o) for o, _ in FAULTS])
def test_every_fault_is_told_at_once(overrides, sentences, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    lines = refusal(train, overrides, monkeypatch, capsys).splitlines()
    assert len(lines) == len(sentences), lines
    for line, sentence in zip(lines, sentences, strict=True):
        assert line.startswith(f"error: {sentence}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("", "nothing reads experiment.training.max_epochs: the file that experiment= names must begin with the line"),
        ("# @package mine\n", "mine is not a key of this configuration; a file that sets other groups' keys begins"),
    ],
)
def test_an_experiment_that_nothing_reads_is_refused(header, sentence, monkeypatch, capsys, tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "x.yaml").write_text(f"{header}training:\n  max_epochs: 2\n")
    said = refusal(train, ["--config-dir", str(tmp_path / "mine"), "experiment=x"], monkeypatch, capsys)
    assert sentence in said and "# @package _global_" in said
    said = refusal(
        train, ["experiment=x", "sed=1", "loss=elb", "--config-dir", str(tmp_path / "mine")], monkeypatch, capsys
    )
    assert sentence in said and "sed is not a key" in said and "loss=elb does not exist" in said


def test_a_file_that_overrides_options_needs_the_header_too(monkeypatch, capsys, tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "x.yaml").write_text("defaults:\n  - override /loss: elbo\n")
    said = refusal(train, ["--config-dir", str(tmp_path / "mine"), "experiment=x"], monkeypatch, capsys)
    assert said.startswith("error: experiment/x.yaml must begin with the line `# @package _global_`")


OWN_MODULES = [
    ("x = (", "Model", "raises SyntaxError: '(' was never closed (own_module.py, line 1)"),
    (
        "import not_installed",
        "Model",
        "raises ModuleNotFoundError: No module named 'not_installed' (own_module.py, line 1)",
    ),
    ("\n1 / 0", "Model", "raises ZeroDivisionError: division by zero (own_module.py, line 2)"),
    ("raise SystemExit(3)", "Model", "raises SystemExit: 3 (own_module.py, line 1)"),
    ("class Model: pass", "Modle", "own_module.py) has no Modle; did you mean Model?"),
    ("", "sub.Model", "there is no module own_module.sub; name a class by its full path, its folder in PYTHONPATH"),
]


@pytest.mark.parametrize(("code", "name", "sentence"), OWN_MODULES, ids=[code for code, _, _ in OWN_MODULES])
def test_a_module_of_ones_own_that_does_not_import_is_told(code, name, sentence, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_module.py").write_text(code)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_module", raising=False)
    said = refusal(train, [f"model._target_=own_module.{name}"], monkeypatch, capsys)
    sys.modules.pop("own_module", None)
    assert said.startswith(f"error: model._target_=own_module.{name} cannot be imported: ") and sentence in said
    assert "Traceback" not in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["own_module.py"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"a:\n\tb: 1\n",
            "mine/model/x.yaml is no YAML: found character '\\t' that cannot start any token (line 2, col",
        ),
        (b"# \xe9\na: 1\n", "mine/model/x.yaml is not UTF-8 (byte 0xe9 at 2): save it as UTF-8"),
        (b"a: 1\na: 2\n", "mine/model/x.yaml is no YAML: found duplicate key a (line 2, column 1)"),
        (b"a: " + b"[" * 3000 + b"]" * 3000, "a configuration nests too deep"),
        (b"defaults: 3\n", "cannot be used: Invalid defaults list in 'model/x'"),
        (b"- a\n", "model names no class; its option states one as _target_"),
    ],
    ids=["tab", "latin-1", "twice", "deep", "defaults", "list"],
)
@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_a_file_of_ones_own_that_is_no_configuration_is_named(flags, content, sentence, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "x.yaml").write_bytes(content)
    said = refusal(train, ["--config-dir", "mine", "model=x", *flags], monkeypatch, capsys)
    assert sentence in said and "Traceback" not in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("command", "overrides", "sentence"),
    [
        (evaluate, [], "run has no value; give one: run=…"),
        (evaluate, ["run=nowhere"], "nowhere/checkpoints/vae_best.pth does not exist"),
        # The model is the run's own: no option of this command has these keys.
        (evaluate, ["run=a", "model.latent_dim=3"], "model.latent_dim is not a key of this configuration; --help"),
        (
            evaluate,
            ["run=a", "training.device=cpu"],
            "training.device is not a key of this configuration; did you mean device?",
        ),
        (evaluate, ["run=my run (2)"], "run=my run (2): Hydra cannot read the value; text with such signs is quoted"),
        (evaluate, ["rum=nowhere"], "rum is not a key of this configuration; did you mean run?"),
        (generate_samples, [], "give one of run=<run directory> and decoder="),
        (generate_samples, ["run=a", "decoder=b"], "give one of run=<run directory> and decoder="),
        (generate_samples, ["decoder=nowhere.pth"], "nowhere.pth does not exist"),
        (generate_samples, ["run=a", "passes=-1"], "passes=-1: must be an integer of at least 0"),
        (generate_samples, ["run=a", "num_samples=x"], "num_samples=x: must be an integer of at least 1"),
        (generate_samples, ["run=a", "num_samples=1000000000000"], "num_samples=1000000000000: needs 512,000.0 GB"),
        (generate_samples, ["run=a", "seed=99999999999999999999"], "must be an integer from 0 to 9223372036854775807"),
        (sweep, [f"dir={'a' * 300}"], "File name too long"),
        (build_corpus, ["data=atomik"], "data=atomik does not exist; did you mean atomic?"),
        (build_corpus, ["data.num_grids=3"], "data.num_grids=3: must be"),
        (build_corpus, ["data.num_grids=1000000000000"], "data.num_grids=1000000000000: needs 512,000.0 GB of memory"),
    ],
)
def test_the_other_commands_refuse_too(command, overrides, sentence, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert sentence in refusal(command, overrides, monkeypatch, capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half a zip"])
def test_a_foreign_file_is_refused(content, monkeypatch, capsys, tmp_path):
    file = tmp_path / "decoder.pth"
    file.write_bytes(content)
    said = refusal(generate_samples, [f"decoder={file}"], monkeypatch, capsys)
    assert f"{file} is not an encoder.pth or decoder.pth of arc_vae" in said


@pytest.mark.parametrize("ask", [["hydra.verbose=true"], {"HYDRA_FULL_ERROR": "1"}])
def test_a_traceback_is_shown_to_those_who_ask(ask, tmp_path):
    overrides, env = (ask, {}) if isinstance(ask, list) else ([], ask)
    done = run_command("train", "model.latent_dim=0", *overrides, cwd=tmp_path, check=False, **env)
    assert done.returncode == 2 and "Traceback" in done.stderr and "latent_dim=0" in done.stderr


def test_help_and_configuration_need_no_torch(tmp_path):
    for flags in (["--help"], ["--cfg", "job"]):
        done = run_command("train", *flags, cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "hydra" in imported and not imported & {"torch", "wandb", "matplotlib", "sklearn"}
        assert ("latent_dim: 10" if "--cfg" in flags else "model.latent_dim  ") in done.stdout


def test_a_value_wrong_only_in_one_job_of_a_sweep_is_refused_there(tmp_path):
    done = call_command("train", "-m", *TINY, "model.latent_dim=0", "wandb.mode=disabled", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "model.latent_dim=0: must be at least 1" in done.stderr
