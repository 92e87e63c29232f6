"""The face itself, painted along its landmarks: skin, eyes, brows, nose, mouth, beard.

Every edge runs exactly through the landmarks that name it. Colours are without light;
the light falls on the finished picture.
"""

import numpy as np

from rcsr_jax.data.canvas import Canvas, ellipse, lens_outline, smooth_curve
from rcsr_jax.data.face_shapes import FaceShape
from rcsr_jax.data.palettes import Palette, any_colour

_BLACK, _WHITE = (22.0, 14.0, 14.0), (255.0, 255.0, 255.0)


def face_outline(shape: FaceShape) -> np.ndarray:
    """float64 [num_pieces, 2], through the jaw landmarks and over the skull."""
    return smooth_curve(
        np.concatenate([shape.points[:17], shape.crown[::-1]]), closed=True
    )


def paint_body(
    canvas: Canvas, shape: FaceShape, palette: Palette, rng: np.random.Generator
) -> None:
    """Paints shoulders, neck and ears: what the face comes to lie on."""
    unit, chin = shape.unit, shape.points[8]
    low = np.array([chin[0] * 0.5 + shape.centre[0] * 0.5, chin[1]])
    left, right = shape.neck
    width = rng.uniform(0.48, 0.66) * unit
    base = rng.uniform(0.55, 0.8) * unit
    throat = low + np.array(
        [
            (-width, 0.5 * base),
            (-1.3 * width, base),
            (0, base + 0.35 * unit),
            (1.3 * width, base),
            (width, 0.5 * base),
        ]
    )
    cloth = any_colour(rng)
    slope = rng.uniform(0.25, 0.6) * unit
    collar = low + np.array(
        [
            (-2.1 * unit, base + 4 * slope),
            (-1.9 * unit, base + slope),
            (-1.25 * width, base),
            (0, base + rng.uniform(0.1, 0.7) * unit),
            (1.25 * width, base),
            (1.9 * unit, base + slope),
            (2.1 * unit, base + 4 * slope),
        ]
    )
    shoulders = smooth_curve(collar)
    corners = low + np.array([(2.1 * unit, 4 * unit), (-2.1 * unit, 4 * unit)])
    neck_outline = smooth_curve(np.concatenate([[left], throat, [right]]), closed=True)
    canvas.fill(neck_outline, palette.skin * rng.uniform(0.72, 0.88))
    layer, mask = canvas.cut_out([neck_outline])
    shade = shape.points[2:15] + 0.16 * unit * shape.down
    layer.fill(smooth_curve(shade, closed=True), palette.shadow, opacity=0.45)
    canvas.merge(layer, mask)
    canvas.fill(np.concatenate([shoulders, corners]), cloth)
    canvas.stroke(shoulders[6:-6], cloth * 0.7, width=0.07 * unit, opacity=0.7)

    across = shape.across
    for ear, side in zip(shape.ears, (-1, 1), strict=True):
        size = np.array([0.17, 0.30]) * unit
        lobe = ellipse(ear, across * size[0], shape.down * size[1])
        canvas.fill(lobe, palette.skin * 0.93)
        hollow = ear + 0.02 * side * unit * across
        inner = ellipse(hollow, 0.55 * size[0] * across, 0.6 * size[1] * shape.down)
        canvas.fill(inner, palette.shadow, opacity=0.35)


