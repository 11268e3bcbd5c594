"""What operations.json says, in tables: as text, and as a section of the report. Needs no torch."""

from html import escape

from arc_vae.reporting.html import badge, section_of_file, table

HEAD = (
    "operation",
    "way",
    "coverage",
    *("object", "anew", "share"),
    *("changed", "anew", "share"),
    *("perfect", "anew", "share"),
    *("object: identity", "mean diff.", "ridge"),
    "blank",
    "wrong colours",
)
KEYS = ("object_accuracy", "changed_accuracy", "perfect_rate")
EXPLAINED = (
    "object: share of the objects' cells that are right; changed: of those alone that the operation changes; perfect: "
    "of the grids, all 256 cells right; each decoded from the changed code, and anew: from the code of the true grid"
)
PARTS = (
    ("whole_grid", "on the whole grid"),
    ("one_object", "on one object"),
    ("others", "that change numbers or need cells"),
    ("depth", "one after the other"),
)


def table_rows(rows: list[dict]) -> list[tuple[str, ...]]:
    """The rows of a part of operations.json, as text under `HEAD`."""
    return [
        (
            row.get("operation", f"{row.get('depth')} in a row"),
            row.get("way", ""),
            f"{row['coverage']:.3f}",
            *(cell for key in KEYS for cell in _against(row, key)),
            *(_object_accuracy(row.get(name)) for name in ("identity", "mean_difference", "ridge")),
            f"{row['code']['blank']:.3f}",
            f"{row['code']['wrong_colors']:.3f}",
        )
        for row in rows
    ]


def _object_accuracy(figures: dict | None) -> str:
    return "" if figures is None else f"{figures['object_accuracy']:.3f}"


def _against(row: dict, key: str) -> tuple[str, str, str]:
    share = row["share"][key]
    return f"{row['code'][key]:.3f}", f"{row['anew'][key]:.3f}", "" if share is None else f"{share:.3f}"


def closing_words(results: dict) -> str:
    """The tables, what operations were told, and the gate."""
    lines = []
    for part, title in PARTS:
        if results[part]:
            lines += [f"operations {title}", *aligned([HEAD, *table_rows(results[part])]), ""]
    return "\n".join([*lines, EXPLAINED, told_sentence(results["told"]), results["gate"]["sentence"]])


def told_sentence(told: dict) -> str:
    """How well operations are told apart."""
    return (
        f"which operation, told from two codes: {told['accuracy']:.3f} of {told['pairs']} pairs (chance "
        f"{told['chance']:.3f}; {told['dropped']} that two operations explain left out)"
    )


def operations_section(results: dict) -> str:
    """A section of the report, HTML, or nothing where there are no results."""
    return section_of_file("Operations in latent space", "operations.json", results, _body)


def _body(results: dict) -> str:
    gate = results["gate"]
    mark = badge(gate["decision"], {"go on": "good", "iterate": "open"}.get(gate["decision"], "bad"))
    parts = [f"<p>{mark} {escape(gate['sentence'])}</p>", f"<p>{escape(told_sentence(results['told']))}</p>"]
    parts.append(f"<p class=muted>{escape(EXPLAINED)}</p>")
    for part, title in PARTS:
        if results[part]:
            rows = [tuple(map(escape, row)) for row in table_rows(results[part])]
            parts.append(f"<h3>Operations {title}</h3>{table(HEAD, rows)}")
    return "".join(parts)


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of text as lines, their columns one below the other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
