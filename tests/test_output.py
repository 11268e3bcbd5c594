"""What others wrote is escaped where it is put out, and secrets are put out nowhere."""

import csv
import io
import logging
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from arc_vae import evaluate, train
from arc_vae.common.files import write_text
from arc_vae.common.output import drop_unwritable_output, escape_logs
from arc_vae.common.printable import printable, spreadsheet_cell
from arc_vae.sweeps.job_files import SweepJob
from arc_vae.sweeps.leaderboard import leaderboard_csv, leaderboard_text
from arc_vae.sweeps.status import JobStatus
from arc_vae.sweeps.sweep_page import leaderboard_page

EVIL = ["name=<script>alert(1)</script>", "name=\x1b]0;owned\x07\x1b[2J\u202eevil", '=HYPERLINK("http://x")']
VERDICT = {
    "criteria": {"<b>\x1b[31mkl": {"value": 1.0, "threshold": 2.0, "passed": False}},
    **{"passed": False, "kl_nats": 1.0, "reconstruction_nats": 1.0, "seconds": 1.0},
}


def entries() -> list[JobStatus]:
    job = SweepJob(0, EVIL, Path("sweep/0"))
    hidden = JobStatus(job, "failed", "@SUM(A1) <img src=x> \x1b[0m", 0, {})
    return [hidden, replace(hidden, job=replace(job, number=1, overrides=["-x"]), state="finished", metrics=VERDICT)]


def test_a_page_shows_markup_as_text():
    page = leaderboard_page("<i>sweep", [*entries(), replace(entries()[0], state="<script>")])
    assert "<script>" not in page and "<img src=x" not in page and "<b>" not in page and "<i>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_terminal_is_told_nothing_to_obey():
    text = leaderboard_text(entries())
    assert text.replace("\n", "").isprintable() and r"\x1b]0;owned\x07" in text and r"\u202e" in text
    assert printable("β = 2, 10⁻³\nä") == "β = 2, 10⁻³\nä"


def test_a_spreadsheet_computes_nothing():
    rows = list(csv.reader(io.StringIO(leaderboard_csv(entries()))))
    for row in rows[1:]:
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t")) or cell.lstrip("-").replace(".", "").isdigit()
    assert spreadsheet_cell("+model.x=1") == "'+model.x=1" and spreadsheet_cell("seed=1") == "seed=1"


@pytest.mark.parametrize("flags", [[], ["-m"]])
@pytest.mark.parametrize("name", ["WANDB_API_KEY", "my_token", "DB_PASSWORD", "AWS_SECRET_ACCESS"])
def test_a_secret_on_the_command_line_is_refused_and_lies_in_no_file(name, flags, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    GlobalHydra.instance().clear()
    monkeypatch.setattr(sys, "argv", ["arc_vae", *flags, f"+hydra.job.env_set.{name}=planted-value"])
    with pytest.raises(SystemExit) as end:
        train.main()
    said = "".join(capsys.readouterr())
    assert end.value.code == 2 and f"export {name} in the shell" in said and "planted-value" not in said
    GlobalHydra.instance().clear()
    setup = f"hydra.launcher.slurm_setup=['umask 77','export {name}=planted-value']"
    monkeypatch.setattr(sys, "argv", ["arc_vae", "-m", "hydra/launcher=slurm", setup])
    with pytest.raises(SystemExit):
        train.main()
    said = "".join(capsys.readouterr())
    assert f"slurm_setup: {name} looks like a secret" in said and "planted-value" not in said
    assert [path for path in tmp_path.rglob("*") if path.is_file() and b"planted-value" in path.read_bytes()] == []


def test_what_the_terminal_has_no_character_for_is_spelt(tmp_path, monkeypatch):
    """As under LC_ALL=C PYTHONUTF8=0, or with a path that is no UTF-8."""
    with (tmp_path / "said").open("w", encoding="ascii") as terminal:
        for name in ("stdout", "__stdout__"):
            monkeypatch.setattr(sys, name, terminal)
        drop_unwritable_output()
        print("eff. β \udcce")
        sys.stdout.flush()
    assert (tmp_path / "said").read_text() == "eff. \\u03b2 \\udcce\n"
    write_text(tmp_path / "page", "β \udcce")
    assert (tmp_path / "page").read_text(encoding="utf-8") == "β \\udcce"


def test_the_log_holds_text_alone(tmp_path, monkeypatch):
    handler = logging.FileHandler(tmp_path / "train.log", encoding="ascii")
    handler.setFormatter(logging.Formatter("\x1b[1m%(levelname)s\x1b[0m %(message)s"))
    monkeypatch.setattr(logging.root, "handlers", [handler])
    escape_logs()
    escape_logs()
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logging.getLogger("a").exception("%s β\nnext", "\x1b]0;owned\x07")
    handler.close()
    log = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert log.startswith("\x1b[1mERROR\x1b[0m \\x1b]0;owned\\x07 β\nnext\nTraceback") and log.count("\x1b") == 2
    assert r"ValueError: \x1b[2J" in log


def test_an_error_of_a_strangers_words_is_printed_as_text(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    GlobalHydra.instance().clear()
    monkeypatch.setattr(sys, "argv", ["arc_vae", 'run="a\x1b[2Jb"'])
    with pytest.raises(SystemExit):
        evaluate.main()
    assert "\x1b" not in capsys.readouterr().err
