"""The failure browser: what a page keeps of samples, and what its script makes of it."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_pages import in_browser, make_clips, make_project

from pipeline.base.files import read_json, read_parquet
from pipeline.benchmarks import Predictions, Sample
from pipeline.benchmarks.metrics.heatmaps import RESIZES, resize_maps
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.tasks import LocalizationBenchmark
from pipeline.methods.contract import load_method
from pipeline.report import store as stores
from pipeline.report.facts import benchmark_facts, run_facts
from pipeline.report.store import NOT_KNOWN, Seen, Store, frame_side, spread
from stages.report import report

CLIPS = [f"madeclip{number:03d}_{number:06d}" for number in range(30)]
RUNS = ("alignment-full-0", "fnac-full-0")


def test_frames_are_the_smaller_the_more_there_are() -> None:
    assert (frame_side(1), frame_side(5158), frame_side(10**6)) == (192, 96, 64)
    assert all(frame_side(count) % 16 == 0 for count in range(1, 20000, 777))


def test_a_beginning_is_spread_evenly() -> None:
    for count in (1, 2, 7, 100):
        assert sorted(spread(count)) == list(range(count))
    assert sorted(spread(100)[:4]) == [0, 32, 64, 96]


def _store(folder: Path, seeds: int = 1, sounds: bool = False) -> Store:
    """Two benchmarks of which the second is part of the first, and has one further pair."""
    names = [f"clip{n}" for n in range(6)]
    clips = make_clips(folder, names, sounds=sounds)
    pairs = [Sample(name, name, name) for name in names]
    more = [*pairs[:3], Sample("clip0+clip5", "clip0", "clip5")]
    store = Store()
    for key, samples in (("one", pairs), ("two", more)):
        truth = Truth([[[0.1, 0.1, 0.7, 0.8]]] * len(samples), fraction_boxes)
        benchmark = LocalizationBenchmark(samples, len(samples), truth)
        runs = []
        for seed in range(seeds):
            maps = np.random.default_rng(seed).random((len(samples), 7, 7), np.float32)
            table = benchmark.score(Predictions(maps)).rows
            facts = benchmark_facts(benchmark, table, {}, set())
            found = run_facts(benchmark, facts, table, maps)
            runs.append(Seen(f"run-{seed}", seed == 0, found, maps))
        store.add(key, key.title(), "made", clips, facts, runs)
    return store


def test_a_clip_is_one_frame_and_a_pair_one_map(tmp_path: Path) -> None:
    index, beside, notes = _store(tmp_path).packed()
    found: Any = index
    assert found["corpora"]["made"]["ids"] == [f"clip{n}" for n in range(6)]
    assert str(beside["frames-0"]).count("\n") == 5 and all(str(beside["frames-0"]).split("\n"))
    one, two = found["benchmarks"]
    pairs = np.frombuffer(base64.b64decode(two["pairs"]), "<u4")
    assert pairs.tolist() == [0, 1, 2, 6] and two["ids"] == ["", "", "", "clip0+clip5"]
    maps: Any = beside["maps-0-1"]
    cells = np.frombuffer(base64.b64decode(maps["cells"]), np.uint8)
    assert np.frombuffer(base64.b64decode(maps["pairs"]), "<u4").tolist() == [6]
    assert maps["size"] == [7, 7] and len(cells) == 49 and (cells.min(), cells.max()) == (0, 255)
    steps = np.frombuffer(base64.b64decode(one["runs"]["0"]["cuts"]["median"]), "<u2")
    assert len(steps) == 6 and (steps <= 10000).all() and NOT_KNOWN > 10000
    assert any("192 pixels" in note for note in notes)


def test_a_run_has_its_maps_where_an_earlier_benchmark_scored_another_alone(tmp_path: Path) -> None:
    store = _store(tmp_path)
    entry = store._entries[1]
    (ours,) = entry.runs
    store._entries[1] = replace(entry, runs=[ours, replace(ours, label="theirs", first=False)])
    index, beside, _ = store.packed()
    found: Any = index
    theirs: Any = beside[f"maps-{found['runs'].index('theirs')}-1"]
    assert np.frombuffer(base64.b64decode(theirs["pairs"]), "<u4").tolist() == [0, 1, 2, 6]


def test_what_a_page_cannot_hold_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _store(tmp_path, seeds=2, sounds=True)
    monkeypatch.setattr(stores, "MAPS", 8 * 49)  # the first seeds have seven maps
    monkeypatch.setattr(stores, "SOUNDS", 1)
    index, beside, notes = store.packed()
    found: Any = index
    assert [list(each["runs"]) for each in found["benchmarks"]] == [["0"], ["0"]]
    assert "maps-0-0" in beside and "maps-1-0" not in beside
    assert any("left out: run-1 on One, run-1 on Two" in note for note in notes)
    heard: Any = beside["sounds-0"]
    assert len(heard) == 1 and any("Not every sample has its sound" in note for note in notes)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project of two methods on a benchmark of boxes, with its page."""
    folder = tmp_path_factory.mktemp("browsed")
    methods = ("alignment", "fnac")
    settings: dict[str, Any] = {name: load_method(name).Settings() for name in methods}
    make_project(folder, CLIPS, ("vggss",), settings, [0])
    with pytest.MonkeyPatch().context() as context:
        context.chdir(folder)
        report(None, Path("data/report/index.html"))
    yield folder


