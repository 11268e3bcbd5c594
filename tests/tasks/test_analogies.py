"""ARC tasks by analogy: constructed ones with known answers, through `python -m arc_vae.operations tasks=…`."""

import json
import shutil
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import call_command
from operations.grids import rectangles
from tasks.test_generate_tasks import filling_model

from arc_vae.common.errors import UserError
from arc_vae.corpus.arc_tasks import Pair, WholeTask, read_whole_tasks
from arc_vae.operations.learnt import MeanDifference
from arc_vae.operations.restore import restore_model
from arc_vae.operations.store import FILE_NAME, save_operators
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tasks.analogies.candidates import IMAGES, candidates, common_table, could_be_recoloured
from arc_vae.tasks.analogies.given import Given
from arc_vae.tasks.analogies.search import Search
from arc_vae.tasks.analogies.spaces import GridSpace
from arc_vae.tasks.analogies.within import Crop, OfObjects, ScaleWithin, TileWithin, TurnWithin

CPU = torch.device("cpu")


def drawn(*boxes: tuple[int, int, int, int, int], size: tuple[int, int] = (7, 9)) -> np.ndarray:
    """A grid of rectangles (row, column, rows, columns, colour)."""
    cells = np.zeros(size, np.uint8)
    for row, column, rows, columns, color in boxes:
        cells[row : row + rows, column : column + columns] = color
    return cells


INPUTS = [
    drawn((0, 0, 2, 3, 1), (4, 1, 3, 2, 2), (1, 7, 1, 2, 1)),
    drawn((1, 1, 3, 2, 2), (0, 6, 2, 3, 1), (5, 5, 2, 1, 2)),
    drawn((0, 2, 2, 1, 1), (3, 0, 4, 3, 1), (4, 6, 3, 4, 2), size=(7, 10)),
]
OPEN = [drawn((2, 1, 4, 2, 1)), drawn((1, 3, 2, 5, 2)), drawn((1, 2, 3, 3, 1))]


def by(make, inputs=INPUTS, last=None):
    """A task's JSON: the first inputs are shown, the last is asked for."""
    pairs = [{"input": grid.tolist(), "output": np.asarray(make(grid)).tolist()} for grid in inputs]
    return {"train": pairs[:-1], "test": [pairs[-1] | ({"output": last} if last else {})]}


def recoloured(grid):
    return np.array([0, 3, 5])[grid]


