"""Random face shapes: 68 landmarks of a head that has an identity, a mood and a pose.

A head is a template of three-dimensional points in face units: x to the right of the
picture, y down, z towards the camera, the eyes at y = 0 and half the face width as 1.
Deformations act on the template, then the head is turned and projected to pixels.
The jaw is flatter than a skull, so that on a turned head its far side stays on the
visible outline, which is where people annotate it.
"""

from typing import NamedTuple

import numpy as np

from rcsr_jax.markup import FACE_68

MAX_YAW, MAX_PITCH, MAX_ROLL = 40.0, 20.0, 40.0  # degrees
_ROLL_SPREAD = 12.0

_LEFT_HALF = {
    0: [(-1.00, 0.00, -0.48), (-0.99, 0.26, -0.46), (-0.96, 0.52, -0.43)],
    3: [(-0.90, 0.78, -0.38), (-0.80, 1.04, -0.30), (-0.65, 1.28, -0.20)],
    6: [(-0.46, 1.48, -0.10), (-0.24, 1.61, -0.02), (0.00, 1.66, 0.02)],
    17: [(-0.82, -0.24, -0.17), (-0.70, -0.36, -0.08), (-0.54, -0.40, 0.00)],
    20: [(-0.37, -0.38, 0.06), (-0.21, -0.32, 0.09)],
    27: [(0.00, -0.03, 0.10), (0.00, 0.17, 0.22), (0.00, 0.36, 0.34)],
    30: [(0.00, 0.54, 0.44), (-0.24, 0.66, 0.14), (-0.12, 0.69, 0.17)],
    33: [(0.00, 0.72, 0.19)],
    36: [(-0.63, 0.02, -0.16), (-0.52, -0.08, -0.08), (-0.37, -0.08, -0.06)],
    39: [(-0.26, 0.03, -0.08), (-0.38, 0.075, -0.07), (-0.51, 0.08, -0.09)],
    48: [(-0.38, 1.06, -0.01), (-0.25, 0.98, 0.06), (-0.10, 0.935, 0.12)],
    51: [(0.00, 0.955, 0.14)],
    57: [(0.00, 1.21, 0.12), (-0.12, 1.19, 0.10), (-0.26, 1.14, 0.05)],
    60: [(-0.33, 1.06, 0.01), (-0.12, 1.045, 0.10), (0.00, 1.055, 0.12)],
    66: [(0.00, 1.07, 0.12), (-0.12, 1.067, 0.10)],
}
_CROWN = [(-1.03, -0.30, -0.45), (-0.98, -0.62, -0.40), (-0.80, -0.95, -0.30)]
_CROWN += [(-0.45, -1.20, -0.20), (0.00, -1.29, -0.15)]
_EARS = [(-1.06, 0.14, -0.60), (1.06, 0.14, -0.60)]
_NECK = [(-0.66, 1.05, -0.50), (0.66, 1.05, -0.50)]
_CENTRE = [(0.00, 0.15, -0.30)]

_POINTS, _CROWN_PART = slice(0, 68), slice(68, 77)
_EARS_PART, _NECK_PART = slice(77, 79), slice(79, 81)
_JAW, _NOSE, _MOUTH = slice(0, 17), slice(27, 36), slice(48, 68)
_BROWS = (slice(17, 22), slice(22, 27))
_EYES = (slice(36, 42), slice(42, 48))
_UPPER_EDGE, _LOWER_EDGE = [49, 50, 51, 52, 53], [55, 56, 57, 58, 59]
_UPPER_LIP, _LOWER_LIP = [*_UPPER_EDGE, 61, 62, 63], [*_LOWER_EDGE, 65, 66, 67]
_UPPER_LIDS, _LOWER_LIDS = ([37, 38], [43, 44]), ([41, 40], [47, 46])


class FaceShape(NamedTuple):
    """A face in the picture, before it is painted.

    Attributes:
        points: float64 [68, 2], the landmarks, (x, y) in pixels.
        crown: float64 [9, 2], the skull from the left temple over the top to the right.
        ears: float64 [2, 2], the middle of the left and the right ear.
        neck: float64 [2, 2], where the neck meets the head.
        centre: float64 [2], the middle of the head.
        unit: pixels in half of a face width.
        yaw: degrees; positive turns the nose to the right of the picture.
        pitch: degrees; positive turns the nose down.
        roll: degrees; positive turns the face clockwise.
    """

    points: np.ndarray
    crown: np.ndarray
    ears: np.ndarray
    neck: np.ndarray
    centre: np.ndarray
    unit: float
    yaw: float
    pitch: float
    roll: float

    @property
    def down(self) -> np.ndarray:
        """float64 [2], the unit vector from forehead to chin, pose left aside."""
        roll = np.deg2rad(self.roll)
        return np.array([-np.sin(roll), np.cos(roll)])

    @property
    def across(self) -> np.ndarray:
        """float64 [2], the unit vector from the left to the right of the face."""
        roll = np.deg2rad(self.roll)
        return np.array([np.cos(roll), np.sin(roll)])


