"""Throws mutated files at everything that reads one, guided by the coverage they reach.

python tests/fuzz/readers.py out/fuzz -max_total_time=1800          # pip install atheris

The first byte of an input chooses the reader, the rest is the file. What is found wrong
goes to out/fuzz/findings, one file for each kind, and the search goes on: an exception
that is no ValueError or does not name the file, a reader that takes longer than five
seconds, an answer that cannot be. Options beside the folder are libFuzzer's; -rss_limit_mb
(2048) ends the run where memory is not bounded, and the input is then beside the corpus.
Found inputs become cases of tests/hostile_*_test.py.
"""

import faulthandler
import hashlib
import io
import json
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["rcsr_jax.data", "rcsr_jax.markup", "rcsr_jax.config", "rcsr_jax.weights"]
    + ["PIL", "defusedxml", "zipfile", "csv", "json", "numpy.lib._format_impl"]
):
    import numpy as np
    import PIL.Image

    from rcsr_jax import weights
    from rcsr_jax.config import RunConfig, from_dict, to_dict
    from rcsr_jax.data import annotations, images
    from rcsr_jax.markup import FACE_49, read_markup

SLOW = 5  # seconds
KINDS = [".pts", ".csv", ".json", ".xml", "boxes.csv", "markup.json", "run.json"]
KINDS += [".npz", ".png", ".jpg", ".gif", ".bmp", ".tif", ".webp", ".jp2", ".ppm"]
WORDS = ["image", "x_0", "y_0", "x0", "y0", "x1", "y1", "box_x0", "nan", "inf", "1e400"]
WORDS += ["version: 1", "n_points: 2", "{", "}", "//", "#", "null", "true", "Infinity"]
WORDS += ["images", "annotations", "keypoints", "bbox", "iscrowd", "image_id", "id"]
WORDS += ["file_name", "points", "box", "mirror", "eye_corners", "eyes", "regions"]
WORDS += [
    "<dataset>",
    "<images>",
    "<image file='a'>",
    "<box top='1' left='1' ",
    "<part",
]
WORDS += [
    "<!DOCTYPE d [<!ENTITY e 'x'>]>",
    "&e;",
    "IHDR",
    "IDAT",
    "tRNS",
    "eXIf",
    "PLTE",
]
FACE = {"points": [[1, 2], [3.5, 4]], "box": [0, 0, 5, 5]}
BOX = "<box top='1' left='2' width='9' height='8'><part name='0' x='3' y='4'/></box>"


class WrongError(Exception):
    """An answer that cannot be."""


class Slow(BaseException):
    """Nothing that reads files is to take so long, nor to catch this."""


def read(kind: str, path: Path) -> None:
    """Reads one file and looks at the answer."""
    if kind == ".pts":
        check_points(annotations.read_pts(path))
    elif kind == "boxes.csv":
        for rows in annotations.read_boxes(path).values():
            for box in rows:
                check_box(box)
    elif kind == "markup.json":
        markup = read_markup(path)
        if type(markup).from_dict(json.loads(json.dumps(markup.to_dict()))) != markup:
            raise WrongError("the markup changes when it is written and read")
    elif kind == "run.json":
        from_dict(RunConfig, json.loads(path.read_bytes()))
    elif kind == ".npz":
        weights.read_weights(path)
    elif kind in (".csv", ".json", ".xml"):
        check_faces(annotations.read_annotations(path))
    else:
        size = images.image_size(path)
        image = images.load_image(path)
        if image.dtype != np.uint8 or image.shape != (*size[::-1], 3) or not image.size:
            raise WrongError(f"{image.dtype} {image.shape}, where the size is {size}")


def check_faces(faces) -> None:
    for face in faces:
        if not isinstance(face.image, str):
            raise WrongError(f"an image called {face.image!r}")
        if face.problem and (face.points is not None or face.box is not None):
            raise WrongError("a problem and an answer")
        if face.points is not None:
            check_points(face.points)
        if face.box is not None:
            check_box(face.box)


def check_points(points: np.ndarray) -> None:
    if points.dtype != np.float32 or points.ndim != 2 or points.shape[1] != 2:
        raise WrongError(f"points of {points.dtype} {points.shape}")
    known = np.isfinite(points)
    if (known[:, 0] != known[:, 1]).any() or np.isinf(points).any():
        raise WrongError(f"points {points.tolist()[:3]}")