def paint_skin(
    canvas: Canvas, shape: FaceShape, palette: Palette, rng: np.random.Generator
) -> None:
    """Paints the head and what lies in its skin: blush, freckles, lines, a beard."""
    points, unit = shape.points, shape.unit
    canvas.fill(face_outline(shape), palette.skin)
    jaw = smooth_curve(points[:17])
    canvas.stroke(jaw, palette.shadow, width=0.035 * unit, opacity=0.6, taper=True)
    cheeks = [
        0.45 * points[[i, j]].mean(axis=0) + 0.55 * points[k]
        for i, j, k in ((3, 31, 41), (13, 35, 46))
    ]
    across = shape.across
    if rng.random() < 0.45:
        depth = rng.uniform(0.04, 0.10)
        for cheek in cheeks:
            for radius in (0.30, 0.22, 0.14):
                spot = ellipse(
                    cheek + 0.12 * unit * shape.down,
                    across * radius * unit,
                    shape.down * radius * 0.8 * unit,
                )
                canvas.fill(spot, palette.skin * (1.0, 0.55, 0.5), opacity=depth)
    if rng.random() < 0.15:
        middle = points[[28, 31, 35]].mean(axis=0)
        spread = np.array([0.40 * across, 0.14 * shape.down]) * unit
        dot = 0.018 * unit
        for spot in middle + rng.normal(size=(26, 2)) @ spread:
            freckle = ellipse(spot, dot * across, dot * shape.down)
            canvas.fill(freckle, palette.shadow, opacity=0.5)
    if rng.random() < 0.3:
        _paint_wrinkles(canvas, shape, palette, rng)
    if rng.random() < 0.28:
        _paint_beard(canvas, shape, palette, rng)


def _paint_wrinkles(
    canvas: Canvas, shape: FaceShape, palette: Palette, rng: np.random.Generator
) -> None:
    points, unit = shape.points, shape.unit
    opacity = rng.uniform(0.2, 0.55)
    for wing, corner, side in ((31, 48, -1), (35, 54, 1)):
        across = shape.across * side * unit
        fold = np.array(
            [
                points[wing] + 0.06 * across,
                points[[wing, corner]].mean(axis=0) + 0.14 * across,
                points[corner] + 0.10 * across,
            ]
        )
        canvas.stroke(
            smooth_curve(fold),
            palette.shadow,
            width=0.035 * unit,
            opacity=opacity,
            taper=True,
        )
    for brow in (points[17:22], points[22:27]):
        if opacity > 0.4:
            for lift in (0.25, 0.38):
                line = 0.9 * brow[1:4] + 0.1 * points[27] - lift * unit * shape.down
                line = smooth_curve(line)
                canvas.stroke(
                    line, palette.shadow, width=0.02 * unit, opacity=opacity, taper=True
                )


def _paint_beard(
    canvas: Canvas, shape: FaceShape, palette: Palette, rng: np.random.Generator
) -> None:
    points, unit = shape.points, shape.unit
    colour = 0.75 * palette.hair + 0.1 * palette.skin
    opacity = rng.uniform(0.12, 0.35) if rng.random() < 0.55 else rng.uniform(0.8, 0.95)
    reach = int(rng.integers(1, 6))
    if rng.random() < 0.75:
        jaw = points[reach : 17 - reach]
        top = np.array(
            [
                points[54] * 0.6 + points[12] * 0.4,
                points[35] * 0.25 + points[54] * 0.75 - 0.02 * unit * shape.down,
                points[33] * 0.5 + points[51] * 0.5,
                points[31] * 0.25 + points[48] * 0.75 - 0.02 * unit * shape.down,
                points[48] * 0.6 + points[4] * 0.4,
            ]
        )
        outline = np.concatenate([smooth_curve(jaw), smooth_curve(top)])
    else:
        droop = rng.uniform(0.0, 0.12) * unit * shape.down
        outline = smooth_curve(
            np.array(
                [
                    points[48] + droop,
                    points[31] * 0.35 + points[49] * 0.65,
                    points[33] * 0.6 + points[51] * 0.4,
                    points[35] * 0.35 + points[53] * 0.65,
                    points[54] + droop,
                    points[52],
                    points[51],
                    points[50],
                ]
            ),
            closed=True,
        )
    canvas.fill(outline, colour, opacity=opacity)


def paint_features(
    canvas: Canvas, shape: FaceShape, palette: Palette, rng: np.random.Generator
) -> None:
    """Paints eyes, brows, nose and mouth, each exactly along its landmarks."""
    _paint_eyes(canvas, shape, palette, rng)
    _paint_brows(canvas, shape, palette, rng)
    _paint_nose(canvas, shape, palette, rng)
    _paint_mouth(canvas, shape, palette, rng)


