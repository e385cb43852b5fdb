"""What a run says of every clip of a corpus, stored once: vectors to be searched, and the map of
each clip under its own sound with how sure it is.

A question then costs one pass of one clip and a walk through the vectors, where it would have cost
a pass of the corpus. A method whose similarities are no inner products (`Method.vectors`) has maps
alone. On the disk a clip of 512 numbers and 14 x 14 cells takes 4.5 KB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.files import map_npy, read_json, write_json, write_parquet
from pipeline.base.pieces import Blocks
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.execution.progress import track
from pipeline.methods.contract import Features, Method, expand, select
from pipeline.neighbours.index_file import flat_index, write_index
from pipeline.networks.device import best_device
from pipeline.predict.places import place_in_words
from pipeline.predict.predictor import check_form, synthetic_sounds
from pipeline.predict.sights import sight_features, stored_sight
from pipeline.predict.sureness import strength, sureness

_BLOCK = 1024
_PALEST = 0.1  # of a map's strength; of one that is not sure something is still seen
MODALITIES = ("frame", "sound")


@dataclass(frozen=True)
class Stored:
    """What an index folder says of itself: of which weights and clips it is (hashes), and the
    similarity that its vectors give, None where the method has no vectors."""

    weights: str
    clips: str
    similarity: str | None


def hash_of_file(path: Path) -> str:
    """A hash of a file's bytes. Raises `InputError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return fingerprint([memoryview(file.read())])
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def vectors_file(folder: Path, modality: str) -> Path:
    """The FAISS index of a corpus' frames or sounds."""
    return folder / f"{modality}s.faiss"


def stored_in(folder: Path) -> Stored | None:
    """What lies in an index folder, None where nothing whole does."""
    path = folder / "index.json"
    return Stored(**read_json(path)) if path.is_file() else None


def index_corpus(
    method: Method,
    weights: str,
    corpus: DecodedCorpus,
    folder: Path,
    *,
    work: Path,
    batch: int = 64,
) -> dict[str, int]:
    """Write into `folder` what `method`, whose file has the hash `weights`, says of a corpus.

    `frames.faiss`, `sounds.faiss`: the vectors of the method's first similarity that has any, each
    under its clip's row in the corpus; `maps.npy` (clips, h, w) float16: each clip's frame under
    its own sound, NaN where it lacks either; `clips.parquet`, a row a clip: `clip_id`; the map's
    largest value `peak`, what the same frame's maps have at most under digital `silence` and white
    `noise`, float32; where it is, `across` and `down` (fractions of the frame) and in words,
    `place`; how `sure` it is, of a clip that is silent "silent", and the `strength` with which it
    is drawn; null as the maps are; last `index.json`, a `Stored`. Blocks of 1,024 clips
    wait in `work`. Returns how many clips there are, of which sureness, and without a map.
    Raises `InputError` where the corpus is empty or its spectrograms are of another form.
    """
    check_form(method, corpus)
    if not len(corpus):
        raise InputError(f"{corpus.folder}: holds no clip, expected some to index")
    maker = _Maker(method.to(best_device()).eval(), corpus, batch)
    clips = hash_of_file(corpus.folder / "clips.parquet")
    sounds = hash_of_file(corpus.sounds_folder / "sounds.parquet")
    code = hash_of_code(__name__, type(method).__module__)
    said = repr((batch, torch.get_num_threads(), maker.device.type, torch.__version__))
    blocks = Blocks(work, fingerprint([weights, clips, sounds, code, said]))
    starts = range(0, len(corpus), _BLOCK)
    for start in track(starts, f"index, blocks of {_BLOCK} clips", len(starts)):
        rows = range(start, min(start + _BLOCK, len(corpus)))
        blocks.make("said", start, partial(maker.block, rows))
    (folder / "index.json").unlink(missing_ok=True)  # whole only once this is back
    joined = blocks.folder / "joined"
    blocks.join("said", starts, folder / "maps.npy", "map")
    for modality, has in zip(MODALITIES, (corpus.has_frame, corpus.has_sound), strict=True):
        path = vectors_file(folder, modality)
        path.unlink(missing_ok=True)
        if maker.similarity is not None:
            blocks.join("said", starts, joined / f"{modality}.npy", modality)
            rows_with = np.array([row for row in range(len(corpus)) if has(row)], np.int64)
            vectors = map_npy(joined / f"{modality}.npy")[rows_with]
            write_index(path, flat_index(vectors, rows_with))
    values = {}
    for name in ("peak", "silence", "noise"):
        blocks.join("said", starts, joined / f"{name}.npy", name)
        values[name] = np.array(map_npy(joined / f"{name}.npy"))
    table = _table(corpus, map_npy(folder / "maps.npy"), values)
    write_parquet(folder / "clips.parquet", table)
    write_json(folder / "index.json", vars(Stored(weights, clips, maker.similarity)))
    blocks.discard()
    words = table["sure"].to_pylist()
    counted = {str(word or "without a map"): words.count(word) for word in dict.fromkeys(words)}
    return {"clips": len(corpus), **counted}


