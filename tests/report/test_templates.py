"""What pages are made of: templates, style, script, tables, charts and sounds."""

import base64
import hashlib
import io
import json
import re
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest
from jinja2 import UndefinedError
from made_media import tones
from made_pages import HOSTILE, Reader
from markupsafe import Markup

from pipeline.report.answers import Answer, Shown, answers_page
from pipeline.report.curves import Line, chart
from pipeline.report.heat import COLOURS
from pipeline.report.html_tables import Head, TableRow, draw_table
from pipeline.report.interactive import InteractiveScene, SoundChoice, interactive_page
from pipeline.report.page import Section, Stored, page
from pipeline.report.players import encode_mp3
from pipeline.report.templating import render

ROOT = Path(__file__).resolve().parents[2]


def test_templates_escape_by_default() -> None:
    text = render("together", parts=[Markup("<i>"), "<b>&"], class_='"')
    assert text == '<div class="&#34;">\n<i>\n&lt;b&gt;&amp;\n</div>'
    with pytest.raises(UndefinedError, match="class_"):
        render("together", parts=[])


def test_every_page_has_the_style_and_runs_its_own_script_alone() -> None:
    asked = Shown(HOSTILE, None, None)
    found = Answer(HOSTILE, HOSTILE, HOSTILE, HOSTILE, asked, 50, 50, HOSTILE)
    scene = InteractiveScene(HOSTILE, [HOSTILE], [SoundChoice(HOSTILE, None, [np.eye(4)[None]])])
    pages = [
        page(HOSTILE, HOSTILE, [Section("a", HOSTILE, HOSTILE)], Stored({HOSTILE: HOSTILE})),
        answers_page(True, HOSTILE, asked, [], True),
        interactive_page([scene], 0.1),
    ]
    style = (ROOT / "pipeline/report/templates/style.css").read_text()
    for text in pages:
        assert text.startswith("<!DOCTYPE html>") and style in text
        reader = Reader(text)
        assert not reader.of("img")
        policies = [m["content"] for m in reader.of("meta") if "http-equiv" in m]
        assert len(policies) == 1 and str(policies[0]).startswith("default-src 'none';")
        # The policy lets the page's own script run and no other: its hash is that of what stands
        # there, and what else is called a script is data.
        (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert str(policies[0]).endswith(f"; script-src 'sha256-{digest}'")
        kinds = [attributes.get("type") for attributes in reader.of("script")]
        assert kinds.count(None) == 1 and set(kinds) <= {None, "application/json"}
    for by_sound in (True, False):
        answered = Reader(answers_page(by_sound, HOSTILE, asked, [found], True))
        assert [each["src"] for each in answered.of("img")] == ["None"]
        assert len(answered.of("script")) == 1
    (shown,) = re.findall(r'id="colours">(.*)</script>', pages[2])
    table = np.frombuffer(base64.b64decode(json.loads(shown)), np.uint8)
    np.testing.assert_array_equal(table.reshape(256, 4), COLOURS)


def test_the_wheel_holds_what_a_page_is_made_of() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folder = ROOT / "pipeline" / "report"
    globs = settings["package-data"]["pipeline.report"]
    packed = {path for glob in globs for path in folder.glob(glob)}
    assert packed == {path for path in (folder / "templates").iterdir() if path.is_file()}
    assert {"style.css", "player.js", "browser.js", "report.html.j2"} <= {
        path.name for path in packed
    }


def test_numbers_stand_below_their_heads() -> None:
    heads = [Head("score"), Head("pooling", number=False)]
    text = draw_table("C", "L", "run", heads, [TableRow("a", ["1.00", "mean"])])
    reader = Reader(text)
    kinds = [attributes.get("class") for attributes in reader.of("th")[1:3]]
    assert kinds == [attributes.get("class") for attributes in reader.of("td")] == ["number", None]
    with pytest.raises(ValueError, match="L, a: 1 cells, expected 2"):
        draw_table("C", "L", "run", heads, [TableRow("a", ["1.00"])])


def test_chart_draws_its_points() -> None:
    x = [n / 1000 for n in range(1001)]
    drawn = chart("T", [Line("a", x, x), Line("b", [0, 1], [float("nan"), 1])], "x", "y")
    first, second = re.findall(r'<polyline class="line s[01]" points="([^"]*)"', drawn)[:2]
    points = [tuple(map(float, point.split(","))) for point in first.split()]
    assert len(points) <= 202
    assert points[0][0] < points[-1][0] and points[0][1] > points[-1][1]
    assert len(second.split()) == 1  # NaN is not drawn
    with pytest.raises(ValueError, match="7 lines"):
        chart("T", [Line("a", [0], [0])] * 7, "x", "y")


def test_mp3_keeps_the_sound() -> None:
    samples = tones(1.0, 16000)[0]
    content = encode_mp3(samples, 16000, 32000)
    assert content == encode_mp3(samples, 16000, 32000) and len(content) < 6000
    with av.open(io.BytesIO(content)) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    spectrum = np.abs(np.fft.rfft(heard[4000:12000]))
    assert abs(spectrum.argmax() * 16000 / 8000 - 300) <= 2
