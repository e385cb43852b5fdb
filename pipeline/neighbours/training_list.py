"""Which clips of a training list are trained on.

The published lists hold test clips, muted clips, still pictures and copies. Each kind is left out
by a switch of its own and counted, never in silence; the paper's runs leave out none, so that their
numbers stay comparable. A listed clip that the corpus lacks is no business of this: it stays, and
the search counts it.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import pyarrow as pa

from pipeline.errors import InputError


def choose_clips(
    listed: Sequence[str],
    clips: pa.Table,
    tested: Collection[str],
    *,
    silent: bool = False,
    still: bool = False,
    duplicates: bool = False,
    shortest_seconds: float = 0.0,
) -> tuple[list[str], dict[str, int]]:
    """The clips of `listed` to train on, in its order, and how many were left out for what.

    `clips` is the decoded corpus' clip table, `tested` the test clips to drop (none to keep them).
    `silent` and `still` leave out the clips so marked, `shortest_seconds` those with a shorter
    sound (0 for none), `duplicates` all but the first id of those that remain with one content. A
    clip counts under the first that applies, in the order of the counts. Raises `InputError` where
    nothing remains.
    """
    chosen = list(dict.fromkeys(listed))
    rows = {clip_id: row for row, clip_id in enumerate(clips["clip_id"].to_pylist())}

    def marked(column: str, kept: Sequence[str]) -> set[str]:
        flags = clips[column].to_pylist()
        return {clip for clip in kept if clip in rows and flags[rows[clip]]}

    def short(kept: Sequence[str]) -> set[str]:
        seconds = clips["sound_seconds"].to_pylist()
        lengths = {clip: seconds[rows[clip]] for clip in kept if clip in rows}
        return {c for c, s in lengths.items() if s is not None and s < shortest_seconds}

    def copies(kept: Sequence[str]) -> set[str]:
        content = clips["content"].to_pylist()
        present = sorted(clip for clip in kept if clip in rows)
        first: dict[str, str] = {}
        for clip in present:
            first.setdefault(content[rows[clip]], clip)
        return set(present).difference(first.values())

    tested = frozenset(tested)
    causes: dict[str, tuple[bool, Callable[[Sequence[str]], Collection[str]]]] = {
        "test_clips": (bool(tested), tested.intersection),
        "silent": (silent, partial(marked, "silent")),
        "still": (still, partial(marked, "still")),
        "too_short": (shortest_seconds > 0, short),
        "duplicates": (duplicates, copies),
    }
    counts = {}
    for cause, (wanted, find) in causes.items():
        dropped = find(chosen) if wanted else ()
        counts[f"left_out_{cause}"] = len(dropped)
        chosen = [clip for clip in chosen if clip not in dropped]
    if not chosen:
        found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        raise InputError(f"the training list: none of {len(listed)} clips remains; {found}")
    return chosen, counts
