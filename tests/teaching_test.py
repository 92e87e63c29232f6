"""Taught landmarks: shares, who is left out and who keeps his own."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from rcsr_jax.experiments import prepare
from three import THREE

from rcsr_jax.checkpoint import load_params, write_model
from rcsr_jax.config import replace_fields
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.held_out import hold_out
from rcsr_jax.markup import Markup
from rcsr_jax.teaching import Teaching, teach
from rcsr_jax.weights import model_source

MARKUP = Markup(name="4", mirror=(1, 0, 2, 3), eye_corners=(0, 1), eyes=((0,), (1,)))
SHAPE = np.float32([[10, 10], [30, 10], [20, 22], [20, 30]])  # eyes 20 apart
IMAGE = np.zeros((40, 40), np.uint8)


def face(name, points):
    return Source(
        name, lambda: (IMAGE, np.float32(points), np.float32([0, 0, 39, 39])), "1"
    )


class Teacher:
    """Answers with what it is told to, photo by photo."""

    config = SimpleNamespace(markup=MARKUP)

    def __init__(self, *answers):
        self.answers = answers

    def crops(self, image, boxes):
        assert image.shape == (40, 40) and boxes.shape == (1, 4)

    def stream(self, items, *, return_exceptions):
        assert return_exceptions
        for item, answer in zip(items, self.answers, strict=True):
            image, boxes = item()
            assert image.shape == (40, 40) and boxes.shape == (1, 4)
            if isinstance(answer, Exception):
                yield answer
            else:
                points, score = answer
                yield SimpleNamespace(points=np.float32([points]), score=[score])


def points_of(source):
    return source.load()[1]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_landmarks_lie_between_both(share):
    (source,), refused = teach(
        [face("a", SHAPE)], [Teacher((SHAPE + 4, 0.9))], teaching=Teaching(share=share)
    )
    np.testing.assert_allclose(points_of(source), SHAPE + 4 * share, atol=1e-5)
    assert points_of(source).dtype == np.float32 and refused == ()
    image, _, box = source.load()
    assert image is IMAGE and box.tolist() == [0, 0, 39, 39]


def test_a_placed_shape_keeps_the_annotator_s_form():
    seen = 1.1 * SHAPE + 3
    teaching = Teaching(share=0.0, place=True)
    teacher = Teacher((seen, 1.0))
    ((source,), _) = teach([face("a", SHAPE)], [teacher], teaching=teaching)
    np.testing.assert_allclose(points_of(source), seen, atol=1e-4)


def test_who_is_left_out_and_why():
    names = ("far", "doubtful", "broken", "good")
    answers = [(SHAPE + 8, 0.9), (SHAPE, 0.2), ValueError("torn"), (SHAPE + 2, 0.9)]
    seen = []
    (good,), refused = teach(
        [face(name, SHAPE) for name in names],
        [Teacher(*answers)],
        teaching=Teaching(most_apart=0.3, min_score=0.5),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert good.name == "good"
    np.testing.assert_allclose(points_of(good), SHAPE + 1)
    assert [name for name, _ in refused] == ["far", "doubtful", "broken"]
    # 8 sqrt(2) pixels of 20
    assert "0.566 eye distances" in refused[0].reason
    assert "score is 0.20" in refused[1].reason and refused[2].reason == "torn"
    assert seen == [(n, 4) for n in range(1, 5)]


def test_who_will_be_held_out_keeps_the_annotation():
    names = [f"{part}/photo {i}.png" for part in "ab" for i in range(40)]
    first = set(hold_out(names, count=9)[1])
    # half of b's pupils are refused, so that a gives more of those who are held out
    scores = [0.2 if n[0] == "b" and i % 2 else 0.9 for i, n in enumerate(names)]
    # to either side, so that the annotation is not shifted as a whole
    answers = [
        (SHAPE + (2 if i % 4 < 2 else -2), score)
        for i, (name, score) in enumerate(zip(names, scores, strict=True))
        if name not in first
    ]
    sources, refused = teach(
        [face(name, SHAPE) for name in names],
        [Teacher(*answers)],
        teaching=Teaching(min_score=0.5),
        validation_faces=9,
    )
    used = [source.name for source in sources]
    held = set(hold_out(used, count=9)[1])
    assert len(refused) > 10 and held - first  # others than before
    for source in sources:
        own = source.name in held | first
        moved = np.abs(points_of(source) - SHAPE)
        np.testing.assert_allclose(moved, 0 if own else 1, atol=0 if own else 0.2)


def test_a_torn_photo_is_held_out_by_nobody():
    """Another one is in its place then, which keeps its annotation as well."""

    def torn():
        raise OSError("torn")

    names = [f"photo {i}.png" for i in range(20)]
    first = hold_out(names, count=4)[1]
    faces = [face(name, SHAPE) for name in names if name != first[0]]
    sources, refused = teach(
        [Source(first[0], torn, "1"), *faces],
        [Teacher(*[(SHAPE + 2 * (-1) ** i, 0.9) for i in range(16)])],
        teaching=Teaching(),
        validation_faces=4,
    )
    assert [(f.name, f.reason) for f in refused] == [(first[0], "torn")]
    held = hold_out([source.name for source in sources], count=4)[1]
    assert len(set(held) - set(first)) == 1
    own = [s.name for s in sources if np.array_equal(points_of(s), SHAPE)]
    assert sorted(own) == sorted(held)


@pytest.mark.parametrize("count", [30, 12])
def test_annotation_that_is_shifted_in_all_faces_is_moved_back(count):
    answers = [(SHAPE + [-3, 1] + 0.1 * (-1) ** i, 0.9) for i in range(count)]
    sources, _ = teach(
        [face(str(i), SHAPE) for i in range(count)],
        [Teacher(*answers)],
        teaching=Teaching(share=0.5, most_apart=0.2),
    )
    # a dozen faces are too few to tell a shift of all from those of each
    share = 1.0 if count > 20 else 0.5
    expected = SHAPE + share * np.array([-3, 1])
    for source in sources:
        np.testing.assert_allclose(points_of(source), expected, atol=0.06)


def test_what_is_not_annotated_is_no_distance():
    shape = SHAPE.copy()
    shape[3] = np.nan
    teacher = Teacher((SHAPE + 2, 0.9))
    for share, last in ((0.5, [np.nan] * 2), (1.0, SHAPE[3] + 2)):
        ((source,), _) = teach(
            [face("a", shape)],
            [teacher],
            teaching=Teaching(share=share, most_apart=0.15),
        )
        np.testing.assert_allclose(points_of(source)[:3], SHAPE[:3] + 2 * share)
        np.testing.assert_allclose(points_of(source)[3], last)
    _, (refusal,) = teach(
        [face("a", shape)], [teacher], teaching=Teaching(most_apart=0.14)
    )
    assert "0.141 eye distances" in refusal.reason  # sqrt(8) pixels of 20


def test_several_teachers_say_the_mean_of_their_answers():
    one, other = Teacher((SHAPE + 2, 0.9)), Teacher((SHAPE + [6, -2], 0.5))
    ((source,), _) = teach(
        [face("a", SHAPE)], [one, other], teaching=Teaching(share=0.5, min_score=0.65)
    )
    np.testing.assert_allclose(points_of(source), SHAPE + [2, 0], atol=1e-5)
    # a mean score of 0.7, and a mean answer that is 4 of 20 pixels away
    for strict, reason in (
        (Teaching(min_score=0.75), "0.70"),
        (Teaching(most_apart=0.1), "0.200"),
    ):
        sources, (refusal,) = teach([face("a", SHAPE)], [one, other], teaching=strict)
        assert not sources and reason in refusal.reason
    # one of them has no answer: then there is no mean
    broken = Teacher(ValueError("torn"))
    sources, (refusal,) = teach([face("a", SHAPE)], [one, broken], teaching=Teaching())
    assert not sources and refusal.reason == "torn"
    with pytest.raises(ValueError, match="^a: torn$"):
        teach([face("a", SHAPE)], [one, broken], teaching=Teaching(), strict=True)
    # what the teacher leaves out is no broken photo
    left_out = teach(
        [face("a", SHAPE)], [one], teaching=Teaching(min_score=1), strict=True
    )
    assert not left_out.sources
    with pytest.raises(ValueError, match="without a teacher"):
        teach([face("a", SHAPE)], [], teaching=Teaching())


def test_other_goals_are_other_faces_to_a_cache():
    plain = face("a", SHAPE)
    stamps = {plain.stamp}
    for move in (0, 1, 2):
        teacher = Teacher((SHAPE + move, 1.0))
        ((source,), _) = teach([plain], [teacher], teaching=Teaching())
        stamps.add(source.stamp)
    assert len(stamps) == 4


def test_faults_of_the_machine_and_impossible_shares_are_raised():
    with pytest.raises(MemoryError):
        teach([face("a", SHAPE)], [Teacher(MemoryError())], teaching=Teaching())
    for share in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="share must be from 0 to 1; got"):
            Teaching(share=share)
    with pytest.raises(ValueError, match="min_score must be from 0 to 1; got nan"):
        Teaching(min_score=np.nan)
    with pytest.raises(ValueError, match="most_apart must be at least 0; got nan"):
        Teaching(most_apart=np.nan)


def test_where_too_few_remain_the_reason_is_told():
    faces = [face(f"{i}.png", SHAPE) for i in range(6)]
    first = set(hold_out([f.name for f in faces], count=2)[1])
    answers = [(SHAPE, 0.2) for f in faces if f.name not in first]
    with pytest.raises(
        ValueError, match=r"4 faces were left out, .*score is 0\.20: of"
    ):
        teach(
            faces,
            [Teacher(*answers)],
            teaching=Teaching(min_score=0.5),
            validation_faces=2,
        )


def test_a_teacher_is_as_sure_as_the_model(tmp_path):
    """Or faces that it is not sure of would be kept."""
    params, run = load_params(model_source(preset="fast"))
    measured = {"error_scale": 1.8, "annotation_shift": (0.009, 0.001)}
    model = dataclasses.replace(run.model, **measured)
    write_model(tmp_path / "model", params=params, config=replace_fields(run, measured))
    teacher = prepare._teacher(str(tmp_path / "model"), model).config
    assert teacher.error_scale == 1.8 and teacher.annotation_shift == (0, 0)
    changed = {"annotation_shift": (0.0, 0.0), "mirror_average": True}
    assert teacher == dataclasses.replace(model, **changed)


def test_teachers_of_other_landmarks_are_told_apart():
    other = Teacher((SHAPE[:3], 1.0))
    other.config = SimpleNamespace(markup=THREE)
    with pytest.raises(ValueError, match="same landmarks; got those of 4 and of three"):
        teach([face("a", SHAPE)], [Teacher(), other], teaching=Teaching())
    taught = teach([face("a", SHAPE)], [other], teaching=Teaching())
    (refused,) = taught.refused
    assert refused.reason == "4 landmarks are annotated, the teacher finds 3"
