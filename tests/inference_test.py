"""Photos and boxes in, landmarks out: by hand where nothing is learned yet."""

import dataclasses
import functools

import jax
import jax.monitoring
import numpy as np
import pytest
import tiny
from tiny import CONFIG

import rcsr_jax
from rcsr_jax.answers import predict_adaptive
from rcsr_jax.config import RunConfig
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.geometry import Frame, frames_at
from rcsr_jax.inference import Predictor, load_predictor
from rcsr_jax.pieces import piece_sizes, platform_of

MEAN_SHAPE = tiny.mean_shape()
BOXES = np.array([[60, 80, 180, 210], [100, 60, 150, 120], [20.5, 30.5, 220, 230]])


@functools.cache
def fresh() -> Predictor:
    """Nothing is learned yet: the answer is the mean shape."""
    return Predictor(tiny.make_params(output=0), CONFIG)


@functools.cache
def moving() -> Predictor:
    """The answer depends on the picture."""
    return Predictor(tiny.make_params(), CONFIG)


@functools.cache
def photo() -> np.ndarray:
    return draw_face(5, 0).image


def noise_crops(count: int) -> np.ndarray:
    levels = np.random.default_rng(2).integers(0, 256, (count, 8, 8), dtype=np.uint8)
    return np.kron(levels, np.ones((4, 4), np.uint8))


def frames_of(count: int) -> Frame:
    corner = np.arange(2.0 * count).reshape(count, 2)
    return Frame(corner, np.linspace(0.5, 2, count))


def test_a_fresh_model_puts_the_mean_shape_into_the_box():
    faces = fresh()(photo(), [60, 80, 180, 210])
    # 1.5 mean sides of 125 px on 32 crop px, around the middle of the box
    scale = 1.5 * 125 / 32
    expected = (MEAN_SHAPE - 15.5) * scale + [120, 145]
    np.testing.assert_allclose(faces.points[0], expected, atol=1e-3)
    np.testing.assert_allclose(faces.trajectory[:, 0], [expected] * 4, atol=1e-3)
    np.testing.assert_array_equal(faces.num_steps, [1])
    np.testing.assert_array_equal(faces.settled, [True])
    np.testing.assert_allclose(faces.spread, 0, atol=1e-4)


def test_shapes_and_types_of_an_answer():
    faces = moving()(photo(), BOXES)
    assert faces.points.shape == (3, 68, 2) and faces.points.dtype == np.float32
    assert faces.num_steps.shape == (3,) and faces.num_steps.dtype == np.int32
    assert faces.settled.shape == (3,) and faces.settled.dtype == bool
    assert faces.trajectory.shape == (4, 3, 68, 2)
    assert faces.trajectory.dtype == np.float32
    assert faces.spread.shape == (3, 68) and faces.spread.dtype == np.float32


def test_the_answer_is_the_pure_functions_in_photo_pixels():
    crops, frames = moving().crops(photo(), BOXES)
    pure = rcsr_jax.predict(moving().params, crops, config=CONFIG, num_steps=3)
    faces = moving()(photo(), BOXES, num_steps=3)
    expected = (
        np.asarray(pure.points, np.float64) * frames.scale[:, None, None]
        + frames.corner[:, None]
    )
    np.testing.assert_allclose(faces.points, expected, atol=5e-3)
    assert np.abs(np.asarray(pure.points) - MEAN_SHAPE).max() > 1  # it did move


