"""Batches of scenes: a step carried out, rows picked, batches joined."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from arc_vae.operations.scene import Scene
from arc_vae.operations.steps import SceneStep
from arc_vae.tasks.program import Step, operation_of


def after(scene: Scene, step: Step) -> Scene:
    """The scenes after a step, as many slots wide as before; refused where the step is."""
    slots = scene.present.shape[1]
    (part,) = operation_of(step).parts
    assert isinstance(part.step, SceneStep)  # the vocabulary has no other
    return part.step(scene).widened(slots).narrowed(slots)


def take(scene: Scene, rows: Tensor) -> Scene:
    """Some of the scenes: row numbers or a mask."""
    fields: dict[str, Any] = {name: field[rows] for name, field in _fields(scene).items()}
    return scene._replace(**fields)


def joined(scenes: Sequence[Scene]) -> Scene:
    """All scenes of batches of one width, one after the other."""
    columns: dict[str, Any] = {
        name: torch.cat([_fields(scene)[name] for scene in scenes]) for name in _fields(scenes[0])
    }
    return scenes[0]._replace(**columns)


def _fields(scene: Scene) -> dict[str, Any]:
    return {**scene.objects(), "refused": scene.refused}
