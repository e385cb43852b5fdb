"""The report: one page that stands alone, says what the files say, and survives strange names."""

import base64
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import av
import pytest
from made_pages import ROOT, Reader, make_facts, make_project

from pipeline.base.files import write_json
from pipeline.base.params import Parameters
from pipeline.base.study import all_studies
from pipeline.errors import InputError
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.report.collect import runs_of
from pipeline.report.comparison import comparison
from pipeline.report.introduction import run_table
from pipeline.report.paper_numbers import ABLATIONS, NEIGHBOURS, TABLES
from pipeline.report.runs import ASPECTS, Run, Scored
from pipeline.report.scores import training_charts
from stages.report import report

CLIPS = [f"madeclip{number:03d}_{number:06d}" for number in range(12)]
BENCHMARKS = ("vggss", "retrieval")
RUN = "alignment-full-42"
FOLDER, RESULTS = f"data/runs/made/{RUN}", f"data/results/made/{RUN}/made"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project after its stages, with one run on two benchmarks."""
    folder = tmp_path_factory.mktemp("project")
    settings = {"alignment": AlignmentSettings(k=20, pooling="top")}
    make_project(folder, CLIPS, BENCHMARKS, settings, [42])
    return folder


@pytest.fixture(scope="module")
def made(project: Path) -> Iterator[str]:
    """The page of the project."""
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.chdir(project)
        report(None, Path("data/report/index.html"))
    yield (project / "data" / "report" / "index.html").read_text()


def test_the_page_stands_alone(made: str) -> None:
    reader = Reader(made)
    assert not {"link", "iframe", "object", "base"} & {tag for tag, _ in reader.elements}
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
    own = {a["href"] for a in reader.of("a") if "href" in a}
    # What begins with a kind's name is the browser's, which filters by it.
    assert {a for a in own if not str(a).startswith("#kind/")} <= {f"#{i}" for i in ids}


def test_pictures_wait_and_have_names(made: str) -> None:
    reader = Reader(made)
    assert all(image["loading"] == "lazy" and image["alt"] for image in reader.of("img"))
    players = reader.of("audio")
    assert players and all(a["preload"] == "none" and a["aria-label"] for a in players)
    assert all(str(a["data-clip"]).startswith("made/madeclip") for a in players)
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
    assert {
        *BENCHMARKS,
        *tables,
        "browser",
        "runs",
        "overview",
        "training",
        "corpora",
    } <= sections


def test_numbers_are_those_of_the_files(project: Path, made: str) -> None:
    rows = Reader(made).rows
    scores = json.loads((project / RESULTS / "metrics.json").read_text())
    for metrics in scores.values():
        for key, value in metrics.items():
            if "." in key:
                assert any(f"{value:.2f}" in row for row in rows)
            elif not key.endswith((":low", ":high")):
                cells = {row[1] for row in rows if row[0] == key}
                interval = ""
                if f"{key}:low" in metrics:
                    interval = f"[{metrics[f'{key}:low']:.1f}, {metrics[f'{key}:high']:.1f}]"
                assert {f"{value:.2f}{interval}", f"{value:.0f}"} & cells, key
    vggss = scores["vggss"]
    ours = [row for row in rows if row[0].startswith(f"ours {RUN}")]
    conditions = (
        "trained on made.txt, seed 42, float32, leaked clips: 3; "
        "frames squashed to squares, k 20, pooling top; vggss: 12 of 12 samples."
    )
    assert made.count(conditions) == 3  # below Tables 1, 8 and 9, once in each
    assert [_with_interval(vggss, "cIoU"), f"{vggss['AUC']:.2f}"] == ours[0][1:3]
    assert ours[0][-2:] == ["no", "last"]
    # Every method is cut at half of the range as well; the paper's own code has no form of its own.
    assert [_with_interval(vggss, "cIoU_half"), f"{vggss['AUC_half']:.2f}"] == ours[1][1:3]
    assert [_with_interval(vggss, "cIoU_ogl"), f"{vggss['AUC_ogl']:.2f}"] == ours[2][1:3]
    (corpus,) = [row for row in rows if row[0].startswith("made") and row[1:3] == ["12", "5"]]
    assert "no sound: 4, breaks midway: 1" in corpus[0]
    assert corpus[3:] == ["6", "2", "3", "7", "8", "4", "1.0", "1.5", "2.5", "9.5"]


def _with_interval(metrics: dict[str, float], key: str) -> str:
    return f"{metrics[key]:.2f}[{metrics[f'{key}:low']:.1f}, {metrics[f'{key}:high']:.1f}]"


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
    report(None, Path("again.html"))
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
        report(None, Path("page.html"))
    assert not (copy / "page.html").exists()


def test_a_study_without_its_results_is_told_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    monkeypatch.chdir(copy)
    (copy / RESULTS / "metrics.json").unlink()
    (copy / FOLDER / "history.tsv").unlink()
    with pytest.raises(InputError) as caught:
        report(None, Path("page.html"))
    assert str(caught.value) == (
        "study active: not found: 2 of 3 files that its report is made of, "
        f"{FOLDER}/history.tsv first; `dvc repro` makes them where it is the active one"
    )
    with pytest.raises(InputError, match=r"study ablations: not found: \d+ of"):
        report("ablations", Path("page.html"))
    assert not (copy / "page.html").exists()


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
    semantic, multi_view, alignment = ABLATIONS[letter][0]
    settings = AlignmentSettings(
        k=30, semantic=semantic, multi_view=multi_view, feature_alignment=alignment
    )
    run = Run(
        name, f"made/{name}", "alignment", "list.txt", "vggsound", letter,
        Alignment.label(settings), asdict(settings), int(seed), 1, 2,
    )  # fmt: skip
    counts = {"samples": 10, "official_samples": 20, "leaked_clips": 1}
    return Scored(run, benchmark, "c", True, None, {**metrics, **counts})


def test_seeds_share_a_row_and_stand_by_their_ablation() -> None:
    scored = [
        _scored("A-1", "vggss", cIoU=30.0, AUC=20.0),
        _scored("A-2", "vggss", cIoU=40.0, AUC=22.0),
        _scored("H-1", "scenes", cIoU=7.0, AUC=8.0),
    ]
    texts = comparison(scored)
    tables = [Reader(table).rows for table in texts]
    (ours,) = [row for row in tables[0] if row[0].startswith("ours alignment, A")]
    # Student's quantile for one degree of freedom is 12.706, and the deviation of 30 and 40 7.071.
    assert ours[1:3] == ["35.00 ± 63.5330.0 to 40.0", "21.00 ± 12.7120.0 to 22.0"]
    for words in ("seeds 1, 2", "10 of 20 samples", "leaked clips: 1"):
        assert words in texts[0] and words not in ours[0]  # once below the table
    heads = [row[0].split(" toy")[0] for row in tables[7][1:]]
    assert heads[:2] == ["paper (A)", "ours alignment, A"] and heads[-1] == "ours alignment, H-1"
    ks = [row[1] for row in tables[8][1:]]
    assert ks == ["10", "30", "30", "100", "500", "1000"]


def test_rows_tell_what_is_off_and_with_which_k_and_pooling() -> None:
    scored = [_scored("A-1", "vggss", cIoU=30.0, cIoU_ogl=31.0), _scored("B-1", "vggss", cIoU=7.0)]
    scored += [_scored("H-1", "vggss", cIoU=8.0)]
    top = AlignmentSettings(k=100, pooling="top")
    other = replace(
        scored[0].run, name="top", alike="top", label=Alignment.label(top), settings=asdict(top)
    )
    scored.append(replace(scored[0], run=other))
    settings = {
        "A-1": "k 30, pooling mean",
        "B-1": "k 30, pooling mean; off: feature alignment",
        "H-1": "pooling mean; off: semantic, multi-view, feature alignment",
        "top": "k 100, pooling top",
    }
    found: set[tuple[int, str]] = set()
    for number, table in enumerate(comparison(scored), start=1):
        below = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", table))
        for row in Reader(table).rows:
            for name, told in settings.items():
                if row[0].startswith(f"ours alignment, {name}"):
                    words = below[f"alignment, {name}"]
                    assert told in words and ("off: " in told) == ("off: " in words)
                    found.add((number, name))
    assert {(1, name) for name in settings} <= found
    assert {(8, name) for name in settings} <= found and {(9, "A-1"), (9, "top")} <= found


def test_rows_and_runs_tell_what_training_does_to_frames(tmp_path: Path) -> None:
    for aspect, words in (
        ("kept", "aspect ratio kept"),
        ("squashed", "frames squashed to squares"),
        (None, ""),  # a run from before the setting
    ):
        facts = make_facts(AlignmentSettings(), 1)
        facts["recipe"].pop("aspect")
        facts["recipe"] |= {"aspect": aspect} if aspect else {}
        write_json(tmp_path / "run.json", facts)
        study = replace(all_studies(Parameters(ROOT / "params.yaml"))["toy"], seeds=[1])
        (run,) = runs_of(study, lambda folder: tmp_path).values()
        scored = replace(_scored("A-1", "vggss", cIoU=30.0), run=run)
        for number in (1, 8):
            table = comparison([scored])[number - 1]
            (below,) = re.findall(r"<p>(alignment-full-1: .*?)</p>", table)
            assert [found for found in ASPECTS.values() if found in below] == [words] * bool(words)
        heads, row = Reader(run_table([run], {run.folder: 3})).rows
        assert row[heads.index("frames")] == words


def test_other_studies_fill_the_tables(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    metrics = {"cIoU": 77.77, "AUC": 66.66, "samples": 9, "official_samples": 9, "leaked_clips": 0}
    run = "vggsound-144k/alignment-B-0"
    settings = AlignmentSettings(feature_alignment=False)
    write_json(project / "data/runs" / run / "run.json", make_facts(settings, 0, "vggss_144k.txt"))
    write_json(project / "data/results" / run / "vggss/metrics.json", {"vggss": metrics})
    try:
        report(None, project / "other.html")
    finally:
        for kind in ("runs", "results"):
            shutil.rmtree(project / "data" / kind / "vggsound-144k")
    rows = Reader((project / "other.html").read_text()).rows
    assert any(row[0].startswith("ours alignment-B-0") for row in rows)
    text = (project / "other.html").read_text()
    below = re.findall(r"<dt>alignment-B-0</dt><dd>(.*?)</dd>", text)
    assert below and all("made by the study ablations" in words for words in below)
    assert any("77.77" in row for row in rows)


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


def test_a_training_s_chart_shows_every_part_of_its_loss() -> None:
    rates = {"learning_rate": [0.1, 0.1]}
    losses = {"epoch": [1, 2], "loss": [5.0, 4.0]}
    one = {**losses, "contrastive": [5.0, 4.0], **rates}
    two = {**losses, "first": [2.0, 1.0], "second": [3.0, 3.0], "unused": [0.0, 0.0], **rates}
    alone, both, rate = map(str, training_charts({"alone": [one], "both": [two]}))
    assert "Learning rate of all runs" in rate  # which is one for both
    assert "contrastive" not in alone and "Loss of alone" in alone  # it is the loss itself
    assert "first" in both and "second" in both
    assert "unused" not in both and "learning_rate" not in both
    mean = str(training_charts({"two": [one, {**one, "loss": [7.0, 4.0]}]})[0])
    assert "Loss of two, mean of 2 seeds" in mean
