"""A benchmark on frames that show less than their whole pictures.

Boxes and masks are of whole pictures. Where a corpus was decoded as the middle square of each
picture (`decode.aspect: cropped`, as LVS and SSL-TIE test), its edges are in no frame, and what is
scored is the truth inside of it: a box is cut at the frame's edge, and one beyond it leaves no
truth, which no map can find.
"""

from pipeline.benchmarks.contract import Benchmark, Window
from pipeline.clips.decoded import DecodedCorpus
from pipeline.media.crop import seen_part


def as_seen(benchmark: Benchmark, corpus: DecodedCorpus) -> Benchmark:
    """`benchmark` with the ground truth that the frames of `corpus`, which holds its clips, show.
    Raises `InputError` where they are cropped and the benchmark knows only whole pictures."""
    if corpus.aspect != "cropped":
        return benchmark
    return benchmark.through([_seen(corpus, s.frame_clip) for s in benchmark.samples])


def _seen(corpus: DecodedCorpus, clip_id: str) -> Window:
    row = corpus.row(clip_id)
    width, height = (int(corpus.clips[edge][row].as_py()) for edge in ("width", "height"))
    return seen_part(width, height, corpus.frame_size(row)[0])
