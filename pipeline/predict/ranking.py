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
from pipeline.clips.views import plain_view, spectrograms
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.execution.progress import track
from pipeline.methods.common.similarity import s_a, s_l
from pipeline.methods.localizer import Localizer

SIMILARITIES = ("s_A", "s_L")


@dataclass(frozen=True)
class Match:
    """A clip that was found, its row in the corpus and its similarity to what was asked."""

    clip_id: str
    row: int
    score: float


@torch.inference_mode()
def best_clips(
    localizer: Localizer,
    corpus: DecodedCorpus,
    *,
    sound: np.ndarray | None = None,
    picture: np.ndarray | None = None,
    rows: Sequence[int] | None = None,
    count: int = 10,
    similarity: str | None = None,
    batch: int = 64,
) -> list[Match]:
    """The `count` clips most similar to a sound (their frames) or to a picture (their sounds).

    Either `sound`, a log-spectrogram (steps, bands), or `picture`, (side, side, 3) uint8, is given.
    `rows` of the corpus are searched, all by default; those without the modality are passed over.
    `similarity` is one of `SIMILARITIES`, by default s_A where the localizer has projections. Of
    equal scores the earlier clip comes first. Raises `InputError` where no clip is left and for
    s_A without projections.
    """
    aligned = localizer.image_projection is not None
    chosen = similarity or ("s_A" if aligned else "s_L")
    if chosen == "s_A" and not aligned:
        raise InputError("this localizer has no projections and so no s_A, expected s_L")
    has = corpus.has_frame if sound is not None else corpus.has_sound
    kept = [row for row in (range(len(corpus)) if rows is None else rows) if has(row)]
    if not kept:
        raise InputError(f"{corpus.folder}: no clip to choose from has what is looked for")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    localizer = localizer.to(device).eval()
    usage = localizer.usage
    v = a = torch.empty(0)
    if sound is not None:
        asked = torch.from_numpy(np.array(sound))[None].to(device)
        a = localizer.encode_sounds(spectrograms(asked))
    elif picture is not None:
        asked = torch.from_numpy(np.array(picture))[None].to(device)
        v = localizer.encode_frames(plain_view(asked, usage.side))
    else:
        raise ValueError("neither a sound nor a picture to look for")
    scores = []
    starts = range(0, len(kept), batch)
    for start in track(starts, f"search, batches of {batch} clips", len(starts)):
        part = kept[start : start + batch]
        if sound is not None:
            frames = torch.from_numpy(np.stack([corpus.frame(row) for row in part])).to(device)
            v = localizer.encode_frames(plain_view(frames, usage.side))
        else:
            windows = np.stack([sound_window(corpus, row, usage.steps) for row in part])
            a = localizer.encode_sounds(spectrograms(torch.from_numpy(windows).to(device)))
        if chosen == "s_A":
            found = s_a(localizer.image_embedding(v), localizer.audio_embedding(a))
        else:
            found = s_l(v, a, usage.pooling, share=usage.share, temperature=usage.temperature)
        scores.append(found.reshape(-1).cpu().numpy())
    values = np.concatenate(scores)
    order = np.argsort(-values, kind="stable")[:count]
    return [Match(corpus.clip_ids[kept[i]], kept[i], float(values[i])) for i in order]
