"""Lines of Markdown for the page of results: tables, lists and commands, none wider than WIDTH but the tables."""

import re
import textwrap
from collections.abc import Iterable

WIDTH = 110  # columns


def table(heading: list[str], lines: Iterable[list[str]]) -> list[str]:
    """A Markdown table's lines."""
    return [f"| {' | '.join(cells)} |" for cells in (heading, ["---"] * len(heading), *lines)] + [""]


def command(text: str) -> list[str]:
    """A command, continued over as many lines as it needs."""
    lines = textwrap.wrap(text, WIDTH - 6, break_long_words=False, break_on_hyphens=False)
    return " \\\n    ".join(lines).splitlines()


def wrap(text: str, indent: str = "") -> list[str]:
    """A text's lines, each further one indented; what stands in backquotes stays on one."""
    whole = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0"), " ".join(text.split()))
    lines = textwrap.wrap(whole, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]


def prose(text: str) -> list[str]:
    """Paragraphs and lists, wrapped, an empty line after each."""
    lines = []
    for paragraph in text.strip().split("\n\n"):
        for entry in re.split(r"\n(?=- )", paragraph):
            lines += wrap(entry, "  " if entry.startswith("- ") else "")
        lines += [""]
    return lines


def item(name: str, text: str) -> list[str]:
    """An entry of a list, wrapped."""
    return wrap(f"- *{name}*: {text}", "  ")
