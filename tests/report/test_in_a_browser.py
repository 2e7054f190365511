"""The report in Debian's Chromium: what it draws, how it filters and sorts, keys, and the rules of axe.

Left out, with a word, where Chromium or Playwright is not there; `.ci/run` installs both.
"""

import shutil
import time

import pytest
import report_runs

from wsss.commands.report import report

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[browser]'")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    results = report_runs.write_run(tmp_path_factory.mktemp("run"))
    report((results,))
    return (results / "report.html").as_uri()


@pytest.fixture
def page(browser, address):
    """The open page; at the end it must have complained of nothing and asked nobody."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = []
    opened.on(
        "console",
        lambda message: message.text.startswith("Canvas2D: Multiple readback") or complaints.append(message.text),
    )  # ours
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: (complaints.append("a dialog"), dialog.dismiss()))
    asked = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(address)
    yield opened
    opened.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def titles(page):
    return page.locator("article h3 a").all_inner_texts()


def eventually(holds, seconds=10):
    """Wait until `holds()` is true. The page's policy refuses strings as scripts, which `wait_for_function` needs."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.02)


def colour(page, canvas, x, y):
    """Red, green and blue of a pixel of a canvas, once it is drawn."""
    script = "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]"
    eventually(lambda: canvas.evaluate(script, [0, 0])[3] == 255)
    return tuple(canvas.evaluate(script, [x, y])[:3])


def layer_of(page, image_id, name):
    page.locator(f"article[id='{image_id}']").scroll_into_view_if_needed()
    return page.locator(f"article[id='{image_id}'] canvas[aria-label^='{name} of']")


def scores(page):
    lines = page.locator("article h3").all_inner_texts()
    return [float(line.rpartition(" ")[2]) for line in lines]


def test_the_worst_images_of_val_come_first(page):
    assert page.locator("#count").inner_text() == "5 of 8 images"
    assert scores(page) == sorted(scores(page))
    assert scores(page)[-1] == 100


def test_the_order_can_be_turned_and_taken_from_the_list(page):
    page.select_option("#order", "best")
    assert scores(page) == sorted(scores(page), reverse=True)
    assert titles(page)[0] == "val/val 0/é"
    page.select_option("#split", "")
    page.select_option("#order", "list")
    assert titles(page)[0] == "train/train 0/é"
    assert page.locator("#count").inner_text() == "8 of 8 images"


def test_a_class_filters_the_images_that_have_it(page):
    page.select_option("#class", "1")
    assert sorted(titles(page)) == ["val/val 0/é", "val/val 2/é", "val/val 4/é"]


def test_a_class_whose_name_is_html_is_text(page):
    assert page.locator("#class option").all_inner_texts() == ["all", "<script>alert(1)</script>", "dog & cat"]


def test_label_maps_have_the_colours_of_their_classes(page):
    page.locator("#opacity").fill("100")
    truth = layer_of(page, "val/val 0/é", "truth")
    truth.scroll_into_view_if_needed()
    assert colour(page, truth, 2, 2) == (128, 0, 0)
    assert colour(page, truth, 30, 2) == (0, 0, 0)


def test_opacity_lets_the_photograph_through(page):
    photograph, truth = (layer_of(page, "val/val 0/é", name) for name in ("photograph", "truth"))
    truth.scroll_into_view_if_needed()
    page.locator("#opacity").fill("0")
    page.wait_for_timeout(200)
    assert colour(page, truth, 2, 2) == colour(page, photograph, 2, 2)


def test_a_class_can_be_hidden(page):
    page.locator("#opacity").fill("100")
    photograph, truth = (layer_of(page, "val/val 0/é", name) for name in ("photograph", "truth"))
    truth.scroll_into_view_if_needed()
    page.locator("#legend button", has_text="<script>").click()
    page.wait_for_timeout(200)
    assert page.locator("#legend button[aria-pressed=false]").count() == 1
    assert colour(page, truth, 2, 2) == colour(page, photograph, 2, 2)
    assert colour(page, truth, 30, 2) == (0, 0, 0)


def test_a_cell_of_the_confusion_matrix_shows_its_images(page):
    cell = page.get_by_role("button", name="<script>alert(1)</script> predicted as dog & cat")
    cell.click()
    assert sorted(titles(page)) == ["val/val 2/é", "val/val 4/é"]
    page.locator("#confused").click()
    assert len(titles(page)) == 5


def test_keys_go_from_image_to_image(page):
    first, second, *_ = titles(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("article.current h3 a").inner_text() == second
    page.keyboard.press("ArrowLeft")
    assert page.locator("article.current h3 a").inner_text() == first
    assert page.evaluate("decodeURIComponent(location.hash)") == f"#{first}"


def test_a_digit_shows_one_layer_over_the_photograph(page):
    page.keyboard.press("2")
    assert page.locator("#view").input_value() == "overlay"
    assert page.locator("#layer").input_value() == "truth"
    eventually(lambda: page.locator("article:first-child canvas").count() == 1)
    page.keyboard.press("0")
    eventually(lambda: page.locator("article:first-child canvas").count() == 3)


def test_a_link_leads_to_one_image_whatever_is_filtered(page, address):
    page.select_option("#split", "val")
    page.evaluate("location.hash = '#train/' + encodeURIComponent('train 1') + '/' + encodeURIComponent('é')")
    page.wait_for_selector("article.current")
    assert page.locator("article.current h3 a").inner_text() == "train/train 1/é"


def test_the_table_sorts_by_a_click_and_back(page):
    head = page.locator("#score-table th", has_text="mIoU").get_by_role("button")
    values = lambda: [float(text) for text in page.locator("#score-table tbody td:nth-child(3)").all_inner_texts()]  # noqa: E731
    head.click()
    assert values() == sorted(values(), reverse=True)
    head.click()
    assert values() == sorted(values())


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_keeps_the_rules_of_axe(page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.emulate_media(color_scheme=scheme)
    # axe's own script is not the page's: as a tool of the browser it may pass the page's policy
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