def _paint_eyes(
    canvas: Canvas, shape: FaceShape, palette: Palette, rng: np.random.Generator
) -> None:
    points, unit, down = shape.points, shape.unit, shape.down
    lids = [points[36:42], points[42:48]]
    outlines = [lens_outline(eye, corner=3) for eye in lids]
    gaze = rng.normal(scale=(0.045, 0.02)) * unit
    radius = rng.uniform(0.092, 0.115) * unit
    white = np.array([238.0, 234.0, 230.0]) * rng.uniform(0.86, 1.04)
    ink = 0.35 * palette.shadow * rng.uniform(0.2, 1.0)
    if rng.random() < 0.25:  # painted lids
        tint, opacity = any_colour(rng, low=20, high=170), rng.uniform(0.15, 0.5)
        for eye in lids:
            arch = np.array([0.02, 0.13, 0.13, 0.02])[:, None] * unit * down
            above = smooth_curve(eye[:4] - arch)
            canvas.fill(
                np.concatenate([smooth_curve(eye[:4]), above[::-1]]),
                tint,
                opacity=opacity,
            )
    for eye in lids:
        arch = np.array([0.03, 0.09, 0.09, 0.04])[:, None] * unit * down
        canvas.stroke(
            smooth_curve(eye[:4] - arch),
            palette.shadow,
            width=0.03 * unit,
            opacity=0.5,
            taper=True,
        )
    layer, mask = canvas.cut_out(outlines)
    for eye, outline in zip(lids, outlines, strict=True):
        layer.fill(outline, white)
        corner_axis = eye[3] - eye[0]
        wide = corner_axis / 0.37 / unit  # 0.37 unit: an eye seen from the front
        wide /= max(1.0, float(np.linalg.norm(wide)))
        place = 0.5 * (eye[0] + eye[3]) - 0.015 * unit * down
        place = place + gaze[0] * wide + gaze[1] * down
        for share, colour in (
            (1.0, palette.iris * 0.5),
            (0.86, palette.iris),
            (0.46, _BLACK),
        ):
            disc = ellipse(place, share * radius * wide, share * radius * down)
            layer.fill(disc, colour)
        shade = np.concatenate([outline[:19], outline[18::-1] + 0.05 * unit * down])
        layer.fill(shade, _BLACK, opacity=0.3)
        glint = place + radius * np.array([0.3, -0.35])
        spark = np.array([(0.2 * radius, 0.0), (0.0, 0.2 * radius)])
        layer.fill(ellipse(glint, *spark), _WHITE, opacity=0.9)
    canvas.merge(layer, mask)
    lash = rng.uniform(0.025, 0.065) * unit
    for eye in lids:
        upper, lower = smooth_curve(eye[:4]), smooth_curve(eye[[3, 4, 5, 0]])
        canvas.stroke(upper, ink, width=lash, opacity=0.95, taper=True)
        canvas.stroke(lower, ink, width=0.5 * lash, opacity=0.6, taper=True)


def _paint_brows(
    canvas: Canvas, shape: FaceShape, palette: Palette, rng: np.random.Generator
) -> None:
    points, unit, down = shape.points, shape.unit, shape.down
    thick = rng.uniform(0.05, 0.15) * unit
    opacity = rng.uniform(0.65, 1.0)
    for brow, widths in (
        (points[17:22], (0.25, 0.7, 0.95, 1.0, 0.8)),
        (points[22:27], (0.8, 1.0, 0.95, 0.7, 0.25)),
    ):
        under = brow + thick * np.array(widths)[:, None] * down
        outline = np.concatenate([smooth_curve(brow), smooth_curve(under)[::-1]])
        canvas.fill(outline, palette.brow, opacity=opacity)


