"""A page to try the landmarks on: a photo or the webcam, on this machine alone.

rcsr-demo                                  # then open http://127.0.0.1:7860
rcsr-demo --checkpoint=DIR --port=8080

Needs pip install "rcsr-jax[demo]". The server listens on the loopback address, the page
loads nothing from elsewhere, and photos are forgotten when the program ends.
"""

import importlib
import importlib.util
import os
import socket
import tempfile
from importlib import resources
from typing import Any

import numpy as np
from absl import flags

from rcsr_jax.boxes import BoxMap
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.data.images import load_image
from rcsr_jax.detection import detect_faces
from rcsr_jax.inference import Predictor, load_predictor
from rcsr_jax.report import figures

from . import program, settings

_MODEL = settings.define_model_flags()
_PORT = flags.DEFINE_integer(
    "port", 7860, "Port on 127.0.0.1.", lower_bound=1, upper_bound=65535
)

_HOST = "127.0.0.1"
_LARGEST = "20mb"  # of an uploaded photo
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'"
)
_EMPTY = '<div class="empty-figure">Landmarks appear here.</div>'
_BY_HAND = (
    "Click two opposite corners of the face in the photo, or write its box below: as "
    "wide as the face with the jaw, from the brows to the chin."
)


def main(arguments: list[str]) -> None:
    """Serves the page until it is interrupted."""
    program.no_arguments(arguments)
    if importlib.util.find_spec("gradio") is None:
        raise ValueError('the page needs gradio: pip install "rcsr-jax[demo]".')
    _check_free(_PORT.value)
    predictor = load_predictor(_MODEL()).compile()
    with tempfile.TemporaryDirectory() as folder:
        # before gradio is imported, which reads them; photos go with the folder
        os.environ |= {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": folder,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "1",
        }
        print(f"open http://{_HOST}:{_PORT.value} (Ctrl-C ends it)", flush=True)
        uvicorn = importlib.import_module("uvicorn")
        uvicorn.run(
            make_app(predictor),
            host=_HOST,
            port=_PORT.value,
            # pages that are open hold a stream: it is cut, and is not worth a traceback
            timeout_graceful_shutdown=1,
            log_level="critical",
        )


def _check_free(port: int) -> None:
    """Raises ValueError where the port is taken: the server would end without a word."""
    with socket.socket() as probe:
        # as the server does
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ValueError(
                f"port {port} cannot be served ({error.strerror}): give another, --port."
            ) from error


