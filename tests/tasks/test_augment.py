import torch

from tasks.data import augment


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(count: int, side: int) -> torch.Tensor:
    """Images whose pixels are all different."""
    return torch.arange(count * 3 * side * side).view(count, 3, side, side)


def test_a_random_crop_is_a_window_of_each_reflected_image():
    images = numbered(20, 6)
    cropped = augment.random_crop(images, 6, seeded(), padding=2)
    padded = torch.nn.functional.pad(images.double(), (2, 2, 2, 2), mode="reflect")
    places = set()
    for crop, whole in zip(cropped, padded, strict=True):
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(crop.double(), whole[:, y : y + 6, x : x + 6])
        ]
        assert found
        places |= set(found)
    assert len(places) > 8


def test_a_centre_crop_takes_the_middle():
    images = numbered(2, 6)
    assert torch.equal(augment.centre_crop(images, 4), images[:, :, 1:5, 1:5])
    assert torch.equal(augment.centre_crop(images, 6), images)


def test_about_half_of_the_images_are_mirrored():
    images = numbered(200, 2)
    flipped = augment.random_flip(images, seeded())
    changed = [not torch.equal(a, b) for a, b in zip(images, flipped, strict=True)]
    assert 70 < sum(changed) < 130
    assert torch.equal(flipped[changed], images[changed].flip(3))


def test_cutout_hides_one_square_with_the_colour():
    images = torch.zeros(30, 3, 8, 8, dtype=torch.uint8)
    cut = augment.cutout(images, 3, torch.tensor([10.0, 20.0, 30.0]), seeded())
    hidden = cut != 0
    assert (hidden.sum(dim=(2, 3)) == 9).all()
    assert torch.equal(hidden.any(2).sum(2), torch.full((30, 3), 3))
    assert cut[:, 1].unique().tolist() == [0, 20]
    assert cut.dtype == torch.uint8
