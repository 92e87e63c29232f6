"""A folder for results that cannot be one is refused before the work."""

import pytest
from commands import run_module
from rcsr_jax.experiments.out_folder import folder_to_write


def test_a_file_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.jpg").touch()
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "to_here").symlink_to(tmp_path)
    for name in ("plain.jpg", "plain.jpg/deeper/still", str(tmp_path / "plain.jpg")):
        with pytest.raises(ValueError, match=r"plain\.jpg is a file; name a folder"):
            folder_to_write(name)
    with pytest.raises(ValueError, match="nowhere is a link to nothing; name a fold"):
        folder_to_write("nowhere")
    for name in (".", "new", "new/and/deep", "to_here", str(tmp_path)):
        assert str(folder_to_write(name)) == name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("predict", ["--filled", "photo.png"]),
        ("evaluate", ["--data=drawn"]),
        ("prepare", ["--data=drawn"]),
        ("bulk", ["--workers=0", "."]),
        ("draw", []),
    ],
)
def test_programs_say_so_before_they_work(tmp_path, program, arguments):
    (tmp_path / "plain.jpg").write_text("mine")
    done = run_module(program, *arguments, "--out=plain.jpg", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: plain.jpg is a file; name a folder.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["plain.jpg"]
