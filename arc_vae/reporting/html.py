"""Pieces of a self-contained HTML page: no script, and nothing fetched from anywhere."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from html import escape

STYLE = """
:root { --ink: #222; --muted: #667; --rule: #e3e3e8; --good: #1a7f37; --bad: #c62828; }
body { margin: 0; background: #f6f6f8; color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 24px; }
h1 { font-size: 22px; margin: 8px 0 0; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 0 0 12px; }
section { background: #fff; border: 1px solid var(--rule); border-radius: 8px; padding: 18px 22px; margin: 16px 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--muted); font-weight: 500; font-size: 13px; }
th, td { padding: 5px 28px 5px 0; border-bottom: 1px solid var(--rule); }
tr:last-child td { border-bottom: 0; }
td:last-child { color: var(--muted); }
img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
pre { background: #f6f6f8; padding: 12px; border-radius: 6px; overflow-x: auto; font-size: 13px; }
summary { cursor: pointer; font-weight: 500; padding: 4px 0; }
.muted { color: var(--muted); margin: 2px 0 0; }
.badge { font-size: 13px; font-weight: 600; padding: 2px 9px; border-radius: 10px; color: #fff; }
.good { background: var(--good); } .bad { background: var(--bad); } .open { background: var(--muted); }
"""


def page(title: str, sections: Iterable[str]) -> str:
    """A whole document of `sections`, which are HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{''.join(sections)}</main></body></html>\n"
    )


def section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{body}</section>\n"


def section_of_file(title: str, file: str, results: dict, tell: Callable[[dict], str]) -> str:
    """What `tell` makes of a file's results, HTML; a word where they are not what it reads; "" where there are none."""
    if not results:
        return ""
    try:
        return section(title, tell(results))
    except (KeyError, TypeError, ValueError, AttributeError):
        return section(title, f"<p>{file} is damaged: run the command again.</p>")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """An HTML table; the cells are HTML already."""
    lines = [
        "".join(f"<th>{name}</th>" for name in head),
        *("".join(f"<td>{cell}</td>" for cell in row) for row in rows),
    ]
    return "<table>" + "".join(f"<tr>{line}</tr>\n" for line in lines) + "</table>\n"


def image(png: bytes, caption: str) -> str:
    return f'<img alt="{escape(caption)}" src="data:image/png;base64,{b64encode(png).decode()}">\n'


def badge(text: str, kind: str) -> str:
    """A coloured label; `kind` is good, bad or open."""
    return f'<span class="badge {kind}">{escape(text)}</span>'
