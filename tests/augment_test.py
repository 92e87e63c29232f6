"""Views keep pixels and landmarks together; light and coverings stay in range."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg
from three import THREE

from rcsr_jax.config import AugmentConfig
from rcsr_jax.data.augment import (
    STRAIGHT,
    View,
    augment,
    cut_view,
    occlude,
    random_view,
    vary_light,
)
from rcsr_jax.data.cutting import cut_crop
from rcsr_jax.geometry import frame_of_shape, mirror_points, tilt_of, to_crop, turned

OFF = AugmentConfig(
    mirror=0.0,
    rotation=0.0,
    box_shift=0.0,
    box_scale=0.0,
    stretch=0.0,
    contrast=0.0,
    brightness=0.0,
    gamma=0.0,
    noise=0.0,
    occlusion=0.0,
)
SIZE, MARGIN, SIDE = 32, 1.5, 48  # a straight view copies the middle 32 of 48 pixels
MEAN = np.float32([[8.5, 9.0], [22.5, 9.5], [16.0, 22.0]])  # as faces lie in crops
POINTS = np.float32([[17.2, 19.6], [30.3, 21.1], [25.7, 31.4]])

_cut = jax.jit(cut_view, static_argnames=("size", "margin", "markup"))


def cut(cached, points, view, *, size=SIZE, margin=MARGIN):
    return _cut(cached, points, view, size=size, margin=margin, markup=THREE)


def view_of(
    *, mirrored=False, degrees=0.0, scale=1.0, shift=(0.0, 0.0), stretch=(0.0, 0.0)
):
    return View(
        jnp.array(mirrored),
        jnp.deg2rad(degrees),
        jnp.float32(scale),
        jnp.float32(shift),
        jnp.float32(stretch),
    )


def cached_noise(generator):
    return generator.integers(0, 256, (SIDE, SIDE), np.uint8)


def over_keys(change, crop, *, config, count=400):
    """What many keys make of one crop: float [count, size, size]."""
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.vmap(lambda key: change(key, crop, config=config))(keys))


def test_a_straight_view_is_the_middle_of_the_cache(generator):
    cached = cached_noise(generator)
    crop, points = cut(cached, POINTS, STRAIGHT)
    np.testing.assert_allclose(crop, cached[8:40, 8:40], atol=1e-3)
    np.testing.assert_allclose(points, POINTS - 8, atol=1e-4)


def test_a_straight_view_at_half_the_size():
    # one crop pixel is two cached ones: a ramp keeps its values at the mapped places
    ramp = np.arange(SIDE, dtype=np.uint8)[None, :] * np.ones((SIDE, 1), np.uint8)
    crop, points = cut(ramp, POINTS, STRAIGHT, size=16)
    x = points[:, 0]
    np.testing.assert_allclose(np.interp(x, range(16), crop[3]), POINTS[:, 0], atol=0.1)
    np.testing.assert_allclose(points, (POINTS - 23.5) / 2 + 7.5, atol=1e-4)


def test_between_pixels_a_quadratic_picture_is_exact():
    # by linear interpolation it would be up to half a level too light
    def grey(x, y):
        return (x - 7) ** 2 + (y - 9) ** 2 + (x - 7) * (y - 9)

    rows, columns = np.mgrid[:16, :16]
    view = view_of(degrees=20.0, scale=0.8, shift=(0.03, -0.05))
    crop, seen = cut(grey(columns, rows).astype(np.uint8), POINTS, view, size=16)
    # where crop pixels lie, by landmarks that the same map has moved
    ones = np.ones((3, 1))
    back = np.linalg.solve(np.hstack([seen, ones]), np.hstack([POINTS, ones]))
    x, y, _ = np.tensordot(back.T, [columns, rows, np.ones((16, 16))], 1)
    assert min(x.min(), y.min()) > 1 and max(x.max(), y.max()) < 14
    np.testing.assert_allclose(crop, grey(x, y), atol=0.01)


def test_a_view_of_black_and_white_stays_between_them(generator):
    cached = np.uint8(255 * generator.integers(0, 2, (SIDE, SIDE)))
    crop, _ = cut(cached, POINTS, view_of(degrees=30.0))
    assert (np.min(crop), np.max(crop)) == (0, 255)


def test_beyond_its_edges_a_picture_goes_on(generator):
    flat = np.full((SIDE, SIDE), 77, np.uint8)
    crop, _ = cut(flat, POINTS, view_of(degrees=20.0, scale=3.0))
    np.testing.assert_allclose(crop, np.full((SIZE, SIZE), 77), atol=1e-3)
    cached = cached_noise(generator)
    # some crops to the right of the middle or left, and below or above
    for shift, row, column in (((5, 5), -1, -1), ((-5, 5), -1, 0), ((5, -5), 0, -1)):
        crop, _ = cut(cached, POINTS, view_of(shift=shift))
        expected = np.full((SIZE, SIZE), cached[row, column])
        np.testing.assert_allclose(crop, expected, atol=1e-3)


@pytest.mark.parametrize(
    "view",
    [
        view_of(),
        view_of(degrees=25.0),
        view_of(degrees=-40.0, scale=1.2, shift=(0.03, -0.06)),
        view_of(scale=0.8, shift=(-0.05, 0.02)),
        view_of(mirrored=True),
        view_of(mirrored=True, degrees=15.0, scale=1.1, shift=(0.04, 0.05)),
        view_of(stretch=(0.2, -0.1)),
        view_of(mirrored=True, degrees=15.0, scale=1.1, stretch=(-0.1, 0.2)),
    ],
)
@pytest.mark.parametrize("landmark", [0, 1, 2])
def test_landmarks_stay_on_what_they_mark(view, landmark):
    size, margin, side = 64, 1.5, 144
    points = POINTS * (side / SIDE)
    y, x = np.mgrid[:side, :side]
    away = np.square(x - points[landmark, 0]) + np.square(y - points[landmark, 1])
    blob = np.uint8(255 * np.exp(-away / (2 * 4.0**2)))
    crop, seen = cut(blob, points, view, size=size, margin=margin)
    crop = np.float64(crop)
    rows, columns = np.mgrid[:size, :size]
    centroid = [(crop * columns).sum() / crop.sum(), (crop * rows).sum() / crop.sum()]
    role = THREE.mirror[landmark] if view.mirrored else landmark
    np.testing.assert_allclose(seen[role], centroid, atol=0.1)


def test_turning_by_a_quarter_by_hand(generator):
    # the view turns clockwise on the screen, so what it shows turns the other way
    cached = cached_noise(generator)
    crop, points = cut(cached, POINTS, view_of(degrees=90.0))
    np.testing.assert_allclose(crop, np.rot90(cached[8:40, 8:40]), atol=0.05)
    x, y = (POINTS - 8).T
    np.testing.assert_allclose(points, np.stack([y, 31 - x], -1), atol=1e-3)


def test_a_stretched_face_by_scipy():
    # as much longer along one direction as narrower across, in the view of any turn
    a, b = 0.15, -0.25
    view = view_of(degrees=30.0, scale=1.2, stretch=(a, b))
    _, points = cut(np.zeros((SIDE, SIDE), np.uint8), POINTS, view)
    _, turned = cut(
        np.zeros((SIDE, SIDE), np.uint8), POINTS, view_of(degrees=30.0, scale=1.2)
    )
    longer = linalg.expm([[a, b], [b, -a]])
    assert np.linalg.det(longer) == pytest.approx(1)
    middle = (SIZE - 1) / 2
    expected = (np.float64(turned) - middle) @ longer.T + middle
    np.testing.assert_allclose(points, expected, atol=1e-4)


def test_a_mirrored_view_is_the_view_of_the_mirrored_picture(generator):
    cached = cached_noise(generator)
    view = view_of(mirrored=True, degrees=12.0, scale=1.1, shift=(0.05, -0.02))
    twin = view_of(degrees=-12.0, scale=1.1, shift=(-0.05, -0.02))
    crop, points = cut(cached, POINTS, view)
    flipped = mirror_points(POINTS, width=SIDE, markup=THREE)
    other_crop, other_points = cut(np.fliplr(cached), flipped, twin)
    np.testing.assert_allclose(crop, other_crop, atol=0.02)
    np.testing.assert_allclose(points, other_points, atol=1e-4)


def test_landmarks_outside_and_missing_ones(generator):
    points = np.float32([[-20, 60], [np.nan, np.nan], [100, 3]])
    _, seen = cut(cached_noise(generator), points, STRAIGHT)
    np.testing.assert_allclose(seen, points - 8, atol=1e-4)
    _, seen = cut(cached_noise(generator), points, view_of(mirrored=True))
    np.testing.assert_array_equal(np.isnan(seen).all(-1), [True, False, False])


def test_views_spread_as_the_config_says():
    config = AugmentConfig(
        mirror=0.3,
        rotation=8.0,
        box_shift=0.06,
        box_scale=0.1,
        wide_boxes=0.5,
        stretch=0.09,
    )
    views = jax.vmap(lambda key: random_view(key, config=config, frame_scale=1.5))(
        jax.random.split(jax.random.key(0), 20000)
    )
    # half of the boxes are 1.5 times noisier
    wider = np.sqrt((1 + 1.5**2) / 2)
    assert np.mean(views.mirrored) == pytest.approx(0.3, abs=0.015)
    assert np.std(np.rad2deg(views.angle)) == pytest.approx(8, rel=0.03)
    assert np.std(np.log(views.scale)) == pytest.approx(0.1 * wider, rel=0.03)
    np.testing.assert_allclose(np.std(views.shift, 0), 0.06 / 1.5 * wider, rtol=0.03)
    spread = np.sqrt(np.square(views.stretch).sum(-1).mean())
    assert spread == pytest.approx(0.09, rel=0.03)
    every = np.column_stack(
        [views.angle, np.log(views.scale), views.shift, views.stretch]
    )
    np.testing.assert_allclose(
        np.abs(every.mean(0)) / every.std(0), 0, atol=5 / np.sqrt(20000)
    )
    # apart from the common noise level, nothing goes together
    np.testing.assert_allclose(np.corrcoef(every.T), np.eye(6), atol=0.05)


def test_views_switched_off_are_straight():
    view = random_view(jax.random.key(3), config=OFF, frame_scale=1.5)
    jax.tree.map(np.testing.assert_array_equal, view, STRAIGHT)


@pytest.mark.parametrize("change", [vary_light, occlude])
def test_switched_off_light_and_coverings_change_nothing(generator, change):
    crop = jnp.float32(generator.uniform(1, 255, (SIZE, SIZE)))
    found = change(jax.random.key(1), crop, config=OFF)
    np.testing.assert_allclose(found, crop, atol=1e-3)


def test_light_stays_in_range_and_keeps_the_order_of_greys(generator):
    config = AugmentConfig(contrast=1.0, brightness=80.0, gamma=0.6, noise=30.0)
    crop = jnp.float32(generator.uniform(0, 255, (SIZE, SIZE)))
    many = over_keys(vary_light, crop, config=config)
    assert np.isfinite(many).all()
    assert np.min(many) >= 0
    assert np.max(many) <= 255
    assert np.std(np.mean(many, (1, 2))) > 20
    calm = AugmentConfig(noise=0.0)
    found = vary_light(jax.random.key(2), jnp.sort(crop.ravel())[None], config=calm)
    assert (np.diff(found[0]) >= 0).all()


@pytest.mark.parametrize(
    ("name", "strength", "amount_of"),
    [
        ("contrast", 0.3, lambda new, old: np.log((new - 128) / (old - 128))),
        ("brightness", 15.0, lambda new, old: new - old),
        ("gamma", 0.25, lambda new, old: np.log(np.log(new / 255) / np.log(old / 255))),
    ],
)
def test_light_varies_as_much_as_the_config_says(name, strength, amount_of):
    config = dataclasses.replace(OFF, **{name: strength})
    crop = np.float32([[118, 124, 138]])  # far from black and white, which are clipped
    many = over_keys(vary_light, crop, config=config, count=4000)[:, 0]
    amounts = amount_of(np.float64(many), np.float64(crop))
    one = amounts[:, :1]
    np.testing.assert_allclose(amounts, np.tile(one, 3), atol=1e-3 * strength)
    assert np.std(one) == pytest.approx(strength, rel=0.05)
    assert abs(np.mean(one)) < 5 * strength / np.sqrt(4000)


def test_noise_is_at_most_what_the_config_says():
    config = AugmentConfig(contrast=0.0, brightness=0.0, gamma=0.0, noise=6.0)
    flat = jnp.full((SIZE, SIZE), 128.0)
    many = over_keys(vary_light, flat, config=config)
    levels = np.std(many, (1, 2))
    assert 5 < levels.max() < 6.5
    assert levels.min() < 0.5
    assert 2 < np.mean(levels) < 4


def test_coverings_are_rectangles_of_limited_size():
    config = AugmentConfig(occlusion=1.0, occlusion_size=0.4)
    crop = jnp.full((SIZE, SIZE), 1000.0)  # no covering reaches this level
    many = over_keys(occlude, crop, config=config, count=4000)
    covered = np.asarray(many) != 1000
    # any side up to the largest is as likely; what lies over an edge is lost
    side = 0.4 / 2 - 0.4**2 / 12
    assert covered.mean() == pytest.approx(side**2, rel=0.06)
    rows, columns = covered.any(2), covered.any(1)
    np.testing.assert_array_equal(covered, rows[:, :, None] & columns[:, None, :])
    for lines in (rows, columns):
        assert lines.sum(1).max() <= np.ceil(0.4 * SIZE)
        assert (np.abs(np.diff(np.int8(lines), axis=1)).sum(1) <= 2).all()
    assert covered.any((1, 2)).mean() > 0.8
    levels = np.asarray(many)[covered]
    assert levels.min() >= 0
    assert levels.max() <= 255


def test_as_many_faces_are_covered_as_the_config_says():
    config = AugmentConfig(occlusion=0.25, occlusion_size=2.0)
    crop = jnp.full((SIZE, SIZE), 1000.0)
    many = over_keys(occlude, crop, config=config)
    share = (np.asarray(many) != 1000).any((1, 2)).mean()
    assert share == pytest.approx(0.25, abs=0.08)


def example_of(key, cached, points=POINTS, *, config):
    return augment(
        key,
        cached,
        points,
        config=config,
        size=SIZE,
        margin=MARGIN,
        frame_scale=1.4,
        markup=THREE,
        mean_shape=MEAN,
    )


def test_augment_covers_a_view_in_another_light(generator):
    cached, config = cached_noise(generator), AugmentConfig(occlusion=1.0)
    key = jax.random.key(2)
    crop, points = example_of(key, cached, config=config)
    of_view, of_light, of_cover = jax.random.split(key, 3)
    view = random_view(of_view, config=config, frame_scale=1.4)
    seen, expected = cut(cached, POINTS, view)
    lit = vary_light(of_light, seen, config=config)
    covered = occlude(of_cover, lit, config=config)
    assert 0.02 < np.mean(covered != lit) < 0.5
    np.testing.assert_allclose(points, expected, atol=1e-3)
    np.testing.assert_allclose(crop, covered, atol=0.05)


def test_a_face_that_is_looked_at_again_lies_as_the_mean_shape_does(generator):
    config = dataclasses.replace(OFF, looked_again=1.0)
    cached, key = cached_noise(generator), jax.random.key(2)
    crop, points = example_of(key, cached, config=config)
    # by the way that prediction takes: a frame around the landmarks, cut by Pillow
    tilt = tilt_of(POINTS, mean_shape=MEAN, markup=THREE)
    frame = frame_of_shape(POINTS, angle=tilt, mean_shape=MEAN)
    np.testing.assert_allclose(points, to_crop(POINTS, frame), atol=1e-4)
    assert abs(tilt) > 0.05
    assert tilt_of(points, mean_shape=MEAN, markup=THREE) == pytest.approx(0, abs=1e-5)
    expected = cut_crop(cached, frame, size=SIZE)
    assert np.corrcoef(np.ravel(crop), expected.ravel())[0, 1] > 0.95


def test_boxes_of_faces_that_are_looked_at_again_are_off_by_two_fifths(generator):
    noise = {"rotation": 20.0, "box_shift": 0.1, "box_scale": 0.2}
    config = dataclasses.replace(OFF, looked_again=1.0, **noise)
    _, exact = example_of(
        jax.random.key(0),
        cached_noise(generator),
        config=dataclasses.replace(config, **dict.fromkeys(noise, 0.0)),
    )
    middles = []
    for number in range(6):
        key = jax.random.key(number)
        of_view, *_ = jax.random.split(key, 3)
        view = random_view(of_view, config=config, frame_scale=1.4)
        seen = np.asarray(example_of(key, cached_noise(generator), config=config)[1])
        turn = tilt_of(seen, mean_shape=np.asarray(exact), markup=THREE)
        assert turn == pytest.approx(-0.4 * float(view.angle), abs=1e-4)
        size = np.ptp(turned(seen, -turn), axis=0) / np.ptp(exact, axis=0)
        np.testing.assert_allclose(size, float(view.scale) ** -0.4, rtol=1e-3)
        middles.append(seen.mean(0))
    assert np.std(middles, axis=0).min() > 0.1


def test_the_share_of_faces_that_are_looked_at_again(generator):
    config = dataclasses.replace(OFF, looked_again=0.3)
    cached = cached_noise(generator)

    def shown(key, shape):
        return example_of(key, cached, shape, config=config)[1]

    keys = jax.random.split(jax.random.key(1), 300)
    boxes = jax.vmap(shown, (0, None))(keys, jnp.asarray(POINTS))
    share = (np.abs(np.asarray(boxes) - (POINTS - 8)) > 1e-3).any((1, 2)).mean()
    assert share == pytest.approx(0.3, abs=0.08)
    # nobody knows how a face lies whose landmarks are not all annotated
    partly = jnp.asarray(POINTS).at[0, 0].set(jnp.nan)
    boxes = jax.vmap(shown, (0, None))(keys, partly)
    expected = np.broadcast_to(POINTS[1:] - 8, (300, 2, 2))
    np.testing.assert_allclose(boxes[:, 1:], expected, atol=1e-4)


def test_augment_is_a_function_of_its_key(generator):
    cached = cached_noise(generator)

    def example(key):
        return example_of(key, cached, config=AugmentConfig())

    first, again, other = (example(jax.random.key(n)) for n in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert np.abs(first[0] - other[0]).max() > 1
    assert np.abs(first[1] - other[1]).max() > 0.1
    both = jnp.stack([jax.random.key(0), jax.random.key(1)])
    crops, points = jax.jit(jax.vmap(example))(both)
    np.testing.assert_allclose(points, jnp.stack([first[1], other[1]]), atol=1e-3)
    np.testing.assert_allclose(crops, jnp.stack([first[0], other[0]]), atol=0.1)


def test_augment_switched_off_is_the_straight_view(generator):
    cached = np.maximum(cached_noise(generator), 1)
    crop, points = example_of(jax.random.key(0), cached, config=OFF)
    np.testing.assert_allclose(crop, cached[8:40, 8:40], atol=2e-3)
    np.testing.assert_allclose(points, POINTS - 8, atol=1e-4)
