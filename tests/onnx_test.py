import dataclasses
import sys
import types

import numpy as np
import pytest
import tiny
from five import CONTEXT, random_params

from rcsr_jax.answers import predict
from rcsr_jax.onnx import write_onnx

# the plain net, and one of all that the shipped weights have
MARKS = dataclasses.replace(CONTEXT, own_marks=True, annotation_shift=(0.05, -0.02))
MIRRORED = dataclasses.replace(MARKS, mirror_average=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the converter
@pytest.mark.parametrize(
    ("config", "params"),
    [
        (tiny.CONFIG, tiny.make_params()),
        (MARKS, random_params(MARKS)),
        (MIRRORED, random_params(MIRRORED)),
    ],
    ids=["plain", "marks", "mirror images"],
)
def test_the_runtime_answers_like_the_library(config, params, tmp_path, generator):
    pytest.importorskip("jax2onnx")
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "tiny.onnx"
    beside = write_onnx(path, params=params, config=config)
    assert beside.name == "tiny.json"
    assert {file.name for file in tmp_path.iterdir()} == {"tiny.onnx", "tiny.json"}
    session = runtime.InferenceSession(str(path))
    for faces in (1, 3):
        sides = config.crop_size, config.crop_size
        crops = generator.integers(0, 256, (faces, *sides), np.uint8)
        (points,) = session.run(["points"], {"crops": crops})
        ours = predict(params, crops, config=config).points
        np.testing.assert_allclose(points, ours, atol=1e-3)


def test_a_missing_converter_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(ImportError, match=r"rcsr-jax\[onnx\].*--no-deps jax2onnx"):
        write_onnx(tmp_path / "m.onnx", params=tiny.make_params(), config=tiny.CONFIG)


def test_a_converter_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, output_path, **__):
        output_path.write_bytes(b"half a model")
        raise RuntimeError("no such operation")

    converter = types.SimpleNamespace(to_onnx=fail)
    monkeypatch.setitem(sys.modules, "jax2onnx", converter)
    with pytest.raises(RuntimeError, match="no such operation"):
        write_onnx(tmp_path / "m.onnx", params=tiny.make_params(), config=tiny.CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_name_and_number_are_refused(tmp_path):
    params = tiny.make_params()
    with pytest.raises(ValueError, match=r"must end in \.onnx"):
        write_onnx(tmp_path / "m.bin", params=params, config=tiny.CONFIG)
    with pytest.raises(ValueError, match="config must be a ModelConfig"):
        write_onnx(tmp_path / "m.onnx", params=params, config=tiny.tiny_run())
    with pytest.raises(ValueError, match="num_steps must be at least 1; got 0"):
        write_onnx(tmp_path / "m.onnx", params=params, config=tiny.CONFIG, num_steps=0)