def test_one_box_is_a_list_of_one():
    one, listed = moving()(photo(), BOXES[0]), moving()(photo(), BOXES[:1])
    for left, right in zip(one, listed, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("num_steps", [None, 3])
@pytest.mark.parametrize("boxes", [np.zeros((0, 4)), []])
def test_no_box_gives_no_face(boxes, num_steps):
    faces = moving()(photo(), boxes, num_steps=num_steps)
    assert faces.points.shape == (0, 68, 2)
    assert faces.num_steps.shape == faces.settled.shape == (0,)
    assert faces.trajectory.shape == (num_steps or 4, 0, 68, 2)
    assert faces.spread.shape == (0, 68)


def test_a_prediction_is_resumed_in_pieces():
    crops, frames = noise_crops(3), frames_of(3)
    faces, estimate = moving().resume(crops, frames)
    direct = moving().from_crops(crops, frames)
    np.testing.assert_array_equal(faces.points, direct.points)
    np.testing.assert_array_equal(faces.spread, direct.spread)
    on, after = moving().resume(crops, frames, start=estimate)
    pure = predict_adaptive(moving().params, crops, config=CONFIG, start=estimate)
    np.testing.assert_allclose(after.points, pure.points, atol=1e-3)
    np.testing.assert_allclose(after.hidden, pure.hidden, atol=1e-4)
    once = on.num_steps == 1
    moved = np.linalg.norm(on.points - faces.points, axis=-1)
    np.testing.assert_allclose(on.spread[once], moved[once], atol=1e-3)


def test_few_programs_are_compiled_for_any_number_of_faces():
    other = dataclasses.replace(CONFIG, tolerance=0.0123)  # programs of its own
    predictor = Predictor(moving().params, other)
    before = predict_adaptive._cache_size()
    counts = (0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 33, 63, 64, 65, 70)
    for count in counts:
        found = predictor.from_crops(noise_crops(count), frames_of(count))
        assert len(found.points) == count
    platform = platform_of(predictor.params)
    sizes = {size for count in counts for size in piece_sizes(count, platform=platform)}
    assert predict_adaptive._cache_size() - before == len(sizes) <= 5


def test_a_new_number_of_faces_compiles_nothing_beside_the_pieces(caplog):
    predictor = Predictor(tiny.make_params(), tiny.CONFIG).compile((1, 2, 4))
    image, box = np.zeros((60, 80), np.uint8), np.array([15.0, 10, 55, 50])
    with jax.log_compiles(), caplog.at_level("WARNING"):
        for count in (1, 3, 5, 7):
            predictor(image, np.tile(box, (count, 1)))
    told = [record.getMessage() for record in caplog.records]
    assert [message for message in told if message.startswith("Compiling")] == []


@pytest.mark.parametrize("num_steps", [None, 3])
def test_an_answer_does_not_depend_on_batch_mates(num_steps):
    crops, frames = noise_crops(70), frames_of(70)
    together = moving().from_crops(crops, frames, num_steps=num_steps)
    if num_steps is None:
        assert len(set(together.num_steps.tolist())) > 1  # some settle before others
    for face in (0, 33, 63, 64, 69):
        here = slice(face, face + 1)
        alone = moving().from_crops(
            crops[here],
            Frame(frames.corner[here], frames.scale[here]),
            num_steps=num_steps,
        )
        assert alone.num_steps[0] == together.num_steps[face]
        assert alone.settled[0] == together.settled[face]
        np.testing.assert_allclose(alone.points[0], together.points[face], atol=1e-3)
        np.testing.assert_allclose(
            alone.trajectory[:, 0], together.trajectory[:, face], atol=1e-3
        )


def test_a_grey_photo_is_its_colour_twin():
    grey = photo()[..., 1]
    left = moving()(grey, BOXES)
    right = moving()(np.repeat(grey[..., None], 3, axis=-1), BOXES)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


def test_photo_and_box_shifted_together_shift_the_answer():
    canvas = np.random.default_rng(3).integers(0, 256, (40, 50), dtype=np.uint8)
    canvas = np.kron(canvas, np.ones((8, 8), np.uint8))  # 320 x 400
    box = np.array([120, 100, 196, 170.0])
    whole = moving()(canvas, box, num_steps=3)
    part = moving()(canvas[30:, 17:], box - [17, 30, 17, 30], num_steps=3)
    np.testing.assert_allclose(part.points + [[[17, 30]]], whole.points, atol=1e-2)


def test_the_spread_is_the_movement_of_the_last_step():
    crops, frames = noise_crops(16), frames_of(16)
    faces = moving().from_crops(crops, frames)
    start = MEAN_SHAPE * frames.scale[:, None, None] + frames.corner[:, None]
    shapes = np.concatenate([start[None], faces.trajectory])
    for face, taken in enumerate(faces.num_steps):
        moved = shapes[taken, face] - shapes[taken - 1, face]
        np.testing.assert_allclose(
            faces.spread[face], np.hypot(*moved.T), rtol=1e-4, atol=1e-4
        )
        np.testing.assert_array_equal(faces.points[face], faces.trajectory[-1, face])
    assert faces.spread.max() > 0.1


@pytest.mark.parametrize("num_steps", [1, 3])
def test_a_fixed_number_of_steps_is_taken(num_steps):
    faces = moving()(photo(), BOXES, num_steps=num_steps)
    np.testing.assert_array_equal(faces.num_steps, [num_steps] * 3)
    assert len(faces.trajectory) == num_steps
    longest = moving()(photo(), BOXES, num_steps=3).trajectory
    np.testing.assert_allclose(faces.points, longest[num_steps - 1], atol=1e-2)


def test_each_crop_has_a_frame():
    predictor = moving()
    crops, frames = predictor.crops(photo(), BOXES)
    for call in (predictor.from_crops, predictor.resume):
        with pytest.raises(ValueError, match="got 2 crops and 3 frames"):
            call(crops[:2], frames)
        with pytest.raises(ValueError, match=r"of one face as well; got \(32, 32\)"):
            call(crops[0], frames_at(frames, slice(1)))


def test_the_frame_of_a_single_face_will_do():
    predictor = moving()
    crops, frames = predictor.crops(photo(), BOXES[:1])
    single = frames_at(frames, 0)
    assert np.ndim(single.scale) == 0
    np.testing.assert_array_equal(predictor.cut(photo(), single), crops)
    expected = predictor.from_crops(crops, frames).points
    for faces in (
        predictor.from_crops(crops, single),
        predictor.resume(crops, single)[0],
    ):
        np.testing.assert_array_equal(faces.points, expected)


def test_traced_photos_and_boxes_are_told_what_takes_them():
    predictor = moving()
    with pytest.raises(ValueError, match="inside them call rcsr_jax.predict"):
        jax.jit(lambda image: predictor(image, BOXES).points)(photo())
    with pytest.raises(ValueError, match="inside them cut with rcsr_jax.crop_faces"):
        jax.jit(lambda boxes: predictor(photo(), boxes).points)(BOXES)


def test_a_predictor_is_like_no_other_and_short_to_read():
    predictor = moving()
    other = dataclasses.replace(predictor)
    assert predictor == predictor and predictor != other
    assert len({predictor, predictor, other}) == 2
    assert repr(predictor) == "Predictor(68 landmarks of '68', crops of 32 px)"


def test_a_predictor_takes_the_settings_of_a_model():
    with pytest.raises(
        ValueError, match="config must be a ModelConfig, .* got RunConfig"
    ):
        Predictor(tiny.make_params(), RunConfig(model=CONFIG))
    with pytest.raises(ValueError, match="params must hold 'network' and 'mean_shape'"):
        Predictor(tiny.make_params()["network"], CONFIG)


def test_an_answer_is_short_to_read():
    faces = moving()(photo(), BOXES[:2])
    scores = ", ".join(f"{score:.2f}" for score in faces.score)
    assert repr(faces) == f"Faces(2 of 68 landmarks, score [{scores}])"
    assert repr(moving()(photo(), [])) == "Faces(0 of 68 landmarks, score [])"
    assert repr(jax.tree.map(np.shape, faces)).startswith("((2, 68, 2), (2,), ")
    assert repr(jax.tree.map(lambda leaf: leaf[0], faces)).startswith("(array([[")


@pytest.mark.parametrize("num_faces", [0, 1, 2, 3])
def test_an_answer_can_be_written_to(num_faces):
    faces = moving()(photo(), BOXES[:1].repeat(num_faces, axis=0))
    for field in faces:
        field[:] = 0


def test_the_first_shape_is_moved_like_all_behind_it():
    config = dataclasses.replace(CONFIG, annotation_shift=(0.01, -0.02))
    predictor = Predictor(tiny.make_params(output=0), config)
    crops, frames = predictor.crops(photo(), BOXES)
    # nothing is learned yet: all steps stay where they began
    first = predictor.first_shapes(frames)
    found = predictor.from_crops(crops, frames)
    np.testing.assert_allclose(first, found.points, atol=1e-3)
    np.testing.assert_allclose(found.spread, 0, atol=1e-3)
    apart = first - fresh().first_shapes(frames)
    eyes = np.linalg.norm(first[:, 45] - first[:, 36], axis=-1)
    expected = eyes[:, None, None] * np.array([0.01, -0.02])
    np.testing.assert_allclose(apart, np.broadcast_to(expected, apart.shape), atol=1e-3)


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="num_steps must be at least 1; got 0"):
        moving()(photo(), BOXES, num_steps=0)