def _asked(project: Path, folder: Path, expression: str, width: int = 1280) -> Any:
    page = project / "data/report/index.html"
    text = f"(async () => JSON.stringify(await (async () => {{ {expression} }})()))()"
    found = in_browser(page, folder, width, "light", text)
    assert not found.startswith("Error"), found
    return json.loads(found)


def _iou(project: Path, run: str) -> np.ndarray:
    details = project / f"data/results/made/{run}/made/details/vggss"
    return read_parquet(details / "samples.parquet")["iou"].to_numpy()


CARDS = "const cards = () => [...root.querySelectorAll('ul.samples li')];"
SET = (
    "const set = (name, value) => { const field = root.querySelector(`.filters [name=${name}]`);"
    "field.value = value; field.dispatchEvent(new view.Event('input', {bubbles: true})); };"
)


def test_samples_are_sorted_and_filtered(project: Path, tmp_path: Path) -> None:
    expression = (
        f"{CARDS} {SET} const out = {{all: cards().length}}; out.first = cards()[0].textContent;"
        "set('sort', 'best'); out.best = cards()[0].textContent;"
        "set('iou-from', '0.5'); out.half = root.querySelector('.count').textContent;"
        "set('iou-from', '0'); root.querySelector('.chips .k0').click();"
        "out.right = root.querySelector('.count').textContent;"
        "set('beside', '1'); out.two = cards()[0].querySelectorAll('canvas').length; return out;"
    )
    found = _asked(project, tmp_path, expression)
    iou = _iou(project, RUNS[0])
    assert found["all"] == 24  # a page of them
    assert f"IoU {iou.min():.2f}" in found["first"] and f"IoU {iou.max():.2f}" in found["best"]
    right = int((iou >= 0.5).sum())
    assert found["half"].startswith(f"{right} of 30") and found["right"] == found["half"]
    assert found["two"] == 2


def test_a_link_opens_its_sample_by_keyboard_and_on_a_phone(project: Path, tmp_path: Path) -> None:
    address = f"sample/vggss/{RUNS[1]}/{RUNS[0]}/{CLIPS[7]}"
    expression = (
        f"view.location.hash = '{address}'; const box = root.querySelector('dialog');"
        "await until(() => box.open); await until(() => box.querySelector('canvas').width > 300);"
        "const out = {text: box.querySelector('.sound').textContent};"
        "out.canvases = box.querySelectorAll('canvas').length;"
        "out.sound = box.querySelector('audio').src.slice(0, 15);"
        "out.wide = root.documentElement.scrollWidth; const at = () => view.location.hash;"
        "out.here = at();"
        "box.dispatchEvent(new view.KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));"
        "out.next = at(); box.querySelector('.close').click(); await until(() => !box.open);"
        "return out;"
    )
    found = _asked(project, tmp_path, expression, 390)
    assert f"frame {CLIPS[7]}" in found["text"] and found["canvases"] == 2
    assert found["sound"] == "data:audio/mpeg" and found["wide"] <= 390
    assert found["here"] == f"#{address}" and found["next"] != found["here"]
    assert found["next"].startswith(f"#sample/vggss/{RUNS[1]}/{RUNS[0]}/madeclip")


def test_the_first_screen_links_to_a_kind(project: Path, tmp_path: Path) -> None:
    expression = (
        "const link = root.querySelector('.verdicts a'); link.click();"
        "await until(() => root.querySelector('.chips [aria-pressed=true]'));"
        "return [link.querySelector('b').textContent, root.querySelector('.count').textContent];"
    )
    count, shown = _asked(project, tmp_path, expression)
    assert shown.startswith(f"{count} of 30 samples")


def test_the_script_enlarges_maps_as_they_are_scored(project: Path, tmp_path: Path) -> None:
    heat = np.random.default_rng(2).random((1, 5, 7), np.float32)
    cells = json.dumps(heat.ravel().tolist())
    expression = (
        f"return {json.dumps(RESIZES)}.map(name => "
        f"[...view.enlarged({cells}, 5, 7, 64, name)].map(value => +value.toFixed(5)));"
    )
    for name, found in zip(RESIZES, _asked(project, tmp_path, expression), strict=True):
        expected = resize_maps(heat, name, 64)[0].ravel()
        np.testing.assert_allclose(found, expected, atol=2e-4, err_msg=name)


def test_one_player_sounds_at_a_time(project: Path, tmp_path: Path) -> None:
    expression = (
        "const players = [...root.querySelectorAll('audio')].slice(0, 2);"
        "let paused = 0; players[0].pause = () => paused++;"
        "players[1].dispatchEvent(new view.Event('play')); return [players.length, paused];"
    )
    assert _asked(project, tmp_path, expression) == [2, 1]


def test_without_the_script_cases_stand_there(project: Path) -> None:
    text = (project / "data/report/index.html").read_text()
    before = text.partition('<script type="application/json"')[0]
    assert "<noscript>" in before and '<div id="samples" hidden>' in before
    assert len(re.findall(r'<img src="data:image/webp', before)) >= 9
    assert read_json(project / "data/report/scores.json")["vggss"]