def _template() -> np.ndarray:
    head = np.zeros((68, 3))
    for first, rows in _LEFT_HALF.items():
        for index, row in enumerate(rows, start=first):
            twin = FACE_68.mirror[index]
            head[index], head[twin] = row, (-row[0], row[1], row[2])
            if twin == index:
                head[index, 0] = 0.0
    crown = [*_CROWN, *((-x, y, z) for x, y, z in _CROWN[-2::-1])]
    return np.concatenate([head, crown, _EARS, _NECK, _CENTRE])


_TEMPLATE = _template()


def _scale(
    head: np.ndarray, part: slice, axis: int, by: float, about: float = 0.0
) -> None:
    head[part, axis] = about + (head[part, axis] - about) * by


def _vary_identity(head: np.ndarray, rng: np.random.Generator) -> None:
    draws = iter(np.clip(rng.normal(size=30), -2.0, 2.0))

    def vary(spread: float) -> float:
        return spread * next(draws)

    along = np.linspace(-1.0, 1.0, 17)  # the jaw from ear to ear, the chin at 0
    corner = np.sin(np.pi * along) ** 2  # largest at the two jaw angles
    head[_JAW, 0] *= 1 + vary(0.08) * (1 - along**2) ** 0.5 + vary(0.05) * corner
    head[_JAW, 1] += vary(0.06) * corner + vary(0.07) * (1 - along**2) ** 2
    _scale(head, _CROWN_PART, 1, 1 + vary(0.07), -0.2)

    stretch = 1 + vary(0.09)
    head[_MOUTH, 1] += 0.6 * (stretch - 1) + vary(0.03)
    _scale(head, _NOSE, 1, stretch, -0.03)
    _scale(head, _NOSE, 0, 1 + vary(0.15))
    _scale(head, slice(28, 36), 2, 1 + vary(0.14))
    head[30, 1] += vary(0.03)

    size, opening, spacing, height = vary(0.10), vary(0.13), vary(0.03), vary(0.03)
    tilt, brow_height, brow_tilt, arch = vary(0.10), vary(0.045), vary(0.10), vary(0.04)
    brow_length, brow_spacing = vary(0.07), vary(0.025)
    for side, eye, brow in zip((-1, 1), _EYES, _BROWS, strict=True):
        middle = head[eye].mean(axis=0)
        _scale(head, eye, 0, 1 + size, middle[0])
        _scale(head, eye, 1, (1 + size) * (1 + opening), middle[1])
        head[eye, 1] += tilt * side * (head[eye, 0] - middle[0]) + height
        head[eye, 0] += side * spacing
        offset = side * head[brow, 0] - 0.52
        head[brow, 1] += brow_height + height + brow_tilt * offset
        head[brow, 1] += arch * (np.abs(offset) / 0.3) ** 2 - arch / 2
        head[brow, 0] += side * (brow_length * offset + brow_spacing)

    _scale(head, _MOUTH, 0, 1 + vary(0.12))
    head[_UPPER_EDGE, 1] += vary(0.022)
    head[_LOWER_EDGE, 1] += vary(0.03)
    _scale(head, slice(None), 0, 1 + vary(0.05))
    _scale(head, slice(None), 1, 1 + vary(0.055), 0.3)
    # Nobody is quite symmetric: two long waves over the face.
    for waves in rng.uniform(-1.6, 1.6, size=(2, 2)):
        phase = rng.uniform(0, 2 * np.pi)
        push = rng.normal(scale=0.015, size=2)
        head[:, :2] += np.sin(head[:, :2] @ waves + phase)[:, None] * push


def _vary_mouth(head: np.ndarray, rng: np.random.Generator) -> None:
    smile = rng.uniform(-0.5, 0.2) if rng.random() < 0.5 else rng.uniform(0.2, 1.1)
    gaps = (0.0, rng.uniform(0, 0.25), rng.uniform(0.2, 1.0))
    gap = rng.choice(gaps, p=(0.4, 0.3, 0.3))
    pucker = rng.uniform(0, 0.8) if rng.random() < 0.12 else 0.0
    skew = rng.normal(scale=0.35)

    across = head[_MOUTH, 0] / np.abs(head[_MOUTH, 0]).max()  # -1..1, corner to corner
    lift = smile * (1 + np.clip(skew, -0.8, 0.8) * across)
    head[_MOUTH, 1] -= 0.11 * lift * across**2
    widen = 1 + 0.2 * max(smile, 0.0) - 0.35 * pucker - 0.18 * gap
    _scale(head, _MOUTH, 0, widen)
    head[_MOUTH, 0] += 0.03 * skew
    head[_MOUTH, 2] += 0.1 * pucker
    head[_UPPER_EDGE, 1] -= 0.03 * pucker - 0.02 * max(smile, 0.0)
    head[_LOWER_EDGE, 1] += 0.03 * pucker - 0.02 * max(smile, 0.0)

    _open_mouth(head, gap, across)


