"""report.html: one file, from disk alone, whatever the run has got to."""

import json
import re

import numpy as np

from arc_vae.reporting.curves import metric_series
from arc_vae.reporting.grid_figures import draw_samples
from arc_vae.reporting.run_report import write_report
from arc_vae.tracking.metrics_log import MetricsLog, read_metrics

METRICS = {
    "pixel_accuracy": 0.948,
    "baseline_accuracy": 0.931,
    "object_accuracy": 0.4344,
    "kl_per_dim": [1.0, 3.0],
    "active_dims": 2,
    "reconstruction_nats": 38.6,
    "kl_nats": 33.4,
    "seconds": 100.0,
    "criteria": {
        "pixel_accuracy": {"value": 0.948, "threshold": 0.9, "baseline": 0.931, "passed": True},
        "sample_validity": {"value": 0.85, "threshold": 0.9, "passed": False},
    },
    "passed": False,
    "fallback": ["poor_samples"],
    "corpus": {"name": "atomic", "sha256": "0123abcd"},
    "versions": {"torch": "2.13.0"},
}


def log_two_epochs(directory):
    record = MetricsLog(directory)
    for step in range(1, 21):
        record.log({"train/loss_total": 100.0 / step, "train/beta": 0.1}, step=step, epoch=1 + (step > 10))
        if step % 10 == 0:
            metrics = {"val/loss_total": 9.0, "val/pixel_accuracy": 0.9412, "val/kl_per_dim": [0.0, float("nan")]}
            record.log(metrics, step=step, epoch=step // 10)
    record.close()


def text_of(html):
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.S).split())


def test_a_finished_run_on_one_self_contained_page(tmp_path):
    log_two_epochs(tmp_path)
    (tmp_path / "images").mkdir()
    for epoch, color in ((5, 1), (10, 2)):
        draw_samples(np.full((1, 16, 16), color, np.uint8), tmp_path / "images" / f"samples_epoch_{epoch}.png")
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    (tmp_path / "status.json").write_text(json.dumps({"state": "finished", "reason": None}))
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("note: <script>alert(1)</script>\n")
    (tmp_path / ".hydra" / "overrides.yaml").write_text("- model.latent_dim=2\n")
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    html = path.read_text()
    text = text_of(html)
    assert "pixel_accuracy 0.9480 at least 0.90 and above all background, 0.9310 pass" in text
    assert "sample_validity 0.8500 at least 0.90 FAIL" in text
    assert "Pixel accuracy 0.9480 all background: 0.9310" in text
    assert "Object accuracy (non-background cells) 0.4344 all background: 0" in text
    assert "poor_samples" in text and "0123abcd" in text and "2.13.0" in text and "model.latent_dim=2" in text
    assert "Samples from the prior, epoch 10" in text
    assert "<script" not in html and "&lt;script&gt;" in html
    assert "http://" not in html and "https://" not in html
    sources = re.findall(r"(?:src|href)=\"([^\"]{0,22})", html)
    assert len(sources) == 2 and all(source == "data:image/png;base64," for source in sources)


def test_a_half_finished_run_shows_its_last_validation(tmp_path):
    log_two_epochs(tmp_path)
    text = text_of(write_report(tmp_path).read_text())
    assert "not evaluated" in text
    assert "Validation split, epoch 2" in text and "Pixel accuracy 0.9412" in text


def test_a_run_that_has_only_begun(tmp_path):
    (tmp_path / "status.json").write_text('{"state": "runn')
    assert "not been evaluated" in write_report(tmp_path).read_text()


def test_series_places_steps_on_the_axis_of_epochs(tmp_path):
    log_two_epochs(tmp_path)
    records = read_metrics(tmp_path / "metrics.jsonl")
    epochs, values = metric_series(records, "train/loss_total")
    assert (epochs[0], epochs[9], epochs[-1]) == (0.1, 1.0, 2.0) and values[1] == 50.0
    assert metric_series(records, "val/kl_per_dim")[1].shape == (2, 2)
    assert len(metric_series([], "train/beta")[1]) == 0
