"""The notebook runs from top to bottom on a fresh run, its controls work, and git holds it without outputs."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.common.torch_files import save_checkpoint
from arc_vae.models import Decoder
from arc_vae.models.saved import load_module, save_module
from arc_vae.notebooks import helpers
from arc_vae.notebooks.helpers import CAPTION, draw_decoded, draw_path, find_run, launch_folder, open_run, to_png
from arc_vae.reporting.contact_sheet import COLORS, GAP, HEADER, MARGIN, TILE
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training.checkpoint_files import BEST

NOTEBOOK = Path(helpers.__file__).with_name("inspect_results.ipynb")

# Runs after the notebook's own cells, in their kernel.
WORK_THE_CONTROLS = """
at_grid = decoded.value, [slider.value for slider in sliders]
sliders[0].value = 3.0
assert decoded.value != at_grid[0], "a moved slider draws another grid"
to_grid.click()
assert (decoded.value, [slider.value for slider in sliders]) == at_grid, "reset to the grid"
to_zero.click()
assert {slider.value for slider in sliders} == {0.0} and decoded.value != at_grid[0], "reset to zero"
chosen.value = 1
assert [slider.value for slider in sliders] == run.encode(run.test[[1]])[0].tolist(), "another grid"
move_to(torch.full([len(sliders)], 4.5))
assert {slider.value for slider in sliders} == {4.5}, "a range widens for a code outside"
resample.click()
assert seed.value == 1 and samples(0) != samples(1), "resample"
len(sliders)
"""
FIND_NOTHING = """
import os
os.environ.pop("ARC_VAE_RUN"), os.chdir(os.environ["EMPTY_FOLDER"])
helpers.find_run()
"""


@pytest.fixture
def run_copy(tiny_run, tmp_path) -> Path:
    return shutil.copytree(tiny_run, tmp_path / "copy")


@pytest.fixture
def lively_run(run_copy) -> Path:
    """A run whose decoder answers to its code: after three short epochs it still draws black whatever the code."""
    decoder_file = run_copy / "checkpoints" / "decoder.pth"
    torch.manual_seed(0)
    decoder = Decoder(**load_module(decoder_file).arguments)
    with torch.no_grad():
        decoder.hidden.weight *= 10
    save_module(decoder, decoder_file)
    return run_copy


def finish(directory: Path, time: float, state: str = "finished") -> Path:
    directory.mkdir(parents=True)
    write_json(directory / "status.json", {"state": state, "time": time})
    return directory


def traces(run: Path) -> tuple[dict, set]:
    """When each of the run's files was written, and what lies beside the notebook."""
    return {path: path.stat().st_mtime_ns for path in run.rglob("*")}, set(NOTEBOOK.parent.iterdir())


def pixels(draw, *what) -> np.ndarray:
    """The picture that `draw` writes, uint8 (height, width, 3)."""
    from matplotlib.image import imread

    return np.rint(imread(io.BytesIO(to_png(draw, *what)))[..., :3] * 255).astype(np.uint8)


def shows(picture: np.ndarray, grid: np.ndarray, column: int, top: int) -> bool:
    """Whether the grid is drawn, in the palette, in that column of tiles."""
    cells = np.arange(16) * 8 + 4
    return np.array_equal(picture[np.ix_(top + cells, MARGIN + column * (TILE + GAP) + cells)], COLORS[grid])


def tampered(run: Path, **changes) -> Path:
    """The run with other values in its best checkpoint."""
    best = run / "checkpoints" / BEST
    save_checkpoint(torch.load(best, weights_only=True) | changes, best)
    return run


