"""Patches against SciPy in float64, and the fast form against the definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import ndimage

from rcsr_jax.patches import extract_patches, own_patches, slice_patches

EAGER = {"extract": extract_patches, "slice": slice_patches}
FORMS = {n: jax.jit(form, static_argnames="size") for n, form in EAGER.items()}
SIZES = [1, 2, 5, 6]

# Inside, on pixels, at the borders and far outside of 13 x 11 pixels (width 11).
PLACES = np.array(
    [
        [5.3, 6.7],
        [4.0, 8.0],
        [0.2, 0.4],
        [10.4, 12.3],
        [-0.6, 7.1],
        [12.9, 3.2],
        [3.3, -2.7],
        [-4.2, 15.6],
        [-300.3, 5.4],
        [4.6, 1e4],
        [1e5, -1e5],
    ],
    np.float32,
)


def _images(generator, *, channels=2):
    return generator.uniform(0, 1, (2, 13, 11, channels)).astype(np.float32)


def _both_faces(points):
    return np.stack([points, points[::-1] + np.float32(0.25)])


def _scipy_patches(images, points, size):
    images, points = np.float64(images), np.float64(points)
    offsets = np.arange(size) - (size - 1) / 2
    faces = []
    for image, places in zip(images, points, strict=True):
        for x, y in places:
            rows, columns = np.meshgrid(y + offsets, x + offsets, indexing="ij")
            planes = [
                ndimage.map_coordinates(plane, [rows, columns], order=1, mode="nearest")
                for plane in np.moveaxis(image, -1, 0)
            ]
            faces.append(np.stack(planes, -1))
    return np.reshape(faces, (*points.shape[:2], size, size, images.shape[-1]))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("size", SIZES)
def test_values_are_those_of_scipy(generator, form, size):
    images, points = _images(generator, channels=3), _both_faces(PLACES)
    patches = form(images, points, size=size)
    assert patches.shape == (2, len(PLACES), size, size, 3)
    assert patches.dtype == jnp.float32
    expected = _scipy_patches(images, points, size)
    np.testing.assert_allclose(patches, expected, atol=2e-5)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_bytes_are_blended_as_numbers(form):
    images = jnp.array([[10, 20], [250, 30]], jnp.uint8)[None, ..., None]
    patch = form(images, jnp.array([[[0.25, 0.5]]]), size=1)
    assert patch.shape == (1, 1, 1, 1, 1) and patch.dtype == jnp.float32
    # the rows have 12.5 and 195 at x = 0.25, and half of both lies between them
    np.testing.assert_allclose(patch, 103.75)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("size", [1, 2, 7])
def test_patches_centred_on_the_grid_copy_pixels(form, size):
    image = jnp.arange(400.0).reshape(1, 20, 20, 1)
    centre = jnp.array([[[5, 4]]]) + (size - 1) / 2  # corner at column 5, row 4
    patch = form(image, centre, size=size)[0, 0]
    np.testing.assert_array_equal(patch, image[0, 4 : 4 + size, 5 : 5 + size])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_patches_move_with_the_picture(generator, form):
    images = _images(generator)
    points = generator.uniform(4, 6, (2, 5, 2)).astype(np.float32)
    shifted = np.roll(images, (2, 1), (1, 2))
    moved = form(shifted, points + np.float32([1, 2]), size=3)
    np.testing.assert_allclose(moved, form(images, points, size=3), atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_planes_of_their_own_are_cut_alike(generator, size):
    points = _both_faces(PLACES)
    planes = generator.uniform(0, 1, (2, len(PLACES), 13, 11, 2)).astype(np.float32)
    found = jax.jit(own_patches, static_argnames="size")(planes, points, size=size)
    for landmark in range(len(PLACES)):
        here = slice(landmark, landmark + 1)
        expected = extract_patches(planes[:, landmark], points[:, here], size=size)
        np.testing.assert_allclose(found[:, here], expected, atol=2e-5)


def test_planes_of_their_own_have_the_same_gradients(generator):
    points = generator.uniform(1.1, 9.4, (2, 3, 2)).astype(np.float32)
    planes = generator.uniform(0, 1, (2, 3, 13, 11, 2)).astype(np.float32)
    weights = generator.normal(size=(2, 3, 4, 4, 2)).astype(np.float32)

    def each_alone(planes, points):
        cut = [
            extract_patches(planes[:, n], points[:, n : n + 1], size=4)
            for n in range(3)
        ]
        return (jnp.concatenate(cut, 1) * weights).sum()

    def together(planes, points):
        return (own_patches(planes, points, size=4) * weights).sum()

    expected = jax.grad(each_alone, (0, 1))(planes, points)
    found = jax.grad(together, (0, 1))(planes, points)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_planes_and_points_must_belong_together():
    planes = jnp.zeros((2, 3, 9, 9, 1))
    with pytest.raises(ValueError, match=r"got \(2, 3, 9, 9, 1\) and \(2, 4, 2\)"):
        own_patches(planes, jnp.zeros((2, 4, 2)), size=3)
    for shape in [(2, 3, 9, 9), (2, 3, 9, 9, 1, 1)]:
        with pytest.raises(ValueError, match="planes must be"):
            own_patches(jnp.zeros(shape), jnp.zeros((2, 3, 2)), size=3)
    with pytest.raises(ValueError, match="size must be a positive whole number; got 0"):
        own_patches(planes, jnp.zeros((2, 3, 2)), size=0)


@pytest.mark.parametrize("size", [3, 4])
def test_both_forms_have_the_same_gradients(generator, size):
    images, points = _images(generator), _both_faces(PLACES[:-3])
    # whole and half pixels are kinks, where either side's slope is right
    points = np.where(points * 2 % 1 == 0, points + np.float32(0.13), points)
    weights = generator.normal(size=(*points.shape[:2], size, size, 2))

    def gradients(form):
        def total(images, points):
            return jnp.sum(form(images, points, size=size) * jnp.float32(weights))

        return jax.jit(jax.grad(total, (0, 1)))(images, points)

    for fast, slow in zip(*map(gradients, FORMS.values()), strict=True):
        np.testing.assert_allclose(slow, fast, atol=1e-4)
    _, by_points = gradients(FORMS["slice"])
    assert (np.abs(by_points).max(-1) > 0).sum() >= 10
    far = FORMS["slice"](images, np.full((2, 1, 2), 1e4, np.float32), size=size)
    assert np.ptp(far, axis=(2, 3)).max() < 1e-5


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_gradients_equal_finite_differences(generator, form):
    with jax.enable_x64(True):
        images = jnp.asarray(generator.uniform(0, 1, (1, 9, 8, 1)))
        points = jnp.asarray([[[3.3, 4.2], [0.3, 7.6], [-1.4, 9.7]]])

        @jax.jit
        def patches(images, points):
            return form(images, points, size=4)

        check_grads(patches, (images, points), order=1, modes=["rev"], eps=1e-4)


@pytest.mark.parametrize("name", FORMS)
def test_jit_and_vmap_give_the_same(generator, name):
    images, points = _images(generator), _both_faces(PLACES)
    eager = EAGER[name](images, points, size=5)
    form = FORMS[name]
    np.testing.assert_allclose(form(images, points, size=5), eager, atol=1e-5)

    def one(image, places):
        return form(image[None], places[None], size=5)[0]

    np.testing.assert_allclose(jax.vmap(one)(images, points), eager, atol=1e-5)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_missing_point_gives_a_missing_patch_and_no_other(generator, form):
    images, points = _images(generator), _both_faces(PLACES)
    whole = np.asarray(form(images, points, size=4))
    points[0, 1] = np.nan
    points[1, 2, 0] = np.nan  # one coordinate is enough
    patches = np.array(form(images, points, size=4))
    assert np.isnan(patches[0, 1]).all()
    assert np.isnan(patches[1, 2]).all()
    patches[0, 1], patches[1, 2] = whole[0, 1], whole[1, 2]
    np.testing.assert_array_equal(patches, whole)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize(
    ("images", "points", "size", "message"),
    [
        ((2, 9, 9), (2, 3, 2), 3, "images must be .* got \\(2, 9, 9\\)"),
        ((2, 9, 9, 1, 1), (2, 3, 2), 3, "images must be .* got \\(2, 9, 9, 1, 1\\)"),
        ((2, 9, 9, 1), (2, 3, 3), 3, "points must be .* got \\(2, 3, 3\\)"),
        ((2, 9, 9, 1), (2, 3, 1), 3, "points must be .* got \\(2, 3, 1\\)"),
        ((2, 9, 9, 1), (2, 2), 3, "points must be .* got \\(2, 2\\)"),
        ((2, 9, 9, 1), (2, 1, 3, 2), 3, "points must be .* got \\(2, 1, 3, 2\\)"),
        ((2, 9, 9, 1), (1, 3, 2), 3, "batch 2; got \\(1, 3, 2\\)"),
        ((2, 9, 9, 1), (3, 3, 2), 3, "batch 2; got \\(3, 3, 2\\)"),
        ((2, 9, 9, 1), (2, 3, 2), 2.5, "a positive whole number; got 2.5"),
        ((2, 9, 9, 1), (2, 3, 2), 0, "size must be a positive whole number; got 0"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(form, images, points, size, message):
    with pytest.raises(ValueError, match=message):
        form(jnp.zeros(images), jnp.zeros(points), size=size)
