"""`report.html`: one run on one page, made from its directory alone and readable without a network."""

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_text
from arc_vae.common.inside import refuse_links_outside
from arc_vae.common.json_files import read_json_object
from arc_vae.evaluation.catalog import CATALOG
from arc_vae.evaluation.metrics_file import read_metrics_file
from arc_vae.evaluation.noise import against_noise, doubts, with_error
from arc_vae.reporting.analogies_tables import analogies_section
from arc_vae.reporting.curves import draw_curves
from arc_vae.reporting.html import badge, image, page, section, table
from arc_vae.reporting.operations_tables import operations_section
from arc_vae.reporting.verdict_text import fallback_command
from arc_vae.tracking.metrics_log import METRICS_LOG, read_metrics

# Of a picture on the page; ours are some hundred kilobytes.
MOST_BYTES = 20_000_000

# Pattern under the run directory (the highest number is shown), caption.
PICTURES = (
    ("images/reconstructions_epoch_*.png", "Reconstructions"),
    ("images/samples_epoch_*.png", "Samples from the prior"),
    ("images/interpolations.png", "Interpolations"),
    ("images/interpolations_objects.png", "Interpolations, the objects moving"),
    ("images/operations.png", "Operations in latent space"),
    ("latent_space_pca.png", "Latent space, PCA"),
    ("latent_space_tsne.png", "Latent space, t-SNE"),
)


def write_report(directory: Path) -> Path:
    """Write `directory/report.html` from what the run directory holds so far, and return its path.

    Raises:
        UserError: a link out of the directory, a damaged metrics.json, a whole line of metrics.jsonl that is no record.
    """
    directory = Path(directory)
    refuse_links_outside(directory)
    verdict = directory / "metrics.json"
    status, metrics = _json(directory / "status.json"), read_metrics_file(verdict) if verdict.is_file() else {}
    records = read_metrics(directory / METRICS_LOG) if (directory / METRICS_LOG).exists() else []
    sections = [
        _header(directory, status, metrics),
        _verdict(directory, metrics),
        _figures(metrics, records),
        section("Curves", image(draw_curves(records), "Curves over epochs")) if records else "",
        operations_section(_json(directory / "operations.json")),
        analogies_section(_json(directory / "analogies.json")),
        *(_picture(directory, pattern, caption) for pattern, caption in PICTURES),
        _details(directory, metrics),
    ]
    report = directory / "report.html"
    write_text(report, page(directory.resolve().name, sections))
    return report


def _header(directory: Path, status: dict, metrics: dict) -> str:
    verdict = badge("not evaluated", "open")
    if "passed" in metrics:
        verdict = badge("all criteria passed", "good") if metrics["passed"] else badge("criteria failed", "bad")
    about = ", ".join(str(status[key]) for key in ("state", "reason", "host") if status.get(key))
    return f"<h1>{escape(directory.resolve().name)} {verdict}</h1>\n<p class=muted>{escape(about)}</p>\n"


def _verdict(directory: Path, metrics: dict) -> str:
    if "criteria" not in metrics:
        return section("Verdict", "<p>The run has not been evaluated yet.</p>")
    rows = []
    for name, verdict in metrics["criteria"].items():
        wanted = f"at least {verdict['threshold']:.2f}"
        if name == "kl_per_dim":
            wanted = f"above {verdict['threshold']:.2f} nats in the weakest dimension"
        if "baseline" in verdict:
            wanted += f" and above all background, {verdict['baseline']:.4f}"
        passed = badge("pass", "good") if verdict["passed"] else badge("FAIL", "bad")
        rows.append((escape(name), with_error(verdict), wanted, passed + escape(against_noise(verdict))))
    answer = ""
    if metrics.get("fallback"):
        sweeps = escape(", ".join(metrics["fallback"]))
        answer = (
            f"<p>To launch what answers the failures ({sweeps}):</p><pre>{escape(fallback_command(directory))}</pre>"
        )
    warnings = "".join(f"<p>{escape(doubt)}</p>" for doubt in doubts(metrics))
    return section("Verdict", table(("criterion", "value", "threshold", "verdict"), rows) + warnings + answer)


def _figures(metrics: dict, records: list[dict]) -> str:
    values, title = metrics, "Test split"
    if not metrics:
        last: dict[str, Any] = next((record for record in reversed(records) if "val/pixel_accuracy" in record), {})
        values = {name.removeprefix("val/"): value for name, value in last.items()}
        title = f"Validation split, epoch {last['epoch']}" if last else ""
    if not values:
        return ""
    values = {**values, "dimensions": len(values.get("kl_per_dim", ()))}
    rows = [
        (escape(metric.label), format(values[metric.key], metric.format), escape(_filled(metric.against, values)))
        for metric in CATALOG
        if metric.label and isinstance(values.get(metric.key), (int, float))
    ]
    return section(title, table(("figure", "value", "read against"), rows))


def _picture(directory: Path, pattern: str, caption: str) -> str:
    files = [path for path in directory.glob(pattern) if path.is_file() and path.stat().st_size <= MOST_BYTES]
    found = sorted(files, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
    if not found:
        return ""
    epoch = re.search(r"epoch_(\d+)", found[-1].name)
    caption += f", epoch {epoch[1]}" if epoch else ""
    return section(caption, image(found[-1].read_bytes(), caption))


def _details(directory: Path, metrics: dict) -> str:
    texts = {
        "Overrides": _text(directory / ".hydra" / "overrides.yaml"),
        **{
            key.capitalize(): json.dumps(metrics[key], indent=2)
            for key in ("corpus", "versions", "git")
            if key in metrics
        },
        "Configuration": _text(directory / ".hydra" / "config.yaml"),
        "metrics.json": json.dumps(metrics, indent=2) if metrics else "",
    }
    folds = [
        f"<details{' open' if name in ('Overrides', 'Corpus') else ''}><summary>{name}</summary>"
        f"<pre>{escape(text)}</pre></details>\n"
        for name, text in texts.items()
        if text.strip()
    ]
    return section("How it was made", "".join(folds)) if folds else ""


def _filled(pattern: str, values: dict[str, Any]) -> str:
    try:
        return pattern.format(**values)
    except (KeyError, ValueError):
        return ""


def _json(path: Path) -> dict:
    try:
        return read_json_object(path, "")
    except UserError:
        return {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