def tasks() -> dict:
    unknown = np.random.default_rng(0).integers(0, 10, (len(INPUTS), 5, 5))
    of_input = {grid.tobytes(): answer for grid, answer in zip(INPUTS, unknown, strict=True)}
    unanswered = by(np.fliplr)
    del unanswered["test"][0]["output"]
    return {
        "mirror": by(np.fliplr),
        "colours": by(recoloured),
        "both": by(lambda grid: recoloured(np.rot90(grid))),
        "nothing": by(lambda grid: of_input[grid.tobytes()]),
        "misleading": by(np.fliplr, last=np.flipud(INPUTS[-1]).tolist()),
        "large": by(lambda grid: np.kron(grid, np.ones((2, 2), int))),
        "open": by(np.flipud, OPEN),
        "unanswered": unanswered,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("arc")
    for name, task in tasks().items():
        (folder / f"{name}.json").write_text(json.dumps(task))
    return folder


@pytest.fixture
def of_the_grid(monkeypatch):
    """The turns of the whole grid and cropping alone: two of them in a row are soon searched."""
    monkeypatch.setattr("arc_vae.tasks.analogies.spaces.candidates", lambda: candidates()[:8])


def analogies(run: Path) -> tuple[dict, dict]:
    results = json.loads((run / "analogies.json").read_text())
    return results, {row["method"]: row for row in results["methods"]}


def check_grids(row: dict) -> None:
    assert (row["solved"], row["of"], row["right_but_undetermined"]) == (3, 8, 1)
    assert (row["explained_but_wrong"], row["cut_off"]) == (1, 0)
    programs = {name: told["program"] for name, told in row["programs"].items()}
    assert programs == {
        "mirror": "the grid mirrored left and right",
        "misleading": "the grid mirrored left and right",
        "colours": "colours changed: 1→3, 2→5",
        "both": "the grid turned by 90° counter-clockwise, then colours changed: 1→3, 2→5",
        "open": "the grid mirrored up and down",
    }
    assert not row["programs"]["misleading"]["right"] and row["programs"]["open"]["undetermined"]


def test_a_model_without_operators_has_the_other_rows(tiny_run, folder, tmp_path, of_the_grid):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    printed = call_command("operations.__main__", f"run={run}", f"tasks={folder}", "device=cpu", cwd=tmp_path).stdout
    results, rows = analogies(run)
    assert {key: results[key] for key in ("tasks", "fit", "does_not_fit", "undetermined", "depth", "seconds")} == {
        **{"tasks": 8, "fit": 6, "does_not_fit": 1, "undetermined": 1},
        **{"depth": 2, "seconds": 300},
    }
    check_grids(rows["search in grids"])
    assert "BetaVAE has no operators" in rows["search in codes"]["missing"]
    assert rows["vector arithmetic"]["solved"] == 0 and rows["vector arithmetic"]["missing"] is None
    assert (
        "3 of 8" in printed and "2.0% of ARC, 8.8% of ConceptARC" in printed and "BetaVAE has no operators" in printed
    )
    report = (run / "report.html").read_text()
    assert "ARC tasks by analogy" in report and "the grid mirrored up and down" in report
    assert not (run / "operations.json").exists()


def test_codes_that_state_objects_solve_what_grids_do(folder, tmp_path, of_the_grid, monkeypatch):
    model, run = filling_model(), tmp_path / "run"
    run.mkdir()
    monkeypatch.setattr("arc_vae.operations.restore.restore_model", lambda *given: (RunDirectory(run), model))
    call_command("operations.__main__", f"run={run}", f"tasks={folder}", cwd=tmp_path)
    results, rows = analogies(run)
    assert results["code"] == {"tasks_surviving": 5, "of_those_explained_in_grids": 5}
    for name in ("search in codes", "search in grids"):
        check_grids(rows[name])


def test_learnt_operators_are_searched(tiny_run, folder, tmp_path, monkeypatch, of_the_grid):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    _, model = restore_model(str(run), "cpu")
    kept = {name: MeanDifference(model.latent_dim) for name in ("rotate_90()", "reflect(axis=horizontal)")}
    save_operators(run / "checkpoints" / FILE_NAME, model, kept, dict.fromkeys(kept, {}))
    tried = []
    monkeypatch.setattr(MeanDifference, "forward", lambda self, z: tried.append(len(z)) or z)
    survive = lambda model, given: [True] * len(given.names)  # noqa: E731
    monkeypatch.setattr("arc_vae.tasks.analogies.experiment.surviving", survive)
    call_command("operations.__main__", f"run={run}", f"tasks={folder}", "device=cpu", "depth=1", cwd=tmp_path)
    row = analogies(run)[1]["search in codes"]
    assert (row["missing"], row["solved"], row["cut_off"]) == (None, 0, 0) and tried == [6, 6]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (("tasks=nowhere",), "nowhere does not exist"),
        (("tasks=empty",), "empty holds no .json file"),
        (("tasks=other",), "other holds 0 tasks, none with train pairs and test inputs"),
        (("tasks=pairs",), "pairs holds 1 tasks, none with train pairs and test inputs"),
        (("tasks=broken",), "is not JSON"),
        (("tasks=pairs", "seconds=0"), "seconds=0: must be a number above 0"),
        (("tasks=pairs", "seconds=soon"), "seconds=soon: must be"),
        (("tasks=pairs", "depth=0"), "depth=0: must be an integer of at least 1"),
    ],
)
def test_bad_input_is_refused_in_a_sentence_and_nothing_is_written(tiny_run, tmp_path, given, word):
    contents = {"other": '{"a": 1}', "pairs": json.dumps([{"input": [[1]], "output": [[2]]}]), "broken": "{"}
    for name, text in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_text(text)
    (tmp_path / "empty").mkdir()
    before = [sorted(place.rglob("*")) for place in (tiny_run, tmp_path)]
    done = call_command("operations.__main__", f"run={tiny_run}", *given, cwd=tmp_path, check=False)
    assert done.returncode == 2 and word in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert [sorted(place.rglob("*")) for place in (tiny_run, tmp_path)] == before


