"""The tests that skip without a GPU: which passed, failed or were skipped here."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from gpu_parts.findings import Findings

TESTS = Path(__file__).resolve().parents[2]


def files_with_gpu_tests() -> list[Path]:
    """Test files that mark some test `gpu`; the others need not be importable on a bare machine."""
    return sorted(path for path in TESTS.rglob("test_*.py") if "pytest.mark.gpu" in path.read_text())


def run_gpu_tests(findings: Findings) -> None:
    """`pytest -m gpu`, a row a test; fails where one of them does."""
    report = findings.folder / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    done = subprocess.run([*command, *map(str, files_with_gpu_tests())], cwd=TESTS.parent)
    for case in ElementTree.parse(report).iter("testcase"):
        outcome = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        findings.row("tests that need a GPU", test=case.get("name"), outcome=outcome, seconds=float(case.get("time")))
    findings.figure("exit_status", done.returncode)
    if done.returncode:
        raise SystemExit(done.returncode)
