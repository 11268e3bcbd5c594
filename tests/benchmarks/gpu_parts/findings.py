"""What a part has found so far: on disk after every figure, so that a part stopped at its limit loses nothing."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from timing import print_table

MB = 2**20


class Findings:
    """A part's figures and rows of tables; its setting: `device` is cuda, or cpu where there is no GPU.

    Args:
        folder: the part's own, for its runs and logs.
        tiny: sizes that take seconds, and whose figures say nothing.
    """

    def __init__(self, folder: Path, tiny: bool):
        self.folder = folder
        self.tiny = tiny
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.figures: dict[str, object] = {}
        self.tables: dict[str, dict] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def figure(self, name: str, value: object) -> None:
        """Keep one value that JSON can hold."""
        self.figures[name] = value
        self.save()

    def row(self, table: str, **cells: object) -> None:
        """Add a row to a table; its first row's names are the header."""
        self.tables.setdefault(table, {"header": list(cells), "rows": []})["rows"].append(list(cells.values()))
        print(f"{table}: {', '.join(f'{name} {shown(cell)}' for name, cell in cells.items())}", flush=True)
        self.save()

    def save(self) -> None:
        """Write findings.json of the part's folder."""
        write_json(self.folder / "findings.json", {"figures": self.figures, "tables": self.tables})


def write_json(path: Path, value: object) -> None:
    """Write JSON whole or not at all."""
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_text(json.dumps(value, indent=2) + "\n")
    temporary.replace(path)


def read_json(path: Path) -> dict:
    """What a JSON file holds; {} where there is none."""
    return json.loads(path.read_text()) if path.is_file() else {}


def shown(value: object) -> str:
    """A cell as a table shows it: four significant digits."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "-" if value is None else str(value)


def print_findings(name: str, findings: dict) -> None:
    """A part's figures and tables, each table under the machine's name."""
    for table, content in findings.get("tables", {}).items():
        rows: Sequence = [[shown(cell) for cell in row] for row in content["rows"]]
        print_table(f"{name}: {table}", content["header"], rows)
    figures = findings.get("figures", {})
    if figures:
        print_table(f"{name}: figures", ("figure", "value"), [(key, shown(value)) for key, value in figures.items()])


def forget_peak() -> None:
    """Count this process's peak of GPU memory anew."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()


def peak_mb() -> float | None:
    """This process's peak of GPU memory in tensors since `forget_peak`, in MB; None without a GPU."""
    return torch.cuda.max_memory_allocated() / MB if torch.cuda.is_available() else None


def synchronise() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
