"""What the tests of pages share: a reader of HTML, clips to show, a project after its stages, and a
hostile name."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from made_corpus import make_corpus
from made_media import tones, write_media

from pipeline.base.files import write_json, write_npy, write_parquet, write_tsv
from pipeline.base.study import EVERY_CLIP
from pipeline.benchmarks import Predictions, open_benchmark
from pipeline.benchmarks.contract import OwnForm
from pipeline.clips.decoded import DecodedCorpus
from pipeline.methods.contract import load_method, own_form_entry
from pipeline.report.clips import Clips
from pipeline.train.settings import Train

ROOT = Path(__file__).resolve().parents[2]
BOXES = [[0.05 * n, 0.1, 0.05 * n + 0.4, 0.7] for n in range(12)]
# Of two fifths of the frame, which a map cut at its median can meet with an IoU above 0.5.
LARGE = [[0.05 * n, 0.05, 0.05 * n + 0.45, 0.95] for n in range(12)]
HOSTILE = '<img src=x onerror="alert(1)">&"\'</figure></script>'
VOID = {"br", "img", "input", "link", "meta"}


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


def make_summary() -> dict[str, float]:
    """What decoding a corpus wrote of its health."""
    counts = {"clips": 12, "rejects": 5, "rejects_no_sound": 4, "rejects_breaks_midway": 1}
    seconds = {"sound_seconds_min": 1.0, "sound_seconds_p05": 1.5, "sound_seconds_median": 2.5}
    counts |= {"silent": 6, "cancelled": 2, "with_holes": 3, "still": 7, "duplicates": 8}
    counts |= {"not_taken": 4}
    return {**counts, **seconds, "sound_seconds_max": 9.5}


def make_facts(
    settings: Any, seed: int, training_list: str = "x/made.txt", method: str = "alignment"
) -> dict[str, Any]:
    """What stage train keeps of a run."""
    return {
        "method": method,
        "label": load_method(method).label(settings),
        "settings": asdict(settings),
        "recipe": asdict(Train(epochs=2, batch=4)),
        "list": training_list,
        "seed": seed,
        **own_form_entry(load_method(method).test_form),
    }


def make_project(
    folder: Path,
    clips: list[str],
    benchmarks: Sequence[str],
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    lists: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """A project's folder after all its stages but the last: runs `full` of the methods that
    `settings` has, of several seeds, on `benchmarks` of one corpus of clips with boxes. `lists` are
    files of clips among the annotations.

    Maps are noise, and the higher a method stands in `settings` the more of the truth is in it."""
    data, annotations = folder / "data", folder / "annotations"
    make_clips(folder / "media", clips)
    shutil.move(folder / "media" / "decoded", data / "decoded" / "made")
    write_json(data / "decoded" / "made" / "summary.json", make_summary())
    annotations.mkdir()
    boxes = [
        {"file": clip, "class": "ab"[n % 2], "bbox": [LARGE[n % len(LARGE)]]}
        for n, clip in enumerate(clips)
    ]
    (annotations / "vggss.json").write_text(json.dumps(boxes))
    for name, listed in (lists or {}).items():
        (annotations / name).write_text("".join(f"{clip}\n" for clip in listed))
    corpus = DecodedCorpus(data / "decoded" / "made")
    generator = np.random.default_rng(1)
    opened = {name: open_benchmark(name, annotations, corpus) for name in benchmarks}
    for place, (method, values) in enumerate(settings.items()):
        for seed in seeds:
            name = f"{method}-full-{seed}"
            run, results = data / "runs/made" / name, data / "results/made" / name / "made"
            write_json(run / "run.json", make_facts(values, seed, method=method))
            (run / "training_clips.txt").write_text("".join(f"{c}\n" for c in clips[:3]))
            losses = {"epoch": [1, 2], "loss": [5.0, 4.0], "localization": [5.0, 4.0]}
            write_tsv(run / "history.tsv", pa.table(losses))
            metrics = {}
            for benchmark_name, benchmark in opened.items():
                count = len(benchmark.samples)
                maps = generator.random((count, 7, 7), np.float32)
                if benchmark.wants_maps:
                    truth = benchmark.ground_truth(0, count).astype(np.float32)
                    share = 0.0 if len(settings) == 1 else 1 - place / len(settings)
                    maps += share * truth.reshape(count, 7, 32, 7, 32).mean(axis=(2, 4))
                pairs = {s: generator.random((count, count), np.float32) for s in ("s_A", "s_L")}
                own = load_method(method).test_form
                form = None if own is None else OwnForm(**own._asdict())
                scores = benchmark.score(Predictions(maps, maps, pairs, set(clips[:3]), form))
                details = results / "details" / benchmark_name
                write_parquet(details / "samples.parquet", scores.rows)
                if benchmark.wants_maps:
                    write_npy(details / "maps.npy", maps)
                for curve, table in scores.curves.items():
                    write_tsv(results / "curves" / benchmark_name / f"{curve}.tsv", table)
                first = next(iter(scores.metrics))
                metrics[benchmark_name] = {
                    **scores.metrics,
                    f"{first}.random": 12.34,
                    "leaked_clips": 3,
                }
            write_json(results / "metrics.json", metrics)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["active"] = {
        **params["studies"]["toy"],
        "toys": [],
        "moving": [],
        "corpora": {
            "made": {"reader": "vggsound", "root": str(folder / "media"), "list": EVERY_CLIP}
        },
        "annotations": str(annotations),
        "train_on": {"corpus": "made", "list": "/home/somebody/lists/made.txt", "search": "made"},
        "methods": list(settings),
        "runs": {"full": {}},
        "seeds": list(seeds),
        "published": {},
        "tests": {"made": list(benchmarks)},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def in_browser(page: Path, folder: Path, width: int, theme: str, expression: str) -> str:
    """What a JavaScript expression of `root`, the page's document in a frame of `width` pixels,
    and of `view`, its window, gives; it may be a promise. Another page asks, since the page's own
    policy lets no other script run than its own."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        pytest.skip("no Chromium here")
    harness = folder / "harness.html"
    harness.write_text(
        f'<meta name="color-scheme" content="{theme}"><iframe src="{page.as_uri()}" '
        f'style="width:{width}px;height:900px;border:0"></iframe><p></p><script>'
        "const pause = () => new Promise(later => setTimeout(later, 20));"
        "const until = async what => { while (!what()) await pause(); };"
        "onload = async () => { const frame = document.querySelector('iframe');"
        "const root = frame.contentDocument, view = frame.contentWindow; try {"
        f"document.querySelector('p').textContent = 'found ' + await ({expression});"
        "} catch (error) { document.querySelector('p').textContent = `found ${error.stack}`; }"
        "}</script>"
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--allow-file-access-from-files", "--disable-web-security"]
    command += ["--virtual-time-budget=60000"]  # so that it waits for what comes later
    command += [f"--user-data-dir={folder / 'profile'}", harness.as_uri()]
    if theme == "dark":
        command.insert(1, "--blink-settings=preferredColorScheme=0")
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    found = re.search(r"<p>found ([^<]*)</p>", shown)
    assert found, shown[-500:]
    return unescape(found[1])
