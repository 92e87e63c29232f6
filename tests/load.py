"""Many predictions in one process: memory, compilations and answers while they go on.

python tests/load.py 100000          # the shipped fast model; prints a line of JSON
"""

import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

import rcsr_jax
from rcsr_jax.inference import Predictor

COUNTS = (0, 1, 1, 1, 1, 1, 1, 2, 3, 7)  # faces of a photo; every piece is in use
LARGEST = 1200  # pixels
KEPT = 8  # photos that are asked about again and again


class Load(NamedTuple):
    """What was seen.

    Attributes:
        calls: photos.
        faces: in all of them.
        seconds: that they took.
        megabytes: resident when warm, most and last.
        compiled: programs after warm-up.
        arrays: on the device that were not there when warm.
        other_answers: of photos that were asked about before.
        asked_again: how many of these there were.
    """

    calls: int
    faces: int
    seconds: float
    megabytes: tuple[float, float, float]
    compiled: int
    arrays: int
    other_answers: int
    asked_again: int


def load(predictor: Predictor, *, calls: int, warm: int, every: int) -> Load:
    """Predicts photos of ever other sizes and numbers of faces.

    Args:
        predictor: to call.
        calls: photos after warm-up.
        warm: photos before memory and compilations are counted.
        every: calls from one look at memory, and at answers, to the next.
    """
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (LARGEST, LARGEST, 3), np.uint8)
    kept = [_photo(noise, generator) for _ in range(KEPT)]
    answers = [predictor(*photo) for photo in kept]
    for _ in range(warm):
        predictor(*_photo(noise, generator))
    compiled: list[str] = []

    def note(name: str, duration: float, **_: object) -> None:
        if name.endswith("backend_compile_duration"):
            compiled.append(name)

    jax.monitoring.register_event_duration_secs_listener(note)
    arrays, start = len(jax.live_arrays()), megabytes()
    most = last = start
    faces = other = again = 0
    began = time.monotonic()
    try:
        for call in range(1, calls + 1):
            image, boxes = _photo(noise, generator)
            faces += len(predictor(image, boxes).points)
            if call % every == 0:
                last = megabytes()
                most = max(most, last)
                place = again % KEPT
                other += not _same(predictor(*kept[place]), answers[place])
                again += 1
        new_arrays = len(jax.live_arrays()) - arrays
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
    return Load(
        calls=calls,
        faces=faces,
        seconds=round(time.monotonic() - began, 1),
        megabytes=(round(start, 1), round(most, 1), round(last, 1)),
        compiled=len(compiled),
        arrays=new_arrays,
        other_answers=other,
        asked_again=again,
    )


def megabytes() -> float:
    """What this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def _photo(noise: np.ndarray, generator: np.random.Generator):
    height, width = generator.integers(20, LARGEST, 2)
    image = noise[:height, :width]
    if generator.random() < 0.3:
        image = image[..., 0]
    low = generator.uniform(0, 0.7, (generator.choice(COUNTS), 2)) * [width, height]
    size = generator.uniform(0.1, 0.5, (len(low), 1)) * [width, height] + 1
    return image, np.concatenate([low, low + size], axis=1)


def _same(found, before) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, before, strict=True))


if __name__ == "__main__":
    model = rcsr_jax.load_predictor(preset="fast").compile((1, 2, 4, 8))
    print(
        json.dumps(load(model, calls=int(sys.argv[1]), warm=2000, every=500)._asdict())
    )
