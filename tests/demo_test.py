"""The page to try it, from the command to the browser."""

import contextlib
import http.client
import importlib.util
import socket
import subprocess
import sys
import time

import commands
import numpy as np
import pytest
from browser import open_browser
from PIL import Image

from rcsr_jax.data.drawn import draw_face

# not imported here: its import warns, and the page runs in a process of its own
if importlib.util.find_spec("gradio") is None:
    pytest.skip('needs gradio: pip install ".[dev]"', allow_module_level=True)

FACE = draw_face(7, 0)
CHIN = (223, 177.5)  # landmark 8 of the astronaut, marked by hand


def get(port, host):
    """Status and headers of the page, asked for by this host's name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.headers


def points_of(path):
    """The landmarks that a path of dots marks, in pixels of the photo."""
    places = [step.split("h")[0].split() for step in path.split("M")[1:]]
    return np.array(places, float) - 0.5


def film_of(photo, path):
    """A file of raw frames that shows a photo: what Chromium takes for a camera."""
    planes = Image.fromarray(photo).convert("YCbCr").split()
    half = (photo.shape[1] // 2, photo.shape[0] // 2)
    raw = b"".join(
        p.tobytes() for p in (planes[0], *(c.resize(half) for c in planes[1:]))
    )
    head = f"YUV4MPEG2 W{photo.shape[1]} H{photo.shape[0]} F30:1 Ip C420jpeg\n"
    path.write_bytes(head.encode() + 2 * (b"FRAME\n" + raw))


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("demo")
    said = (folder / "said").open("w+")
    words = [sys.executable, "-m", "rcsr_jax.experiments.demo", "--preset=fast"]
    server = subprocess.Popen([*words, f"--port={port}"], stdout=said, stderr=said)
    try:
        for _ in range(600):
            said.flush()
            assert server.poll() is None, (folder / "said").read_text()
            with contextlib.suppress(OSError):
                get(port, "localhost")
                break
            time.sleep(0.5)
        yield port
    finally:
        server.terminate()
        server.wait(30)
        said.close()


@pytest.mark.slow
def test_a_port_that_is_taken_is_told(port, tmp_path):
    done = commands.run_module("demo", f"--port={port}", cwd=tmp_path)
    assert done.returncode == 1
    assert f"port {port} cannot be served" in done.stderr and "--port" in done.stderr


@pytest.mark.slow
def test_a_photo_gets_its_landmarks_and_they_move(port, tmp_path):
    photo = tmp_path / "face.png"
    Image.fromarray(FACE.image).save(photo)
    box = " ".join(f"{value:.1f}" for value in FACE.box)
    with open_browser(tmp_path / "profile") as context:
        page = context.pages[0]
        page.goto(f"http://127.0.0.1:{port}/")
        page.locator("#photo input[type=file]").set_input_files(photo)
        page.locator("#photo img").wait_for()
        page.get_by_text("No face").or_(page.get_by_text("1 face found")).wait_for()
        page.locator("#boxes textarea").fill("1 2 three 4")
        page.get_by_role("button", name="Find landmarks").click()
        page.get_by_text("'1 2 three 4' is no box").wait_for()
        page.locator("#boxes textarea").fill(box)
        page.get_by_role("button", name="Find landmarks").click()
        dots = page.locator("svg.found .dots").last
        dots.wait_for()
        found = dots.get_attribute("d")
        points = points_of(found)
        eyes = np.linalg.norm(FACE.points[36] - FACE.points[45])
        errors = np.linalg.norm(points - FACE.points, axis=-1) / eyes
        assert errors.mean() < 0.15  # the weights know photos, not drawings
        assert page.get_by_text("expected error").count() == 1
        slider = page.locator("#step input[type=range]")
        last = page.locator("svg.found").get_attribute("data-step")
        assert int(last) >= 1 and slider.input_value() == last
        assert page.locator("svg.found .uncertain").count() == 1
        page.get_by_label("How far off each landmark may be").uncheck()
        page.locator("svg.found .uncertain").wait_for(state="detached")
        slider.focus()
        slider.press("Home")
        page.locator("svg.found[data-step='0']").wait_for()
        assert dots.get_attribute("d") != found
        page.get_by_role("button", name="Draw a face").click()
        page.locator("svg.found[data-step='0']").wait_for(state="detached")
        # as it was unticked before
        assert page.locator("svg.found .uncertain").count() == 0
        deep = Image.fromarray(FACE.image).convert("L")
        deep = Image.fromarray(257 * np.asarray(deep).astype(np.uint16))
        deep.save(tmp_path / "deep.png")  # grey of 16 bits is no white picture
        page.locator("#photo input[type=file]").set_input_files(tmp_path / "deep.png")
        page.get_by_text("No face").or_(page.get_by_text("1 face found")).wait_for()
        page.locator("#boxes textarea").fill(box)
        page.get_by_role("button", name="Find landmarks").click()
        page.locator("svg.found .dots").last.wait_for()
        grey = points_of(page.locator("svg.found .dots").last.get_attribute("d"))
        assert np.abs(grey - points).max() < 3


@pytest.mark.slow
def test_faces_of_photos_and_of_the_camera_are_found(port, tmp_path):
    photo = pytest.importorskip("skimage.data").astronaut()
    Image.fromarray(photo).save(tmp_path / "photo.png")
    film = np.asarray(Image.fromarray(photo[:384]).resize((640, 480)))
    film_of(film, tmp_path / "camera.y4m")
    with open_browser(
        tmp_path / "profile", camera=tmp_path / "camera.y4m", permissions=["camera"]
    ) as context:
        page = context.pages[0]
        page.goto(f"http://127.0.0.1:{port}/")
        page.locator("#photo input[type=file]").set_input_files(tmp_path / "photo.png")
        dots = page.locator("svg.found .dots").last
        dots.wait_for()
        page.get_by_text("1 face found").wait_for()
        assert np.abs(points_of(dots.get_attribute("d"))[8] - CHIN).max() < 4
        ellipses = page.locator("svg.found .uncertain").get_attribute("d")
        assert ellipses.count("M") == 68
        page.reload()
        page.get_by_label("Capture from camera").click()
        page.get_by_role("button", name="Click to Access Webcam").click()
        page.get_by_label("capture photo").click()
        dots.wait_for()
        chin = points_of(dots.get_attribute("d"))[8]  # a mirror would move it
        assert np.abs(chin - 1.25 * np.array(CHIN)).max() < 5


@pytest.mark.slow
def test_nobody_else_is_served(port):
    status, headers = get(port, "localhost")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert get(port, "elsewhere.example")[0] == 400