def check_box(box: np.ndarray) -> None:
    if box.shape != (4,) or not np.isfinite(box).all() or not (box[:2] < box[2:]).all():
        raise WrongError(f"box {box.tolist()}")


def seeds():
    """A few whole files of each kind: what is found starts from these."""
    rows = "1.5 2\nnan nan\n3 4\n"
    yield ".pts", f"version: 1\nn_points: 3\n{{\n{rows}}}\n".encode()
    yield ".csv", b"image,x_0,y_0,x_1,y_1\na.png,1,2,3,4\nb.png,,,5,6\n"
    yield ".csv", b",0,1,2,3\na.png,1,2,3,4\n"
    yield "boxes.csv", b"image,x0,y0,x1,y1\na.png,1,2,3,4\n"
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [
            {"image_id": 1, "keypoints": [1, 2, 2, 0, 0, 0], "bbox": [1, 2, 3, 4]}
        ],
    }
    for content in ({"a.png": FACE}, {"a.png": [[1, None], [2, 3]]}, coco):
        yield ".json", json.dumps(content).encode()
    yield (
        ".xml",
        f"<dataset><images><image file='a'>{BOX}</image></images></dataset>".encode(),
    )
    yield "markup.json", json.dumps(FACE_49.to_dict()).encode()
    yield "run.json", json.dumps(to_dict(RunConfig())).encode()
    stored = io.BytesIO()
    header = json.dumps({"format": 1, "run": {}, "sha256": "0"})
    np.savez(stored, header=np.array(header), mean_shape=np.zeros((2, 2), np.float32))
    yield ".npz", stored.getvalue()
    picture = PIL.Image.new("RGB", (9, 7), (200, 30, 60))
    for suffix in KINDS[8:]:
        for mode in ("RGB", "L", "P"):
            file = io.BytesIO()
            form = PIL.Image.registered_extensions()[suffix]
            if mode == "P" and suffix not in (".png", ".gif", ".bmp", ".tif"):
                continue
            picture.convert(mode).save(file, form)
            yield suffix, file.getvalue()


def stopped(signum, frame):
    raise Slow


def main() -> None:
    """Sets up the corpus and starts libFuzzer, which ends the process."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    root = Path(sys.argv[1]).absolute()
    corpus, findings = root / "corpus", root / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, (kind, content) in enumerate(seeds()):
        (corpus / f"seed_{number}").write_bytes(bytes([KINDS.index(kind)]) + content)
    words = root / "words.dict"
    words.write_text(
        "".join(f"{json.dumps(word)}\n" for word in WORDS if '"' not in word)
    )
    memory = Path("/dev/shm")
    place = (memory if memory.is_dir() else root) / f"fuzz_{os.getpid()}"
    place.mkdir()
    warnings.simplefilter("ignore")
    PIL.Image.MAX_IMAGE_PIXELS = 1_000_000
    signal.signal(signal.SIGALRM, stopped)
    faulthandler.enable()

    def record(kind: str, content: bytes, error: BaseException) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        name = f"{type(error).__name__}_{Path(last.filename).stem}_{last.lineno}"
        path = findings / f"{name}_{kind.strip('.').replace('.', '_')}"
        if not path.exists():
            path.write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()[:8]
            told = "".join(traceback.format_exception(error))[-3000:]
            path.with_name(path.name + ".txt").write_text(f"{digest}\n{told}")

    def look(data: bytes) -> None:
        kind, content = KINDS[data[0] % len(KINDS)] if data else ".pts", data[1:]
        path = place / (f"hostile{kind}" if kind.startswith(".") else f"hostile_{kind}")
        path.write_bytes(content)
        signal.alarm(SLOW)
        try:
            read(kind, path)
        except ValueError as error:
            if path.name not in str(error) and kind != "run.json":
                record(kind, content, error)
        except (Exception, Slow) as error:
            if not (kind == "run.json" and isinstance(error, RecursionError)):
                record(kind, content, error)
        finally:
            signal.alarm(0)

    options = [f"-dict={words}", "-rss_limit_mb=2048", "-timeout=60", "-max_len=4096"]
    options += [f"-artifact_prefix={root}/"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[2:], str(corpus)], look)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
