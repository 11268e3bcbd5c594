import torch

from arc_vae.corpus.atomic.scenes import generate
from arc_vae.models.object_slots.components import assign_to_slots, crop_to_corner
from arc_vae.models.object_slots.symmetries import Symmetries


def test_the_eight_images_of_an_object_have_one_upright_image():
    symmetries = Symmetries()
    objects = assign_to_slots(torch.from_numpy(generate("test", 500, seed=1)), 4).flatten(0, 1)
    objects = objects[(objects > 0).flatten(1).any(dim=1)]
    upright = crop_to_corner(symmetries.transform(objects, symmetries.canonical(objects))).grids
    for symmetry in range(8):
        all_alike = torch.full((len(objects),), symmetry)
        images = symmetries.transform(objects, all_alike)
        assert torch.equal(symmetries.invert(images, all_alike), objects)
        again = crop_to_corner(symmetries.transform(images, symmetries.canonical(images))).grids
        assert torch.equal(again, upright)


def test_upright_is_broad_and_full_at_the_top_left():
    line, hook = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    line[0, 5:9, 7] = 3
    hook[0, 4, 4:9], hook[0, 3, 8] = 1, 1
    symmetries = Symmetries()
    assert crop_to_corner(symmetries.transform(line, symmetries.canonical(line))).grids[0, :2, :5].tolist() == [
        [3] * 4 + [0],
        [0] * 5,
    ]
    flipped = crop_to_corner(symmetries.transform(hook, symmetries.canonical(hook))).grids[0, :2, :6]
    assert flipped.tolist() == [[1] * 5 + [0], [1] + [0] * 5]


def test_of_alike_images_the_first_counts_and_nothing_is_upright_as_it_is():
    square = torch.zeros(2, 16, 16, dtype=torch.uint8)
    square[0, 3:6, 9:12] = 2
    assert Symmetries().canonical(square).tolist() == [0, 0]


def test_a_box_goes_where_its_cells_go():
    symmetries, corner, extent = Symmetries(), torch.tensor([[2, 5]]), torch.tensor([[3, 7]])
    grid = torch.zeros(1, 16, 16)
    grid[0, 2:5, 5:12] = 1
    for symmetry in torch.arange(8)[:, None]:
        image = crop_to_corner(symmetries.transform(grid, symmetry).to(torch.uint8))
        turned = symmetries.transform_box(corner, extent, symmetry)
        assert torch.equal(turned[0], image.corner) and torch.equal(turned[1], image.extent)
        back = symmetries.invert_box(*turned, symmetry)
        assert torch.equal(back[0], corner) and torch.equal(back[1], extent)
