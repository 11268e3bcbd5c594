"""`python -m arc_vae.operations` on a run of the command line."""

import json
import shutil

import pytest
import torch
from conftest import run_command

SMALL = ("num_pairs=20", "depth=2", "num_fit=1000", "device=cpu")


@pytest.fixture(scope="module")
def tried(tiny_run, tmp_path_factory):
    """A copy of the tiny run on which the command was used, and what it printed."""
    directory = tmp_path_factory.mktemp("tried") / "run"
    shutil.copytree(tiny_run, directory)
    done = run_command("operations", f"run={directory}", *SMALL, cwd=tiny_run.parents[2])
    return directory, done.stdout


def test_the_command_writes_figures_pictures_and_the_gate(tried):
    directory, printed = tried
    results = json.loads((directory / "operations.json").read_text())
    assert results["pairs"] == 20
    assert [row["depth"] for row in results["depth"]] == [1, 2]
    assert {row["way"] for row in results["whole_grid"]} == {"learnt"}
    assert {row["way"] for row in results["others"]} == {"through the grid"}
    for row in (*results["whole_grid"], *results["others"], *results["depth"]):
        assert {"code", "anew", "identity", "mean_difference", "ridge", "coverage"} <= set(row)
        assert {"blank", "wrong_colors", "pixel_accuracy", "baseline_accuracy"} <= set(row["code"])
    assert {"accuracy", "chance", "dropped"} <= set(results["told"])
    assert results["gate"]["decision"] == "fall back"  # three epochs
    assert results["gate"]["sentence"] in printed
    assert (directory / "images" / "operations.png").read_bytes().startswith(b"\x89PNG")
    report = (directory / "report.html").read_text()
    assert "Operations in latent space" in report and "fall back" in report


def test_what_was_learnt_is_kept_and_loaded_with_the_checkpoint(tried, tiny_run):
    directory, _ = tried
    path = directory / "checkpoints" / "operators.pth"
    before = path.read_bytes()
    state = torch.load(path, weights_only=True)
    assert set(state["operators"]) == {
        row["operation"] for row in json.loads((directory / "operations.json").read_text())["whole_grid"]
    }
    run_command("operations", f"run={directory}", *SMALL, "fit=false", cwd=tiny_run.parents[2])
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (("depth=0",), "depth=0: must be an integer of at least 1"),
        (("num_pairs=3",), "num_pairs=3"),
        (("fit=maybe",), "fit=maybe"),
        (("fit=false",), "BetaVAE has no other operators"),
        (("dept=3",), "did you mean depth"),
    ],
)
def test_bad_input_is_refused_in_a_sentence_and_nothing_is_written(tiny_run, given, word):
    before = sorted(tiny_run.rglob("*"))
    done = run_command("operations", f"run={tiny_run}", *given, cwd=tiny_run.parents[2], check=False)
    assert done.returncode == 2
    assert word in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert sorted(tiny_run.rglob("*")) == before


def test_a_run_without_a_checkpoint_is_refused(tmp_path):
    done = run_command("operations", f"run={tmp_path}", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "vae_best.pth does not exist" in done.stderr
    assert not list(tmp_path.iterdir())
