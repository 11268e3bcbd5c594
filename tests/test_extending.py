"""The examples of arc_vae/README.md, as it prints them: written into a user's folder and trained."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from conftest import TINY, call_command, run_command

README = Path(__file__).parents[1] / "arc_vae" / "README.md"
SHORT = [*(item for item in TINY if not item.startswith("training.max_epochs")), "training.max_epochs=1"]


def example_files() -> dict[str, str]:
    """Every file of the README's code blocks by its path, which its first line says: `# mine/model.py`."""
    blocks = re.findall(r"```(?:python|yaml)\n(.*?)```", README.read_text(), re.DOTALL)
    parts = [re.split(r"^# (\S+\.(?:py|yaml))\n", block, flags=re.MULTILINE) for block in blocks]
    assert all(not part[0] for part in parts), "a code block does not begin with the path of its file"
    return {path: text for part in parts for path, text in zip(part[1::2], part[2::2], strict=True)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the examples' files, which Python imports from."""
    for path, text in example_files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


def test_the_readme_is_as_short_as_it_says_and_names_only_files_that_exist():
    lines = README.read_text().splitlines()
    assert len(lines) <= 180 and all(len(line) <= 110 for line in lines)
    named = set(re.findall(r"`([\w/]+(?:\.py|/))[`,:]", README.read_text())) - {"mine/", "hydra_plugins/"}
    rooms = (README.parent, README.parents[1], README.parent / "models")
    assert len(named) > 40
    missing = [name for name in named if not any((room / name).exists() for room in rooms)]
    assert sorted(missing) == ["arc.py", "atomic/", "npz.py"]  # of corpus/, named in its row


def test_a_model_a_loss_a_source_a_metric_and_a_criterion_of_the_users_are_trained(folder):
    overrides = [item for item in SHORT if not item.startswith("data.")]
    mine = [f"{group}=mine" for group in ("model", "loss", "data", "criteria")]
    done = call_command("train", "--config-dir", "mine/conf", *mine, *overrides, cwd=folder)
    (run,) = folder.glob("outputs/*/*")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["corpus"]["name"] == "stripes" and metrics["corpus"]["sizes"]["train"] == 800
    assert 0 <= metrics["colors_kept"] <= 1
    assert metrics["criteria"]["colors_kept"]["value"] == metrics["colors_kept"] and "colors_kept" in done.stdout
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert record["train/loss_kl"] == pytest.approx(abs(record["train/kl_nats"] - 25), abs=1e-3)
    encoder = torch.load(run / "checkpoints" / "encoder.pth", weights_only=True)
    assert encoder["class"] == "mine.model.DenseEncoder" and encoder["arguments"] == {"latent_dim": 10, "width": 256}


def test_a_metric_alone_is_measured_and_one_by_a_name_of_the_catalogue_is_refused_before_any_work(folder):
    (folder / "mine/conf/criteria/mine.yaml").write_text(
        "_target_: arc_vae.evaluation.Criteria\nmetrics: [{_target_: mine.criteria.ColorsKept}]\n"
    )
    code = folder / "mine/criteria.py"
    code.write_text(code.read_text().replace('key = "colors_kept"', 'key = "perfect_rate"'))
    done = call_command("train", "--config-dir", "mine/conf", "criteria=mine", *SHORT, cwd=folder, check=False)
    assert done.returncode == 2 and "criteria.metrics=['perfect_rate']: must be metrics by other names" in done.stderr
    assert not (folder / "outputs").exists()


@pytest.mark.slow
@pytest.mark.long
def test_a_launcher_of_the_users_runs_a_sweeps_jobs(folder):
    overrides = [*SHORT, "hydra/launcher=mine", "hydra.launcher.prefix=[env]", "model.latent_dim=4"]
    done = run_command(
        "train", "--config-dir", "mine/conf", "-m", *overrides, cwd=folder, PYTHONPATH=f"{folder}:{README.parents[1]}"
    )
    assert "job 0 finished" in done.stdout and done.stdout.count("leaderboard.csv and report.html lie in") == 1
    (metrics,) = folder.glob("multirun_sweeps/*/*/0/metrics.json")
    assert json.loads(metrics.read_text())["latent_dim"] == 4
