"""The pages are short, their links lead somewhere, and what they tell to type works as it is written."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import documented
import numpy as np
import pytest
from conftest import TINY_JOB, call_command
from documented import CHECKOUT, PAGES
from hydra.utils import instantiate
from omegaconf import OmegaConf

from arc_vae.configuration.keys import all_keys
from arc_vae.configuration.paths import conf_dir
from arc_vae.evaluation.catalog import CATALOG
from arc_vae.reporting.verdict_text import format_verdict
from arc_vae.sweeps.job_files import SweepJob, write_jobs

COLUMNS, TABLE_COLUMNS = 110, 8
FOLDERS = ("conf", "multirun_sweeps", "outputs", "tests")
LINES = {
    "README.md": 180,
    "outputs/COMPARISON.md": 60,
    "outputs/OPERATIONS.md": 100,
    "outputs/WANDB.md": 60,
    **{f"{folder}/README.md": 160 for folder in FOLDERS},
}
HYDRAS_OWN = {"basic", "joblib", "submitit_local", "submitit_slurm"}  # launchers
# A command's page and the command; RESULTS.md's are those of its tables (test_results.py).
WRITTEN = [(page, command) for page in PAGES for command in documented.commands(page.read_text(encoding="utf-8"))]
REFUSED = [refusal for page in PAGES for refusal in documented.refusals(page.read_text(encoding="utf-8"))]


def name(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def text(page: str) -> str:
    return (CHECKOUT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_tables_are_narrow_and_lines_short(page):
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            assert len(line.strip("|").split(" | ")) <= TABLE_COLUMNS, line
        else:
            assert len(line) <= COLUMNS, line


@pytest.mark.parametrize(("page", "most"), LINES.items())
def test_pages_are_short(page, most):
    assert len(text(page).splitlines()) <= most


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_link_to_a_file_of_ours_finds_it(page):
    content = page.read_text(encoding="utf-8")
    targets = [page.parent / target for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", content)]
    targets += [CHECKOUT / script for script in re.findall(r"python (tests/[\w/]+\.py)", content)]
    assert [target for target in targets if not target.exists()] == []


def test_a_clone_has_every_page(tmp_path):
    if not (CHECKOUT / ".git").exists():
        pytest.skip("no checkout of git's, as from a tarball")
    command = ["git", "clone", "--quiet", "--depth=1", f"file://{CHECKOUT}", str(tmp_path / "clone")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [page for page in LINES if not (tmp_path / "clone" / page).is_file()] == []


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """A folder with the files that the pages show, and a corpus under the names that they give it."""
    folder = tmp_path_factory.mktemp("reader")
    for page in PAGES:
        for file, content in documented.own_files(page.read_text(encoding="utf-8")).items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(content, encoding="utf-8")
    (folder / "my_conf" / "model").mkdir(exist_ok=True)  # README tells of one without showing it whole
    shutil.copy(conf_dir() / "model" / "beta_vae.yaml", folder / "my_conf" / "model" / "mine.yaml")
    # Commands of results name a folder of the checkout.
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests" / "benchmarks").symlink_to(CHECKOUT / "tests" / "benchmarks")
    grids = np.random.default_rng(0).choice(10, p=[0.91, *[0.01] * 9], size=(300, 16, 16)).astype(np.uint8)
    for file in ("my_grids.npz", "other.npz"):
        np.savez(folder / file, grids)
    return folder


@pytest.mark.parametrize(
    ("page", "command"), WRITTEN, ids=lambda value: value if isinstance(value, str) else name(value)
)
def test_each_command_composes_as_written(page, command, workplace):
    documented.check(command, workplace)


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: refusal.command)
def test_each_refusal_is_the_one_shown(refusal, tmp_path):
    module, *overrides = documented.words(refusal.command)
    done = call_command(module, *overrides, cwd=tmp_path, check=False)
    assert done.returncode == 2 and refusal.sentence in done.stderr


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("train modle.latent_dim=12", "modle"),
        ("train model.latent_dim=12,14", "a sweep without -m"),
        ("train training.batch_size=12.5", "must be an integer"),
        ("trane seed=1", "there is no arc_vae.trane"),
        ("evaluate run=<run dir> splt=val", "splt"),
        ("train -m hydra/launcher=slurm hydra.launcher.mem=3", "hydra.launcher.mem"),
    ],
)
def test_a_wrong_command_is_noticed(command, sentence):
    with pytest.raises(Exception, match=re.escape(sentence)):
        documented.check(command)


def test_commands_are_found_wherever_they_stand():
    block = "```bash\npython -m arc_vae.train a=1 \\\n  b=2  # why\n```"
    page = f"{block}\nas `python -m arc_vae.sweep\ndir=<sweep dir>` says"
    table = "| `python -m arc_vae.train …` | does |\n|---|---|\n| (default) | |\n| `seed=1\\|2`, `seed=3` | `no` |"
    assert documented.commands(page) == ["sweep dir=<sweep dir>", "train a=1 b=2"]
    assert documented.commands(table) == ["train seed=1|2", "train seed=3", "train …"]
    assert documented.words("train [seed=1] [overrides] hydra/launcher=local|slurm data.path=…") == [
        *("train", "seed=1", "hydra/launcher=local", "data.path=x.npz")
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if name(page) != "CHANGELOG.md"], ids=name)
def test_each_key_and_option_named_exists(page):
    groups = {path.name for path in conf_dir().iterdir() if path.is_dir()} | {"hydra/launcher"}
    for span in documented.spans(page.read_text(encoding="utf-8")):
        key = re.fullmatch(r"(\w+)\.([\w.]+)(=.*)?", span)
        if key and key[1] in groups - {"hydra"} and key[2] not in ("json", "yaml", "py"):
            assert f"{key[1]}.{key[2]}" in all_keys(), span
        choice = re.fullmatch(r"([\w/]+)=([\w|]+)", span)
        if choice and choice[1] in groups:
            for option in set(choice[2].split("|")) - HYDRAS_OWN:
                assert (conf_dir() / choice[1] / f"{option}.yaml").is_file(), span


def test_every_option_and_every_figure_is_told():
    conf, outputs = text("conf/README.md"), text("outputs/README.md")
    told = [*documented.spans(conf), *documented.spans(text("multirun_sweeps/README.md"))]
    for file in conf_dir().glob("*/*.yaml"):
        if file.stem not in ("default", "as_trained"):
            assert file.stem in told or f"{file.parent.name}={file.stem}" in told, file
    for metric in CATALOG:
        if not metric.key.startswith("loss_") and metric.key != "latent_dim":
            assert f"`{metric.key}`" in outputs, metric.key


def test_the_verdict_shown_is_the_examples():
    metrics = {"other_paths": {}, **json.loads(text("outputs/example/metrics.json"))}
    (shown,) = [block for block in documented.fences(text("outputs/README.md"), "") if "criterion" in block]
    assert format_verdict(metrics).startswith(shown.strip())


def test_the_clusters_file_has_keys_of_the_launchers():
    shown = documented.own_files(text("multirun_sweeps/README.md"))["conf/site/slurm.yaml"]
    known = OmegaConf.load(conf_dir() / "hydra" / "launcher" / "slurm.yaml")
    assert set(OmegaConf.create(shown)) <= set(known)


def test_the_clusters_defaults_are_those_told():
    known = OmegaConf.load(conf_dir() / "hydra" / "launcher" / "slurm.yaml")
    asked = f"{known.gpus_per_node} GPU, {known.cpus_per_task} CPU cores, {known.mem_gb} GB and {known.timeout_min} min"
    told = " ".join(text("multirun_sweeps/README.md").split())
    assert asked in told and f"{known.slurm_array_parallelism} jobs run at a time" in told


def test_a_gpu_type_reaches_sbatch_once(tmp_path, monkeypatch):
    import submitit

    monkeypatch.setenv("PATH", str(CHECKOUT / "tests" / "fake_slurm" / "bin"), prepend=os.pathsep)
    asked = []
    for command in documented.commands(text("multirun_sweeps/README.md")):
        if "a100" in command:
            overrides = documented.sweep_jobs([word for word in documented.words(command)[1:] if word != "-m"])[0]
            launcher = instantiate(documented.composed("config", overrides).hydra.launcher)
            executor = submitit.AutoExecutor(folder=tmp_path, cluster="slurm")
            executor.update_parameters(**launcher.parameters)
            script = executor._executor._make_submission_file_text("true", "0")
            asked.append([line for line in script.splitlines() if re.search("--(gpus|gres)", line)])
    assert sorted(asked) == [["#SBATCH --gpus-per-node=a100:1"], ["#SBATCH --gres=gpu:a100:1"]]


@pytest.fixture
def sweep_dir(tiny_run, tmp_path) -> Path:
    """A sweep of one job, which is the tiny run."""
    shutil.copytree(tiny_run, tmp_path / "0")
    write_jobs(tmp_path, [SweepJob(0, ["seed=0"], tmp_path / "0")])
    return tmp_path


# What is typed at tiny size: page, command, what it adds to run quickly, a file that it leaves or words that it prints.
TYPED = [
    ("conf", "train --cfg job", (), "latent_dim: 10"),
    ("conf", "build_corpus data=npz data.path=my_grids.npz", (), "240 train"),
    ("conf", "train --config-dir my_conf experiment=mine", (*TINY_JOB, "model.latent_dim=4"), "effective 2)"),
    ("outputs", "evaluate run=<run dir> data=npz data.path=other.npz", (), "evaluations/other.json"),
    ("outputs", "generate_samples run=<run dir> num_samples=64", (), "samples.npz"),
    ("outputs", "fallback run=<run dir>", (), "answered by fallback="),
    ("multirun_sweeps", "sweep dir=<sweep dir>", (), "leaderboard.csv"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command", "quick", "sign"), TYPED, ids=[command for _, command, *_ in TYPED])
def test_typed_at_tiny_size(page, command, quick, sign, workplace, request):
    assert command in documented.commands(text(f"{page}/README.md"))
    sweep = request.getfixturevalue("sweep_dir") if "<" in command else workplace
    module, *given = documented.words(command, run_dir=str(sweep / "0"), sweep_dir=str(sweep))
    printed = call_command(module, *given, *quick, cwd=workplace).stdout
    assert sign in printed or any((folder / sign).is_file() for folder in (sweep, sweep / "0")), printed


@pytest.mark.slow
def test_a_job_goes_on_with_nothing_else_to_type(sweep_dir):
    assert "sweeps.worker <run dir>" in documented.commands(text("multirun_sweeps/README.md"))
    for left in ("status.json", "metrics.json"):
        (sweep_dir / "0" / left).unlink()
    call_command("sweeps.worker", str(sweep_dir / "0"), cwd=sweep_dir)
    assert json.loads((sweep_dir / "0" / "status.json").read_text())["state"] == "finished"
