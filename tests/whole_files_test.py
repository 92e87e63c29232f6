"""A file has its old content or its new one."""

from pathlib import Path

import pytest

from rcsr_jax.data.whole_files import whole_file, write_whole


def test_a_file_gets_a_new_content_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "notes.csv"
    for text in ("a,b\r\n", "é\n"):
        write_whole(path, text)
        assert path.read_bytes() == text.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_what_ends_while_it_is_written_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "notes.csv"
    write_whole(path, "old")

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_while_it_is_written_leaves_nothing(tmp_path):
    path, unfinished = tmp_path / "model.npz", tmp_path / ".hidden"
    with (
        pytest.raises(ValueError, match="half"),
        whole_file(path, unfinished=unfinished) as file,
    ):
        file.write(b"half")
        file.flush()
        assert unfinished.read_bytes() == b"half" and not path.exists()
        raise ValueError("half of it")
    assert not list(tmp_path.iterdir())
    with whole_file(path, unfinished=unfinished) as file:
        file.write(b"all")
    assert path.read_bytes() == b"all" and list(tmp_path.iterdir()) == [path]
