"""What lies around and over a face: hair, hats, glasses and things held before it."""

import numpy as np
from PIL import Image

from rcsr_jax.data.canvas import Canvas, ellipse, smooth_curve
from rcsr_jax.data.face_shapes import FaceShape
from rcsr_jax.data.palettes import Palette, any_colour, skin_colour

# How many jaw landmarks a style hangs down over, on either side.
_REACH = {"short": 1, "bob": 4, "long": 5, "curly": 3, "scarf": 8}
_COMB = np.linspace(0, 1, 6)


class Hairdo:
    """A head of hair, or a hat or a scarf: one part behind the head, one before it."""

    def __init__(self, palette: Palette, rng: np.random.Generator):
        """Draws a style."""
        kinds = ("bald", "short", "bob", "long", "curly", "hat", "scarf")
        self.kind = str(rng.choice(kinds, p=(0.10, 0.38, 0.16, 0.14, 0.10, 0.07, 0.05)))
        cloth = self.kind in ("hat", "scarf")
        self.colour = any_colour(rng) if cloth else palette.hair
        self.volume = rng.uniform(0.05, 0.28)
        self.line = rng.uniform(0.60, 0.86)  # hairline: share of the way to the crown
        self.part = rng.uniform(-0.7, 0.7)  # where the hair parts, -1 left to 1 right
        self.peak = rng.uniform(-0.08, 0.14)  # how far the hairline moves up there
        self.temples = rng.uniform(0.4, 1.8)  # low: hair covers the temples too
        self.reach = _REACH.get(self.kind, 0)

    def _ring(self, shape: FaceShape) -> tuple[np.ndarray, np.ndarray]:
        """The outline from jaw over crown to jaw, and 0 at its ends to 1 on top."""
        jaw, reach = shape.points[:17], self.reach
        left, right = jaw[:reach][::-1], jaw[17 - reach :][::-1]
        ring = np.concatenate([left, shape.crown, right])
        top = np.sin(np.linspace(0.15, np.pi - 0.15, len(shape.crown)))
        return ring, np.concatenate([np.zeros(reach), top, np.zeros(reach)])[:, None]

    def paint_back(
        self, canvas: Canvas, shape: FaceShape, rng: np.random.Generator
    ) -> None:
        """Paints what falls behind neck and shoulders."""
        if self.kind not in ("bob", "long", "scarf", "curly"):
            return
        ring, top = self._ring(shape)
        outer = shape.centre + (ring - shape.centre) * (
            1.14 + self.volume * (0.6 + 0.4 * top)
        )
        if self.kind == "long":
            fall = rng.uniform(0.5, 1.4) * shape.unit * np.array([0.0, 1.0])
            outer = np.concatenate([[outer[0] + fall], outer, [outer[-1] + fall]])
        canvas.fill(smooth_curve(outer, closed=True), self.colour * 0.7)

    def paint_front(
        self, canvas: Canvas, shape: FaceShape, rng: np.random.Generator
    ) -> None:
        """Paints what lies on the skull and falls over forehead and temples."""
        if self.kind == "bald":
            return
        unit = shape.unit
        ring, top = self._ring(shape)
        rays = ring - shape.centre
        lift = self.volume * (1.6 if self.kind == "hat" else 1.0)
        outer = shape.centre + rays * (1.04 + 0.5 * lift + lift * top)
        dip = np.linspace(-1, 1, len(ring))[:, None]
        parting = self.peak * np.exp(-(((dip - self.part) / 0.25) ** 2))
        depth = (1.03 - self.line - parting) * top**self.temples
        inner = shape.centre + rays * (1.03 - depth)
        rim, hairline = smooth_curve(outer), smooth_curve(inner)
        if self.kind == "curly":
            wave = np.sin(np.arange(len(rim)) * rng.uniform(1.2, 2.2))[:, None]
            wave += rng.normal(scale=0.4, size=wave.shape)
            rim = rim + 0.07 * smooth_curve(top) * wave * (rim - shape.centre)
        canvas.fill(np.concatenate([rim, hairline[::-1]]), self.colour)
        if self.kind == "hat":
            canvas.stroke(
                hairline[8:-8], self.colour * 0.7, width=0.2 * unit, taper=True
            )
        elif self.kind == "scarf":
            canvas.stroke(hairline, self.colour * 0.75, width=0.05 * unit)
        else:
            self._paint_strands(canvas, rim, hairline, rng, unit=unit)
            if rng.random() < 0.25:
                self._paint_fringe(canvas, shape, hairline, rng)

    def _paint_strands(
        self,
        canvas: Canvas,
        rim: np.ndarray,
        hairline: np.ndarray,
        rng: np.random.Generator,
        *,
        unit: float,
    ) -> None:
        """Strands combed from the parting to both sides, between hairline and rim."""
        start = (self.part + 1) / 2 * (len(rim) - 1)
        for _ in range(11):
            end = (0, len(rim) - 1)[rng.integers(2)]
            first, last = np.sort(rng.uniform(0, 1, size=2))
            places = start + (end - start) * (first + (last - first) * _COMB)
            places = np.clip(np.rint(places), 0, len(rim) - 1).astype(int)
            height = rng.uniform(0.1, 0.9) + rng.normal(scale=0.12) * _COMB
            height = np.clip(height, 0.05, 0.95)[:, None]
            strand = hairline[places] * (1 - height) + rim[places] * height
            tone = self.colour * (0.65, 0.8, 1.3)[rng.integers(3)]
            canvas.stroke(
                smooth_curve(strand, steps=3),
                tone,
                width=0.05 * unit,
                opacity=0.5,
                taper=True,
            )

    def _paint_fringe(
        self,
        canvas: Canvas,
        shape: FaceShape,
        hairline: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        depth = rng.uniform(0.25, 0.75) * shape.unit
        middle = len(hairline) // 2
        span = int(rng.integers(8, 20))
        for place in range(middle - span, middle + span, 3):
            root = hairline[np.clip(place, 0, len(hairline) - 1)]
            sway = rng.normal(scale=0.08, size=2) * shape.unit
            tip = root + depth * rng.uniform(0.6, 1.1) * shape.down + sway
            start = root - 0.1 * depth * shape.down
            lock = smooth_curve(np.array([start, 0.5 * (root + tip), tip]))
            taper = np.linspace(1, 0.1, len(lock))[:, None] * 0.09 * shape.unit
            half = taper * shape.across
            outline = np.concatenate([lock + half, (lock - half)[::-1]])
            canvas.fill(outline, self.colour * rng.uniform(0.85, 1.1))


def paint_glasses(canvas: Canvas, shape: FaceShape, rng: np.random.Generator) -> None:
    """Paints a pair of glasses, one in four of them dark."""
    points, unit, down = shape.points, shape.unit, shape.down
    frame = np.full(3, rng.uniform(15, 70)) if rng.random() < 0.6 else any_colour(rng)
    width, height = rng.uniform(0.82, 1.0), rng.uniform(0.2, 0.3)
    line = rng.uniform(0.025, 0.07) * unit
    square = rng.uniform(0.45, 1.0)  # the exponent of a superellipse; 1 is round
    dark = rng.random() < 0.25
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)[:, None]
    circle = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    circle = np.sign(circle) * np.abs(circle) ** square
    lens_colour = (
        any_colour(rng, low=5, high=60) if dark else np.array([225.0, 235.0, 245.0])
    )
    for eye in (points[36:42], points[42:48]):
        centre = 0.5 * (eye[0] + eye[3]) + 0.03 * unit * down
        axes = np.array([0.75 * width * (eye[3] - eye[0]), height * unit * down])
        lens = centre + circle @ axes
        canvas.fill(lens, lens_colour, opacity=rng.uniform(0.8, 1.0) if dark else 0.12)
        if rng.random() < 0.4:
            glare = lens[[20, 22, 26, 28]] * 0.6 + centre * 0.4
            canvas.fill(glare, (255, 255, 255), opacity=0.25)
        canvas.stroke(np.concatenate([lens, lens[:1]]), frame, width=line)
    bridge = np.array([points[39], points[27], points[42]]) * 0.7 + 0.3 * points[27]
    canvas.stroke(smooth_curve(bridge - 0.04 * unit * down), frame, width=line)
    for corner, ear in ((points[36], points[0]), (points[45], points[16])):
        rod = np.array([corner + 0.25 * (ear - corner), ear]) - 0.08 * unit * down
        canvas.stroke(rod, frame, width=line)


