"""Settings of neighbours: `<settings>.neighbours` of params.yaml."""

from typing import Literal

from pipeline.base.params import Count, NotNegative, settings


@settings
class Neighbours:
    """Top-k search (3.3): `index` is exact, or approximate for corpora too large for it; `effort`
    is then what `pipeline.neighbours.search` says. The rest says which listed clips are left out of
    the training: see `pipeline.neighbours.training_list`."""

    k: Count
    index: Literal["exact", "ivf", "hnsw"]
    effort: Count | None
    threads: Count
    exclude_test_clips: bool
    leave_out_silent: bool
    leave_out_still: bool
    leave_out_duplicates: bool
    shortest_seconds: NotNegative
