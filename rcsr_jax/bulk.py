"""The faces of a shard: all of its photos are looked at, and each is told of."""

import functools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rcsr_jax.data.shards import Photo, Shard, photos_of
from rcsr_jax.detection import FoundBoxes
from rcsr_jax.inference import Faces, Predictor
from rcsr_jax.shard_files import Row

FindBoxes = Callable[[Photo, np.ndarray], FoundBoxes]


def predict_shard(
    predictor: Predictor,
    shard: Shard,
    *,
    find_boxes: FindBoxes,
    num_steps: int | None = None,
    num_threads: int | None = None,
) -> list[Row]:
    """The faces of a shard; photos in their order.

    Args:
        predictor: with its programs compiled, ideally.
        shard: what to look at; as many photos are in memory as in a stream.
        find_boxes: of a photo; runs on threads. ValueError: the photo has failed.
        num_steps: as the predictor takes it.
        num_threads: that load photos.
    """
    waiting: deque[tuple[str, dict[str, Any]]] = deque()

    def items() -> Iterator[Callable[[], tuple[np.ndarray, np.ndarray]]]:
        for photo in photos_of(shard):
            seen: dict[str, Any] = {}
            waiting.append((photo.name, seen))
            yield functools.partial(look, photo, seen)

    def look(photo: Photo, seen: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        image = photo.load()
        seen["size"] = image.shape[1], image.shape[0]
        seen["boxes"], seen["scores"] = find_boxes(photo, image)
        return image, seen["boxes"]

    rows: list[Row] = []
    answers = predictor.stream(
        items(), num_steps=num_steps, num_threads=num_threads, return_exceptions=True
    )
    for answer in answers:
        name, seen = waiting.popleft()
        if isinstance(answer, ValueError):
            rows.append(
                Row(name, seen.get("size"), error=" ".join(str(answer).split()))
            )
        elif isinstance(answer, Exception):  # the machine's fault, not the photo's
            raise answer
        elif not len(answer.points):
            rows.append(Row(name, seen["size"]))
        else:
            scores = seen["scores"]
            rows += [
                Row(
                    name,
                    seen["size"],
                    face=number + 1,
                    box=seen["boxes"][number],
                    detection_score=None if scores is None else float(scores[number]),
                    faces=_one(answer, number),
                )
                for number in range(len(answer.points))
            ]
    return rows


def _one(faces: Faces, number: int) -> Faces:
    """A face, without the way it took: that would keep the whole batch in memory."""
    here = slice(number, number + 1)
    chosen = {
        k: v[here].copy() for k, v in faces._asdict().items() if k != "trajectory"
    }
    return Faces(trajectory=faces.trajectory[:0, here], **chosen)