def paint_occluder(canvas: Canvas, shape: FaceShape, rng: np.random.Generator) -> None:
    """Paints a card, a hand, a microphone or a lock of hair over part of the face."""
    unit = shape.unit
    kind = rng.choice(("card", "hand", "microphone", "hair"), p=(0.3, 0.35, 0.2, 0.15))
    target = shape.points[rng.integers(68)]
    away = target - shape.points[27:36].mean(axis=0)
    away = away / max(float(np.linalg.norm(away)), 1e-6)
    side = np.array([-away[1], away[0]])
    if kind == "card":
        length, breadth = rng.uniform(0.35, 0.8, size=2) * unit
        turn = rng.normal(scale=0.4)
        axis = away * np.cos(turn) + side * np.sin(turn)
        normal = np.array([-axis[1], axis[0]])
        middle = target + 0.8 * length * away
        square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        corners = middle + square @ np.array([axis * length, normal * breadth])
        colour = any_colour(rng)
        canvas.fill(corners, colour)
        for place in np.linspace(-0.7, 0.7, int(rng.integers(0, 5))):
            row = (
                middle
                + place * length * axis
                + np.array([[-0.7], [0.7]]) * breadth * normal
            )
            canvas.stroke(row, 255 - colour, width=0.07 * unit)
    elif kind == "hand":
        skin = skin_colour(rng)
        palm = target + rng.uniform(0.75, 1.0) * unit * away
        canvas.fill(ellipse(palm, 0.5 * unit * away, 0.42 * unit * side), skin)
        canvas.stroke(
            np.array([palm, palm + 3 * unit * away]), skin * 0.97, width=0.62 * unit
        )
        for place in (-0.33, -0.11, 0.11, 0.33):
            knuckle = palm + place * unit * side
            reach = rng.uniform(0.75, 0.95) - abs(place) * 0.5
            tip = knuckle - reach * unit * away + 0.3 * place * unit * side
            finger = np.array([knuckle, tip])
            canvas.stroke(finger, skin * 0.6, width=0.22 * unit)
            canvas.stroke(finger, skin, width=0.18 * unit)
            canvas.fill(ellipse(tip, 0.09 * unit * away, 0.09 * unit * side), skin)
    elif kind == "microphone":
        head = shape.points[57] + 0.25 * unit * shape.down
        head = head + rng.normal(scale=0.25, size=2) * unit
        lean = rng.normal(scale=0.5)
        stick = np.array(
            [head, head + 4 * unit * np.array([np.sin(lean), np.cos(lean)])]
        )
        grey = rng.uniform(20, 90)
        canvas.stroke(stick, np.full(3, grey * 0.7), width=0.2 * unit)
        for share, tone in ((1.0, grey), (0.7, grey * 1.35), (0.35, grey * 1.8)):
            radius = 0.24 * share * unit
            ball = ellipse(head - 0.06 * (1 - share) * unit, (radius, 0), (0, radius))
            canvas.fill(ball, np.full(3, tone))
    else:
        colour = skin_colour(rng) * rng.uniform(0.15, 0.7)
        top = shape.crown[rng.integers(2, 7)]
        for _ in range(int(rng.integers(3, 7))):
            end = target + rng.normal(scale=0.25, size=2) * unit
            bend = 0.5 * (top + end) + rng.normal(scale=0.15, size=2) * unit
            lock = smooth_curve(np.array([top, bend, end]))
            canvas.stroke(
                lock, colour * rng.uniform(0.8, 1.2), width=0.14 * unit, taper=True
            )


def occluder_layer(
    shape: FaceShape, rng: np.random.Generator, *, side: int, factor: int
) -> Image.Image:
    """A clear RGBA layer of `side` pixels with one thing painted on it."""
    layer = Image.new("RGBA", (side, side))
    paint_occluder(Canvas(layer, factor=factor), shape, rng)
    return layer
