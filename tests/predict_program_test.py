"""rcsr-predict on photos and video, as a user runs it: installed, from another folder."""

import csv
import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import called_with, fail, run, succeed, trained_place
from PIL import Image

from rcsr_jax.data.clips import draw_clip
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.data.images import save_image
from rcsr_jax.data.locks import alone_in
from rcsr_jax.video import Video, VideoFrame, VideoWriter

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return trained_place(tmp_path_factory.mktemp("user"))


def test_a_bad_photo_does_not_keep_the_good_one_from_its_answer(place):
    (place / "broken.png").write_bytes(b"no picture")
    (place / "camera.NEF").write_bytes(b"no picture that is read")
    options = [
        "--checkpoint=run",
        "--filled",
        "--out=mixed",
        "broken.png",
        "camera.NEF",
    ]
    assert "2 failed" in fail(
        "rcsr-predict", *options, "photos/face_0002.png", cwd=place
    )
    summary = json.loads((place / "mixed/summary.json").read_text())
    assert list(summary["failed"]) == ["broken.png", "camera.NEF"]
    assert "JPEG first" not in summary["failed"]["broken.png"]
    assert summary["failed"]["camera.NEF"].endswith("; convert it to JPEG first")
    assert (place / "mixed/face_0002.pts").is_file()


def test_a_summary_of_something_else_is_not_replaced(place):
    folder = place / "of_somebody"
    folder.mkdir()
    (folder / "summary.json").write_text('{"mine": 1}')
    command = ["rcsr-predict", "--checkpoint=run", "--filled", "--out=of_somebody"]
    told = fail(*command, "photos/face_0002.png", cwd=place)
    assert "summary.json is none of rcsr-predict" in told
    assert [path.name for path in folder.iterdir()] == ["summary.json"]
    assert (folder / "summary.json").read_text() == '{"mine": 1}'
    succeed(*command, "--overwrite", "photos/face_0002.png", cwd=place)
    assert json.loads((folder / "summary.json").read_text())["faces"] == 1


def test_landmarks_of_a_photo_are_an_annotation(place):
    command = ["rcsr-predict", "--checkpoint=run", "--filled", "--out=single"]
    succeed(*command, "photos/face_0002.png", cwd=place)
    succeed("rcsr-convert", "--data=single/face_0002.json", "--out=one.csv", cwd=place)
    header, row = (place / "one.csv").read_text().splitlines()
    assert header.startswith("image,box_x0") and row.startswith("face_0002.png,")
    points = json.loads((place / "single/face_0002.json").read_text())["faces"][0]
    np.testing.assert_allclose(
        np.array(row.split(",")[5:7], float), points["points"][0], atol=1e-5
    )


def test_predictions_go_on_where_they_stopped_and_are_redone_on_demand(place):
    command = ["rcsr-predict", "--checkpoint=run", "--boxes=photos/boxes.csv"]
    command += ["--out=found", "--show_steps"]
    said = succeed(*command, "photos/face_000[0-2].png", cwd=place)
    assert said == "3 faces in 3 photos: found\n"
    for path in (place / "found").glob("face_0001*"):
        path.unlink()
    first = (place / "found/face_0000.json").stat().st_mtime_ns
    said = succeed(*command, "--jobs=1", "photos", cwd=place)
    assert said == "24 faces in 24 photos, 2 of them done before: found\n"
    assert (place / "found/face_0000.json").stat().st_mtime_ns == first
    rows = (place / "found/faces.csv").read_text().splitlines()
    assert len(rows) == 25 and rows[0].startswith("image,face,box_x0,")
    assert rows[1].startswith("face_0000.png,1,")
    one = ["--num_steps=1", "photos/face_0000.png"]
    assert "--overwrite" in fail(*command, *one, cwd=place)
    also = ["--show_errors", "photos/face_0000.png"]
    assert "--overwrite" in fail(*command, *also, cwd=place)
    succeed(*command, *one, "--overwrite", cwd=place)
    face = json.loads((place / "found/face_0000.json").read_text())["faces"][0]
    assert face["num_steps"] == 1