def test_what_stands_for_a_picture_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"not a path: rcsr_jax.load_image\('a.jpg'\)"):
        fresh()("a.jpg", [10, 10, 60, 60])
    with pytest.raises(ValueError, match="outside of jit.*call rcsr_jax.predict with"):
        jax.jit(lambda image: fresh()(image, BOXES).points)(photo())
    for item in (photo(), "a.jpg", (photo(),)):
        with pytest.raises(
            ValueError, match=r"a stream takes \(image, boxes\), or fun"
        ):
            list(fresh().stream([item]))


@pytest.mark.parametrize(
    "box", [[-30, -40, 90, 100], [-40, 10, -0.4, 60], [139, 20, 180, 70]]
)
def test_a_box_partly_outside_is_answered(box):
    assert np.isfinite(moving()(photo()[:, :140], box).points).all()


def same(left, right):
    for one, other in zip(left, right, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        np.testing.assert_allclose(one, other, atol=1e-2)


def photos() -> list[tuple[np.ndarray, np.ndarray]]:
    """A few photos with 0 to 11 faces."""
    counts = [1, 3, 0, 2, 11, 1, 0, 0, 1, 1]
    boxes = np.random.default_rng(0).uniform(60, 80, (11, 4)) + [0, 0, 60, 60]
    return [
        (draw_face(5, index).image, boxes[:count]) for index, count in enumerate(counts)
    ]


@pytest.mark.parametrize("num_steps", [None, 2])
@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_a_stream_answers_as_the_calls_do(batch_size, num_steps):
    items = [  # half of them are loaded on the threads
        (lambda pair=pair: pair) if index % 2 else pair
        for index, pair in enumerate(photos())
    ]
    found = list(moving().stream(items, num_steps=num_steps, batch_size=batch_size))
    assert len(found) == len(items)
    for faces, (image, boxes) in zip(found, photos(), strict=True):
        same(faces, moving()(image, boxes, num_steps=num_steps))


def test_a_broken_photo_of_a_stream_is_its_own_answer():
    def torn():
        raise OSError("torn.png is torn")

    items = [*photos()[:2], torn, (photo(), [9, 9, 1, 1]), (photo(), BOXES)]
    found = list(moving().stream(items, return_exceptions=True))
    assert [len(faces.points) for faces in found[:2]] == [1, 3]
    assert isinstance(found[2], OSError) and str(found[2]) == "torn.png is torn"
    assert isinstance(found[3], ValueError) and "(9, 9, 1, 1)" in str(found[3])
    same(found[4], moving()(photo(), BOXES))
    raising = moving().stream(items)
    assert [len(next(raising).points) for _ in range(2)] == [1, 3]
    with pytest.raises(OSError, match="torn.png is torn"):
        next(raising)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"num_threads": 0}])
