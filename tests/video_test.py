"""Video files written and read back."""

import itertools
import re
import struct
import sys
from fractions import Fraction
from pathlib import Path

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


def test_a_damaged_packet_costs_its_frames_alone(tmp_path):
    clip = draw_clip(3, 0, num_frames=60, size=64)
    path = tmp_path / "clip.mp4"
    write(path, clip.frames)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    content[packets[20].pos : packets[20].pos + packets[20].size] = bytes(
        packets[20].size
    )
    path.write_bytes(content)
    with Video(path) as video:
        frames = list(video)
        assert video.trouble == "1 damaged packets were passed over"
    assert 30 < len(frames) < 60 and frames[-1].seconds == pytest.approx(59 / 25)


def with_header_first(path):
    """The clip in a file whose length is told before its frames, as in those to stream."""
    first = path.with_name("first.mp4")
    with (
        av.open(str(path)) as whole,
        av.open(str(first), "w", options={"movflags": "faststart"}) as container,
    ):
        stream = container.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    return first


def beside_sound(path):
    """The clip with twice as much sound, in a file that tells the length of both."""
    both = path.with_name("sound.mkv")
    with av.open(str(path)) as whole, av.open(str(both), "w") as container:
        stream = container.add_stream_from_template(whole.streams.video[0])
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
        for second in range(8):
            samples = av.AudioFrame.from_ndarray(
                np.zeros((1, 8000), np.int16), format="s16", layout="mono"
            )
            samples.sample_rate, samples.pts = 8000, 8000 * second
            container.mux(sound.encode(samples))
    return both


def uneven(path):
    """A clip whose last frame comes late, which FFmpeg takes for one as short as others."""
    with VideoWriter(path, rate=10) as writer:
        for number in range(40):
            image = np.full((64, 64, 3), 5 * number, np.uint8)
            writer.write(VideoFrame(image, number / 10 if number < 39 else 8.0))
    return path


def trimmed(path):
    """A clip of which its edit list shows the second second alone."""
    content = bytearray(with_header_first(path).read_bytes())
    place = content.index(b"elst") + 12
    content[place : place + 8] = struct.pack(">ii", 1000, 90_000)
    path.write_bytes(content)
    return path


@pytest.fixture
def clip_in(tmp_path):
    """Writes four seconds, 40 frames, to a file of a kind."""
    images = draw_clip(3, 0, num_frames=40, size=64).frames

    def clip(name):
        write(tmp_path / name, images, rate=10)
        return tmp_path / name

    return clip


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("clip.mp4", with_header_first, r"it ends early: \d+ of 40 frames"),
        ("clip.mkv", Path, r"it ends early: [123]\.\d of 4\.0 seconds"),
        ("clip.mkv", beside_sound, r"it ends early: [123]\.\d of 4\.0 seconds"),
        ("clip.flv", Path, r"it ends early: [123]\.\d of 4\.2 seconds"),
    ],
)
def test_a_video_cut_short_is_told(name, change, told, clip_in):
    path = change(clip_in(name))
    with Video(path) as video:
        assert len(list(video)) == 40 and not video.trouble
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with Video(path) as video:
        assert 0 < len(list(video)) < 38
        assert re.search(told, video.trouble)
    with Video(path) as video:  # who takes the first frames alone misses none
        assert len(list(itertools.islice(video, 3))) == 3 and not video.trouble


def test_an_avi_file_cut_short_is_told(tmp_path):
    """It counts the pictures that it leaves out: 40 are written, 79 counted."""
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number, image in enumerate(draw_clip(3, 0, num_frames=40, size=64).frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = 2 * number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with Video(path) as video:
        assert video.num_frames == 79
        assert len(list(video)) == 40 and not video.trouble
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with Video(path) as video:
        assert len(list(video)) < 35
        assert re.search(r"it ends early: \d\.\d of 7\.9 seconds", video.trouble)


def test_a_last_frame_that_is_cut_is_told(clip_in):
    path = with_header_first(clip_in("clip.mp4"))
    path.write_bytes(path.read_bytes()[:-5])
    with Video(path) as video:
        assert len(list(video)) > 35
        assert "it ends early: " in video.trouble


@pytest.mark.parametrize(("change", "count"), [(uneven, 40), (trimmed, 10)])
def test_a_whole_video_of_another_length_than_told_is_no_trouble(
    change, count, clip_in
):
    with Video(change(clip_in("clip.mp4"))) as video:
        assert len(list(video)) == count and not video.trouble


def test_times_that_begin_anew_go_on(tmp_path):
    """Two pieces in one file: the clock of the second starts where the first one did."""
    image = np.full((32, 48, 3), 90, np.uint8)
    for name in ("a", "b"):
        write(tmp_path / f"{name}.mpg", [image] * 20)
    joined = b"".join((tmp_path / f"{n}.mpg").read_bytes() for n in "ab")
    (tmp_path / "both.mpg").write_bytes(joined)
    with Video(tmp_path / "both.mpg") as video:
        seconds = [frame.seconds for frame in video]
    assert len(seconds) > 35
    assert np.diff(seconds).min() > 0.03 and np.diff(seconds).max() < 0.2


def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("12:30.mp4", [np.full((32, 48, 3), 90, np.uint8)] * 3)
    with Video("12:30.mp4") as video:
        assert len(list(video)) == 3


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_turned_and_mirrored_as_a_matrix_says(turns, mirrored):
    """Every pixel goes where the matrix sends it."""
    image = np.arange(6).reshape(2, 3)
    angle = turns * np.pi / 2
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    if mirrored:
        matrix = np.diag([-1, 1]) @ matrix
    (a, b), (c, d) = np.rint(65536 * matrix).astype(int)
    found = videos._upright(image, (a, b, c, d))
    places = np.array([(x, y) for y in range(2) for x in range(3)])
    moved = np.rint(places @ matrix).astype(int)
    moved -= moved.min(0)
    for (x, y), (left, top) in zip(places, moved, strict=True):
        assert found[top, left] == image[y, x]


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


@pytest.mark.parametrize("kind", [b"drmi", b"encv", b"zzzz"])
def test_a_video_without_a_decoder_is_told(tmp_path, kind):
    path = tmp_path / "bought.m4v"
    write(path, np.zeros((3, 32, 32, 3), np.uint8))
    held = path.read_bytes()
    assert held.count(b"avc1") >= 1
    path.write_bytes(held.replace(b"avc1", kind))
    with pytest.raises(ValueError, match="bought.m4v: there is no decoder"):
        Video(path)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(videos.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "rcsr-jax\[video\]"'):
        Video(tmp_path / "clip.mp4")


def test_what_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "nowhere" / "clip.mp4"
    with pytest.raises(ValueError, match="cannot be written"):
        write(path, np.zeros((1, 32, 32, 3), np.uint8))
