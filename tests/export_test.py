"""Programs of the model, answered by a process that has jax and nothing of ours."""

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rcsr_jax import export
from rcsr_jax.answers import predict, predict_adaptive
from rcsr_jax.config import RunConfig
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.geometry import Frame, to_photo
from rcsr_jax.inference import Predictor
from tests import tiny

JAX_ALONE = (
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "ml_dtypes",
    "opt_einsum",
    "flatbuffers",
)
STRANGER = """
import importlib.util
import numpy as np
from jax import export
for name in ("rcsr_jax", "flax", "orbax", "PIL"):
    assert importlib.util.find_spec(name) is None, name
crops = np.load("crops.npy")
for name in ("fixed", "adaptive"):
    with open(f"{name}.stablehlo", "rb") as file:
        program = export.deserialize(bytearray(file.read()))
    assert program.platforms == ("cpu", "cuda"), program.platforms
    np.savez(f"{name}.npz", **program.call(crops))
np.savez("one.npz", **program.call(crops[:1]))
"""


@pytest.fixture(scope="module")
def params():
    return tiny.make_params()


@pytest.fixture(scope="module")
def crops():
    """Waves of five lengths: the model takes 2 to 4 steps over them."""
    y, x = np.mgrid[:32, :32]
    waves = [np.sin(x / length + y / 3) for length in range(1, 6)]
    return (128 + 100 * np.stack(waves)).astype(np.uint8)


