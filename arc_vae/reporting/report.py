"""`report.html`: one run on one page, made from its directory alone and readable without a network."""

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from arc_vae.evaluation.verdict import fallback_command
from arc_vae.files import write_text
from arc_vae.reporting.curves import draw_curves
from arc_vae.reporting.page import badge, image, page, section, table
from arc_vae.reporting.record import FILE_NAME, read_metrics

# Key of metrics.json (also of the `val/*` records), what it is called, its format, what to read it against.
FIGURES = (
    ("pixel_accuracy", "Pixel accuracy", ".4f", "all background: {baseline_accuracy:.4f}"),
    ("object_accuracy", "Object accuracy (non-background cells)", ".4f", "all background: 0"),
    ("object_precision", "Answered object cells that are right", ".4f", "best: 1"),
    ("balanced_accuracy", "Balanced accuracy (mean over colours)", ".4f", "all background: 0.1"),
    ("perfect_rate", "Perfect grids (all 256 cells right)", ".4f", "best: 1"),
    ("reconstruction_nats", "Reconstruction, nats per grid", ".2f", "lower is better"),
    ("foreground_nats", "of it: which cells hold an object", ".2f", "lower is better"),
    ("color_nats", "of it: which colour those have", ".2f", "lower is better"),
    ("kl_nats", "KL, nats per grid", ".2f", "what the latent code costs"),
    ("elbo_nats", "Their sum, the negative ELBO at β = 1", ".2f", "lower is better"),
    ("active_dims", "Active dimensions (KL > 0.05 nats)", ".0f", "of {dimensions}"),
    ("sample_validity", "Valid prior samples", ".4f", "real test grids: {real_validity:.4f}"),
    ("reencoded_validity", "the same samples, encoded and decoded again", ".4f", "no part of the verdict"),
    ("sample_blank_rate", "Blank prior samples", ".4f", "best: 0"),
    ("sample_c2st", "Samples told from test grids by a classifier", ".3f", "real from real: {real_c2st:.3f}, worst: 1"),
    ("sample_foreground_ratio", "Foreground of samples over that of test grids", ".2f", "best: 1"),
    (
        "sample_color_distance",
        "Samples' colours from those of test grids (total variation)",
        ".3f",
        "best: 0, worst: 1",
    ),
    ("prior_c2st", "Codes of test grids told from N(0, I) by a classifier", ".3f", "best: 0.5, worst: 1"),
    ("interpolation_validity", "Valid grids on latent paths", ".4f", "best: 1"),
    ("interpolation_smoothness", "Largest share of a path's change in one of 10 steps", ".2f", "best: 0.1, worst: 1"),
    ("beta_effective", "Effective β", ".3g", "β: {beta:.3g}"),
    ("epochs", "Epochs", ".0f", ""),
    ("seconds", "Training time, seconds", ",.0f", ""),
)

# Pattern under the run directory (the highest number is shown), caption.
PICTURES = (
    ("images/reconstructions_epoch_*.png", "Reconstructions"),
    ("images/samples_epoch_*.png", "Samples from the prior"),
    ("images/interpolations.png", "Interpolations"),
    ("images/interpolations_objects.png", "Interpolations, the objects moving"),
    ("latent_space_pca.png", "Latent space, PCA"),
    ("latent_space_tsne.png", "Latent space, t-SNE"),
)


def write_report(directory: Path) -> Path:
    """Write `directory/report.html` from what the run directory holds so far, and return its path.

    Raises:
        UserError: a whole line of metrics.jsonl that is no record.
    """
    directory = Path(directory)
    status, metrics = _json(directory / "status.json"), _json(directory / "metrics.json")
    records = read_metrics(directory / FILE_NAME) if (directory / FILE_NAME).exists() else []
    sections = [
        _header(directory, status, metrics),
        _verdict(directory, metrics),
        _figures(metrics, records),
        section("Curves", image(draw_curves(records), "Curves over epochs")) if records else "",
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
        rows.append((escape(name), f"{verdict['value']:.4f}", wanted, passed))
    answer = ""
    if metrics.get("fallback"):
        sweeps = escape(", ".join(metrics["fallback"]))
        answer = (
            f"<p>To launch what answers the failures ({sweeps}):</p><pre>{escape(fallback_command(directory))}</pre>"
        )
    return section("Verdict", table(("criterion", "value", "threshold", "verdict"), rows) + answer)


def _figures(metrics: dict, records: list[dict]) -> str:
    values, title = metrics, "Test split"
    if not metrics:
        last = next((record for record in reversed(records) if "val/pixel_accuracy" in record), {})
        values = {name.removeprefix("val/"): value for name, value in last.items()}
        title = f"Validation split, epoch {last['epoch']}" if last else ""
    if not values:
        return ""
    values = {**values, "dimensions": len(values.get("kl_per_dim", ()))}
    rows = [
        (escape(label), format(values[key], form), escape(_filled(against, values)))
        for key, label, form, against in FIGURES
        if isinstance(values.get(key), (int, float))
    ]
    return section(title, table(("figure", "value", "read against"), rows))


def _picture(directory: Path, pattern: str, caption: str) -> str:
    found = sorted(directory.glob(pattern), key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
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
        return json.loads(_text(path) or "{}")
    except ValueError:
        return {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