def _paint_nose(
    canvas: Canvas, shape: FaceShape, palette: Palette, rng: np.random.Generator
) -> None:
    points, unit, down = shape.points, shape.unit, shape.down
    across = shape.across
    opacity = rng.uniform(0.45, 0.8)
    ridge = smooth_curve(points[27:31])
    canvas.stroke(
        ridge, palette.skin * 0.4 + 153, width=0.09 * unit, opacity=0.16, taper=True
    )
    # The flank that turns away from the camera is the darker one.
    side = 1.0 if shape.yaw > 0 else -1.0
    flank = ridge + np.linspace(0.07, 0.13, len(ridge))[:, None] * side * unit * across
    canvas.fill(np.concatenate([ridge, flank[::-1]]), palette.shadow, opacity=0.18)
    for wing, bend in ((31, -1.0), (35, 1.0)):
        curl = np.array(
            [
                points[wing] - 0.17 * unit * down - 0.02 * bend * unit * across,
                points[wing] - 0.08 * unit * down + 0.05 * bend * unit * across,
                points[wing],
            ]
        )
        canvas.stroke(
            smooth_curve(curl),
            palette.shadow,
            width=0.035 * unit,
            opacity=opacity,
            taper=True,
        )
    for nostril in (32, 34):
        place = points[nostril] - 0.035 * unit * down
        hole = ellipse(place, 0.055 * unit * across, 0.03 * unit * down)
        canvas.fill(hole, palette.shadow * 0.45, opacity=opacity)
    base = smooth_curve(points[31:36])
    canvas.stroke(
        base, palette.shadow * 0.8, width=0.04 * unit, opacity=opacity, taper=True
    )
    tip = points[30]
    for share in (0.09, 0.05):
        spot = ellipse(tip, share * unit * across, share * unit * down)
        canvas.fill(spot, palette.skin * 0.3 + 178, opacity=0.2)


def _paint_mouth(
    canvas: Canvas, shape: FaceShape, palette: Palette, rng: np.random.Generator
) -> None:
    points, unit, down = shape.points, shape.unit, shape.down
    outer = lens_outline(points[48:60], corner=6)
    inner = lens_outline(points[60:68], corner=4)
    canvas.fill(outer, palette.lip * 0.88)
    lower = np.concatenate(
        [
            smooth_curve(points[54:60]),
            points[48:49],
            smooth_curve(points[[60, 67, 66, 65, 64]]),
        ]
    )
    canvas.fill(lower, palette.lip * 1.06)
    gap = float((points[66] - points[62]) @ down) / unit
    if gap > 0.03:
        layer, mask = canvas.cut_out([inner])
        layer.fill(inner, _BLACK + 0.12 * palette.lip)
        if gap > 0.2:
            across = 0.6 * (points[64] - points[60])
            root = points[66] + 0.02 * unit * down
            tongue = ellipse(root, 0.55 * across, 0.35 * gap * unit * down)
            layer.fill(tongue, (176, 84, 84), opacity=0.9)
        if rng.random() < 0.85:
            drop = min(0.14, 0.6 * gap + 0.02) * unit * down
            top = smooth_curve(points[60:65])
            teeth = np.concatenate([top, top[::-1] + drop])
            layer.fill(teeth, np.array([240.0, 236.0, 224.0]) * rng.uniform(0.82, 1.0))
        if gap > 0.12 and rng.random() < 0.35:
            row = smooth_curve(points[[60, 67, 66, 65, 64]])
            bottom = np.concatenate([row, row[::-1] - 0.07 * unit * down])
            layer.fill(bottom, (216, 210, 198))
        canvas.merge(layer, mask)
    line = smooth_curve(points[60:65])
    canvas.stroke(line, palette.lip * 0.35, width=0.03 * unit, opacity=0.8, taper=True)
    seam = smooth_curve(points[[60, 67, 66, 65, 64]])
    canvas.stroke(seam, palette.lip * 0.35, width=0.02 * unit, opacity=0.5, taper=True)
    shine = smooth_curve(points[[58, 57, 56]] * 0.6 + points[[67, 66, 65]] * 0.4)
    canvas.stroke(
        shine, _WHITE, width=0.035 * unit, opacity=rng.uniform(0.05, 0.3), taper=True
    )
