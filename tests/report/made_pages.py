"""What the tests of pages share: a reader of HTML, clips to show, and a hostile name."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
from made_corpus import make_corpus
from made_media import tones, write_media

from pipeline.base.files import write_parquet
from pipeline.clips.decoded import DecodedCorpus
from pipeline.report.clips import Clips

BOXES = [[0.05 * n, 0.1, 0.05 * n + 0.4, 0.7] for n in range(12)]
HOSTILE = '<img src=x onerror="alert(1)">&"\'</figure></script>'
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
