"""A directory of another's making names nothing outside itself: links and relative paths out of it are refused."""

from pathlib import Path

from arc_vae.common.errors import UserError

# Of a run directory, what is read and written there.
FOLDERS = ("checkpoints", "images", "evaluations", "tasks", "onnx", ".hydra", "wandb")


def inside(directory: Path, path: Path, remedy: str = "copy it") -> Path:
    """The path itself, where it lies in the directory, links followed.

    Raises:
        UserError: it leads out of the directory, or in a circle.
    """
    try:
        place, home = path.resolve(), directory.resolve()
    except (RuntimeError, OSError) as error:
        raise UserError(f"{path} is a link that leads in a circle: remove it") from error
    if place != home and home not in place.parents:
        raise UserError(f"{path} leads out of {directory}, to {place}; nothing outside is read or written: {remedy}")
    return path


def refuse_links_outside(directory: Path) -> None:
    """Refuse a run directory in which a file, or one of the folders of a run, is a link out of it, or a named pipe.

    Whose link it is tells nothing: an archive of another's making unpacks as its reader's own. A link to the whole
    directory, which its reader has made, is followed.

    Raises:
        UserError: names the first such link.
    """
    folders = [directory / name for name in FOLDERS]
    for folder in folders:
        inside(directory, folder, "move the whole run directory to where there is room, and link that")
    for place in (directory, *folders):
        for path in place.iterdir() if place.is_dir() else ():
            refuse_special(path)
            if path.is_symlink() and not (place == directory and path.is_dir() and path.name not in FOLDERS):
                inside(directory, path)


def refuse_special(path: Path) -> None:
    """Refuse what is neither a file nor a folder, such as a named pipe, of which a reader would wait for ever.

    Raises:
        UserError: names it.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is neither a file nor a folder: remove it")
