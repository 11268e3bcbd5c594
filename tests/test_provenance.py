"""Asking the checkout what it is leaves the checkout alone."""

import os
import subprocess

from arc_vae.common import provenance
from arc_vae.common.provenance import git_diff, git_state
from arc_vae.sweeps.job_files import DIFF_FILE, SweepJob, write_jobs


def test_the_commit_is_told_and_the_index_not_rewritten(tmp_path, monkeypatch):
    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    file = tmp_path / "arc_vae" / "common" / "provenance.py"
    file.parent.mkdir(parents=True)
    file.write_text("old\n")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        git(*words)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    # Of another time than the index says: a plain `git status` would take the lock and write that down.
    os.utime(file, (1, 1))
    index = (tmp_path / ".git" / "index").read_bytes()
    assert git_state() == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    assert (tmp_path / ".git" / "index").read_bytes() == index
    file.write_bytes(b"new \xe9\n")
    assert git_state()["dirty"] is True and b"+new \xe9\n" in git_diff()
    # As it was changed: the patch applies again.
    job = SweepJob(0, [], tmp_path / "sweep" / "0")
    job.directory.mkdir(parents=True)
    write_jobs(tmp_path / "sweep", [job])
    file.write_text("old\n")
    git("apply", str(tmp_path / "sweep" / DIFF_FILE))
    assert file.read_bytes() == b"new \xe9\n"
