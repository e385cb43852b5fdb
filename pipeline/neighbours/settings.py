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
    is then what `pipeline.neighbours.search` says. `store_index` writes the features' FAISS index
    beside the ids: 4 bytes a number, for 144,000 clips of 512 numbers 295 MB a modality."""

    k: Count
    index: Literal["exact", "ivf", "hnsw"]
    effort: Count | None
    threads: Count
    store_index: bool = True
