"""Video files written and read back."""

import sys

import numpy as np
import pytest

from rcsr_jax import video as videos
from rcsr_jax.data.clips import draw_clip
from rcsr_jax.video import Video, VideoFrame, VideoWriter

av = pytest.importorskip("av")


def write(path, images, *, rate=25.0):
    with VideoWriter(path, rate=rate) as writer:
        for number, image in enumerate(images):
            writer.write(VideoFrame(image, number / rate))


def test_a_drawn_clip_comes_back(tmp_path):
    clip = draw_clip(3, 0, num_frames=10, size=96)
    write(tmp_path / "clip.mp4", clip.frames)
    with Video(tmp_path / "clip.mp4") as video:
        assert video.rate == pytest.approx(25)
        assert video.num_frames == 10
        frames = list(video)
    np.testing.assert_allclose([f.seconds for f in frames], np.arange(10) / 25)
    for frame, image in zip(frames, clip.frames, strict=True):
        assert frame.image.shape == (96, 96, 3) and frame.image.dtype == np.uint8
        away = np.abs(frame.image.astype(int) - image)
        assert away.mean() < 6  # the codec's loss, and noise


def test_an_odd_side_loses_a_pixel_and_times_are_kept(tmp_path):
    image = np.full((33, 51, 3), 90, np.uint8)
    with VideoWriter(tmp_path / "odd.mp4") as writer:
        for seconds in (0.0, 0.5, 0.6):
            writer.write(VideoFrame(image, seconds))
        with pytest.raises(ValueError, match="frame times must grow; got 0.6"):
            writer.write(VideoFrame(image, 0.6))
        with pytest.raises(ValueError, match="got 20 x 20 after 50 x 32"):
            writer.write(VideoFrame(image[:20, :20], 0.7))
    with Video(tmp_path / "odd.mp4") as video:
        frames = list(video)
    assert {frame.image.shape for frame in frames} == {(32, 50, 3)}
    np.testing.assert_allclose([f.seconds for f in frames], [0, 0.5, 0.6], atol=1e-4)


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_turned_phone_gives_upright_pictures(tmp_path, degrees):
    image = np.zeros((32, 64, 3), np.uint8)
    image[:16, :32] = 255  # white at the upper left
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(degrees)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with Video(path) as video:
        upright = next(iter(video)).image
    expected = np.rot90(image, degrees // 90)  # counterclockwise, as the file says
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected).mean() < 6


def test_a_camera_is_a_device_of_the_system(monkeypatch):
    monkeypatch.setitem(
        videos._CAMERAS,
        sys.platform,
        ("lavfi", "testsrc=size=64x48:rate=10:duration={}"),
    )
    with Video(1) as video:
        frames = list(video)
    assert len(frames) == 10 and frames[0].image.shape == (48, 64, 3)
    assert frames[0].seconds == 0 and frames[-1].seconds == pytest.approx(0.9)


def test_what_cannot_be_read_is_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="none.mp4: cannot be opened"):
        Video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match="text.mp4: cannot be opened"):
        Video(tmp_path / "text.mp4")
    with pytest.raises(ValueError, match="camera 77: cannot be opened"):
        Video(77)
    monkeypatch.setattr(sys, "platform", "elsewhere")
    with pytest.raises(ValueError, match="cameras are not read on elsewhere"):
        Video(0)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(videos.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "rcsr-jax\[video\]"'):
        Video(tmp_path / "clip.mp4")


def test_what_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "nowhere" / "clip.mp4"
    with pytest.raises(ValueError, match="cannot be written"):
        write(path, np.zeros((1, 32, 32, 3), np.uint8))
