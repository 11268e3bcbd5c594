import numpy as np
import torch

from arc_vae.common.grids import symmetry_table
from arc_vae.training.batches import Augmentation, Batches

# No two of its eight images are equal.
ASYMMETRIC = np.arange(256).reshape(16, 16).astype(np.int64)


def eight_by_numpy() -> set[bytes]:
    """Every composition of the specification's rotations and flips, made independently of the table."""
    images = set()
    for turns in range(4):
        for horizontal in (False, True):
            for vertical in (False, True):
                image = np.rot90(ASYMMETRIC, turns)
                image = np.fliplr(image) if horizontal else image
                images.add((np.flipud(image) if vertical else image).tobytes())
    return images


def test_the_table_holds_the_eight_symmetries_and_only_them():
    images = {ASYMMETRIC.ravel()[row].tobytes() for row in symmetry_table()}
    assert len(images) == 8 and images == eight_by_numpy()


def test_augmentation_draws_all_eight_uniformly_and_only_them():
    torch.manual_seed(0)
    grids = torch.from_numpy(ASYMMETRIC).expand(8000, 16, 16)
    augmentation = Augmentation(torch.device("cpu"))
    augmented = augmentation.apply(grids, augmentation.draw(8000)).numpy()
    images, counts = np.unique(augmented.reshape(8000, -1), axis=0, return_counts=True)
    assert {image.tobytes() for image in images} == eight_by_numpy()
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(8000 * (1 / 8) * (7 / 8))


def test_an_epoch_gives_each_grid_once_in_a_new_order():
    grids = torch.arange(64, dtype=torch.int64)[:, None, None].expand(64, 16, 16)
    batches = Batches(grids, batch_size=8, augment=False)
    torch.manual_seed(0)
    epochs = [torch.cat(list(batches))[:, 0, 0] for _ in range(2)]
    assert len(batches) == 8
    assert all(torch.equal(epoch.sort().values, torch.arange(64)) for epoch in epochs)
    assert not torch.equal(*epochs)


def test_the_rest_that_fills_no_batch_is_left_out():
    batches = Batches(torch.zeros(70, 16, 16, dtype=torch.uint8), batch_size=8, augment=True)
    assert [len(batch) for batch in batches] == [8] * 8