# Reading


def test_all_layouts_give_the_same_tasks(folder, tmp_path):
    whole = tasks()
    challenges = {name: task | {"test": [{"input": task["test"][0]["input"]}]} for name, task in whole.items()}
    solutions = {name: [pair["output"] for pair in task["test"] if "output" in pair] for name, task in whole.items()}
    (tmp_path / "one.json").write_text(json.dumps(whole))
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle" / "a_challenges.json").write_text(json.dumps(challenges))
    (tmp_path / "kaggle" / "b_solutions.json").write_text(json.dumps({k: v for k, v in solutions.items() if v}))
    expected = {task.name: plain(task) for task in read_whole_tasks(folder)}
    assert len(expected) == 8 and expected["mirror"][1][0][1] == np.fliplr(INPUTS[-1]).tolist()
    assert expected["unanswered"][1][0][1] is None
    for place in (tmp_path / "one.json", tmp_path / "kaggle", tmp_path):
        assert {task.name: plain(task) for task in read_whole_tasks(place)} == expected


def test_tasks_that_stand_there_twice_count_once(folder, tmp_path):
    found = read_whole_tasks(folder)
    (tmp_path / "tasks.json").write_text(json.dumps({f"task_{name}": task for name, task in tasks().items()}))
    shutil.copytree(folder, tmp_path / "train")
    assert sorted(map(str, map(plain, read_whole_tasks(tmp_path)))) == sorted(map(str, map(plain, found)))


def plain(task: WholeTask) -> tuple:
    return tuple(
        [tuple(grid if grid is None else grid.tolist() for grid in pair) for pair in pairs]
        for pairs in (task.train, task.test)
    )


def test_what_holds_no_whole_task_is_said(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"a": {"test": [{"input": [[1]]}]}}))
    with pytest.raises(UserError, match="holds 1 tasks, none with train pairs"):
        read_whole_tasks(tmp_path)


# Steps


def padded(grids):
    """Grids of any size → (N, 16, 16) and their sizes."""
    cells = torch.zeros(len(grids), 16, 16, dtype=torch.uint8)
    for whole, grid in zip(cells, grids, strict=True):
        whole[: grid.shape[0], : grid.shape[1]] = torch.from_numpy(np.array(grid, np.uint8))
    return cells, torch.tensor([grid.shape for grid in grids])


@pytest.mark.parametrize(
    ("step", "meaning"),
    [
        *[(TurnWithin("", times), lambda grid, times=times: np.rot90(grid, times)) for times in (1, 2, 3)],
        (TurnWithin("", 4), np.fliplr),
        (TurnWithin("", 5), np.transpose),
        (TurnWithin("", 6), np.flipud),
        (ScaleWithin("", 2), lambda grid: np.kron(grid, np.ones((2, 2), np.uint8))),
        (TileWithin("", 2, 1), lambda grid: np.tile(grid, (2, 1))),
        (TileWithin("", 1, 3, True), lambda grid: np.hstack([grid, np.fliplr(grid), grid])),
    ],
)
def test_steps_within_a_grids_size_are_numpys(step, meaning):
    random = np.random.default_rng(0)
    grids = [random.integers(0, 10, (rows, columns)) for rows in range(1, 9) for columns in range(1, 6)]
    changed, sizes, fine = step.on_cells(*padded(grids))
    wanted, wanted_sizes = padded([meaning(grid) for grid in grids])
    assert fine.all() and torch.equal(changed, wanted) and torch.equal(sizes, wanted_sizes)


def test_what_would_not_fit_is_no_way():
    cells, sizes = padded([np.ones((9, 2)), np.ones((8, 2))])
    for step in (ScaleWithin("", 2), TileWithin("", 2, 1)):
        assert step.on_cells(cells, sizes).fine.tolist() == [False, True]


