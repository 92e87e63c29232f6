"""The report in a browser, from a file: it moves, it sorts, it complains of nothing."""

import pytest
from browser import open_browser
from reports import full_data

from rcsr_jax.report import write_report


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    rows = [
        {"face": f"face_{n}.png", "nme_interocular": error, "num_steps": steps}
        for n, (error, steps) in enumerate([(10.5, 3), (9.25, 12), (float("nan"), 4)])
    ]
    write_report(path, full_data(faces=rows))
    return path.as_uri()


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    profile = tmp_path_factory.mktemp("profile")
    with open_browser(profile, viewport={"width": 1280, "height": 900}) as context:
        page = context.pages[0]
        page.goto(report)
        yield page


def move(slider, value):
    """As a hand does: the browser tells the page of every change."""
    slider.focus()
    slider.press("Home")
    for _ in range(value):
        slider.press("ArrowRight")


def wait(page, condition):
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come true in five seconds")


def test_the_slider_moves_the_points(page):
    slider, dots = (
        page.locator("#face-step"),
        page.locator("[data-face='0'] .found.dots"),
    )
    last = dots.last.get_attribute("d")
    told = page.locator("output[for=face-step]")
    assert "mean 7.50 %" in told.text_content()  # of 10 and 5
    move(slider, 0)
    first = dots.last.get_attribute("d")
    assert first != last and "first shape: mean 25.00 %" in told.text_content()
    assert page.locator("[data-face='0'] b").text_content() == "30.00 %"
    move(slider, 1)
    assert dots.last.get_attribute("d") not in (first, last)
    move(slider, 2)
    assert dots.last.get_attribute("d") == last  # the script draws what the file held
    ellipses = page.locator("[data-face='0'] .expected")
    assert ellipses.get_attribute("d").count("M") == 67  # of 68 one is not annotated
    assert "a8 4 -30 1 0" in ellipses.get_attribute("d")
    boxes = [dots.last.bounding_box()["x"]]
    move(slider, 0)
    boxes.append(dots.last.bounding_box()["x"])
    assert boxes[1] > boxes[0] + 5  # twenty units to the right
    move(slider, 2)


def test_a_face_that_has_stopped_stays(page):
    slider = page.locator("#face-step")
    dots = page.locator("[data-face='1'] .found.dots").last
    move(slider, 1)
    stopped = dots.get_attribute("d")
    move(slider, 2)
    assert dots.get_attribute("d") == stopped


def test_faces_are_chosen_and_sorted(page):
    cards = page.locator(".gallery .face:visible")
    page.get_by_role("button", name="Best").click()
    assert cards.count() == 1 and "a.png" in cards.first.text_content()
    page.get_by_role("button", name="All").click()
    assert cards.count() == 2 and "b.png" in cards.first.text_content()
    page.get_by_label("Order of the faces").select_option("smallest error first")
    assert "a.png" in cards.first.text_content()
    page.get_by_label("Order of the faces").select_option("largest error first")


def test_layers_can_be_hidden(page):
    truth = page.locator("[data-face='0'] .truth.dots").last
    assert truth.is_visible()
    box = page.get_by_role("checkbox", name="annotated")
    box.uncheck()
    assert not truth.is_visible()
    box.check()


def test_a_face_opens_large_and_gives_the_focus_back(page):
    page.get_by_role("button", name="Enlarge b.png").click()
    dialog = page.get_by_role("dialog")
    assert "10.00 % inter-ocular, 2 steps, score 0.25" in dialog.text_content()
    move(dialog.get_by_label("Step"), 0)
    assert "30.00 % inter-ocular" in dialog.text_content()
    dialog.get_by_role("button", name="Next face").click()
    assert "a.png" in dialog.text_content()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    wait(page, lambda: page.locator("[aria-label='Enlarge a.png']:focus").count())
    move(page.locator("#face-step"), 2)


def test_play_goes_to_the_last_shape(page):
    play = page.get_by_role("button", name="Play")
    play.click()
    slider = page.locator("#face-step")
    assert slider.input_value() == "0" and not play.count()  # it says Stop now
    wait(page, lambda: slider.input_value() == "2" and play.count())


def test_the_table_sorts_by_number_and_finds_names(page):
    def names():
        return page.locator("#face-table tbody tr:visible th").all_inner_texts()

    head = page.locator("#face-table").get_by_role(
        "columnheader", name="nme interocular"
    )
    head.get_by_role("button").click()
    assert names() == ["face_1.png", "face_0.png", "face_2.png"]  # 9.25 before 10.5
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert names() == ["face_0.png", "face_1.png", "face_2.png"]  # unknown: still last
    page.get_by_label("Find").fill("_1")
    assert names() == ["face_1.png"]
    page.get_by_label("Find").fill("")


def test_the_heat_follows_its_slider(page):
    mark = page.locator(".map circle").first
    assert mark.get_attribute("class") == "heat0"
    move(page.get_by_role("slider", name="Steps"), 0)
    assert mark.get_attribute("class") == "heat8"
    assert page.locator("output[for=heat-step]").text_content() == "first shape"
    assert mark.locator("title").text_content() == "landmark 0, jaw: 20.00 %"


CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((numbers(colour)[3] ?? 1) === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = "p, td, th, dt, dd, li, h1, h2, h3, a, small, label, button, figcaption";
  return [...document.querySelectorAll(texts)]
    .filter((element) => element.textContent.trim() && element.offsetParent)
    .map((element) => {
      const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      return [ratio, element.tagName + " " + element.textContent.trim().slice(0, 30)];
    }).filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_whole_and_legibly(page, scheme):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate(CONTRAST) == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(ground.removeprefix("rgb(").split(",")[0])
    assert (red < 60) == (scheme == "dark")
