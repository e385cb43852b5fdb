"""Maps of moments against the truth of moments: does a moving map follow what moves and sounds.

Clips are made, so that what sounds at each moment, and where it shows, is exact. Beside the moving
map stand two that do not move: the still map, which is that of the clip's middle under the sound
around it, held for all moments, and a blob in the centre. Near a change of what sounds the window
of a method hears both, and no moment is left out for that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.benchmarks.metrics.baselines import centre_maps
from pipeline.benchmarks.metrics.bootstrap import HIGH, LOW, intervals
from pipeline.benchmarks.metrics.localization import pointing
from pipeline.corpora.ground_truth import MovingScene, read_moments
from pipeline.errors import InputError
from pipeline.predict.moving import INTERVAL

# The scores, each over clips: all, those in which one object sounds throughout, and those in which
# another one takes over.
POINTING, ONE, CHANGES, SWAP = "pointing", "pointing@one-sound", "pointing@changes", "swap"
STILL, CENTRE = "still", "centre"


@dataclass(frozen=True)
class MovingScores:
    """Metrics in per cent, as those of a benchmark are named, and one row a moment."""

    metrics: dict[str, float]
    rows: pa.Table


def score_moments(scenes: Iterable[tuple[MovingScene, np.ndarray]]) -> MovingScores:
    """Score raw maps (T, h, w) of the moments of each clip, `INTERVAL` apart.

    `pointing` is the mean over clips of the share of moments whose maximum lies in what shows of
    what sounds then; a moment that shows nothing of it is wrong under any map. `swap`, of clips in
    which another object takes over: of all pairs of a moment before the (first) change and one
    after it the share in which both point right, the product of the two shares; a map that stays
    scores 0 unless objects meet. Behind a dot the same of the maps that do not move. The intervals
    are over clips. Raises `InputError` for no clip, and where a clip has another number of maps
    than moments.
    """
    rows: dict[str, list[object]] = {
        name: [] for name in ("clip_id", "moment", "sounding", "right", STILL, CENTRE)
    }
    changed: list[bool] = []
    shares: dict[str, dict[str, list[float]]] = {
        name: {POINTING: [], SWAP: []} for name in ("", f".{STILL}", f".{CENTRE}")
    }
    for scene, maps in scenes:
        moments = round(scene.seconds / INTERVAL)
        if len(maps) != moments:
            raise InputError(
                f"{scene.clip_id}: found the maps of {len(maps)} moments, expected {moments}"
            )
        shown = read_moments(scene.masks, moments)
        sounding = np.array([scene.sounding((n + 0.5) * INTERVAL) for n in range(moments)])
        masks = shown == (1 + sounding)[:, None, None]
        still = np.broadcast_to(maps[moments // 2], maps.shape)
        points = [
            pointing(each, masks) for each in (maps, still, centre_maps(moments, *maps.shape[1:]))
        ]
        before = sounding == sounding[0]
        before = np.logical_and.accumulate(before)
        changed.append(not before.all())
        for right, found in zip(points, shares.values(), strict=True):
            found[POINTING].append(float(right.mean()))
            if changed[-1]:
                found[SWAP].append(float(right[before].mean() * right[~before].mean()))
        columns = ([scene.clip_id] * moments, range(moments), [scene.labels[n] for n in sounding])
        for name, values in zip(rows, (*columns, *points), strict=True):
            rows[name].extend(values)
    if not changed:
        raise InputError("moving clips: found none, expected at least one")
    return MovingScores(_metrics(shares, np.array(changed)), pa.table(rows))


def _metrics(
    shares: Mapping[str, Mapping[str, Sequence[float]]], changed: np.ndarray
) -> dict[str, float]:
    metrics: dict[str, float] = {}
    parts = {POINTING: np.ones(len(changed), np.bool_), ONE: ~changed, CHANGES: changed}
    for baseline, found in shares.items():
        every = np.array(found[POINTING])
        scores = {name: every[part] for name, part in parts.items()}
        scores[SWAP] = np.array(found[SWAP])
        for name, values in scores.items():
            if not len(values):
                continue
            metrics[f"{name}{baseline}"] = 100 * float(values.mean())
            if not baseline:
                low, high = (100 * intervals(values[:, None])[:, 0]).tolist()
                metrics[f"{name}{LOW}"], metrics[f"{name}{HIGH}"] = low, high
    metrics["samples"], metrics["samples@changes"] = len(changed), int(changed.sum())
    return metrics
