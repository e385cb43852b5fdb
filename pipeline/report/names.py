"""What a reader calls a benchmark, its metrics and its cuts."""

from pipeline.report.paper_numbers import PAPER_CLIPS

_BENCHMARKS = {
    "vggss": "VGG-SS",
    "vggss-4655": "VGG-SS, 4,655 clips",
    "flickr": "SoundNet-Flickr",
    "extended-vggss": "Extended VGG-SS",
    "extended-flickr": "Extended Flickr",
    "heard": "Heard 110",
    "unheard": "Unheard 110",
    "heard-tie": "Heard 110, SSL-TIE's list",
    "unheard-tie": "Unheard 110, SSL-TIE's list",
    "avsbench-s4": "AVSBench S4",
    "avsbench-ms3": "AVSBench MS3",
    "is3": "IS3",
    "scenes": "Scenes with masks",
    "conditions": "Under which conditions",
    "negatives": "Negative sounds",
    "retrieval": "Retrieval",
}
_METRICS = {
    "cIoU": "cIoU",
    "cIoU_adaptive": "cIoU at the adaptive threshold",
    "pointing": "maximum in the object",
    "pointing_distractors": "maximum in the object, beside silent ones",
    "swap": "maximum moves with the sound",
    "pointing@congruent": "maximum in the object, its own sound",
    "pointing@conflicting": "maximum in the object, another one's sound",
    "pointing@laid-over": "maximum in the object, a sound laid over",
    "pointing@several": "maximum in one of two that sound",
    "AP_absent_maximum": "average precision of an absent source",
    "class_R@1_a2i": "R@1 of the class, sound to image",
    "class_R@1_i2a": "R@1 of the class, image to sound",
    "R@1_a2i": "R@1, sound to image",
    "F_AUC": "F of AUC and darkness under negative sounds",
    "AP": "average precision",
}


def benchmark_title(name: str) -> str:
    """A benchmark's name for a reader; its own where there is no other."""
    return _BENCHMARKS.get(name, name)


def metric_words(metric: str) -> str:
    """A metric's name for a reader; its own where there is no other."""
    part = ", the paper's clips" if metric.endswith(PAPER_CLIPS) else ""
    name = metric.removesuffix(PAPER_CLIPS)
    return _METRICS.get(name, name) + part
