"""The report: one page that stands alone, says what the files say, and survives strange names."""

import base64
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest
import yaml
from made_pages import BOXES, Reader, make_clips

from pipeline.base.files import write_json, write_npy, write_parquet, write_tsv
from pipeline.benchmarks import Predictions, open_benchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.report.comparison import comparison
from pipeline.report.paper_numbers import ABLATIONS, NEIGHBOURS, TABLES
from pipeline.report.runs import Run, Scored
from stages.report import report

ROOT = Path(__file__).resolve().parents[2]
CLIPS = [f"madeclip{number:03d}_{number:06d}" for number in range(12)]
EVALUATIONS = {"made-vggss": "vggss", "made-retrieval": "retrieval"}


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
