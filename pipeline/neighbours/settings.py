"""Settings of training-list and neighbours: sections `<settings>.training_list` and
`<settings>.neighbours` of params.yaml."""

from typing import Literal

from pipeline.base.params import Count, NotNegative, settings


@settings
class Listed:
    """Which listed clips are left out of the training: see `pipeline.neighbours.training_list`."""

    exclude_test_clips: bool
    leave_out_silent: bool
    leave_out_still: bool
    leave_out_duplicates: bool
    shortest_seconds: NotNegative


@settings
class Neighbours:
    """Top-k search (3.3): `index` is exact, or approximate for corpora too large for it; `effort`
    is then what `pipeline.neighbours.search` says."""

    k: Count
    index: Literal["exact", "ivf", "hnsw"]
    effort: Count | None
    threads: Count
