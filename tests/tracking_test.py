"""Identities and states of the tracker, on faces that are found for certain."""

import dataclasses

import jax
import numpy as np
import pytest
import tiny
from skimage import data

from rcsr_jax.disturbance import turn_photo
from rcsr_jax.geometry import box_of, frame_of_box, tilt_of, turned
from rcsr_jax.inference import Faces, Predictor, load_predictor
from rcsr_jax.looks import Sight
from rcsr_jax.refine import Estimate
from rcsr_jax.smoothing import OneEuro
from rcsr_jax.tracking import Tracker, plausibility
from rcsr_jax.tracks import boxes_of, overlaps

IMAGE = np.zeros((200, 400), np.uint8)
FACE = 2.5 * (tiny.mean_shape() - 15.5)  # around (0, 0), about 40 px
NOBODY = 13  # steps


@dataclasses.dataclass(frozen=True)
class Oracle:
    """Finds the face of the world that a crop shows most of; fast if it goes on."""

    world: list
    config: object = tiny.CONFIG

    def frames(self, image, boxes):
        size = self.config.crop_size
        return frame_of_box(np.reshape(boxes, (-1, 4)), frame_scale=1.0, size=size)

    def frames_around(self, points, *, angle=None):
        frames = self.frames(None, boxes_of(points))
        return frames._replace(angle=self.turns_of(points) if angle is None else angle)

    def turns_of(self, points):
        return tilt_of(points, mean_shape=FACE, markup=self.config.markup)

    def cut(self, image, frames):
        size = self.config.crop_size
        stripes = np.resize(np.array([0, 9], np.uint8), (size, size))
        return np.repeat(stripes[None], len(frames.scale), 0)

    def look(self, image, frames):
        crops = self.cut(image, frames)
        faces, estimate = self.resume(crops, frames)
        return Sight(faces, estimate, crops, frames, np.ones(len(crops), np.int32))

    def resume(self, crops, frames, *, start=None):
        ends = frames.corner + (frames.scale * crops.shape[-1])[:, None]
        seen = overlaps(np.concatenate([frames.corner, ends], -1), boxes(self.world))
        points = np.zeros((len(crops), 68, 2), np.float32)
        steps = np.full(len(crops), NOBODY, np.int32)
        for crop, shares in enumerate(seen):
            points[crop] = frames.corner[crop] + FACE
            if len(shares) and shares.max() > 0.1:
                points[crop] = self.world[shares.argmax()]
                steps[crop] = 2 if start is None else 1
        faces = Faces(
            points,
            steps,
            steps < NOBODY,
            points[None],
            spread=points[..., 0],
            expected_error=points[..., 0],
            ellipses=np.repeat(points[..., :1], 3, -1),
            score=np.ones(len(crops), np.float32),
        )
        return faces, Estimate(points, np.zeros((len(crops), 1), np.float32))


def boxes(world):
    return np.array([box_of(points) for points in world]).reshape(-1, 4)


def at(x, y=100):
    return (FACE + [x, y]).astype(np.float32)


def follow(film, *, seen=None, **settings):
    """The answers of a tracker for a film: the faces of each frame."""
    oracle = Oracle([])
    asked = []

    def detect(image):
        asked.append(len(answers))
        return boxes(oracle.world)

    tracker = Tracker(predictor=oracle, detect=detect, **settings)
    state, answers = tracker.start(), []
    for world in film:
        oracle.world[:] = world
        state, faces = tracker(state, IMAGE)
        answers.append(faces)
    return answers, asked


def who(faces, x):
    """The identity of the face whose middle is near x."""
    middles = faces.points.mean((1, 2))
    near = np.abs(faces.points[..., 0].mean(1) - (x + FACE[:, 0].mean())) < 3
    assert near.sum() == 1, (x, middles)
    return int(faces.ids[near][0])


def test_a_face_is_found_and_keeps_its_identity():
    answers, asked = follow([[at(60 + 3 * n)] for n in range(25)])
    for number, faces in enumerate(answers):
        np.testing.assert_array_equal(faces.ids, [0])
        np.testing.assert_array_equal(faces.points[0], at(60 + 3 * number))
    np.testing.assert_array_equal([f.num_steps[0] for f in answers], [2] + [1] * 24)
    assert asked == [0, 10, 20]


