"""A sound or a picture, anyone's or a clip's, against the clips of a decoded corpus.

The other modality of every clip goes through the network once, in batches, and only similarities
are kept, so memory does not grow with a clip's features. Nothing is stored between two questions;
the price is a pass over the corpus for each: 8 s of one core for the 5,716 clips of the toy, the
start included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.execution.progress import track
from pipeline.methods.contract import Features, Method
from pipeline.networks.device import best_device
from pipeline.predict.sights import Sight, sight_features, stored_sight


@dataclass(frozen=True)
class Match:
    """A clip that was found, its row in the corpus and its similarity to what was asked."""

    clip_id: str
    row: int
    score: float


@torch.inference_mode()
def best_clips(
    method: Method,
    corpus: DecodedCorpus,
    *,
    sound: np.ndarray | None = None,
    picture: np.ndarray | None = None,
    flow: np.ndarray | None = None,
    rows: Sequence[int] | None = None,
    count: int = 10,
    similarity: str | None = None,
    batch: int = 64,
) -> tuple[str, list[Match]]:
    """The `count` clips most similar to a sound (their frames) or to a picture (their sounds), and
    the similarity's name.

    Either `sound`, a window (steps, bins), or `picture`, (height, width, 3) uint8, is given, with
    its `flow` where the method asks for it (`Sight`). `rows` of the corpus are searched, all by
    default; those without the modality are passed over. `similarity` is one of the method's, its
    default where None. Of equal scores the earlier clip comes first. Raises `InputError` where no
    clip is left and for a similarity that the method has not.
    """
    if (sound is None) == (picture is None):
        raise ValueError("expected either a sound or a picture to look for")
    has = corpus.has_frame if sound is not None else corpus.has_sound
    kept = [row for row in (range(len(corpus)) if rows is None else rows) if has(row)]
    if not kept:
        raise InputError(f"{corpus.folder}: no clip to choose from has what is looked for")
    device = best_device()
    method = method.to(device).eval()

    def heard(sounds: list[np.ndarray]) -> Features:
        return method.sound_features(torch.from_numpy(np.stack(sounds)).to(device))

    if picture is not None:
        query = sight_features(method, [Sight(picture, flow)], device)
    else:
        query = heard([np.asarray(sound)])
    scores = []
    starts = range(0, len(kept), batch)
    for start in track(starts, f"search, batches of {batch} clips", len(starts)):
        part = kept[start : start + batch]
        if sound is not None:
            sights = [stored_sight(method, corpus, row) for row in part]
            found = method.similarities(sight_features(method, sights, device), query)
        else:
            windows = [sound_window(corpus, row, method.steps) for row in part]
            found = method.similarities(query, heard(windows))
        if similarity is not None and similarity not in found:
            raise InputError(
                f"the method has no similarity {similarity}, expected one of {', '.join(found)}"
            )
        similarity = similarity or next(iter(found))
        chosen = found[similarity]
        scores.append(chosen.reshape(-1).cpu().numpy())
    values = np.concatenate(scores)
    order = np.argsort(-values, kind="stable")[:count]
    matches = [Match(corpus.clip_ids[kept[i]], kept[i], float(values[i])) for i in order]
    return str(similarity), matches
