"""What follows from the figures: go on, iterate or fall back."""

GO_ON, ITERATE = 0.85, 0.70


def gate(results: dict) -> dict:
    """The gate of Experiment 0.3: the mean object accuracy of translating, rotating and scaling in code."""
    rows = {row["operation"]: row["code"] for part in ("whole_grid", "others") for row in results[part]}
    kinds = [
        [rows[name] for name in rows if name.startswith(kind) and "clip" not in name]
        for kind in ("translate(", "rotate_90(", "scale(")
    ]

    def mean(key: str) -> float:
        return sum(sum(found[key] for found in kind) / len(kind) for kind in kinds) / len(kinds)

    value, pixels, black = mean("object_accuracy"), mean("pixel_accuracy"), mean("baseline_accuracy")
    decision = "go on" if value >= GO_ON else "iterate" if value >= ITERATE else "fall back"
    sentence = (
        f"{decision}: translated, rotated and scaled in code, {value:.3f} of the objects' cells are right (go on from "
        f"{GO_ON:.2f}, iterate from {ITERATE:.2f}); of all cells {pixels:.3f}, all black {black:.3f}"
    )
    return {
        "decision": decision,
        "object_accuracy": value,
        "pixel_accuracy": pixels,
        "all_black_pixel_accuracy": black,
        "sentence": sentence,
    }
