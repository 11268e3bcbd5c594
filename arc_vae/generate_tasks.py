"""`python -m arc_vae.generate_tasks run=<run dir> [num_tasks=3000] [depth=1-5]`: ARC tasks from a model's codes."""

from omegaconf import DictConfig

from arc_vae.cli.command import command
from arc_vae.common.errors import require


@command("generate_tasks")
def main(cfg: DictConfig) -> None:
    """Write tasks.json, a file a task, generation.json and tasks.png."""
    for name, least in (("num_tasks", 1), ("seed", 0)):
        _require_integer(name, cfg[name], least)
    if cfg.processes is not None:
        _require_integer("processes", cfg.processes, 1)

    # torch is imported only when there is something to make: --help answers at once.
    from arc_vae.tasks.generate import generate_tasks
    from arc_vae.training.device import configure_process

    configure_process()
    generate_tasks(cfg)


def _require_integer(name: str, value: object, least: int) -> None:
    good = isinstance(value, int) and not isinstance(value, bool) and value >= least
    require(good, name, value, f"an integer of at least {least}")


if __name__ == "__main__":
    main()
