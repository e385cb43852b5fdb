"""The report: one page that stands alone, says what the files say, and survives strange names."""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest
import yaml
from jinja2 import UndefinedError
from made_corpus import make_corpus
from made_media import tones, write_media
from markupsafe import Markup

from pipeline.base.files import write_json, write_npy, write_parquet, write_tsv
from pipeline.benchmarks import Predictions, Sample, open_benchmark
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.metrics.retrieval import best_answers, partner_ranks
from pipeline.benchmarks.tasks import DetectionBenchmark, LocalizationBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.media.writing import encode_mp3
from pipeline.report.answers import Card, answers_page
from pipeline.report.clips import Clips
from pipeline.report.comparison import comparison
from pipeline.report.curves import Line, chart
from pipeline.report.gallery import choose, gallery
from pipeline.report.heat import COLOURS
from pipeline.report.html_tables import Head, TableRow, draw_table
from pipeline.report.interactive import InteractiveScene, SoundChoice, interactive_page
from pipeline.report.page import Section, page
from pipeline.report.paper_numbers import ABLATIONS, NEIGHBOURS, TABLES
from pipeline.report.runs import Run, Scored
from pipeline.report.templating import render
from stages.report import report

ROOT = Path(__file__).resolve().parents[2]
CLIPS = [f"madeclip{number:03d}_{number:06d}" for number in range(12)]
BOXES = [[0.05 * n, 0.1, 0.05 * n + 0.4, 0.7] for n in range(len(CLIPS))]
HOSTILE = '<img src=x onerror="alert(1)">&"\'</figure></script>'
EVALUATIONS = {"made-vggss": "vggss", "made-retrieval": "retrieval"}
VOID = {"br", "img", "link", "meta"}


class Reader(HTMLParser):
    """What a page consists of: elements with their attributes, and the text of each table row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def make_clips(folder: Path, names: list[str], sounds: bool = True) -> Clips:
    """A decoded corpus of clips, and their sounds as files."""
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (len(names), 40, 40, 3)).astype(np.uint8)
    steps = [np.zeros((4, 3)) for _ in names]
    corpus = make_corpus(folder / "decoded", frames, steps, clip_ids=names)
    more = {
        "sound_path": [f"sound{number}.wav" for number in range(len(names))],
        "width": pa.array([96] * len(names), pa.int32()),
        "height": pa.array([72] * len(names), pa.int32()),
    }
    table = corpus.clips
    for name, values in more.items():
        table = table.append_column(name, pa.array(values))
    write_parquet(folder / "decoded" / "clips.parquet", table)
    for path in more["sound_path"] if sounds else ():
        write_media(folder / path, size=None, sound=tones(1.0, 16000), audio_codec="pcm_s16le")
    return Clips(DecodedCorpus(folder / "decoded"), folder)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project after its stages, with one run on two benchmarks."""
    folder = tmp_path_factory.mktemp("project")
    data = folder / "data"
    make_clips(folder / "media", CLIPS)
    shutil.move(folder / "media" / "decoded", data / "decoded" / "made")
    write_json(data / "decoded" / "made" / "summary.json", _summary())
    annotations = folder / "annotations"
    annotations.mkdir()
    boxes = [
        {"file": clip, "class": "ab"[n % 2], "bbox": [BOXES[n]]} for n, clip in enumerate(CLIPS)
    ]
    (annotations / "vggss.json").write_text(json.dumps(boxes))
    (data / "runs" / "made").mkdir(parents=True)
    (data / "runs" / "made" / "training_clips.txt").write_text("".join(f"{c}\n" for c in CLIPS[:3]))
    write_tsv(
        data / "runs" / "made" / "history.tsv",
        pa.table({"epoch": [1, 2], "loss": [5.0, 4.0], "localization": [5.0, 4.0]}),
    )
    corpus = DecodedCorpus(data / "decoded" / "made")
    generator = np.random.default_rng(1)
    for name, key in EVALUATIONS.items():
        benchmark = open_benchmark(key, annotations, corpus)
        maps = generator.random((len(CLIPS), 7, 7), np.float32)
        similarities = {s: generator.random((12, 12), np.float32) for s in ("s_A", "s_L")}
        scores = benchmark.score(Predictions(maps, maps, similarities))
        results = data / "results" / name
        write_parquet(results / "details" / "samples.parquet", scores.rows)
        if benchmark.wants_maps:
            write_npy(results / "details" / "maps.npy", maps)
        for curve, table in scores.curves.items():
            write_tsv(results / "curves" / f"{curve}.tsv", table)
        first = next(iter(scores.metrics))
        metrics = {**scores.metrics, f"{first}.random": 12.34, "leaked_clips": 3}
        write_json(results / "metrics.json", metrics)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["active"] = _study(annotations, folder / "media")
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def _summary() -> dict[str, float]:
    counts = {"clips": 12, "rejects": 5, "rejects_no_sound": 4, "rejects_breaks_midway": 1}
    seconds = {"sound_seconds_min": 1.0, "sound_seconds_p05": 1.5, "sound_seconds_median": 2.5}
    counts |= {"silent": 6, "still": 7, "duplicates": 8}
    return {**counts, **seconds, "sound_seconds_max": 9.5}


