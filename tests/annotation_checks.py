"""What must become of a hostile annotation file: these points, faces or problems."""

import numpy as np

from rcsr_jax.data.names import name_problem

NAN = float("nan")
NAME = "its name has control characters or is no UTF-8; rename it"
TEXT = "not a text file in UTF-8"
LIST = "not a list of points"
NUMBERS = "landmark 0 is not two numbers"
PAIR = "landmark 0 is not an x and a y"
PLACE = "landmark 0 is not two pixel positions or two nan"


def points(*wanted):
    """A check: these are the points."""

    def check(found):
        np.testing.assert_array_equal(found, np.array(wanted, np.float32))

    return check


def faces(*wanted, image=None, atol=0):
    """A check: each face has a problem that begins so, or these numbers.

    Args:
        *wanted: of each face a text, or its points, or its box where it has no points.
        image: the name of them all.
        atol: of the numbers, px.
    """

    def check(found):
        assert len(found) == len(wanted)
        for face, expected in zip(found, wanted, strict=True):
            assert image in (None, face.image)
            assert not name_problem(face.image) or face.problem
            if isinstance(expected, str):
                assert face.problem.startswith(expected), face.problem
                assert face.points is None and face.box is None
                assert len(face.problem) < 500
            else:
                assert face.problem == ""
                value = face.box if face.points is None else face.points
                np.testing.assert_allclose(np.ravel(value), expected, atol=atol)

    return check