def test_faces_of_a_low_score_are_left_out_on_demand(place):
    options = ["--checkpoint=run", "--filled", "--nooverlay", "--out=sure"]
    photos = ["photos/face_0003.png", "photos/face_0004.png"]
    strict = [*options, "--min_score=1", *photos]  # a score that no face reaches
    told = (
        "0 faces in 2 photos{}, 2 without a face, 2 faces of a score below 1 left out"
    )
    said = succeed("rcsr-predict", *strict, cwd=place)
    assert said == told.format("") + ": sure\n"
    assert not list((place / "sure").glob("*.pts"))
    summary = json.loads((place / "sure/summary.json").read_text())
    assert (summary["faces"], summary["faces_left_out"]) == (0, 2)
    said = succeed("rcsr-predict", *strict, cwd=place)
    assert said == told.format(", 2 of them done before") + ": sure\n"
    assert "with other settings" in fail("rcsr-predict", *options, *photos, cwd=place)


def test_a_run_that_is_asked_to_end_tells_what_it_did(place):
    many = place / "many"
    many.mkdir()
    photos = sorted((place / "photos").glob("*.png"))
    for number in range(300):
        (many / f"{number:03d}.png").symlink_to(photos[number % len(photos)])
    command = Path(sys.executable).parent / "rcsr-predict"
    words = [command, "--checkpoint=run", "--filled", "--out=ended", "many"]
    with subprocess.Popen(words, cwd=place, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and not (place / "ended/000.json").exists():
            time.sleep(0.02)
        run.terminate()
        said = run.communicate(timeout=120)[1]
    assert run.returncode == 128 + signal.SIGTERM, said
    assert said.splitlines()[-1] == "interrupted" and "Traceback" not in said
    told = json.loads((place / "ended/summary.json").read_text())
    assert set(told["failed"].values()) == {"the run ended before it"}
    assert 0 < told["photos_done"] < 300
    assert told["photos_done"] + len(told["failed"]) == 300
    rows = (place / "ended/faces.csv").read_text().splitlines()
    assert len(rows) == 1 + told["faces"] == 1 + told["photos_done"]


def write_clip(path):
    clip = draw_clip(3, 0, num_frames=8, size=96)
    with VideoWriter(path, rate=10) as writer:
        for number, image in enumerate(clip.frames):
            writer.write(VideoFrame(image, number / 10))
    return clip


def test_an_interrupted_video_is_told_and_done_anew(place):
    image = draw_face(4, 3, size=320).image
    with VideoWriter(place / "long.mp4", rate=10) as writer:
        for number in range(400):
            writer.write(VideoFrame(image, number / 10))
    command = Path(sys.executable).parent / "rcsr-predict"
    options = ["--preset=fast", "--filled", "--nooverlay", "--out=cut"]
    words = [command, *options, "long.mp4", "photos/face_0000.png"]
    table = place / "cut/long.csv"
    with subprocess.Popen(words, cwd=place, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and not (table.exists() and table.stat().st_size):
            time.sleep(0.02)
        run.terminate()
        said = run.communicate(timeout=120)[1]
    assert run.returncode == 128 + signal.SIGTERM, said
    told = json.loads((place / "cut/summary.json").read_text())
    assert told["failed"] == {"long.mp4": "the run ended before it"}
    assert told["photos_done"] == 1  # photos come first
    assert "frames" not in json.loads((place / "cut/long.json").read_text())
    half = len(table.read_text().splitlines())
    said = succeed("rcsr-predict", *words[1:], cwd=place)
    assert said.startswith("1 faces in 400 frames: cut/long.csv")
    assert half < 401 == len(table.read_text().splitlines())


_find_spec = importlib.util.find_spec


def without_av(name, package=None):
    return None if name == "av" else _find_spec(name, package)


def test_videos_of_a_folder_are_passed_over_where_they_cannot_be_done(place):
    folder = place / "holiday"
    folder.mkdir()
    write_clip(folder / "clip.mp4")
    photo = (place / "photos/face_0001.png").read_bytes()
    (folder / "face_0001.png").write_bytes(photo)
    table = (place / "photos/boxes.csv").read_text()
    (folder / "boxes.csv").write_text(table)
    found = ["rcsr-predict", "--checkpoint=run", "--nooverlay"]

    def done_with(*words, replaced=None):
        done = run(*found, *words, cwd=place, replaced=replaced)
        assert done.returncode == 0, done.stderr
        return done

    listed = ["--boxes=holiday/boxes.csv", "--out=trip", "holiday"]
    told = done_with(*listed).stderr
    remedy = "to use videos give them rows in holiday/boxes.csv"
    assert told == f"1 file passed over: 1 .mp4; {remedy}\n"
    without = {"importlib.util.find_spec": without_av}
    told = done_with(*listed, replaced=without).stderr
    remedy = 'to use videos pip install "rcsr-jax[video]"'
    assert told == f"1 file passed over: 1 .mp4; {remedy}\n"
    summary = json.loads((place / "trip/summary.json").read_text())
    assert summary["passed_over"] == {".mp4": 1} and summary["failed"] == {}
    assert "no box in" in fail(*found, *listed, "holiday/clip.mp4", cwd=place)
    more = f"{table.rstrip()}\nclip.mp4,20,20,76,76\n"
    (folder / "more.csv").write_text(more)
    said = done_with("--boxes=holiday/more.csv", "--out=trip2", "holiday").stdout
    assert said.startswith("1 faces in 8 frames: trip2/clip.csv\n1 faces in 1 photos")


PHOTO, CLIP = "photos/face_0002.png", "clip.mp4"


@pytest.mark.parametrize(
    ("function", "words", "told"),
    [
        ("video.Tracker", ["--filled", CLIP], "detect_every=10, smoothing=None"),
        ("video.Tracker", ["--filled", "--smooth", CLIP], "smoothing=OneEuro("),
        ("video.Tracker", ["--filled", "--detect_every=3", CLIP], "detect_every=3"),
        ("finding.detect_faces", [PHOTO], "threshold=0.0, min_face=None"),
        ("finding.detect_faces", ["--threshold=-0.25", PHOTO], "threshold=-0.25"),
        ("finding.detect_faces", ["--min_face=40", PHOTO], "min_face=40.0"),
        (
            "found.draw_overlay",
            ["--filled", PHOTO],
            "box=None, trajectory=None, ellipses=None",
        ),
        (
            "found.draw_overlay",
            ["--filled", "--show_boxes", PHOTO],
            "box=array([[13.9, 13.9, 81.1, 81.1]]), trajectory=None, ellipses=None",
        ),
        (
            "found.draw_overlay",
            ["--filled", "--show_errors", PHOTO],
            "box=None, trajectory=None, ellipses=array([[",
        ),
        (
            "found.draw_overlay",
            ["--filled", "--show_steps", PHOTO],
            "box=None, trajectory=array([[",
        ),
    ],
)
def test_flags_reach_what_they_are_for(function, words, told, place):
    where = f"rcsr_jax.experiments.{function}"
    words = ["rcsr-predict", "--checkpoint=run", "--out=not_reached", *words]
    assert told in called_with(where, *words, cwd=place)


def test_flags_of_videos_are_refused_for_photos(place):
    words = ["--checkpoint=run", "--filled", "--smooth", "--out=none"]
    told = fail("rcsr-predict", *words, "photos", cwd=place)
    assert "--smooth is for videos, and there is none" in told
    told = fail("rcsr-predict", "--out=none", "--video=clip.mp4", cwd=place)
    assert "takes the number of a camera, from 0; a file is named without" in told
    words = ["--checkpoint=run", "--filled", "--nooverlay", "--show_steps"]
    told = fail("rcsr-predict", *words, "--out=none", "photos", cwd=place)
    assert "--show_steps draws over photos, and --nooverlay does not" in told


def test_a_video_gives_a_video_and_a_table(place):
    clip = write_clip(place / "clip.mp4")
    options = ["--checkpoint=run", "--filled", "--smooth", "--video_frames=6"]
    said = succeed("rcsr-predict", *options, "--out=film", "clip.mp4", cwd=place)
    assert said.startswith("1 faces in 6 frames")
    with (place / "film/clip.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["face"]) for row in rows] == [
        (str(n), "0") for n in range(6)
    ]
    assert float(rows[5]["seconds"]) == 0.5
    assert 0 < float(rows[5]["x_67"]) < 96
    with Video(place / "film/clip_overlay.mp4") as video:
        shown = [frame.image for frame in video]
    assert len(shown) == 6
    assert (np.abs(shown[0].astype(int) - clip.frames[0]) > 60).any()  # the landmarks
    fault = fail("rcsr-predict", *options, "--out=film", "--video=77", cwd=place)
    assert "camera 77: cannot be opened" in fault
    table = [
        "--checkpoint=run",
        "--boxes=photos/boxes.csv",
        "--out=unknown",
        "clip.mp4",
    ]
    assert "no box in photos/boxes.csv" in fail("rcsr-predict", *table, cwd=place)
    assert not (place / "unknown/clip.csv").exists()
    steps = [*options, "--num_steps=2", "--out=unknown", "clip.mp4"]
    assert "--num_steps" in fail("rcsr-predict", *steps, cwd=place)


def test_a_run_of_videos_tells_of_itself_and_replaces_nothing_of_others(place):
    write_clip(place / "short.mp4")
    options = ["--checkpoint=run", "--filled", "--video_frames=3", "--out=short"]
    photo = ["--checkpoint=run", "--filled", "--out=short", "photos/face_0000.png"]
    succeed("rcsr-predict", *photo, cwd=place)
    table, summary = place / "short/short.csv", place / "short/summary.json"
    checksum = json.loads(summary.read_text())["table_sha256"]
    table.write_text("mine")
    fault = fail("rcsr-predict", *options, "short.mp4", cwd=place)
    assert "short.csv is there already" in fault and table.read_text() == "mine"
    told = json.loads(summary.read_text())
    assert list(told["failed"]) == ["short.mp4"] and told["videos"] == {}
    said = succeed("rcsr-predict", *options, "--overwrite", "short.mp4", cwd=place)
    assert said == "1 faces in 3 frames: short/short.csv\n"
    told = json.loads(summary.read_text())
    assert told["videos"] == {"short.mp4": {"frames": 3, "faces": 1}}
    assert (told["photos_done"], told["failed"]) == (0, {})
    assert told["table_sha256"] == checksum  # faces.csv is still that of the photo
    written = table.stat().st_mtime_ns
    said = succeed("rcsr-predict", *options, "short.mp4", cwd=place)
    assert said == "1 faces in 3 frames, done before: short/short.csv\n"
    assert table.stat().st_mtime_ns == written
    other = [*options, "--smooth", "short.mp4"]
    assert "with other settings" in fail("rcsr-predict", *other, cwd=place)


# A camera that shows a photo ten times a second, as FFmpeg makes one from nothing.
CAMERA = """
import sys
from rcsr_jax import video
film = "movie=photo.png,loop=-1:1:0,setpts=N/10/TB,realtime"
video._CAMERAS = {sys.platform: ("lavfi", film)}
from rcsr_jax.experiments import predict
predict.run()
"""


def test_a_second_run_into_a_folder_is_refused(tmp_path):
    Image.new("L", (90, 80)).save(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    with alone_in(tmp_path / "out"):
        told = fail("rcsr-predict", "--filled", "--out=out", "a.png", cwd=tmp_path)
    assert "another run is at work in out" in told
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("hang_ups_heard")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_recording_ends_when_it_is_asked_to(kind, tmp_path):
    save_image(tmp_path / "photo.png", pytest.importorskip("skimage.data").astronaut())
    words = [sys.executable, "-c", CAMERA, "--preset=fast", "--out=seen", "--video=0"]
    table = tmp_path / "seen/camera_0.csv"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
    ) as run:
        while run.poll() is None and not (table.exists() and table.stat().st_size):
            time.sleep(0.05)
        run.send_signal(kind)
        said, fault = run.communicate(timeout=120)
    assert run.returncode == 0, fault
    rows = table.read_text().splitlines()[1:]
    assert said.startswith(f"1 faces in {len(rows)} frames") and len(rows) > 2
    assert {row.split(",")[2] for row in rows} == {"0"}  # one face throughout
    seconds = [float(row.split(",")[1]) for row in rows]
    np.testing.assert_allclose(np.diff(seconds), 0.1, atol=0.03)  # ticks of 1 / 25
    with Video(tmp_path / "seen/camera_0_overlay.mp4") as video:
        assert sum(1 for _ in video) == len(rows)
