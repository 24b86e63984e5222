"""The page needs nothing but itself, says what its pictures show, and opens in a browser."""

from __future__ import annotations

import html
import html.parser
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from mirasol.data.references import ClipReference
from mirasol.sweeps.reporting import costs
from mirasol.sweeps.reporting.pictures import clip_pictures
from mirasol.sweeps.reporting.reading import of_sweep
from mirasol.sweeps.reporting.writing import Extent, write
from tests.sweeps.reporting import made_up

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
# Opens a page in a frame of each width, and says how wide its content is.
MEASURE = """<body><script>
const page = %s;
for (const width of [400, 1400]) {
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 800px; border: 0`;
  frame.srcdoc = page;
  frame.onload = () => {
    const inside = frame.contentDocument, root = inside.documentElement;
    const cut = [...inside.querySelectorAll("p, li, dd, td, th, figcaption, svg, img")]
      .filter(each => each.getBoundingClientRect().right > width + 1).length;
    const said = document.createElement("pre");
    said.textContent = `width ${width}: ${root.scrollWidth}, cut ${cut}`;
    document.body.append(said);
  };
  document.body.append(frame);
}
</script></body>"""


class Elements(html.parser.HTMLParser):
    """All elements of a page, and the text in them."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if self.open[-1:] != ["style"] else ""


@pytest.fixture(scope="module")
def report(real, tmp_path_factory, cost) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write(
        of_sweep(real), folder, command="python tools/report.py x", extent=Extent(3, 4), cost=cost
    )
    return folder


@pytest.fixture(scope="module")
def text(report) -> str:
    return (report / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def elements(text) -> Elements:
    return Elements(text)


def test_a_report_is_these_files(report):
    plots = {"differences", "curve_loss", "curve_score"}
    plots |= {"pareto_operations", "pareto_time", "pareto_memory"}
    names = {"table.md", "table.csv", "table.tex", "report.html"} | {f"{p}.svg" for p in plots}
    assert {path.name for path in report.iterdir()} == names


def test_the_page_refers_to_nothing_outside(text, elements):
    assert elements.open == []
    for tag, attributes in elements.found:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form")
        for name in ("src", "href", "xlink:href", "srcset", "data", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\((?!#)|@import|//\w", re.sub(r"base64,[\w+/=]+", "", text))


def test_every_local_reference_leads_somewhere_and_no_name_is_twice(text, elements):
    names = [attributes["id"] for _, attributes in elements.found if attributes.get("id")]
    assert len(names) == len(set(names))
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)|aria-labelledby="([^"]+)"', text)
    assert {name for names in used for name in names if name} <= set(names)


def test_the_page_is_light(text):
    assert len(text.encode()) < 5e6


def test_every_picture_has_a_text_alternative(elements):
    pictures = [attributes for tag, attributes in elements.found if tag == "img"]
    drawings = [attributes for tag, attributes in elements.found if tag == "svg"]
    assert len(pictures) == 2 * 3
    assert len(drawings) == 6
    assert all(len(each["alt"]) > 20 for each in pictures)
    assert all(each["role"] == "img" and len(each["aria-label"]) > 40 for each in drawings)


def test_the_page_says_what_is_missing_and_what_differs(elements):
    text = " ".join(elements.text.split())
    assert "10 of 12 trials done" in text
    assert "mean & no queries, seed 1: failed (killed by a signal; exit code -9" in text
    assert "Mirasol.combiner: @TransformerCombiner() → @MeanPoolCombiner()" in text
    assert "Converter.audio: True → False" in text
    assert "TokenTuringCombiner.memory_tokens = 96" in text
    assert "seed = " not in text


def test_rightness_is_told_without_colour(text):
    for kind, mark, word in (("right", "✓", "right: "), ("wrong", "✗", "wrong: ")):
        spans = re.findall(
            rf'<span class="{kind}"><span aria-hidden="true">(.)</span>.*?>(\w+: )<', text
        )
        assert spans
        assert set(spans) == {(mark, word)}


def test_answers_are_those_of_the_trials(real, text):
    variants = of_sweep(real).variants
    shown = 0
    for clip in re.findall(r"<article>\s*<h3>([^<]*\.mp4<.*?)</article>", text, re.DOTALL):
        title = clip.partition("<")[0]
        for row in re.findall(r'<tr><th scope="row">(.*?)</tr>', clip, re.DOTALL):
            question = html.unescape(row.partition(" <small>")[0].partition("</th>")[0])
            for variant in variants:
                name = html.escape(variant.name)
                (cell,) = re.findall(rf'<td data-label="{name}">(.*?)</td>', row, re.DOTALL)
                answers = [answer(trial.workdir, title, question) for trial in variant.done]
                assert told(cell) == {
                    (words or "no words", f"({count} of {len(answers)})")
                    for words, count in Counter(answers).items()
                }
                shown += 1
    assert shown == 3 * 4 * len(variants)


def answer(workdir: Path, title: str, question: str) -> str:
    """Returns what a trial answered, as its predictions say."""
    path = workdir / "eval" / f"{made_up.TASK}-{made_up.SPLIT}-predictions.jsonl"
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    (given,) = [
        row["prediction"]
        for row in rows
        if Path(row["media"]).name == title and row["question"] == question
    ]
    return given


def told(cell: str) -> set[tuple[str, str]]:
    """Returns the answers in a cell of the page, and of how many seeds each is."""
    plain = re.sub(r'<span class="unseen">.*?</span>', "", cell)
    found = re.findall(r"[✓✗]</span>\s*(.*?)</span>\s*<small>(.*?)</small>", plain)
    return {(html.unescape(words), seeds) for words, seeds in found}


def test_text_of_trials_is_no_markup(tmp_path, cost):
    fates = {"transformer-1": {"state": "failed", "reason": "<script>alert(1)</script>"}}
    folder = made_up.write_synthetic(tmp_path / "s", made_up.synthetic_rows(), fates)
    write(of_sweep(folder), tmp_path, cost=cost)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "no configuration of the sweep can be read" in text  # In the place of its clips.


def test_media_that_is_gone_is_told(real):
    spec = costs.spec_of(of_sweep(real).variants[0])
    gone = ClipReference("/nowhere/a.mp4", None, None, (), "")
    (found,) = clip_pictures([gone], spec.build().converter)
    assert found.missing.startswith("the clip cannot be shown: ")


def browse(profile: Path, page: Path, *flags: str) -> subprocess.CompletedProcess:
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={profile}", "--hide-scrollbars", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is on PATH")
class TestInBrowser:
    def test_nothing_is_cut_off_or_wider_than_the_window(self, text, tmp_path):
        page = tmp_path / "measure.html"
        page.write_text(MEASURE % json.dumps(text).replace("</", "<\\/"), encoding="utf-8")
        found = browse(tmp_path / "profile", page, "--virtual-time-budget=5000", "--dump-dom")
        measured = dict(re.findall(r"width (\d+): (\d+), cut \d+", found.stdout))
        assert measured == {"400": "400", "1400": "1400"}
        assert re.findall(r"cut (\d+)<", found.stdout) == ["0", "0"]

    @pytest.mark.parametrize("width", [400, 1400])
    def test_a_screenshot_shows_the_page_and_the_console_stays_silent(
        self, width, report, tmp_path
    ):
        picture = tmp_path / "page.png"
        flags = (f"--window-size={width},4000", f"--screenshot={picture}")
        found = browse(tmp_path / "profile", report / "report.html", *flags)
        assert "CONSOLE" not in found.stderr
        seen = (imread(picture)[..., :3] * 255).round()
        assert seen.shape == (4000, width, 3)
        # Paper, ink, and the colours of the plots.
        for colour in ((255, 255, 255), (31, 35, 40), (0, 114, 178), (213, 94, 0)):
            assert (np.abs(seen - colour).max(axis=-1) < 3).any(), colour
