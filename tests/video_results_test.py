"""What is left of each video: what counts as done and what may be replaced."""

import json

import pytest
from rcsr_jax.experiments.inputs import Input
from rcsr_jax.experiments.video_results import Counts, VideoResults


@pytest.fixture
def video(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"12345")
    return Input("sub/clip.mp4", tmp_path / "clip.mp4", "sub/clip")


def results_in(tmp_path, *, made_with="x", overwrite=False):
    return VideoResults(tmp_path / "out", made_with=made_with, overwrite=overwrite)


def tracked(results, video, *, table="a,b\n", picture="film", counts=(3, 1)):
    def track():
        results.table(video).write_text(table)
        if picture:
            results.picture(video).write_text(picture)
        return counts

    return track


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "out/sub").iterdir())


def test_what_is_done_is_not_done_again(tmp_path, video):
    results = results_in(tmp_path)
    assert results.counts(video) is None
    assert results.write(video, tracked(results, video)) == Counts(3, 1)
    assert names(tmp_path) == ["clip.csv", "clip.json", "clip_overlay.mp4"]
    assert results_in(tmp_path).counts(video) == Counts(3, 1)
    results.table(video).write_text("corrected")
    assert results.counts(video) == Counts(3, 1)  # and so nothing is replaced
    assert results_in(tmp_path, overwrite=True).counts(video) is None
    results.picture(video).unlink()
    with pytest.raises(
        ValueError, match=r"clip\.csv is there already .* changed since"
    ):
        results.counts(video)
    results.table(video).write_text("a,b\n")
    assert results.counts(video) is None  # what is missing is made again


@pytest.mark.parametrize("name", ["clip.csv", "clip_overlay.mp4"])
def test_files_that_are_no_results_are_kept(tmp_path, video, name):
    mine = tmp_path / "out/sub" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("by hand")
    with pytest.raises(ValueError, match=rf"{name} is there .*--overwrite replaces it"):
        results_in(tmp_path).counts(video)
    results = results_in(tmp_path, overwrite=True)
    assert results.counts(video) is None
    results.write(video, tracked(results, video, picture=""))
    assert names(tmp_path) == ["clip.csv", "clip.json"]
    assert results_in(tmp_path).counts(video) == Counts(3, 1)


def test_results_of_another_video_or_other_settings_are_kept(tmp_path, video):
    results = results_in(tmp_path)
    results.write(video, tracked(results, video))
    with pytest.raises(ValueError, match=r"clip\.json was made of another video or"):
        results_in(tmp_path, made_with="y").counts(video)
    video.path.write_bytes(b"54321")
    with pytest.raises(ValueError, match="--overwrite replaces it"):
        results.counts(video)
    camera = Input("camera_0", tmp_path / "camera_0", "camera_0")
    results.write(camera, tracked(results, camera))
    with pytest.raises(ValueError, match=r"camera_0\.json was made of another video"):
        results.counts(camera)  # nobody can record the same again
    (tmp_path / "out/camera_0.json").write_text('{"files": 5}')
    with pytest.raises(ValueError, match="--overwrite replaces it"):
        results.counts(camera)


def test_what_an_interrupted_run_left_is_replaced_unless_it_was_changed(
    tmp_path, video
):
    def interrupted():
        results.table(video).write_text("half")
        raise KeyboardInterrupt

    results = results_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        results.write(video, interrupted)
    assert names(tmp_path) == ["clip.csv", "clip.json"]
    assert results.counts(video) is None
    results.table(video).write_text("half, and corrected")
    with pytest.raises(ValueError, match=r"clip\.csv is there already"):
        results.counts(video)
    results.table(video).write_text("half")
    results.write(video, tracked(results, video))
    assert results.counts(video) == Counts(3, 1)


def test_what_a_killed_run_left_is_its_own(tmp_path, video):
    results = results_in(tmp_path)

    def killed():
        assert not results.table(video).exists()
        results.table(video).write_text("half")
        # as nobody cleans up
        left.update(
            {path: path.read_bytes() for path in results.table(video).parent.iterdir()}
        )
        raise KeyboardInterrupt

    left = {}
    with pytest.raises(KeyboardInterrupt):
        results.write(video, killed)
    for path in results.table(video).parent.iterdir():
        path.unlink()
    for path, content in left.items():
        path.write_bytes(content)
    assert names(tmp_path) == ["clip.csv", "clip.json.unfinished"]
    assert results.counts(video) is None
    results.write(video, tracked(results, video))
    assert names(tmp_path) == ["clip.csv", "clip.json", "clip_overlay.mp4"]


def test_a_video_without_a_frame_leaves_nothing(tmp_path, video):
    def fails():
        raise ValueError("no frame")

    results = results_in(tmp_path)
    with pytest.raises(ValueError, match="no frame"):
        results.write(video, fails)
    assert names(tmp_path) == []
    results.write(video, tracked(results, video))
    content = json.loads((tmp_path / "out/sub/clip.json").read_text())
    assert content["image"] == "sub/clip.mp4" and content["bytes"] == 5
    assert (content["frames"], content["faces"]) == (3, 1)