def test_runs_from_top_to_bottom_and_its_controls_work(lively_run, monkeypatch, tmp_path):
    for package in ("ipywidgets", "ipykernel", "nbclient"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'arc_vae[test]'")
    import nbformat
    from nbclient import NotebookClient

    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("EMPTY_FOLDER", str(tmp_path / "empty"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("ARC_VAE_RUN", str(lively_run))
    before = traces(lively_run)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    own_cells = len(notebook.cells)
    notebook.cells.append(nbformat.v4.new_code_cell(WORK_THE_CONTROLS))
    notebook.cells.append(nbformat.v4.new_code_cell(FIND_NOTHING, metadata={"tags": ["raises-exception"]}))
    own_folder = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=own_folder).execute()

    outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert "criterion" in outputs["verdict"][0].text
    assert "image/png" in outputs["curves"][0].data
    for shown in ("reconstructions", "samples", "sliders", "interpolation"):
        assert "application/vnd.jupyter.widget-view+json" in outputs[shown][0].data
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    models = [model["model_name"] for model in state]
    latent_dim = len(RunDirectory(lively_run).metrics()["kl_per_dim"])
    assert models.count("FloatSliderModel") == latent_dim
    drawn = [model for model in state if model["model_name"] == "ImageModel"]
    assert len(drawn) == 4 and all(model["buffers"] for model in drawn)
    controls, nothing = (cell.outputs for cell in notebook.cells[own_cells:])
    assert controls[0].data["text/plain"] == str(latent_dim)
    assert nothing[0].text.startswith("error: ") and "holds no finished run" in nothing[0].text
    assert [output.output_type for output in nothing] == ["stream"] and nothing[0].text.count("\n") == 1
    assert traces(lively_run) == before, "looking writes nothing"


def test_is_committed_without_outputs():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and notebook["nbformat_minor"] >= 5
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert "RUN = None" in "".join(code[0]["source"])


class TestFindRun:
    @pytest.fixture(autouse=True)
    def project(self, tmp_path, monkeypatch) -> Path:
        """A project with outputs/, left by way of a folder inside it."""
        monkeypatch.delenv("ARC_VAE_RUN", raising=False)
        project = tmp_path / "project"
        (project / "outputs").mkdir(parents=True)
        (project / "deep" / "inside").mkdir(parents=True)
        monkeypatch.chdir(project / "deep" / "inside")
        return project

    def test_the_newest_finished_run_is_taken(self, project):
        finish(project / "outputs" / "2025-01-03" / "older", time=10)
        newest = finish(project / "outputs" / "2025-01-01" / "newer", time=20)
        finish(project / "outputs" / "2025-01-04" / "failed", time=30, state="failed")
        assert find_run() == newest

    def test_a_named_run_goes_before_it_and_the_variable_before_both(self, project, monkeypatch):
        finish(project / "outputs" / "a" / "newest", time=20)
        named = finish(project / "outputs" / "a" / "named", time=10)
        assert find_run("outputs/a/named") == find_run("../../outputs/a/named") == named
        assert find_run(named) == named
        monkeypatch.setenv("ARC_VAE_RUN", "outputs/a/newest")
        assert find_run("outputs/a/named") == project / "outputs" / "a" / "newest"

    def test_none_is_said_in_one_sentence(self, project):
        finish(project / "outputs" / "a" / "failed", time=30, state="failed")
        with pytest.raises(UserError, match="outputs holds no finished run; train one there .* or set RUN") as refusal:
            find_run()
        assert "\n" not in str(refusal.value)


class TestOpenRun:
    def test_shows_the_model_that_was_judged(self, tiny_run, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        run = open_run(tiny_run)
        assert list(tmp_path.iterdir()) == [], "the corpus is read where the run was started"
        right = (run.reconstruct(run.test) == run.test).mean()
        assert right == pytest.approx(run.metrics["pixel_accuracy"], abs=1e-3)
        assert len(run.test) == run.metrics["corpus"]["sizes"]["test"]

    def test_a_path_runs_from_one_reconstruction_to_the_other(self, lively_run):
        run = open_run(lively_run)
        path = run.path_between(3, 5)
        assert path.shape == (11, 16, 16) and path.dtype == np.uint8
        assert np.array_equal(path[[0, -1]], run.reconstruct(run.test[[3, 5]]))

    def test_a_foreign_target_is_not_built(self, run_copy, tmp_path):
        target = {"_target_": "pathlib.Path.touch", "self": str(tmp_path / "touched")}
        config = torch.load(run_copy / "checkpoints" / BEST, weights_only=True)["config"]
        with pytest.raises(UserError, match="vae_best.pth names _target_=pathlib.Path.touch"):
            open_run(tampered(run_copy, config=config | {"data": target}))

    def test_another_corpus_is_refused(self, run_copy):
        with pytest.raises(UserError, match="was trained on a corpus with sha256 000000000000"):
            open_run(tampered(run_copy, corpus_sha256="0" * 64))

    def test_an_unfinished_run_is_refused(self, run_copy):
        (run_copy / "metrics.json").unlink()
        with pytest.raises(UserError, match="give a run directory whose training has finished"):
            open_run(run_copy)

    def test_a_run_from_another_machine_counts_its_paths_from_here(self, tmp_path, monkeypatch):
        (tmp_path / "run" / ".hydra").mkdir(parents=True)
        launched = "hydra: {runtime: {cwd: /nowhere/at/all}}"
        (tmp_path / "run" / ".hydra" / "hydra.yaml").write_text(launched)
        monkeypatch.chdir(tmp_path)
        assert launch_folder(tmp_path / "run") == Path.cwd()


class TestPictures:
    grids = np.random.default_rng(0).integers(0, 10, (13, 16, 16), dtype=np.uint8)
    top = HEADER + 18

    def test_the_sliders_grid_stands_beside_the_one_it_came_from(self):
        picture = pixels(draw_decoded, *self.grids[:3])
        assert all(shows(picture, self.grids[column], column, self.top) for column in range(3))

    def test_a_path_stands_under_the_grids_it_joins(self):
        ends, points = self.grids[:2], self.grids[2:]
        picture = pixels(draw_path, ends, points)
        below = self.top + TILE + GAP + CAPTION
        assert shows(picture, ends[0], 0, self.top) and shows(picture, ends[1], 10, self.top)
        assert all(shows(picture, point, column, below) for column, point in enumerate(points))