def test_identities_when_one_face_passes_before_another():
    film = []
    for number in range(40):
        left, right = 60 + 6 * number, 340 - 6 * number
        hidden = abs(left - right) < 30
        film.append([at(left)] if hidden else [at(left), at(right)])
    answers, _ = follow(film)
    first, second = who(answers[0], 60), who(answers[0], 340)
    assert {first, second} == {0, 1}
    for number, (faces, world) in enumerate(zip(answers, film, strict=True)):
        if len(world) == 1:
            continue
        assert who(faces, 60 + 6 * number) == first, number
        if abs(2 * 6 * number - 280) > 60:  # some frames to be found again
            assert who(faces, 340 - 6 * number) == second, number
        assert set(faces.ids.tolist()) <= {0, 1}


def test_a_face_that_leaves_is_given_up_and_a_newcomer_is_new():
    film = [[at(200), at(330 + 6 * n)] for n in range(18)]
    film += [[at(200)]] * 25 + [[at(200), at(330)]] * 12
    answers, _ = follow(film, patience=5)
    assert set(answers[0].ids.tolist()) == {0, 1}
    stays = who(answers[0], 200)
    assert all(who(faces, 200) == stays for faces in answers)
    assert all(faces.ids.tolist() == [stays] for faces in answers[20:43])
    assert answers[-1].ids.tolist() == [stays, 2]


@pytest.mark.parametrize(("gap", "name"), [(5, 0), (20, 1)])
def test_a_face_out_of_sight_is_waited_for(gap, name):
    film = [[at(200)]] * 5 + [[]] * gap + [[at(202)]] * 5
    answers, asked = follow(film, patience=10)
    assert all(len(faces.ids) == 0 for faces in answers[5 : 5 + gap])
    assert answers[-1].ids.tolist() == [name]
    assert set(range(5, 6 + gap)) <= set(asked)  # looked for in every frame


@pytest.mark.parametrize("shift", [[0, 0, 0, 0], [24, 0, 24, 0], [-14, 14, -14, 14]])
@pytest.mark.parametrize("order", [1, -1])
def test_a_second_box_on_a_face_is_no_second_face(shift, order):
    """Also one so far off that only the landmarks tell."""
    oracle, asked = Oracle([at(200)]), []
    found = np.concatenate([boxes([at(200)]), boxes([at(200)]) + shift])

    def detect(image):
        asked.append(None)
        return found[::order]

    tracker = Tracker(predictor=oracle, detect=detect)
    state = tracker.start()
    for _ in range(12):
        state, faces = tracker(state, IMAGE)
        assert faces.ids.tolist() == [0]
        np.testing.assert_array_equal(faces.points[0], at(200))
    assert (state.next_id, len(asked)) == (1, 2)


def test_a_box_beside_a_face_in_sight_leads_to_no_second_one():
    oracle = Oracle([at(200)])
    off = boxes([at(200)]) + [36, 0, 36, 0]  # overlaps too little to be of that face
    assert overlaps(off, boxes_of(np.array(oracle.world))) < 0.3
    seen = iter([boxes([at(200)])])
    tracker = Tracker(predictor=oracle, detect=lambda image: next(seen, off))
    state = tracker.start()
    for _ in range(25):
        state, faces = tracker(state, IMAGE)
        assert faces.ids.tolist() == [0]
    assert state.next_id == 1


def test_where_there_is_nothing_to_see_there_is_no_face():
    """Of a picture of one colour a network is as sure as of a face."""

    class Blind(Oracle):
        def cut(self, image, frames):
            return super().cut(image, frames) // 9 * image[0, 0]

    oracle = Blind([at(200)])
    tracker = Tracker(predictor=oracle, detect=lambda image: boxes(oracle.world))
    state, told = tracker.start(), []
    for light in (9, 9, 3, 0, 0, 9):
        state, faces = tracker(state, np.full_like(IMAGE, light))
        told.append(faces.ids.tolist())
    assert told == [[0], [0], [], [], [], [0]]


@pytest.mark.slow
@pytest.mark.parametrize("grey", [0, 128])
def test_after_a_cut_to_one_colour_no_face_is_told(grey):
    predictor = load_predictor(preset="fast")
    box = np.array([[179, 86, 271, 178]])
    seen = [box, *[box[:0]] * 9]
    tracker = Tracker(predictor=predictor, detect=lambda image: seen.pop(0))
    state, faces = tracker(tracker.start(), data.astronaut())
    assert faces.ids.tolist() == [0]
    for _ in range(3):
        state, faces = tracker(state, np.full_like(data.astronaut(), grey))
        assert faces.ids.tolist() == []


