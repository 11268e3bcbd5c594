"""Short runs: the specification's β schedule squeezed into a few epochs."""


def phases(epochs: int) -> tuple[int, int, int]:
    """The specification's 10, 20 and 20 epochs of 50, scaled to `epochs`."""
    first = -(-epochs // 5)
    second = min(epochs - first, -(-2 * epochs // 5))
    return first, second, epochs - first - second


def short(epochs: int) -> list[str]:
    """The overrides of a run of so many epochs, β's three phases ending with it."""
    schedule = (f"beta_schedule.phase{i}_epochs={n}" for i, n in enumerate(phases(epochs), 1))
    return [f"training.max_epochs={epochs}", *schedule]