def _study(annotations: Path, media: Path) -> dict[str, Any]:
    ground = {"corpus": "made", "root": str(media), "annotations": str(annotations)}
    ground |= {"weights": "data/weights", "embed": "embed", "evaluate": "evaluate"}
    search = {"corpus": "made", "list": "/home/somebody/lists/made.txt", "neighbours": "neighbours"}
    return {
        "toys": {},
        "corpora": {"made": {"reader": "vggsound", "root": str(media), "decode": "decode"}},
        "embeddings": {},
        "searches": {"made": {**search, "annotations": str(annotations)}},
        "runs": {
            "made": {"corpus": "made", "search": "made", "train": "train", "override": {"seed": 42}}
        },
        "published": {},
        "evaluations": {
            name: {"run": "made", "benchmark": key, "ground": ground}
            for name, key in EVALUATIONS.items()
        },
    }


@pytest.fixture(scope="module")
def made(project: Path) -> Iterator[str]:
    """The page of the project."""
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.chdir(project)
        report("active", Path("data/report/index.html"))
    yield (project / "data" / "report" / "index.html").read_text()


def test_the_page_stands_alone(made: str) -> None:
    reader = Reader(made)
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in reader.elements}
    addresses = [
        value
        for _, attributes in reader.elements
        for key, value in attributes.items()
        if key in ("src", "href", "srcset", "poster", "action", "data")
    ]
    assert addresses and all(str(a).startswith(("data:", "#")) for a in addresses)
    assert not re.search(r"https?://|@import|url\(", made)
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"] for a in reader.of("a")} <= {f"#{i}" for i in ids}


def test_pictures_wait_and_have_names(made: str) -> None:
    reader = Reader(made)
    assert all(image["loading"] == "lazy" and image["alt"] for image in reader.of("img"))
    players = reader.of("audio")
    assert players and all(a["preload"] == "none" and a["aria-label"] for a in players)
    content = base64.b64decode(str(players[0]["src"]).partition(",")[2])
    with av.open(io.BytesIO(content)) as container:
        assert container.streams.audio[0].codec_context.name.startswith("mp3")