@pytest.mark.parametrize("step", [Crop(""), *(TurnWithin("", number) for number in IMAGES)], ids=str)
def test_scenes_and_cells_are_turned_alike(step):
    from arc_vae.operations.drawing import draw, read_grids

    grids = torch.from_numpy(rectangles(200, seed=5))
    grids[:, 12:], grids[:, :, 14:] = 0, 0
    grids, sizes = grids[(grids > 0).flatten(1).any(dim=1)], torch.tensor([12, 14])
    on_cells = step.on_cells(grids, sizes.expand(len(grids), 2))
    scene, cells = read_grids(grids)
    scene, after = step.on_scene(scene, sizes.expand(len(grids), 2))
    assert len(grids) > 20 and on_cells.fine.all() and not scene.refused.any()
    assert torch.equal(draw(scene, cells), on_cells.grids) and torch.equal(after, on_cells.sizes)


def test_candidates_are_told_apart_by_their_words():
    words = [candidate.words for candidate in candidates()]
    assert len(words) == len(set(words)) > 300


def test_tables_of_colours_leave_the_background():
    shown, wanted = (torch.tensor(cells, dtype=torch.uint8).view(-1, 1, 3) for cells in ([0, 1, 2], [0, 4, 0]))
    table = common_table(shown, wanted)
    assert table is not None and table.tolist() == [0, 4, 0, 3, 4, 5, 6, 7, 8, 9]
    assert could_be_recoloured(shown, wanted).tolist() == [True]
    for bad in ([3, 1, 2], [0, 1, 1]):  # the background coloured; two colours of one
        other = torch.tensor(bad, dtype=torch.uint8).view(-1, 1, 3)
        before = shown if bad[0] else torch.tensor([1, 1, 2], dtype=torch.uint8).view(-1, 1, 3)
        assert common_table(before, other) is None and could_be_recoloured(before, other).tolist() == [False]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda grid: np.where(grid == 1, grid, 0), "all but what has colour 1 taken away"),
        (lambda grid: np.roll(grid, 2, axis=0), "move all objects together 2 down"),
    ],
)
def test_objects_are_searched_too(make, words):
    grids = [np.pad(grid, ((0, 3), (0, 0))) for grid in INPUTS]
    shown = [Pair(grid, make(grid)) for grid in grids]
    given = Given.of([WholeTask("it", shown[:-1], shown[-1:])], CPU)
    space = GridSpace()
    space.candidates = [candidate for candidate in space.candidates if isinstance(candidate, OfObjects)]
    space.recolours = False
    (answer,) = Search(space, given, [0], depth=1, seconds=600).run().answers.values()
    assert answer == (words, True)


# The budget


def hard(number: int) -> Given:
    """Tasks that no program explains."""
    random = np.random.default_rng(1)
    pairs = lambda: [Pair(INPUTS[0], random.integers(1, 10, (6, 6)))]  # noqa: E731
    return Given.of([WholeTask(str(index), pairs(), pairs()) for index in range(number)], CPU)


def test_the_clock_is_looked_at_and_what_is_cut_off_counted():
    given, ticks = hard(3), count()
    search = Search(GridSpace(), given, range(3), depth=2, seconds=20, clock=lambda: float(next(ticks)))
    outcome = search.run()
    assert outcome.answers == {} and outcome.cut_off == {0, 1, 2} and next(ticks) == 21
    ended = Search(GridSpace(), given, range(3), depth=1, seconds=600).run()
    assert ended.answers == {} and ended.cut_off == set()


def test_a_deep_search_ends_when_its_seconds_are_over():
    start = time.monotonic()
    outcome = Search(GridSpace(), hard(20), range(20), depth=4, seconds=1).run()
    assert time.monotonic() - start < 10 and len(outcome.cut_off) == 20


def test_tasks_that_lose_states_to_memory_count_as_cut_off(monkeypatch, of_the_grid):
    monkeypatch.setattr("arc_vae.tasks.analogies.search.MOST_STATES", 5)
    outcome = Search(GridSpace(), hard(2), range(2), depth=2, seconds=600).run()
    assert outcome.cut_off == {0, 1}
