"""The page of a study of all methods: thirteen of them, three seeds each, on several benchmarks."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from made_pages import Reader, in_browser, make_project

from pipeline.base.files import read_json, read_parquet
from pipeline.methods.contract import load_method
from pipeline.report.disagreement import AGREED, CARDS, share_of
from pipeline.report.paper_methods import PRINTED
from stages.report import report

METHODS = [
    "alignment", "lvs", "hardpos", "ezvsl", "slavc", "fnac", "marginnce", "ssltie", "attention10k",
    "dmc", "dsol", "sspl", "heartheflow",
]  # fmt: skip
SEEDS = (200, 201, 202)
CLIPS = [f"madeclip{number:03d}_{number:06d}" for number in range(24)]
BENCHMARKS = ("vggss", "heard", "unheard", "retrieval", "negatives")
LISTS = {
    "vggss_available_4655.txt": CLIPS[:20],
    "vggss_heard_test.csv": CLIPS[:12],
    "vggss_unheard_test.csv": CLIPS[12:],
}

# The rows of a run in Table 1, those of its own code's form where it has one; first the plain ones.
KEYS = ("cIoU@available", "cIoU", "cIoU_published@available", "cIoU_half@available")
GUIDED = ("cIoU_ogl@available", "cIoU_ogl", "cIoU_published_ogl@available")
FORMS = {method: load_method(method).test_form for method in METHODS}
# HearTheFlow's stand with its printed row: once plain and once below the methods that are not
# printed with OGL.
OWN = [form for form in FORMS.values() if form]
GUIDED_OWN = [form for form in OWN if form.share is not None]
ROWS = 5 * len(METHODS) + len(OWN) + len(GUIDED_OWN)
FIRST = 2 * len(METHODS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    settings: dict[str, Any] = {method: load_method(method).Settings() for method in METHODS}
    make_project(folder, CLIPS, BENCHMARKS, settings, SEEDS, LISTS)
    return folder


@pytest.fixture(scope="module")
def made(project: Path) -> Iterator[str]:
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.chdir(project)
        report(None, Path("data/report/index.html"))
    yield (project / "data" / "report" / "index.html").read_text()


def _section(text: str, key: str) -> str:
    return text.partition(f'<section id="{key}"')[2].partition("</section>")[0]


def _metrics(project: Path, method: str, benchmark: str, key: str) -> list[float]:
    folders = (project / f"data/results/made/{method}-full-{seed}/made" for seed in SEEDS)
    return [read_json(folder / "metrics.json")[benchmark][key] for folder in folders]


def test_ours_stand_below_the_printed_row_of_their_method(made: str) -> None:
    for number in (1, 3, 6):
        below: dict[str, list[str]] = {}
        printed = ""
        for row in Reader(_section(made, f"table-{number}")).rows:
            if row[0].startswith("paper "):
                printed = row[0].removeprefix("paper ")
                below.setdefault(printed, [])
            elif row[0].startswith("methods of ours") or row[0].startswith("baselines"):
                printed = ""
            elif row[0].startswith("ours ") and printed:
                below[printed].append(row[0].split("ours ")[1].split("-full")[0])
        assert len(below) >= 4
        for name, methods in below.items():
            assert set(methods) <= {str(PRINTED[name].method)}, name
            # A run of ours is trained anew, so it is not the row of a released file.
            expected = PRINTED[name].released is not True and PRINTED[name].settings != {
                "pcm": True
            }
            assert bool(methods) == (expected and PRINTED[name].method is not None), name


def test_a_row_is_marked_with_all_that_it_was_made_under(project: Path, made: str) -> None:
    rows = Reader(_section(made, "table-1")).rows
    (printed,) = [row for row in rows if row[0] == "paper EZ-VSL (ECCV 2022)" and row[1] == "35.96"]
    assert printed[-2:] == ["yes", "best on a test set"]
    ours = [row for row in rows if row[0].startswith("ours ezvsl-full")]
    # What is true of all methods is told once, below the table, and of each what is its own.
    (common,) = re.findall(r"<p>(All runs: .*?)</p>", unescape(_section(made, "table-1")))
    for words in (
        "trained on made.txt, seeds 200, 201, 202, float32, leaked clips: 3",
        "over the 20 samples that the paper scored",
        "24 of 24 samples",
    ):
        assert words in common and words not in ours[0][0]
    own = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", _section(made, "table-1")))
    assert len(own) == len(METHODS) and "seeds" not in "".join(own.values())
    assert "the full official list" in ours[1][0]
    assert ours[0][-2:] == ["yes", "last"]
    assert [row[0].startswith("ours ezvsl-full, with OGL") for row in ours] == [False] * 4 + (
        [True] * 3
    )
    for row, key in zip(ours, KEYS + GUIDED, strict=True):
        values = _metrics(project, "ezvsl", "vggss", key)
        assert row[1].startswith(f"{fmean(values):.2f} ± ")
        low, high = (
            fmean(_metrics(project, "ezvsl", "vggss", f"{key}:{e}")) for e in ("low", "high")
        )
        assert row[1].endswith(f"{min(values):.1f} to {max(values):.1f}[{low:.1f}, {high:.1f}]")


def test_a_method_s_own_form_stands_below_its_score_and_says_what_it_is(
    project: Path, made: str
) -> None:
    rows = Reader(_section(made, "table-1")).rows
    for method, form in FORMS.items():
        ours = [row for row in rows if row[0].startswith(f"ours {method}-full")]
        own = [row for row in ours if "scored as its authors do" in row[0]]
        guided = [row for row in own if ", with OGL," in row[0]]
        assert len(own) - len(guided) == bool(form)
        assert len(guided) == bool(form and form.share is not None)
        for row in own:
            key = f"cIoU_published{'_ogl' if row in guided else ''}@available"
            assert row[1].startswith(f"{fmean(_metrics(project, method, 'vggss', key)):.2f}")
            assert ours.index(row) > 0 and "[" in row[1]  # below ours, with its interval
            assert ("OGL with" in row[0]) == (row in guided)
        half = [row for row in ours if "cut at half of the map's range" in row[0]]
        values = _metrics(project, method, "vggss", "cIoU_half@available")
        assert [row[1].split(" ")[0] for row in half] == [f"{fmean(values):.2f}"]
    said = {row[0].partition("authors do toy corpus")[2] or row[0] for row in rows}
    for words in (
        "map resized bicubically with aligned corners, cut at or above its median; OGL with 0.9 of "
        "the map, no min-max",
        "map resized bilinearly with aligned corners, cut above its median; OGL with 0.4",
        "map resized bicubically, cut above its median",
        "map resized bilinearly, cut at or above half of its range",
    ):
        assert any(words in row for row in said), words
    for number in (3, 4):  # where the paper prints no SSPL
        section = _section(made, f"table-{number}")
        assert "half of the map's range" not in section
    assert "scored as its authors do" in _section(made, "table-3")


def test_the_figure_holds_every_method_on_every_benchmark(project: Path, made: str) -> None:
    figure = _section(made, "overview")
    heads, *runs = Reader(figure).rows
    assert [row[0] for row in runs] == [f"{method}-full" for method in METHODS]
    assert len(heads) == 1 + len(BENCHMARKS)
    assert "R@1 of the class, sound to image" in heads[4] and "_" not in "".join(heads[:5])
    for place, benchmark in enumerate(("vggss", "heard", "unheard"), start=1):
        means = [fmean(_metrics(project, m, benchmark, "cIoU@available")) for m in METHODS]
        shown = [re.match(r"[\d.]+?\.\d", row[place]) for row in runs]
        assert [found and found[0] for found in shown] == [f"{mean:.1f}" for mean in means]
    dots = re.findall(r'<circle cx="([\d.]+)"', figure)
    assert len(dots) == len(METHODS) * len(BENCHMARKS)
    first = np.array(dots, float).reshape(len(METHODS), -1)[:, 0]
    means = [fmean(_metrics(project, method, "vggss", "cIoU@available")) for method in METHODS]
    np.testing.assert_array_equal(
        np.argsort(first, kind="stable"), np.argsort(means, kind="stable")
    )


def test_samples_that_divide_the_methods_stand_first_with_all_maps(
    project: Path, made: str
) -> None:
    section = _section(made, "vggss")
    # Once more from the tables alone: the share of methods that are right, seed by seed.
    right, iou = [], []
    for method in METHODS:
        seeds = [
            read_parquet(
                project
                / f"data/results/made/{method}-full-{seed}/made/details/vggss/samples.parquet"
            )["iou"].to_numpy()
            for seed in SEEDS
        ]
        right.append(np.mean([seed >= 0.5 for seed in seeds], axis=0))
        iou.append(np.mean(seeds, axis=0))
    variance, deviation = np.var(right, axis=0), np.std(iou, axis=0)
    order = np.lexsort((np.arange(24), -deviation.round(12), -variance.round(12)))
    expected = [CLIPS[n] for n in order if variance[n] > 1e-12]
    cards = re.findall(r'<figure class="beside">(.*?)</figure>', section, re.DOTALL)
    differ = section.partition("Where the runs differ most")[2].partition("<h3>")[0]
    shown = re.findall(r'<span class="clip">(madeclip\w+)</span>', differ)
    assert shown == expected[: share_of(CARDS, len(BENCHMARKS))] and len(shown) > AGREED
    assert "Right, in a green frame: the IoU of the map with what sounds is at least 0.5" in section
    assert "Maps are those of the first seed" in section
    for card in cards:
        assert re.search(r"</b> IoU 0\.\d\d</span>", card)
        assert len(re.findall("<img ", card)) == 1 + len(METHODS)
        for method in METHODS:
            assert f"<span>{method}-full</span>" in card
        words = re.findall(r'<b class="mark">([^<]*)</b>', card)
        assert f"<b>{words.count('right')} of 13 right</b>" in card
        assert card.count('<li class="right">') == words.count("right")


def test_the_page_stays_complete_and_small(made: str) -> None:
    reader = Reader(made)
    sections = {section.get("id") for section in reader.of("section")}
    assert {*BENCHMARKS, "runs", "overview", "training", "corpora"} <= sections
    for method in METHODS:
        assert f"Loss of {method}-full, mean of 3 seeds" in unescape(made)
        assert made.count(f">{method}-full</h3>") >= len(BENCHMARKS) - 2  # its curves
    assert len(made) < 12e6
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_all_that_scrolls_or_folds_is_reached_by_keyboard(made: str) -> None:
    reader = Reader(made)
    scrolled = [div for div in reader.of("div") if div.get("class") == "scroll"]
    assert len(scrolled) >= 9 + 3 and all(
        d["tabindex"] == "0" and d["aria-label"] for d in scrolled
    )
    assert len(reader.of("details")) == len(reader.of("summary"))
    # Each field of the tables stands inside its label, and of the browser's some share one.
    folds = [field for field in reader.of("input") if list(field) == ["type"]]
    labels = [label for label in reader.of("label") if label.get("class") == "fold"]
    assert len(folds) == len(labels) > 0
    shared = [field for field in reader.of("input") if field.get("type") == "number"]
    assert len(shared) == 4 and all(field["aria-label"] for field in shared)


@pytest.mark.parametrize(("theme", "ground"), [("light", "255, 255, 255"), ("dark", "13, 17, 23")])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_never_scrolls_sideways(
    project: Path, made: str, tmp_path: Path, width: int, theme: str, ground: str
) -> None:
    page = project / "data" / "report" / "index.html"
    # Also with all that folds unfolded, and all that is skipped while out of sight laid out.
    wide = (
        "(root.querySelectorAll('details').forEach(each => each.open = true),"
        "root.body.append(Object.assign(root.createElement('style'),"
        "{textContent: '* { content-visibility: visible !important }'})),"
        "[root.documentElement.scrollWidth, root.documentElement.clientWidth,"
        "getComputedStyle(root.body).backgroundColor].join(' '))"
    )
    found = in_browser(page, tmp_path, width, theme, wide)
    content, frame, colour = found.split(" ", 2)
    assert int(content) <= int(frame) <= width
    assert colour == f"rgb({ground})"


def test_a_table_shows_the_first_row_of_each_run_alone_where_asked(
    project: Path, made: str, tmp_path: Path
) -> None:
    page = project / "data" / "report" / "index.html"
    seen = (
        "[0, 1].map(() => { const table = root.querySelector('#table-1');"
        "const rows = [...table.querySelectorAll('tr.mine')];"
        "const shown = rows.filter(row => row.getClientRects().length).length;"
        "table.querySelector('input').click(); return shown; }).join(' ')"
    )
    assert in_browser(page, tmp_path, 1400, "light", seen) == f"{ROWS} {FIRST}"