def test_headings_leave_no_level_out(made: str) -> None:
    levels = [int(tag[1]) for tag, _ in Reader(made).elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and {2, 3, 4} <= set(levels)
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_every_benchmark_has_its_section(made: str) -> None:
    sections = {section.get("id") for section in Reader(made).of("section")}
    tables = {f"table-{number}" for number in range(1, 10)}
    assert {*EVALUATIONS, *tables, "runs", "training", "corpora"} <= sections


def test_numbers_are_those_of_the_files(project: Path, made: str) -> None:
    rows = Reader(made).rows
    for name in EVALUATIONS:
        metrics = json.loads((project / "data/results" / name / "metrics.json").read_text())
        for key, value in metrics.items():
            if "." in key:
                assert any(f"{value:.2f}" in row for row in rows)
            else:
                shown = {f"{value:.2f}", f"{value:.0f}"}
                assert any(row[0] == key and row[1] in shown for row in rows), key
    vggss = json.loads((project / "data/results/made-vggss/metrics.json").read_text())
    ours = [row for row in rows if row[0].startswith("ours avloc, made")]
    conditions = (
        "trained on made.txt, seed 42k 20, pooling topvggss: 12 of 12 samples, leaked clips: 3"
    )
    assert [f"{vggss['cIoU']:.2f}", f"{vggss['AUC']:.2f}"] == ours[0][1:3]
    assert conditions in ours[0][0]
    assert [f"{vggss['cIoU_ogl']:.2f}", f"{vggss['AUC_ogl']:.2f}"] == ours[1][1:3]
    (corpus,) = [row for row in rows if row[0].startswith("made") and row[1:3] == ["12", "5"]]
    assert "no sound: 4, breaks midway: 1" in corpus[0]
    assert corpus[3:] == ["6", "7", "8", "1.0", "1.5", "2.5", "9.5"]


def test_nothing_of_the_machine_is_in_it(project: Path, made: str) -> None:
    assert str(project) not in made and "/home" not in made


def test_equal_inputs_give_equal_bytes(
    project: Path, made: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(project, copy)
    content = (copy / "params.yaml").read_text().replace(str(project), str(copy))
    (copy / "params.yaml").write_text(content)
    monkeypatch.chdir(copy)
    report("active", Path("again.html"))
    assert (copy / "again.html").read_text() == made


def test_results_of_other_samples(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    monkeypatch.chdir(copy)
    boxes = json.loads((project / "annotations" / "vggss.json").read_text())
    (copy / "vggss.json").write_text(json.dumps(boxes[1:]))
    content = (copy / "params.yaml").read_text()
    content = content.replace(str(project / "annotations"), str(copy))
    (copy / "params.yaml").write_text(content)
    with pytest.raises(InputError, match="holds 12 samples, expected the benchmark's own 11"):
        report("active", Path("page.html"))
    assert not (copy / "page.html").exists()


def test_a_study_without_its_results_is_told_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    monkeypatch.chdir(copy)
    (copy / "data/results/made-retrieval/metrics.json").unlink()
    (copy / "data/runs/made/history.tsv").unlink()
    with pytest.raises(InputError) as caught:
        report("active", Path("page.html"))
    assert str(caught.value) == (
        "study active: not found: 2 of 4 files that its report is made of, "
        "data/runs/made/history.tsv first; `dvc repro` makes them where it is the active one"
    )
    with pytest.raises(InputError, match=r"study studies\.ablations: not found: \d+ of"):
        report("studies.ablations", Path("page.html"))
    assert not (copy / "page.html").exists()


def test_strange_names_stay_text(tmp_path: Path) -> None:
    clips = make_clips(tmp_path, [HOSTILE, "b", "c"], sounds=False)
    samples = [Sample(clip, clip, clip) for clip in (HOSTILE, "b", "c")]
    truth = Truth([[box] for box in BOXES[:3]], fraction_boxes)
    benchmark = LocalizationBenchmark(samples, 3, truth, "half-pixel")
    maps = np.random.default_rng(0).random((3, 7, 7), np.float32)
    rows = benchmark.score(Predictions(maps)).rows
    text = page(HOSTILE, [HOSTILE], [Section("a", HOSTILE, gallery(benchmark, rows, maps, clips))])
    reader = Reader(text)
    assert all(attributes.keys() & {"onerror"} == set() for _, attributes in reader.elements)
    assert all(str(image["src"]).startswith("data:image/webp") for image in reader.of("img"))
    assert len(reader.of("img")) == 6 and not reader.of("script")
    assert f"frame of {HOSTILE}" in {image["alt"] for image in reader.of("img")}
    # Its file has gone, and the page says so instead of a player.
    assert text.count("cannot be played: unreadable: there is no such file") == 3


def test_surest_negatives_are_shown(tmp_path: Path) -> None:
    clips = make_clips(tmp_path, list("abcd"))
    pairs = [Sample("a", "a", "a"), Sample("b+a", "b", "a"), Sample("c+a", "c", "a")]
    truth = Truth([[BOXES[0]], [], []], fraction_boxes)
    benchmark = DetectionBenchmark(pairs, 3, truth, np.array([True, False, False]))
    maps = np.stack([np.full((7, 7), value, np.float32) for value in (0.9, 0.1, 0.5)])
    text = gallery(benchmark, benchmark.score(Predictions(maps)).rows, maps, clips)
    surest = text.partition("Surest where nothing sounds")[2]
    assert re.findall(r"heat map of (\w)", surest) == ["c", "b"]
    assert "confidence 0.75" in surest and "<b>IoU" not in surest
    assert "frame c" in surest and "sound a" in surest


def test_choice_of_cases() -> None:
    chosen = choose(range(100), 3)
    assert chosen == {"best": [0, 1, 2], "typical": [49, 50, 51], "worst": [97, 98, 99]}
    for count in range(12):
        shown = [n for part in choose(range(count), 3).values() for n in part]
        assert len(shown) == len(set(shown)) == min(count, 9)


def test_best_answers_agree_with_the_ranks() -> None:
    similarities = np.random.default_rng(0).integers(0, 6, (30, 30)).astype(np.float32)
    for direction in ("a2i", "i2a"):
        answers = best_answers(similarities, direction)
        ranks = partner_ranks(similarities, direction)
        rows = similarities.T if direction == "a2i" else similarities
        for query, found in enumerate(answers):
            np.testing.assert_array_equal(rows[query, found], np.sort(rows[query])[::-1][:5])
            assert (query in found) == (ranks[query] <= 5)
            if query in found:
                assert found.tolist().index(query) == ranks[query] - 1
    assert best_answers(similarities[:2, :2], "a2i").shape == (2, 2)


def test_the_paper_is_complete() -> None:
    assert [table.number for table in TABLES] == list(range(1, 8))
    for table in TABLES:
        assert all(len(row.values) == len(table.columns) for row in table.rows), table.number
    assert len(ABLATIONS) == 8 and len({switches for switches, _ in ABLATIONS.values()}) == 8
    # What several of the paper's tables say must be the same number.
    own = {t.number: next(r for r in t.rows if r.method == "the paper's model") for t in TABLES}
    assert own[1].values[:2] == ABLATIONS["A"][1] == NEIGHBOURS[1000]
    assert (own[7].values[2], own[7].values[5]) == (own[1].values[2], own[1].values[0])


def test_the_papers_numbers_are_the_papers() -> None:
    paper = ROOT.parent / "shared" / "paper.txt"
    if not paper.is_file():
        pytest.skip("the paper's text is not beside the project")
    printed = set(re.findall(r"\d+\.\d+", paper.read_text()))
    values = [value for table in TABLES for row in table.rows for value in row.values]
    values += [value for _, scores in ABLATIONS.values() for value in scores]
    values += [value for scores in NEIGHBOURS.values() for value in scores]
    for value in values:
        assert value is None or {f"{value:.1f}", f"{value:.2f}"} & printed, value


def _scored(name: str, benchmark: str, **metrics: float) -> Scored:
    letter, seed = name.split("-")
    switches = ABLATIONS[letter][0]
    run = Run(name, "list.txt", "vggsound", letter, int(seed), 1, 2, "mean", 30, switches)
    counts = {"samples": 10, "official_samples": 20, "leaked_clips": 1}
    return Scored(f"{name}-{benchmark}", run, benchmark, "c", True, None, {**metrics, **counts})


def test_seeds_share_a_row_and_stand_by_their_ablation() -> None:
    scored = [
        _scored("A-1", "vggss", cIoU=30.0, AUC=20.0),
        _scored("A-2", "vggss", cIoU=40.0, AUC=22.0),
        _scored("H-1", "scenes", cIoU=7.0, AUC=8.0),
    ]
    tables = [Reader(table).rows for table in comparison(scored)]
    (ours,) = [row for row in tables[0] if row[0].startswith("ours avloc, A")]
    assert ours[1:3] == ["35.00 (30.00 to 40.00)", "21.00 (20.00 to 22.00)"]
    assert "seeds 1, 2" in ours[0] and "10 of 20 samples, leaked clips: 1" in ours[0]
    heads = [row[0].split(" toy")[0] for row in tables[7][1:]]
    assert heads[:2] == ["paper (A)", "ours avloc, A"] and heads[-1] == "ours avloc, H-1"
    ks = [row[1] for row in tables[8][1:]]
    assert ks == ["10", "30", "30", "100", "500", "1000"]


def test_rows_tell_what_is_off_and_with_which_k_and_pooling() -> None:
    scored = [_scored("A-1", "vggss", cIoU=30.0, cIoU_ogl=31.0), _scored("B-1", "vggss", cIoU=7.0)]
    scored += [_scored("H-1", "vggss", cIoU=8.0)]
    other = replace(scored[0].run, name="top", alike="top", k=100, pooling="top")
    scored.append(replace(scored[0], name="top", run=other))
    settings = {
        "A-1": "k 30, pooling mean",
        "B-1": "k 30, pooling mean; off: feature alignment",
        "H-1": "pooling mean; off: semantic, multi-view, feature alignment",
        "top": "k 100, pooling top",
    }
    found: set[tuple[int, str]] = set()
    for number, table in enumerate(comparison(scored), start=1):
        for row in Reader(table).rows:
            for name, told in settings.items():
                if row[0].startswith(f"ours avloc, {name}"):
                    assert told in row[0] and ("off: " in told) == ("off: " in row[0])
                    found.add((number, name))
    assert {(1, name) for name in settings} <= found
    assert {(8, name) for name in settings} <= found and {(9, "A-1"), (9, "top")} <= found


def test_other_studies_fill_the_tables(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    metrics = {"cIoU": 77.77, "AUC": 66.66, "samples": 9, "official_samples": 9, "leaked_clips": 0}
    folder = project / "data" / "results" / "B-vggss"
    write_json(folder / "metrics.json", metrics)
    try:
        report("active", project / "other.html")
    finally:
        shutil.rmtree(folder)
    rows = Reader((project / "other.html").read_text()).rows
    found = [row for row in rows if row[0].startswith("ours avloc, B")]
    assert found and all("made by the study ablations" in row[0] for row in found)
    assert any("77.77" in row for row in found)


def test_templates_escape_by_default() -> None:
    text = render("together", parts=[Markup("<i>"), "<b>&"], class_='"')
    assert text == '<div class="&#34;">\n<i>\n&lt;b&gt;&amp;\n</div>'
    with pytest.raises(UndefinedError, match="class_"):
        render("together", parts=[])


def test_every_page_has_the_style_and_only_one_has_a_script() -> None:
    card = Card(HOSTILE, HOSTILE, None, None)
    scene = InteractiveScene(HOSTILE, [HOSTILE], [SoundChoice(HOSTILE, None, [np.eye(4)[None]])])
    pages = [
        page(HOSTILE, [HOSTILE], [Section("a", HOSTILE, HOSTILE)]),
        answers_page(HOSTILE, HOSTILE, card, [card]),
        interactive_page([scene], 0.1),
    ]
    style = (ROOT / "pipeline/report/templates/style.css").read_text()
    for text in pages:
        assert text.startswith("<!DOCTYPE html>") and style in text
        reader = Reader(text)
        assert not reader.of("img")
        policies = [m["content"] for m in reader.of("meta") if "http-equiv" in m]
        assert len(policies) == 1 and str(policies[0]).startswith("default-src 'none';")
    assert not any(Reader(text).of("script") for text in pages[:2])
    # The policy lets the page's own script run and no other: its hash is that of what stands there.
    (script,) = re.findall(r"<script>(.*?)</script>", pages[2], re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [m["content"] for m in Reader(pages[2]).of("meta") if "http-equiv" in m]
    assert str(policy).endswith(f"; script-src 'sha256-{digest}'")
    (shown,) = re.findall(r'id="colours">(.*)</script>', pages[2])
    table = np.frombuffer(base64.b64decode(json.loads(shown)), np.uint8)
    np.testing.assert_array_equal(table.reshape(256, 4), COLOURS)


def test_the_wheel_holds_what_a_page_is_made_of() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folder = ROOT / "pipeline" / "report"
    globs = settings["package-data"]["pipeline.report"]
    packed = {path for glob in globs for path in folder.glob(glob)}
    assert packed == {path for path in (folder / "templates").iterdir() if path.is_file()}
    assert {"style.css", "player.js", "report.html.j2"} <= {path.name for path in packed}


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


def test_a_browser_opens_it(project: Path, made: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        pytest.skip("no Chromium here")
    address = (project / "data" / "report" / "index.html").as_uri()
    shot = tmp_path / "page.png"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=390,900"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={shot}", address]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert shot.stat().st_size > 5000