def test_a_face_whose_crop_would_lie_outside_the_photo_is_gone():
    """Turned and distorted, landmarks may have a box in the photo and a crop outside."""

    class Aside(Oracle):
        def frames_around(self, points, *, angle=None):
            frames = super().frames_around(points, angle=angle)
            return frames._replace(corner=frames.corner + [self.world[0][0, 0], 0])

    predictor = Predictor(tiny.make_params(), tiny.CONFIG)
    oracle = Aside([at(330)])
    told = boxes(oracle.world), np.zeros((0, 4))
    with pytest.raises(ValueError, match="lies outside the image"):
        predictor.cut(IMAGE, oracle.frames_around(at(330)[None]))
    seen = iter(told)
    tracker = Tracker(predictor=oracle, detect=lambda image: next(seen, told[1]))
    state, faces = tracker(tracker.start(), IMAGE)
    assert faces.ids.tolist() == [0]
    state, faces = tracker(state, IMAGE)
    assert faces.ids.tolist() == [] == state.tracks.ids.tolist()


def test_the_state_is_returned_anew():
    oracle = Oracle([at(100), at(300)])
    tracker = Tracker(
        predictor=oracle,
        detect=lambda image: boxes(oracle.world),
        smoothing=OneEuro(),
    )
    before, _ = tracker(tracker.start(), IMAGE)
    kept = jax.tree.map(np.copy, before)
    oracle.world[:] = [at(104), at(290)]
    after, faces = tracker(before, IMAGE)
    for left, right in zip(jax.tree.leaves(before), jax.tree.leaves(kept), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (after.tracks.points != before.tracks.points).any()
    again, same = tracker(before, IMAGE)
    for left, right in zip(jax.tree.leaves(after), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(same.points, faces.points)


def test_smoothed_points_lag_and_the_tracks_do_not():
    oracle = Oracle([at(100)])
    tracker = Tracker(
        predictor=oracle, detect=lambda image: boxes(oracle.world), smoothing=OneEuro()
    )
    state, faces = tracker(tracker.start(), IMAGE)
    np.testing.assert_array_equal(faces.points[0], at(100))
    oracle.world[:] = [at(104)]
    state, faces = tracker(state, IMAGE)
    lag = at(104) - faces.points[0]
    assert (lag[:, 0] > 0.1).all() and (lag[:, 0] < 4).all()
    np.testing.assert_array_equal(state.tracks.points[0], at(104))


def test_tracking_is_the_predictor_around_the_last_shapes(generator):
    predictor = Predictor(tiny.make_params(), tiny.CONFIG)
    image = generator.integers(0, 256, (60, 80), np.uint8)
    box = np.array([[15, 10, 55, 50]])
    tracker = Tracker(predictor=predictor, detect=lambda image: box, min_score=0.0)
    state, faces = tracker(tracker.start(), image)
    expected = predictor(image, box)
    np.testing.assert_array_equal(faces.points, expected.points)
    np.testing.assert_array_equal(faces.num_steps, expected.num_steps)
    afresh = state._replace(tracks=state.tracks._replace(afresh=np.array([True])))
    _, second = tracker(afresh, image)
    expected = predictor.look(image, predictor.frames_around(faces.points)).faces
    np.testing.assert_allclose(second.points, expected.points, atol=1e-3)


def tilted(degrees, x=200):
    return (turned(FACE, np.deg2rad(degrees)) + [x, 100]).astype(np.float32)


def test_a_head_that_tilts_gets_a_new_anchor_every_20_degrees():
    film = [[tilted(degrees)] for degrees in (0, 9, 15, 19, 24, 30, 40, 46, 50)]
    answers, _ = follow(film, detect_every=100)
    for faces, (shape,) in zip(answers, film, strict=True):
        np.testing.assert_array_equal(faces.ids, [0])
        np.testing.assert_array_equal(faces.points[0], shape)
    # Two steps of the oracle are a start from the mean shape. At 24 degrees the upright
    # anchor is too far off, so the next frame makes one of 24 degrees, good up to 44.
    steps = [int(faces.num_steps[0]) for faces in answers]
    assert steps == [2, 1, 1, 1, 1, 2, 1, 1, 2]


@pytest.mark.slow
def test_a_tilted_face_is_followed_as_exactly_as_an_upright_one():
    predictor = load_predictor(preset="fast")
    assert predictor.config.max_looks == 3
    image, box = data.astronaut(), np.array([179, 86, 271, 178])
    upright = predictor(image, box).points[0]
    eyes = np.linalg.norm(upright[36] - upright[45])
    state, off, number = None, [], 0
    tracker = Tracker(predictor=predictor, detect=lambda image: seen[2][None])
    for number, degrees in enumerate(range(0, 64, 4)):
        seen = turn_photo(image, upright, box, degrees=degrees, reach=150)
        state, faces = tracker(state if number else tracker.start(), seen[0])
        np.testing.assert_array_equal(faces.ids, [0])
        off.append(np.linalg.norm(faces.points[0] - seen[1], axis=-1).mean() / eyes)
    assert max(off) < 0.03


@pytest.mark.slow
def test_a_still_picture_keeps_its_landmarks():
    predictor = load_predictor(preset="fast")
    image, box = data.astronaut(), np.array([[179, 86, 271, 178]])
    tracker = Tracker(predictor=predictor, detect=lambda image: box).compile()
    state, first = tracker(tracker.start(), image)
    np.testing.assert_array_equal(first.points, predictor(image, box).points)
    eyes = np.linalg.norm(first.points[0, 36] - first.points[0, 45])
    steps = []
    for _ in range(8):
        state, faces = tracker(state, image)
        steps.append(int(faces.num_steps[0]))
        away = np.linalg.norm(faces.points - first.points, axis=-1).mean()
        assert away < 0.02 * eyes
    assert np.mean(steps) < first.num_steps[0]


def test_plausibility_is_a_half_at_one_step_more_than_in_training():
    training = tiny.CONFIG.num_steps
    steps = np.array([training, training + 1, training + 9, 1000], np.int32)
    points = np.zeros((5, 68, 2), np.float32)
    points[4] = np.nan
    faces = Faces(points, np.append(steps, 1), *[None] * 6)
    scores = plausibility(faces, config=tiny.CONFIG)
    expected = [1 / (1 + np.exp(-1)), 0.5, 1 / (1 + np.exp(8)), 0, 0]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_settings_that_make_no_sense_are_told():
    with pytest.raises(ValueError, match="detect_every must be at least 1"):
        Tracker(predictor=Oracle([]), detect=boxes, detect_every=0)


@pytest.mark.parametrize(
    "changes", [{"max_steps": 1}, {"tolerance": 0.0}], ids=["steps", "tolerance"]
)
def test_a_model_that_cannot_tell_faces_by_steps_is_refused(changes):
    few = changes | ({"num_steps": 1} if "max_steps" in changes else {})
    blind = Oracle([], dataclasses.replace(tiny.CONFIG, **few))
    with pytest.raises(ValueError, match="tells faces from what is none by the steps"):
        Tracker(predictor=blind, detect=boxes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tolerance": 0.02}, 0.24),  # twelve times as much
        ({"tolerance": 0.19}, 12 * 0.00383 * 68**0.5),  # what a run has measured so
        ({"tolerance": 0.19, "increment_norm": "mean_point"}, 12 * 0.00383),
    ],
)
def test_a_loose_model_is_tracked_no_more_loosely(changes, expected):
    """By the tolerance at which a frame that goes on from an anchor may stop."""
    model = dataclasses.replace(tiny.CONFIG, max_steps=8, **changes)
    asked = []

    class Asked(Predictor):
        def resume(self, crops, frames, *, start=None):
            asked.append(self.config.tolerance)
            return super().resume(crops, frames, start=start)

    tracker = Tracker(
        predictor=Asked(tiny.make_params(output=0.02), model),
        detect=lambda image: np.array([[60.0, 60, 140, 140]]),
        min_score=0.0,
    )
    image = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    state, _ = tracker(tracker.start(), image)
    tracker(state, image)
    np.testing.assert_allclose(asked, [expected])


@pytest.mark.parametrize("found", [np.zeros((4, 5)), np.zeros(5), np.zeros((2, 3))])
def test_what_a_detector_must_not_give_is_told(found):
    tracker = Tracker(predictor=Oracle([at(100)]), detect=lambda image: found)
    with pytest.raises(ValueError, match=r"the detector must give boxes \[faces, 4\]"):
        tracker(tracker.start(), IMAGE)
