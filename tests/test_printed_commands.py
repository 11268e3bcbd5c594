"""A printed command is one to paste: whatever a path holds, the shell and Hydra read back that path."""

import re
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

import arc_vae
import hydra_plugins.arc_vae_launchers
from arc_vae.common.commands import override, resume_command, sweep_command, worker_command

PATHS = [
    *(
        "a b",
        "a=b",
        "a,b",
        "it's",
        "back\\slash",
        "end\\",
        "'q'",
        '"d"',
        "[a]",
        "{a}",
        "(a)",
        "a:b",
        "a*b?",
        "~a",
        " a ",
    ),
    *("$HOME", "`x`", "#a", "a;b", "a|b", "a&b", "!x", "%d", "${x}", "a${b", "\\${x}", "choice(a,b)", "ünï", "β/x"),
    *("null", "True", "inf", "123", "1e3", "1_000", "007", "-x", ".", "..", "/tmp/a.b/c-d_1+2", "2026-11-27/12-00_x"),
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_comes_back(path):
    (word,) = shlex.split(override("dir", path))
    value = OverridesParser.create().parse_override(word).value()
    assert str(OmegaConf.to_container(OmegaConf.create({"dir": value}), resolve=True)["dir"]) == path
    assert shlex.split(worker_command(Path("x", path)))[-1] == str(Path("x", path))


def test_a_plain_path_stays_plain():
    assert resume_command(Path("outputs/2026-11-27/12-00_x")).endswith(" resume=outputs/2026-11-27/12-00_x")
    assert sweep_command(Path("s")) == "python -m arc_vae.sweep dir=s"


def test_no_command_is_put_together_elsewhere():
    folders = [Path(arc_vae.__file__).parent, Path(hydra_plugins.arc_vae_launchers.__file__).parent]
    for file in (file for folder in folders for file in folder.rglob("*.py") if file.name != "commands.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            told_of_what_was_typed = re.search(r"resume=\{(run|config\.resume)\} goes on with", line)
            found = re.search(r"""[ "'](run|resume|init_from|dir|decoder)=\{""", line)
            assert told_of_what_was_typed or not found, f"{file.name}: {line.strip()}"
