"""A question to a corpus that a run has stored vectors of: one clip through the network, and a walk
through a FAISS index; the network then says of the few that were found where it sounds.

Of 200,000 clips of 512 numbers the walk takes tenths of a second; a pass of the network over them
takes minutes on a GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.methods.contract import Features, Method, expand
from pipeline.neighbours.index_file import nearest, open_index
from pipeline.networks.device import best_device
from pipeline.predict.indexed import Stored, hash_of_file, stored_in, vectors_file
from pipeline.predict.ranking import Match
from pipeline.predict.sights import Sight, sight_features, stored_sight


@dataclass(frozen=True)
class Question:
    """A sound (steps, bins), or a sight, that is looked for; the other one is None."""

    sound: np.ndarray | None
    sight: Sight | None

    def features(self, method: Method) -> Features:
        """What the method makes of it, a batch of one on the method's device."""
        device = best_device()
        if self.sight is not None:
            return sight_features(method, [self.sight], device)
        assert self.sound is not None
        return method.sound_features(torch.from_numpy(np.asarray(self.sound)[None]).to(device))


def usable(
    folder: Path, weights: Path, corpus: DecodedCorpus, similarity: str | None
) -> tuple[Stored | None, str]:
    """What an index folder holds for these weights, this corpus and this similarity (None: any), or
    None and why it cannot be asked."""
    stored = stored_in(folder)
    if stored is None:
        return None, f"{folder}: no index is stored"
    if stored.weights != hash_of_file(weights):
        return None, f"{folder}: the index is of other weights than {weights}"
    if stored.clips != hash_of_file(corpus.folder / "clips.parquet"):
        return None, f"{folder}: the index is of other clips than {corpus.folder}"
    if stored.similarity is None:
        return None, f"{folder}: the method's similarities are of no vectors"
    if similarity not in (None, stored.similarity):
        return None, f"{folder}: the index is of {stored.similarity}, not of {similarity}"
    return stored, ""


@torch.inference_mode()
def stored_clips(
    method: Method,
    corpus: DecodedCorpus,
    folder: Path,
    stored: Stored,
    question: Question,
    *,
    rows: Sequence[int] | None = None,
    count: int = 10,
) -> tuple[str, list[Match]]:
    """As `pipeline.predict.ranking.best_clips`, out of the index in `folder`: the similarity's name
    and the `count` clips, among `rows` where given. Raises `InputError` where none is left."""
    method = method.to(best_device()).eval()
    asked: Literal["frame", "sound"] = "sound" if question.sight is None else "frame"
    name = str(stored.similarity)
    vector = method.vectors(asked, question.features(method))[name][0].float().cpu().numpy()
    index = open_index(vectors_file(folder, "frame" if asked == "sound" else "sound"))
    found = nearest(index, vector, count, rows)
    if not found:
        raise InputError(f"{corpus.folder}: no clip to choose from has what is looked for")
    return name, [Match(corpus.clip_ids[row], row, product) for row, product in found]


@torch.inference_mode()
def maps_of(
    method: Method, corpus: DecodedCorpus, question: Question, matches: Sequence[Match]
) -> np.ndarray:
    """The map of each match, (matches, h, w) float32: of a sound in the frame that it found, of a
    found sound in the picture that was asked about."""
    device = best_device()
    method = method.to(device).eval()
    asked = expand(question.features(method), len(matches))
    if question.sight is None:
        sights = [stored_sight(method, corpus, match.row) for match in matches]
        return method.maps(sight_features(method, sights, device), asked).float().cpu().numpy()
    windows = [sound_window(corpus, match.row, method.steps) for match in matches]
    heard = method.sound_features(torch.from_numpy(np.stack(windows)).to(device))
    return method.maps(asked, heard).float().cpu().numpy()
