"""What a test set looks like in a few numbers: VGG-SS by its own annotations, the toy by its truth.

Sizes, boxes and the pull of the centre say how hard it is to be right without hearing; the shares
of clips that sound in another way than one thing at a time say what a test of one box a clip leaves
out. Of VGG-SS the latter are VGGSounder's, over the clips that it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np

from pipeline.benchmarks.metrics.baselines import centre_maps
from pipeline.benchmarks.metrics.localization import IOU_THRESHOLD, localize
from pipeline.benchmarks.metrics.rasters import fraction_boxes
from pipeline.benchmarks.vggss import comparable, read_subset
from pipeline.corpora.ground_truth import Box, read_conditions, read_scenes
from pipeline.corpora.lists import SeenAndHeard, read_vggsounder
from pipeline.report.tables import markdown

QUANTILES = (5, 10, 25, 50, 75, 90, 95)
_CELLS = 14  # a side of the centre's map
# Shares of clips, by their names in a table.
SEVERAL = "several things seen and heard, %"
UNSEEN = "what its label says is heard and not seen, %"
STILL = "the picture is still, %"
LAID_OVER = "music laid over it, here any unseen class, %"
SILENT = "a silent object of another class in view, %"


@dataclass(frozen=True)
class Clips:
    """A test set: the boxes (fractions) of each clip that has any, and shares of its clips, in per
    cent, by name; None for one that nobody knows."""

    boxes: Sequence[Sequence[Box]]
    shares: Mapping[str, float | None]


def union_area(boxes: Sequence[Box]) -> float:
    """The share of the frame that boxes in fractions of it cover together, without rounding."""
    corners = np.clip(np.array(boxes, np.float64).reshape(-1, 4), 0, 1)
    edges = [sorted({*corners[:, side], *corners[:, side + 2]}) for side in (0, 1)]
    area = 0.0
    for (x0, x1), (y0, y1) in product(*map(pairwise, edges)):
        inside = (corners[:, :2] <= (x0, y0)) & (corners[:, 2:] >= (x1, y1))
        area += (x1 - x0) * (y1 - y0) * bool(inside.all(axis=1).any())
    return area


def statistics_table(sets: Mapping[str, Clips]) -> str:
    """A Markdown table of test sets, a column each."""
    columns = [_numbers(clips) for clips in sets.values()]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return markdown(["", *sets], rows)


def _numbers(clips: Clips) -> dict[str, str]:
    areas = np.array([union_area(boxes) for boxes in clips.boxes])
    numbers = {"clips with boxes": f"{len(areas):,}"}
    for part, value in zip(QUANTILES, np.quantile(areas, np.array(QUANTILES) / 100), strict=True):
        numbers[f"area of what sounds, {part} % of clips below"] = f"{value:.3f}"
    numbers["boxes a clip"] = f"{np.mean([len(boxes) for boxes in clips.boxes]):.2f}"
    numbers["cIoU of a Gaussian in the centre, %"] = f"{_centre_score(clips.boxes):.1f}"
    for name, share in clips.shares.items():
        numbers[name] = "" if share is None else f"{share:.0f}"
    return numbers


def _centre_score(boxes: Sequence[Sequence[Box]]) -> float:
    maps = centre_maps(len(boxes), _CELLS, _CELLS)

    def truth(start: int, stop: int) -> np.ndarray:
        return np.stack([fraction_boxes(each) for each in boxes[start:stop]])

    return 100 * float(np.mean(localize(maps, truth, "half-pixel")["iou"] >= IOU_THRESHOLD))


def vggss_clips(annotations: Path) -> dict[str, Clips]:
    """VGG-SS, all of it and the clips of the paper's list, by the official lists in a folder.
    Raises `InputError` for one that is missing or damaged."""
    sounder = read_vggsounder(annotations / "vggsounder.csv")
    found = {}
    for name, subset in (("VGG-SS", "vggss"), ("the paper's clips of it", "vggss-4655")):
        entries = read_subset(subset, annotations)
        says = [(each.label, sounder[each.clip_id]) for each in entries if each.clip_id in sounder]
        shares = {
            SEVERAL: _share([[*facts.labels.values()].count("AV") > 1 for _, facts in says]),
            UNSEEN: _share([_own_modality(label, facts) == "A" for label, facts in says]),
            STILL: _share([facts.static_image for _, facts in says]),
            LAID_OVER: _share([facts.background_music for _, facts in says]),
            SILENT: None,
        }
        found[name] = Clips([entry.boxes for entry in entries], shares)
    return found


def _own_modality(label: str, says: SeenAndHeard) -> str | None:
    return {comparable(name): what for name, what in says.labels.items()}.get(comparable(label))


def _share(members: Sequence[bool]) -> float:
    return 100 * float(np.mean(members))


def toy_clips(annotations: Path) -> dict[str, Clips]:
    """A toy's test scenes, and these together with its clips under conditions. Raises `InputError`
    for truth that is missing or damaged."""
    scenes = [scene for scene in read_scenes(annotations / "scenes.json") if scene.split == "test"]
    # Of each clip the boxes of each object that sounds, whether another is silent, what is unseen.
    plain = [([scene.boxes], bool(scene.distractors), None) for scene in scenes]
    conditions = [
        (
            [item.boxes for item in clip.sounding],
            len(clip.objects) > len(clip.sounding),
            clip.unseen,
        )
        for clip in read_conditions(annotations / "conditions.json")
    ]
    found = {}
    for name, clips in (("the toy's scenes", plain), ("with conditions", [*plain, *conditions])):
        shares: dict[str, float | None] = {
            SEVERAL: _share([len(sounding) > 1 for sounding, *_ in clips]),
            UNSEEN: _share([not sounding for sounding, *_ in clips]),
            STILL: 0.0,
            LAID_OVER: _share([bool(sounding and unseen) for sounding, _, unseen in clips]),
            SILENT: _share([silent for _, silent, _ in clips]),
        }
        boxes = [[box for each in sounding for box in each] for sounding, *_ in clips if sounding]
        found[name] = Clips(boxes, shares)
    return found