@pytest.fixture(scope="module")
def place(params, crops, tmp_path_factory):
    """Both programs, and what a process without this library answers with them."""
    place = tmp_path_factory.mktemp("stranger")
    np.save(place / "crops.npy", crops)
    for name, num_steps in {"fixed": 3, "adaptive": None}.items():
        export.write_program(
            place / f"{name}.stablehlo",
            params=params,
            config=tiny.CONFIG,
            num_steps=num_steps,
        )
    packages = place / "packages"
    packages.mkdir()
    for name in JAX_ALONE:
        (found,) = importlib.util.find_spec(name).submodule_search_locations
        folder = Path(found)
        for part in (folder, folder.with_name(f"{name}.libs")):
            if part.is_dir():
                (packages / part.name).symlink_to(part)
    # -S: no site-packages, so what lies in that folder is all there is
    done = subprocess.run(
        [sys.executable, "-S", "-c", STRANGER],
        cwd=place,
        env={"PYTHONPATH": str(packages), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return place


def expected(name, params, crops):
    if name == "fixed":
        return predict(params, crops, config=tiny.CONFIG, num_steps=3)
    return predict_adaptive(params, crops, config=tiny.CONFIG)


@pytest.mark.parametrize("name", ["fixed", "adaptive"])
def test_a_process_without_the_library_gets_the_same_answers(
    name, place, params, crops
):
    ours = expected(name, params, crops)
    with np.load(place / f"{name}.npz") as answer:
        names = {"points", "expected_error", "score", "num_steps", "settled"}
        assert set(answer) == names
        np.testing.assert_allclose(answer["score"], ours.score, atol=1e-3)
        np.testing.assert_array_equal(answer["settled"], ours.settled)
        np.testing.assert_allclose(
            answer["expected_error"], ours.expected_error, rtol=1e-4
        )
        np.testing.assert_allclose(answer["points"], ours.points, atol=1e-3)
        np.testing.assert_array_equal(answer["num_steps"], ours.num_steps)
    if name == "adaptive":
        assert len(set(ours.num_steps.tolist())) > 1  # or the rule was never asked
        with np.load(place / "one.npz") as answer:
            np.testing.assert_allclose(answer["points"], ours.points[:1], atol=1e-3)


@pytest.mark.parametrize("name", ["fixed", "adaptive"])
def test_the_description_tells_shapes_steps_and_the_file(name, place, params):
    about = json.loads((place / f"{name}.json").read_text(encoding="utf-8"))
    content = (place / about["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == about["sha256"]
    assert about["input"] == {"crops": {"dtype": "uint8", "shape": ["faces", 32, 32]}}
    with np.load(place / f"{name}.npz") as answer:
        for key, output in about["output"].items():
            assert answer[key].dtype == output["dtype"]
            assert list(answer[key].shape) == [5, *output["shape"][1:]]
    adaptive = {"max_steps": 4, "tolerance": 0.8}
    assert about["steps"] == ({"num_steps": 3} if name == "fixed" else adaptive)
    np.testing.assert_allclose(about["mean_shape"], params["mean_shape"], atol=1e-4)
    assert about["markup"]["eye_corners"] == [36, 45]


def test_crops_made_by_the_description_alone_are_the_predictors(place):
    crop = json.loads((place / "fixed.json").read_text(encoding="utf-8"))["crop"]
    face = draw_face(3, 0, size=96)
    (x0, y0, x1, y1), size = face.box, crop["size"]
    scale = crop["frame_scale"] * ((x1 - x0) + (y1 - y0)) / 2 / size
    corner = np.array([x0 + x1, y0 + y1]) / 2 - scale * (size - 1) / 2
    grey = np.pad(face.image @ np.array(crop["luma"]), 200, mode="edge")

    def weights(start, count):
        centres = start + scale * np.arange(size)
        away = np.abs(np.arange(-200, count + 200) - centres[:, None])
        line = np.maximum(0, 1 - away / max(scale, 1))
        return line / line.sum(1, keepdims=True)

    height, width = face.image.shape[:2]
    made = np.rint(weights(corner[1], height) @ grey @ weights(corner[0], width).T)
    predictor = Predictor(tiny.make_params(), tiny.CONFIG)
    (ours,), frames = predictor.crops(face.image, face.box)
    assert np.abs(made - ours).max() <= 1
    mapped = corner + scale * np.array([[[3.0, 5.0]]])
    np.testing.assert_allclose(
        mapped, to_photo(np.array([[[3.0, 5.0]]]), Frame(*frames)), atol=1e-4
    )


def test_a_machine_without_a_gpu_lowers_for_one(params):
    def program(platform):
        lowered = export.export_program(
            params, config=tiny.CONFIG, num_steps=2, platforms=(platform,)
        )
        assert lowered.platforms == (platform,)
        return lowered.mlir_module()

    texts = {platform: program(platform) for platform in ("cpu", "cuda")}
    found = {
        name: len(re.findall(r"stablehlo\.convolution", text))
        for name, text in texts.items()
    }
    # the first layer and the two of the cell, whose function both steps call; the last
    # layer is a matrix product on a CPU alone
    assert found == {"cpu": 3, "cuda": 4}
    # steps are written out, on whatever machine it is exported
    assert not any("stablehlo.while" in text for text in texts.values())


def test_bad_places_and_numbers_are_refused(params, tmp_path):
    def write(name, **options):
        export.write_program(
            tmp_path / name, params=params, config=tiny.CONFIG, **options
        )

    with pytest.raises(ValueError, match=r"model\.bin: the name must end in"):
        write("model.bin")
    with pytest.raises(ValueError, match="num_steps must be at least 1; got 0"):
        write("model.stablehlo", num_steps=0)
    with pytest.raises(
        ValueError, match="config must be a ModelConfig, .* got RunConfig"
    ):
        export.export_program(params, config=RunConfig(model=tiny.CONFIG))
    with pytest.raises(
        ValueError, match="platforms are cpu, cuda, rocm, tpu; got 'gpu'"
    ):
        export.export_program(params, config=tiny.CONFIG, platforms=("gpu",))
    assert not list(tmp_path.iterdir())
    (tmp_path / "model.json").write_text("mine")
    with pytest.raises(ValueError, match=r"model\.json exists already"):
        write("model.stablehlo")
    assert (tmp_path / "model.json").read_text() == "mine"
