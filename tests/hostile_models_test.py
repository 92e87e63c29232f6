"""Weights, checkpoints, markups and settings that somebody has tampered with.

Nothing in them is ever run: what would run leaves a file called "ran", and none is there.
"""

import io
import json
import os
import pickle
import shutil
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tiny
from hostile import Case, check_bounded, check_message, deadline, each, judge

from rcsr_jax import weights
from rcsr_jax.checkpoint import export_params, load_params
from rcsr_jax.config import ModelConfig, RunConfig, from_dict, to_dict
from rcsr_jax.markup import FACE_49, read_markup

RUN = RunConfig(model=tiny.CONFIG)


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A good weights file and its arrays."""
    path = tmp_path_factory.mktemp("weights") / "good.npz"
    weights.write_weights(path, params=tiny.make_params(), config=RUN)
    with np.load(path, allow_pickle=False) as stored:
        return path.read_bytes(), {name: stored[name] for name in stored.files}


def signed(arrays, path, *, run=None, **changes):
    """Writes arrays with a checksum that fits them: a forger knows how that is made."""
    arrays = {k: v for k, v in {**arrays, **changes}.items() if k != "header"}
    run = to_dict(RUN) if run is None else run
    digest = weights._digest(run, arrays)
    header = json.dumps({"format": 1, "run": run, "sha256": digest})
    np.savez(path, header=np.array(header), **arrays)


def refused(path, message, read=weights.read_weights):
    with deadline(20), pytest.raises(ValueError) as caught:
        read(path)
    check_message(str(caught.value), path.name, message)


def npy(shape, descr="<f4") -> bytes:
    head = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"
    head = head.ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode()


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(f"{name}.npy", content)
    return file.getvalue()


def lying(content: bytes, size: int) -> bytes:
    """An archive whose directory says that its first member is of this size."""
    place = content.index(b"PK\1\2") + 24
    return content[:place] + struct.pack("<I", size) + content[place + 4 :]


ZEROS = zlib.compress(bytes(1 << 20), 9)
UNREAD = "hostile.npz cannot be read: "
FILES = [
    Case("nothing", b"", "it is not a whole .npz file"),
    Case("a picture", b"\x89PNG\r\n\x1a\n", "it is not a whole .npz file"),
    Case("a text", "weights", f"{UNREAD}it is not a whole .npz file"),
    Case("an array alone", npy((3,)) + bytes(12),
         f"{UNREAD}it is not a whole .npz file"),
    Case("arrays alone", archive(a=npy((3,)) + bytes(12)),
         f"{UNREAD}it is of format None"),
    Case("an array cut short", archive(header=b"\x93NUMPY"), UNREAD),
    Case("an archive of nothing", archive(), "it is of format None"),
    Case("a header alone", archive(header=npy((), "<U2") + "{}".encode("utf-32-le")),
         "it is of format None"),
    Case("an array of an exabyte", archive(header=npy((10**18,))), "cannot be read"),
    Case("an array of a negative size", archive(header=npy((-5,))), "cannot be read"),
    Case("an array header of a megabyte", archive(header=b"\x93NUMPY\2\0"
         + struct.pack("<I", 10**6) + b"(" * 10**6), "cannot be read"),
    Case("an array header that computes", archive(header=b"\x93NUMPY\1\0"
         + struct.pack("<H", 60) + b"{'descr': __import__('os').mkdir('ran')}".ljust(60)),
         "cannot be read"),
    Case("300 MB of zeros in 300 kB", archive(header=bytes(300 << 20)),
         "it would unpack to 314572800 bytes"),
    Case("a size that lies", lying(archive(header=npy((4,)) + bytes(16)), 2**32 - 2),
         "it would unpack to 4294967294 bytes"),
    Case("objects", archive(header=npy((1,), "|O") + pickle.dumps([1])), "cannot be read"),
    Case("lists in lists", archive(header=npy((), "<U100000")
         + ("[" * 10**5).encode("utf-32-le")), "cannot be read: maximum recursion"),
]  # fmt: skip


@each(FILES)
def test_a_hostile_weights_file_is_refused(tmp_path, case, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judge(case, weights.read_weights, tmp_path, suffix=".npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("raw", [True, False])
def test_a_pickle_is_never_opened(tmp_path, raw, whole):
    path, ran = tmp_path / "trap.npz", tmp_path / "ran"
    if raw:
        path.write_bytes(pickle.dumps(Trap(ran)))
    else:
        trapped = np.empty(1, object)
        trapped[0] = Trap(ran)
        np.savez(path, **{**whole[1], "network/trap": trapped})
        with np.load(path, allow_pickle=True) as opened:
            assert opened["network/trap"].shape  # the trap is a good one
        ran.rmdir()
    refused(path, "weights file")
    assert not ran.exists()


FORGED = [
    ({"mean_shape": np.full((68, 2), np.nan, np.float32)}, "not a finite number"),
    ({"mean_shape": np.full((68, 2), np.inf, np.float32)}, "not a finite number"),
    ({"mean_shape": np.zeros((67, 2), np.float32)}, "has the shape (67, 2)"),
    ({"mean_shape": np.full((68, 2), "a")}, "cannot be read"),
    ({"extra": np.zeros(3, np.float16)}, "where the model has no such array"),
    ({"network": np.zeros(3, np.float16)}, "where the model has no such array"),
    (
        {"network/a\x1b[2J": np.zeros(3, np.float16)},
        "where the model has no such array",
    ),
]


@pytest.mark.parametrize(
    ("arrays", "message"), FORGED, ids=lambda value: str(value)[:30]
)
def test_forged_arrays_are_refused(tmp_path, whole, arrays, message):
    signed(whole[1], tmp_path / "forged.npz", **arrays)
    refused(tmp_path / "forged.npz", message)


SETTINGS = [
    ({"crop_size": 10**9}, "crop_size must be at most 4096"),
    ({"crop_size": "big"}, "crop_size must be int"),
    ({"hidden_size": 10**9}, "hidden_size must be at most 4096"),
    ({"hidden_size": 0}, "hidden_size must be at least 1"),
    ({"max_steps": 10**9}, "max_steps must be at most 1000"),
    ({"num_steps": -1}, "num_steps must be at least 1"),
    ({"tolerance": float("nan")}, "tolerance must be a finite number"),
    ({"tolerance": -1.0}, "tolerance must be at least 0"),
    ({"frame_scale": float("inf")}, "frame_scale must be a finite number"),
    ({"extra_layers": 10**6}, "patch_size must be at least 2000013"),
    ({"cell": "__import__"}, "cell must be one of"),
    ({"surprise": 1}, "has no field surprise"),
    ({"markup": {"name": "a"}}, "a markup has the fields"),
    ({"markup": None}, "must be an object"),
]


@pytest.mark.parametrize(("model", "message"), SETTINGS, ids=str)
def test_forged_settings_are_refused(tmp_path, whole, model, message):
    run = to_dict(RUN)
    run["model"] = {**run["model"], **model}
    signed(whole[1], tmp_path / "forged.npz", run=run)
    refused(tmp_path / "forged.npz", message)
    with pytest.raises(ValueError) as caught:
        from_dict(ModelConfig, run["model"])
    check_message(str(caught.value), message)


SMALL = {"name": "a", "mirror": [1, 0], "eye_corners": [0, 1], "eyes": [[0], [1]]}
WHOLE_NUMBERS = "landmarks are named by whole numbers"
MARKUPS = [
    Case("nothing", "", "markup file"),
    Case("a list", "[]", "holds one JSON object"),
    Case("lists in lists", "[" * 10**6, "maximum recursion"),
    Case("a picture", b"\x89PNG\r\n\x1a\n\xff", "markup file"),
    Case("code", "__import__('os').mkdir('ran')", "markup file"),
    Case("a YAML tag", "!!python/object/apply:os.mkdir [ran]", "markup file"),
    *[
        Case(f"{name} {value!r:.30}", json.dumps({**SMALL, name: value}), message)
        for name, value, message in (
            ("eye_corners", [float("inf"), 1], WHOLE_NUMBERS),
            ("eye_corners", [float("nan"), 1], WHOLE_NUMBERS),
            ("eye_corners", [0, 0], "each two places of a face"),
            ("eye_corners", [0, 1, 1], "each name two things"),
            ("eye_corners", "01", "named in a list"),
            ("eye_corners", {"0": 1}, "named in a list"),
            ("eye_corners", [0, 2], "0 to 1, but eye_corners names 2"),
            ("eyes", [[0], [0]], "each two places of a face"),
            ("eyes", [[0], []], "each two places of a face"),
            ("eyes", None, "not a markup"),
            ("mirror", [1, 0.9], WHOLE_NUMBERS),
            ("mirror", [True, False], WHOLE_NUMBERS),
            ("mirror", ["1", "0"], WHOLE_NUMBERS),
            ("mirror", [1, -1], "0 to 1, but lacks 0, names -1"),
            ("mirror", [1, 10**30], "0 to 1, but lacks 0, names 1000"),
            ("mirror", [], "mirror names no landmark"),
            ("regions", [1], "not a markup"),
            ("regions", {"jaw": 7}, "named in a list"),
            ("outlines", [[0, 1.5]], WHOLE_NUMBERS),
            ("more", 1, "a markup has the fields"),
        )
    ],
]


@each(MARKUPS)
def test_a_hostile_markup_is_refused(tmp_path, case, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judge(case, read_markup, tmp_path, suffix=".json")
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.json"]


def test_the_small_markup_is_good_but_for_what_is_changed(tmp_path):
    (tmp_path / "good.json").write_text(json.dumps(SMALL))
    assert read_markup(tmp_path / "good.json").num_points == 2
    (tmp_path / "49.json").write_text(json.dumps(FACE_49.to_dict()))
    assert read_markup(tmp_path / "49.json") == FACE_49


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "model"
    export_params(folder, params=tiny.make_params(), config=RUN)
    return folder


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_file_of_an_export_may_be_torn_or_changed(tmp_path, exported):
    """Whatever file it is: one error that names the export, or the same model."""
    good, _ = load_params(exported)
    outcomes = set()
    files = _files(exported)
    for path in files:
        for tear in (lambda b: b"", lambda b: b[: len(b) // 2], _bent):
            folder = tmp_path / "torn"
            shutil.copytree(exported, folder)
            target = folder / path.relative_to(exported)
            target.write_bytes(tear(target.read_bytes()))
            try:
                params, config = load_params(folder)
            except ValueError as error:
                check_message(str(error), "torn")
                outcomes.add("refused")
            else:  # orbax keeps some of what it writes for itself
                assert config == RUN, path
                pairs = zip(_leaves(params), _leaves(good), strict=True)
                assert all(np.array_equal(a, b) for a, b in pairs), path
                outcomes.add("the same")
            shutil.rmtree(folder)
    assert "refused" in outcomes and len(files) > 5


def _bent(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(b ^ 0x55 for b in content[middle:])


def _leaves(tree):
    if not isinstance(tree, dict):
        return [tree]
    return [leaf for branch in tree.values() for leaf in _leaves(branch)]


def test_an_export_full_of_pickles_runs_nothing(tmp_path, exported):
    ran = tmp_path / "ran"
    folder = tmp_path / "trapped"
    shutil.copytree(exported, folder)
    for path in _files(folder):
        path.write_bytes(pickle.dumps(Trap(ran)))
    refused(folder, "cannot be read", load_params)
    assert not ran.exists()


# What files that unpack to gigabytes may take, beside the interpreter.
LIMITED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import hostile
import hostile_models_test as cases
folder = Path(sys.argv[2])
hostile.limit_memory(128 << 20)
for case in cases.FILES:
    cases.judge(case, cases.weights.read_weights, folder, suffix=".npz")
print("bounded")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_weights_that_would_unpack_to_gigabytes_stay_small(tmp_path):
    check_bounded(LIMITED, tmp_path)
