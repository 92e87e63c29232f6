"""Faces whose errors are known: one of five landmarks by hand, and random ones."""

import numpy as np

from rcsr_jax.markup import Markup

# Outer eye corners 0 and 3, inner corners 1 and 2, chin 4.
FIVE = Markup(
    name="five",
    mirror=(3, 2, 1, 0, 4),
    eye_corners=(0, 3),
    eyes=((0, 1), (2, 3)),
    regions=(("eyes", (0, 1, 2, 3)), ("chin", (4,))),
)
# Corners 100 px apart, pupils (at 20 and 80) 60 px apart, box 100 x 64 px: size 80 px.
FACE = np.array([[0, 0], [40, 0], [60, 0], [100, 0], [50, 64]], np.float32)
# Errors of 5, 0, 0, 0 and 10 px: 3 px on average.
GUESS = FACE + np.array([[3, 4], [0, 0], [0, 0], [0, 0], [-6, 8]], np.float32)


def random_faces(num_faces=7, num_points=68, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 200, (num_faces, num_points, 2)).astype(np.float32)
    guess = truth + rng.normal(0, 4, truth.shape).astype(np.float32)
    return guess, truth
