"""outputs/RESULTS.md is what its tables say, and its tables say what can be run and what could have been measured."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import documented
import pytest
from omegaconf import OmegaConf

import arc_vae

CHECKOUT = Path(__file__).parents[1]
OUTPUTS, BENCHMARKS = CHECKOUT / "outputs", CHECKOUT / "tests" / "benchmarks"
sys.path.append(str(BENCHMARKS))
import results_page  # noqa: E402
import results_table  # noqa: E402

RUNS, LESSONS = results_table.read("results.csv"), results_table.read("lessons.csv")
COMMANDS = sorted({row[key] for row in RUNS + LESSONS for key in ("command", "prepare") if row[key]})
EXAMPLES = {
    "default": "metrics.json",
    "object_slots": "object_slots/metrics.json",
    "object_slots_simple": "simple_shapes/metrics.json",
    "arc": "arc/metrics.json",
}


def rows(name: str, statistic: str, seed: str | None = None) -> list[dict[str, str]]:
    return [
        row
        for row in RUNS
        if row["id"] == name
        and row["statistic"] == statistic
        and row["split"] == "test"
        and seed in (None, row["seeds"])
    ]


def test_the_page_is_what_the_script_writes():
    assert (OUTPUTS / "RESULTS.md").read_text(encoding="utf-8") == results_page.page()


def test_a_figure_changed_by_hand_is_noticed(tmp_path, monkeypatch, capsys):
    (tmp_path / "RESULTS.md").write_text(results_page.page().replace("0.537", "0.573"), encoding="utf-8")
    monkeypatch.setattr(results_page, "OUTPUTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["results_page.py", "--check"])
    with pytest.raises(SystemExit, match="not what its tables say"):
        results_page.main()
    monkeypatch.setattr(sys, "argv", ["results_page.py"])
    results_page.main()
    assert "0.573" not in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")


def test_the_citation_names_the_version_there_is():
    citation = OmegaConf.load(CHECKOUT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation.version == arc_vae.__version__


def test_what_was_tried_takes_two_lines_each():
    page = results_page.page().split("## Tried and lost")[1]
    entries = re.split(r"^- ", page, flags=re.MULTILINE)[1:]
    assert len(entries) == len(LESSONS) + len({row["id"] for row in RUNS if row["status"] == "tried"})
    assert all(len(re.split(r"\n(?!  )", entry)[0].splitlines()) <= 2 for entry in entries)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_works_as_written(command):
    """Composed, not run: training overrides by Hydra, a benchmark by its file and its options."""
    _, first, *rest = shlex.split(command)
    if first == "-m":
        documented.check(command.partition("arc_vae.")[2])
    else:
        text = (CHECKOUT / first).read_text(encoding="utf-8")
        assert all(f'"{word}"' in text for word in rest if word.startswith("--"))


@pytest.mark.parametrize(("name", "path"), EXAMPLES.items())
def test_seed_0_is_the_example_of_the_same_run(name, path):
    metrics = json.loads((OUTPUTS / "example" / path).read_text())
    (row,) = rows(name, "run", "0")
    shared = [metric for metric in metrics if row.get(metric) and metric in results_page.VERDICT.values()]
    assert len(shared) == 5
    assert all(float(row[metric]) == metrics[metric] for metric in shared)
    assert row["corpus_sha256"] == metrics["corpus"]["sha256"]
    assert row["commit"] == (metrics["git"] or {}).get("commit", "")


def test_a_mean_and_the_seed_beside_it_could_be_of_one_sample():
    """One of n values lies within (n - 1) / sqrt(n) standard deviations of their mean, rounding apart."""
    seen = 0
    for mean in (row for row in RUNS if row["statistic"] == "mean"):
        (spread,) = rows(mean["id"], "std")
        count = len(mean["seeds"].split(","))
        assert spread["seeds"] == mean["seeds"]
        for run in rows(mean["id"], "run"):
            for metric in [*results_page.VERDICT.values(), *results_page.CODE.values(), *results_page.SAMPLES.values()]:
                unit = 10.0 ** -len(mean[metric].partition(".")[2])
                most = (count - 1) / count**0.5 * (float(spread[metric]) + unit / 2) + unit / 2 + unit / 2
                assert abs(float(run[metric]) - float(mean[metric])) <= most, (mean["id"], metric)
                seen += 1
    assert seen > 80


def test_the_elbo_is_the_sum_of_its_parts():
    parts = ("foreground_nats", "color_nats", "kl_nats", "elbo_nats")
    whole = [row for row in RUNS if row["statistic"] != "std" and all(row[part] for part in parts)]
    assert len(whole) > 25
    for row in whole:
        *terms, elbo = (float(row[part]) for part in parts)
        assert abs(sum(terms) - elbo) < 0.21, row["id"]  # four figures, each rounded to a tenth


def test_a_verdict_follows_from_the_figures_of_a_run():
    """Criteria 1, 3 and 4; the second needs each dimension's KL."""
    for row in (row for row in RUNS if row["statistic"] == "run" and row["passed"]):
        assert ("3" in row["passed"]) == (float(row["sample_validity"]) >= 0.9), row["id"]
        assert ("4" in row["passed"]) == (float(row["interpolation_validity"]) >= 0.9), row["id"]


def test_seeds_of_their_own_become_mean_and_spread():
    runs = [
        {"statistic": "run", "seeds": str(seed), "perfect_rate": rate}
        for seed, rate in enumerate(("0.1", "0.2", "0.3"))
    ]
    assert results_table.shown(runs, "perfect_rate") == "0.200 ± 0.100"
    assert results_table.shown(runs[:1], "perfect_rate") == "0.100"
    assert results_table.seeds(runs) == ["0", "1", "2"]


def test_every_row_names_its_source():
    for row in RUNS:
        assert re.fullmatch(r"[0-9a-f]{7}", row["recorded_in"]), row["id"]
        assert re.fullmatch(r"[0-9a-f]{40}|", row["commit"]), row["id"]
        assert re.fullmatch(r"[0-9a-f]{64}", row["corpus_sha256"]), row["id"]
        assert row["seeds"] and row["command"] and row["digest"] in ("recorded", "rebuilt")


def test_git_keeps_the_tables_and_their_page():
    names = ["results.csv", "lessons.csv", "RESULTS.md", "COMPARISON.md", "OPERATIONS.md"]
    done = subprocess.run(
        ["git", "check-ignore", *(f"outputs/{name}" for name in names)], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.stdout == "" and done.returncode in (1, 128)  # 128: no checkout of git's, as from a tarball