def test_a_stream_of_nothing_at_once_is_refused(options):
    with pytest.raises(ValueError, match="must be at least 1; got .*0"):
        moving().stream([], **options)


@pytest.mark.parametrize("num_steps", [None, 3])
def test_nothing_is_compiled_after_compile(num_steps):
    config = dataclasses.replace(CONFIG, tolerance=0.0321)  # programs of its own
    made = []

    def note(name, duration, **_):
        if name.endswith("backend_compile_duration"):
            made.append(name)

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        predictor = Predictor(moving().params, config)
        assert predictor.compile((1, 3), num_steps=num_steps) is predictor
        assert len(made) == 3  # 0, 1 and 2: a CPU takes three faces as two and one
        for boxes in (BOXES[0], BOXES, BOXES[:2], BOXES[1:2], BOXES[:0]):
            predictor(photo(), boxes, num_steps=num_steps)
            predictor(photo()[..., 0], boxes, num_steps=num_steps)
        list(
            predictor.stream([(photo(), BOXES)] * 3, num_steps=num_steps, batch_size=3)
        )
        assert len(made) == 3
        predictor(photo(), np.tile(BOXES, (3, 1)), num_steps=num_steps)
        assert len(made) == 4  # the test sees what was not compiled beforehand
    finally:
        jax.monitoring.unregister_event_duration_listener(note)


@pytest.mark.parametrize("batches", [2, (-1,), (0,), (1.5,), (), np.zeros(0, int)])
def test_what_is_no_number_of_faces_is_not_compiled(batches):
    with pytest.raises(ValueError, match=r"batches must be like \(1, 8\); got"):
        moving().compile(batches)


def test_parameters_are_put_on_the_device_once():
    predictor = Predictor(tiny.make_params(), CONFIG)
    leaves = jax.tree.leaves(predictor.params)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    again = Predictor(predictor.params, CONFIG)
    for leaf, kept in zip(leaves, jax.tree.leaves(again.params), strict=True):
        assert leaf.unsafe_buffer_pointer() == kept.unsafe_buffer_pointer()


@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_what_is_no_checkpoint_is_one_clear_error(what, tmp_path):
    path = tmp_path / what
    if what == "empty":
        path.mkdir()
    elif what == "file":
        path.write_text("weights")
    message = "does not exist" if what == "missing" else "is no checkpoint"
    with pytest.raises(ValueError, match=f"{what} {message}: give .* rcsr-train"):
        load_predictor(path)