class _Maker:
    """Asks a method about blocks of a corpus' clips."""

    def __init__(self, method: Method, corpus: DecodedCorpus, batch: int) -> None:
        self.method, self.corpus, self.batch = method, corpus, batch
        self.device = best_device()
        with torch.inference_mode():
            silence, noise = synthetic_sounds(method)
            self._made = self._heard([silence, noise])
            vectors = method.vectors("sound", self._made)
        self.similarity = next(iter(vectors), None)
        width = 0 if self.similarity is None else vectors[self.similarity].shape[1]
        numbers = [(name, np.float32) for name in ("peak", "silence", "noise")]
        parts = [(name, np.float32, (width,)) for name in MODALITIES]
        self._entry = np.dtype([("map", np.float16, method.map_size()), *numbers, *parts])

    @torch.inference_mode()
    def block(self, rows: Sequence[int]) -> np.ndarray:
        """What there is to say of the clips at `rows`, structured; NaN where there is nothing."""
        said = np.empty(len(rows), self._entry)
        for name in self._entry.names or ():
            said[name] = np.nan
        for start in range(0, len(rows), self.batch):
            part = list(rows[start : start + self.batch])
            self._say(part, said[start : start + len(part)])
        return said

    def _say(self, rows: list[int], said: np.ndarray) -> None:
        seen = [place for place, row in enumerate(rows) if self.corpus.has_frame(row)]
        heard = [place for place, row in enumerate(rows) if self.corpus.has_sound(row)]
        v = a = None
        if seen:
            sights = [stored_sight(self.method, self.corpus, rows[place]) for place in seen]
            v = sight_features(self.method, sights, self.device)
            self._keep("frame", v, seen, said)
        if heard:
            steps = self.method.steps
            a = self._heard([sound_window(self.corpus, rows[place], steps) for place in heard])
            self._keep("sound", a, heard, said)
        both = [place for place in seen if place in set(heard)]
        if v is None or a is None or not both:
            return
        v = select(v, self._places([seen.index(place) for place in both]))
        a = select(a, self._places([heard.index(place) for place in both]))
        maps = self.method.maps(v, a).float().cpu().numpy()
        said["map"][both], said["peak"][both] = maps, maps.max(axis=(1, 2))
        for number, name in enumerate(("silence", "noise")):
            made = expand(select(self._made, self._places([number])), len(both))
            said[name][both] = self.method.maps(v, made).float().amax(dim=(1, 2)).cpu().numpy()

    def _keep(self, modality: str, features: Features, places: list[int], said: np.ndarray) -> None:
        if self.similarity is not None:
            named = self.method.vectors("frame" if modality == "frame" else "sound", features)
            said[modality][places] = named[self.similarity].float().cpu().numpy()

    def _heard(self, windows: list[np.ndarray]) -> Features:
        stored = torch.from_numpy(np.stack(windows)).to(self.device)
        return self.method.sound_features(stored)

    def _places(self, places: list[int]) -> torch.Tensor:
        return torch.tensor(places, device=self.device)


def _table(corpus: DecodedCorpus, maps: np.ndarray, values: dict[str, np.ndarray]) -> pa.Table:
    names = ("across", "down", "place", "sure", "strength")
    rows: dict[str, list[object]] = {name: [] for name in names}
    margins = values["peak"] - np.maximum(values["silence"], values["noise"])
    columns = corpus.clips.column_names
    silent = corpus.clips["silent"].to_pylist() if "silent" in columns else [False] * len(corpus)
    for heat, margin, mute in zip(maps, margins.tolist(), silent, strict=True):
        found: tuple[object, ...] = (None,) * len(names)
        if margin == margin:  # not NaN
            drawn = 0.0 if mute else max(_PALEST, float(strength(margin)))
            word = "silent" if mute else sureness(margin)
            found = (*place_in_words(heat), word, drawn)
        for name, value in zip(names, found, strict=True):
            rows[name].append(value)
    words = {"place", "sure"}
    table = {"clip_id": pa.array(corpus.clip_ids, pa.string())}
    table |= {name: pa.array(column, from_pandas=True) for name, column in values.items()}
    table |= {
        name: pa.array(each, pa.string() if name in words else pa.float64())
        for name, each in rows.items()
    }
    return pa.table(table)
