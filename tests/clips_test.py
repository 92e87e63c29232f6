"""Clips whose every landmark is known."""

import numpy as np
import pytest

from rcsr_jax.data.clips import draw_clip, pan_photo


def test_a_drawn_clip_is_one_person_on_a_smooth_path():
    clip = draw_clip(3, 0, num_frames=30, size=96, period=10)
    assert clip.frames.shape == (30, 96, 96, 3) and clip.frames.dtype == np.uint8
    assert clip.points.shape == (30, 68, 2) and clip.points.dtype == np.float32
    again = draw_clip(3, 0, num_frames=30, size=96, period=10)
    np.testing.assert_array_equal(again.frames, clip.frames)
    np.testing.assert_array_equal(again.points, clip.points)
    steps = np.linalg.norm(np.diff(clip.points, axis=0), axis=-1)
    bends = np.linalg.norm(np.diff(clip.points, 2, axis=0), axis=-1)
    assert steps.mean() > 0.3 and bends.mean() < 0.5 * steps.mean()
    # neither hair nor light jumps: the corners of the picture are background
    corners = clip.frames[:, :8, :8].astype(float).mean((1, 2))
    assert np.abs(corners - corners[0]).max() < 3
    mouth = np.linalg.norm(clip.points[:, 66] - clip.points[:, 62], axis=-1)
    assert np.ptp(mouth) > 0.5


def test_a_panned_photo_moves_as_its_landmarks_do():
    y, x = np.mgrid[:120, :160]
    spots = np.array([[50, 40], [110, 45], [80, 90]])
    image = np.zeros((120, 160, 3), np.uint8)
    for cx, cy in spots:
        image[(x - cx) ** 2 + (y - cy) ** 2 <= 9] = 255
    clip = pan_photo(image, spots, num_frames=6, size=100, period=3)
    y, x = np.mgrid[:100, :100]
    for frame, points in zip(clip.frames, clip.points, strict=True):
        for px, py in points:
            near = (np.hypot(x - px, y - py) < 6) * frame[..., 0].astype(float)
            found = np.array([(near * x).sum(), (near * y).sum()]) / near.sum()
            np.testing.assert_allclose(found, [px, py], atol=0.25)
    shape = clip.points - clip.points.mean(1, keepdims=True)
    scale = np.linalg.norm(shape, axis=(1, 2))
    assert np.ptp(scale) / scale.mean() > 0.02  # it zooms


@pytest.mark.parametrize("num_frames", [1, 10, 11])
def test_a_clip_has_the_length_that_was_asked_for(num_frames):
    image = np.zeros((40, 40, 3), np.uint8)
    points = np.array([[10, 10], [30, 30]])
    clip = pan_photo(image, points, num_frames=num_frames, size=32, period=10)
    assert len(clip.frames) == len(clip.points) == num_frames


def test_what_is_annotated_of_a_face_is_enough_to_pan_over_it():
    image = np.zeros((40, 40, 3), np.uint8)
    points = np.array([[10.0, 10], [30, 30], [12, 28]])
    part = np.vstack([points, [[np.nan, np.nan]]])
    whole, some = (pan_photo(image, p, num_frames=3, size=32) for p in (points, part))
    np.testing.assert_array_equal(some.frames, whole.frames)
    np.testing.assert_array_equal(some.points[:, :3], whole.points)
    assert np.isnan(some.points[:, 3]).all()