def make_app(predictor: Predictor) -> Any:
    """The web application: the page, behind headers that keep it to this machine."""
    fastapi = importlib.import_module("fastapi")
    hosts = importlib.import_module("starlette.middleware.trustedhost")
    gradio = importlib.import_module("gradio")
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # another site's name that is made to point here is refused
    app.add_middleware(hosts.TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"])

    @app.middleware("http")
    async def keep_inside(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    return gradio.mount_gradio_app(
        app,
        _make_page(gradio, predictor),
        path="",
        server_name=_HOST,
        server_port=_PORT.value,
        footer_links=[],
        max_file_size=_LARGEST,
        ssr_mode=False,
        enable_monitoring=False,
        theme=gradio.themes.Default(
            primary_hue="sky",
            font=["system-ui", "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        ).set(  # white on the theme's own blue is hard to read
            button_primary_background_fill="*primary_700",
            button_primary_background_fill_hover="*primary_800",
            button_primary_background_fill_dark="*primary_700",
            button_primary_background_fill_hover_dark="*primary_800",
            # and so are its hints
            block_info_text_color="*neutral_600",
            block_info_text_color_dark="*neutral_300",
        ),
        css=resources.files("rcsr_jax.report")
        .joinpath("pages", "demo.css")
        .read_text("utf-8"),
    )


def find_boxes(image: np.ndarray, *, box_map: BoxMap) -> tuple[np.ndarray, str]:
    """The faces that the detector finds, and what to tell the user.

    Args:
        image: uint8 [height, width, 3].
        box_map: from its boxes to those that the model expects.

    Returns:
        float [faces, 4]; none where there is no detector or no face for it.
    """
    try:
        boxes = np.asarray(detect_faces(image, box_map=box_map).boxes)
    except ValueError as error:  # not installed, or a picture that it does not take
        return np.zeros((0, 4)), f"{error} {_BY_HAND}"
    if not len(boxes):
        return boxes, f"No face was found. {_BY_HAND}"
    return boxes, f"{len(boxes)} face{'s' if len(boxes) > 1 else ''} found."


def read_boxes(text: str) -> np.ndarray:
    """The boxes that a user wrote, a line each.

    Returns:
        float64 [faces, 4], (x0, y0, x1, y1).

    Raises:
        ValueError: a line is not four numbers.
    """
    boxes = []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            x0, y0, x1, y1 = map(float, line.replace(",", " ").split())
        except ValueError:
            raise ValueError(
                f"{line!r} is no box: write x0 y0 x1 y1 in pixels, a line for each face."
            ) from None
        boxes.append((x0, y0, x1, y1))
    return np.reshape(boxes, (-1, 4))


def write_boxes(boxes: np.ndarray) -> str:
    """Boxes as a user may change them; `read_boxes` reads them back."""
    return "\n".join(" ".join(f"{value:.0f}" for value in box) for box in boxes)


def _make_page(gradio: Any, predictor: Predictor) -> Any:
    markup = predictor.config.markup
    with gradio.Blocks(
        title="Face landmarks", analytics_enabled=False, delete_cache=(600, 600)
    ) as page:
        found, corner = gradio.State(None), gradio.State(None)
        gradio.Markdown(
            "# Face landmarks\nA shape starts in the face box and moves until it stands "
            "still. Photos stay on this machine."
        )
        with gradio.Row():
            with gradio.Column():
                photo = gradio.Image(
                    label="Photo",
                    sources=["upload", "webcam", "clipboard"],
                    type="filepath",  # read as all programs here read photos
                    image_mode=None,
                    # left must stay left: landmarks have sides
                    webcam_options=gradio.WebcamOptions(mirror=False),
                    buttons=[],
                    elem_id="photo",
                )
                told = gradio.Markdown("Upload a photo, or draw a face.")
                boxes = gradio.Textbox(
                    label="Face boxes: x0 y0 x1 y1 in pixels, a line for each face",
                    lines=2,
                    elem_id="boxes",
                )
                with gradio.Row():
                    go = gradio.Button("Find landmarks", variant="primary")
                    drawn = gradio.Button("Draw a face")
            with gradio.Column():
                figure = gradio.HTML(_EMPTY, elem_id="figure")
                step = gradio.Slider(
                    0, 1, 1, step=1, label="Steps taken", elem_id="step", buttons=[]
                )
                errors = gradio.Checkbox(
                    True,
                    label="How far off each landmark may be",
                    info="An ellipse, at the last step: more than half of the landmarks "
                    "lie within theirs.",
                )
                numbers = gradio.Markdown()

        def locate(path: Any, text: str, sure: bool) -> tuple:
            if path is None:
                return None, _EMPTY, gradio.Slider(), "", gradio.skip()
            try:
                answer = figures.find(predictor, load_image(path), read_boxes(text))
            except ValueError as error:
                return None, _EMPTY, gradio.Slider(), "", _told(error, path)
            if not len(answer.boxes):
                return None, _EMPTY, gradio.Slider(), "", gradio.skip()
            last = len(answer.shapes) - 1
            svg = figures.draw(answer, step=last, markup=markup, uncertainty=sure)
            slider = gradio.Slider(maximum=last, value=last)
            return answer, svg, slider, _describe(answer), gradio.skip()

        def detect(path: Any) -> tuple:
            if path is None:
                return "", "Upload a photo, or draw a face.", None
            box_map = predictor.config.detector_boxes
            try:
                where, message = find_boxes(load_image(path), box_map=box_map)
            except ValueError as error:
                return "", _told(error, path), None
            return write_boxes(where), message, None

        def pick(text: str, first: Any, event: gradio.SelectData) -> tuple:
            x, y = event.index
            if first is None:
                return text, (x, y), "One corner is set; now click the opposite one."
            low = np.minimum(first, (x, y))
            high = np.maximum(first, (x, y))
            line = write_boxes(np.array([[*low, *high]]))
            return "\n".join(filter(None, [text.strip(), line])), None, "Box added."

        def redraw(answer: Any, at: float, sure: bool) -> str:
            if answer is None:
                return _EMPTY
            return figures.draw(answer, step=int(at), markup=markup, uncertainty=sure)

        def draw() -> tuple:
            index = int(np.random.default_rng().integers(1 << 30))
            face = draw_face(2, index, size=256)
            box = write_boxes(face.box[None])
            return face.image, box, "A drawn face and its box.", None

        answer = [found, figure, step, numbers, told]
        find = {"fn": locate, "inputs": [photo, boxes, errors], "outputs": answer}
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        photo.input(detect, photo, [boxes, told, corner], **quiet).then(**find, **quiet)
        photo.clear(detect, photo, [boxes, told, corner], **quiet).then(**find, **quiet)
        picked = photo.select(pick, [boxes, corner], [boxes, corner, told], **quiet)
        picked.then(**find, **quiet)
        made = drawn.click(draw, None, [photo, boxes, told, corner], **quiet)
        made.then(**find, **quiet)
        gradio.on([go.click, boxes.submit, boxes.blur], **find, **quiet)
        view = {"fn": redraw, "inputs": [found, step, errors], "outputs": figure}
        step.input(**view, **quiet, trigger_mode="always_last")
        errors.input(**view, **quiet)
    return page


def _told(error: ValueError, path: str) -> str:
    """A mistake without the path, which is that of a copy here."""
    return f"**{str(error).removeprefix(f'{path}: ')}**"


def _describe(found: figures.Found) -> str:
    """A line for each face."""
    return "\n".join(
        f"- Face {face + 1}: {found.faces.num_steps[face]} steps, "
        f"{'settled' if found.faces.settled[face] else 'not settled'}; expected error "
        f"{expected.mean():.1f} px on average; score {found.faces.score[face]:.2f}"
        for face, expected in enumerate(found.faces.expected_error)
    )


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