def _open_mouth(head: np.ndarray, gap: float, across: np.ndarray) -> None:
    """Parts the lips: 0 leaves them closed, 1 opens them wide."""
    shape = dict(zip(range(48, 68), 1 - across**2, strict=True))
    for index in _UPPER_LIP:
        head[index, 1] -= 0.05 * gap * shape[index]
    for index in _LOWER_LIP:
        head[index, 1] += 0.40 * gap * shape[index] ** 0.7
    head[_MOUTH, 1] += 0.08 * gap * across**2
    chin = np.clip((head[_JAW, 1] - 0.5) / 1.1, 0, 1)
    head[_JAW, 1] += 0.33 * gap * chin


def _vary_eyes(head: np.ndarray, rng: np.random.Generator) -> None:
    both = rng.choice(
        [rng.uniform(0.75, 1.1), rng.uniform(0.0, 0.1), rng.uniform(0.3, 0.7), 1.35],
        p=[0.62, 0.10, 0.18, 0.10],
    )
    openings = [both, both]
    if rng.random() < 0.07:
        openings[rng.integers(2)] = rng.uniform(0.0, 0.15)
    raised = rng.normal(scale=0.05) - 0.12 * (rng.random() < 0.15)
    frown = rng.uniform(0.3, 1.0) if rng.random() < 0.2 else 0.0
    for side, brow, upper, lower, opening in zip(
        (-1, 1), _BROWS, _UPPER_LIDS, _LOWER_LIDS, openings, strict=True
    ):
        lid = head[lower]
        head[upper] = lid + (head[upper] - lid) * max(opening, 0.03)
        inner = np.clip(1 - (side * head[brow, 0] - 0.2) / 0.5, 0, 1)
        head[brow, 1] += raised + rng.normal(scale=0.025) + 0.10 * frown * inner
        head[brow, 0] -= side * 0.04 * frown * inner


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    angles = np.deg2rad([yaw, pitch, roll])
    (sy, sp, sr), (cy, cp, cr) = np.sin(angles), np.cos(angles)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return lean @ nod @ turn


def frontal_landmarks(*, mouth: float = 0.0) -> np.ndarray:
    """The landmarks of the head that all faces vary, seen from the front.

    Args:
        mouth: how far it is open, 0 to 1.

    Returns:
        float64 [68, 2], in face units.
    """
    head = _TEMPLATE.copy()
    across = head[_MOUTH, 0] / np.abs(head[_MOUTH, 0]).max()
    _open_mouth(head, mouth, across)
    return head[_POINTS, :2]


def random_face_shape(
    rng: np.random.Generator, *, size: int, person: np.random.Generator | None = None
) -> FaceShape:
    """A face that nobody has, somewhere near the middle of a square picture.

    Args:
        rng: where the randomness comes from; it is advanced.
        size: side of the picture in pixels.
        person: where the build of the head comes from, if not from `rng`: equal ones
            give one person in many moods and poses.

    Returns:
        A shape whose landmarks and skull lie inside the picture; the longer side of
        the landmarks' box is 45 to 60 % of `size`.
    """
    head = _TEMPLATE.copy()
    _vary_identity(head, rng if person is None else person)
    _vary_mouth(head, rng)
    _vary_eyes(head, rng)

    yaw = MAX_YAW * (2 * rng.beta(1.6, 1.6) - 1)
    pitch = MAX_PITCH * (2 * rng.beta(2.0, 2.0) - 1)
    roll = float(np.clip(rng.normal(scale=_ROLL_SPREAD), -MAX_ROLL, MAX_ROLL))
    turned = head @ _rotation(yaw, pitch, roll).T
    nearness = 1 / (1 - rng.uniform(0.0, 0.12) * turned[:, 2])
    flat = turned[:, :2] * nearness[:, None]

    outline = flat[: _CROWN_PART.stop]
    unit = rng.uniform(0.45, 0.60) * size / np.ptp(flat[_POINTS], axis=0).max()
    unit = min(unit, 0.95 * size / np.ptp(outline, axis=0).max())
    flat *= unit
    low, high = outline.min(axis=0), outline.max(axis=0)
    middle = (size - 1) * (0.5 + np.clip(rng.normal(scale=0.06, size=2), -0.15, 0.15))
    margin = 0.02 * size
    corner = np.minimum(middle - (low + high) / 2 + high, size - 1 - margin) - high
    flat += np.maximum(corner, margin - low)
    return FaceShape(
        points=flat[_POINTS],
        crown=flat[_CROWN_PART],
        ears=flat[_EARS_PART],
        neck=flat[_NECK_PART],
        centre=flat[-1],
        unit=float(unit),
        yaw=float(yaw),
        pitch=float(pitch),
        roll=roll,
    )
