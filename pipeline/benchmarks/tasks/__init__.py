"""The kinds of benchmark, each complete once it is given samples and ground truth.

A benchmark family is then a file that knows where its lists and boxes are, and `avloc score` is the
same objects around a file's arrays: one arithmetic for our models and anyone's. Everything passes
through in chunks, so memory grows with the samples' numbers and never with their 224x224 maps.
"""

from pipeline.benchmarks.tasks.conditions import ConditionsBenchmark
from pipeline.benchmarks.tasks.detection import DetectionBenchmark
from pipeline.benchmarks.tasks.localization import LocalizationBenchmark
from pipeline.benchmarks.tasks.negatives import NegativesBenchmark
from pipeline.benchmarks.tasks.retrieval import RetrievalBenchmark
from pipeline.benchmarks.tasks.scenes import ScenesBenchmark
from pipeline.benchmarks.tasks.segmentation import SegmentationBenchmark

__all__ = [
    "ConditionsBenchmark",
    "DetectionBenchmark",
    "LocalizationBenchmark",
    "NegativesBenchmark",
    "RetrievalBenchmark",
    "ScenesBenchmark",
    "SegmentationBenchmark",
]
