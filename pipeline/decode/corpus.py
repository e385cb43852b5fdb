"""Any corpus to npy shards of middle frames, a clip table and the rejects.

As in img2dataset, the work is cut into shards that know nothing of each other. A shard is named by
a fingerprint of everything that makes its bytes: the settings, the code, and the id, path, size and
modification time of each clip. A stage that was killed goes on from the shards that are finished,
and one more clip redoes one shard; the others are taken over from the finished output.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import PIL
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.files import map_npy, read_parquet, write_json, write_parquet
from pipeline.base.pieces import Shards, remove_pieces
from pipeline.corpora.source import Source
from pipeline.decode.clip import CLIPS, Settings
from pipeline.decode.naming import file_state, relative, shard_of
from pipeline.decode.sets import make_missing
from pipeline.decode.shard import ShardTask, decode_shard
from pipeline.decode.taken import USUAL, Taken
from pipeline.errors import InputError
from pipeline.execution.pool import Worker
from pipeline.execution.run import Engine
from pipeline.media.errors import CAUSES
from pipeline.media.resizing import Aspect

NOT_TAKEN = pa.schema([(name, pa.string()) for name in ("clip_id", "taken", "not_taken")])


def decode_corpus(
    sources: Sequence[Source],
    root: Path,
    folder: Path,
    *,
    work: Path,
    side: int,
    max_seconds: float,
    shards: int,
    seconds_limit: float,
    max_reject_share: float,
    engine: Engine,
    clip_ids: Collection[str] | None = None,
    aspect: Aspect = "squashed",
    antialias: bool = True,
    taken: Taken = USUAL,
    worker: Worker[ShardTask] = decode_shard,
) -> dict[str, int | float]:
    """Decode `sources` (below `root`) into `folder`; gives the content of its summary.json.

    Frames are (`side`, `side`, 3) uint8, squashed or cropped, or, with their aspect "kept", (h, w,
    3) with min(h, w) = `side`. Kept frames lie one behind the other in one array of bytes: the
    table's `frame_row` is then the first byte of a frame, `frame_height` and `frame_width` tell its
    shape, and the rows of any crop are one contiguous read. That frames are "cropped" stands in the
    table's metadata, `aspect`, since their boxes are other ones. With `clip_ids` only these clips
    are decoded; how many of them are no source is `not_found` in the summary. Sounds are decoded
    for the table's columns about them, of those longer than `max_seconds` the centre;
    `pipeline.decode.spectrograms` makes what a network hears.

    Of clips that lie there with different files `not_taken.parquet` names each that was not taken,
    beside the one that was (`pipeline.corpora.copies` says which that is).

    `work` keeps finished shards until all are; it is empty in the end. No output depends on
    `engine`. `worker` is for a caller who wants something around `decode_shard`.
    Raises `InputError` where no clip is good, where the rejected share exceeds `max_reject_share`
    (the rejects are written first), and where the disk fails or is full.
    """
    if not sources:
        raise InputError(f"{root}: holds no clip to decode")
    more: dict[str, int | float] = {}
    if clip_ids is not None:
        listed = set(clip_ids)
        sources = [source for source in sources if source.clip_id in listed]
        if not sources:
            raise InputError(f"{root}: holds none of the {len(listed)} listed clips")
        more = {"not_found": len(listed) - len(sources)}
    settings = Settings(side, max_seconds, seconds_limit, aspect, taken, antialias)
    members: list[list[Source]] = [[] for _ in range(shards)]
    sources = sorted(sources, key=lambda source: source.clip_id)
    for source in sources:
        members[shard_of(source.clip_id, shards)].append(source)
    names = [_name(root, number, clips, settings) for number, clips in enumerate(members)]
    store = Shards(folder, work, names)
    tasks = [
        ShardTask(store.place(number), root, tuple(clips), settings)
        for number, clips in enumerate(members)
    ]
    try:
        make_missing("decode", store, tasks, worker, engine)
        not_taken = _not_taken(sources, root)
        write_parquet(folder / "not_taken.parquet", not_taken)
        more["not_taken"] = len(not_taken)
        return _publish(store, root, aspect, max_reject_share, more)
    except OSError as error:
        raise InputError(f"{error.filename or work}: {error.strerror}") from error


# --- what a shard's bytes depend on --------------------------------------------------------------


def _name(root: Path, number: int, sources: Sequence[Source], settings: Settings) -> str:
    """The fingerprint of a shard."""
    everything = {
        "settings": asdict(settings),
        "code": hash_of_code("pipeline.decode.shard"),
        "versions": [av.__version__, np.__version__, PIL.__version__],
        "number": number,  # two empty shards are two
        "clips": [
            [s.clip_id, *(file_state(path, root) for path in (s.picture, s.sound, s.mask))]
            for s in sources
        ],
    }
    return fingerprint([json.dumps(everything)])


# --- the corpus ----------------------------------------------------------------------------------


def _publish(
    store: Shards,
    root: Path,
    aspect: Aspect,
    max_reject_share: float,
    more: Mapping[str, int | float],
) -> dict[str, int | float]:
    """Put the shards together in their output, after a look at the rejects. The summary gets `more`
    entries."""
    store.gather()
    folder = store.output
    (folder / "clips.parquet").unlink(missing_ok=True)  # whole only once this is back
    tables, rejects = [], []
    first = 0
    for number in range(len(store.names)):
        place = store.place(number)
        table, rows = read_parquet(place / "clips.parquet"), CLIPS.get_field_index("frame_row")
        moved = pc.if_else(pc.less(table[rows], 0), table[rows], pc.add(table[rows], first))
        table = table.set_column(rows, CLIPS.field(rows), moved)
        first += len(map_npy(place / "frames.npy"))
        tables.append(table)
        rejects.append(read_parquet(place / "rejects.parquet"))
    clips = pa.concat_tables(tables).combine_chunks()
    rejected = pa.concat_tables(rejects).combine_chunks()
    summary = {**_summary(clips, rejected), **more}
    write_parquet(folder / "rejects.parquet", rejected)
    write_json(folder / "summary.json", summary)
    _check_rejects(clips, rejected, max_reject_share, root, folder / "rejects.parquet")
    store.publish()
    if aspect == "cropped":
        clips = clips.replace_schema_metadata({"aspect": aspect})
    write_parquet(folder / "clips.parquet", clips)
    remove_pieces(store.work)
    return summary


def _not_taken(sources: Sequence[Source], root: Path) -> pa.Table:
    """A row for each file of a clip that another one was taken before, in the clips' order."""
    rows = [
        {"clip_id": source.clip_id, "taken": relative(one.path, root), "not_taken": path}
        for source in sources
        for one in source.choices
        for path in (relative(other, root) for other in one.others)
    ]
    return pa.Table.from_pylist(rows, NOT_TAKEN)


def _check_rejects(
    clips: pa.Table, rejects: pa.Table, max_reject_share: float, root: Path, written: Path
) -> None:
    share = len(rejects) / (len(clips) + len(rejects))
    if share > max_reject_share or not len(clips):
        causes = Counter(rejects["cause"].to_pylist())
        cause, count = max(causes.items(), key=lambda item: (item[1], item[0]))
        name, enough = written.parent.name, math.ceil(100 * share) / 100
        way_out = (
            f"; to go on without them: decode: {{max_reject_share: {enough:g}}} in the corpus' "
            "entry of params.yaml"
        )
        raise InputError(
            f"{root}: {len(rejects)} of {len(clips) + len(rejects)} clips ({100 * share:.1f} %) "
            f"cannot be decoded, at most {100 * max_reject_share:.1f} % expected "
            f"(max_reject_share); {count} of them: {cause}; `avloc rejects {name}` lists all"
            f"{way_out if len(clips) else ''}"
        )


def _summary(clips: pa.Table, rejects: pa.Table) -> dict[str, int | float]:
    """The corpus' health as flat metrics; lengths in s, only where there is something to tell."""
    causes = Counter(rejects["cause"].to_pylist())
    summary: dict[str, int | float] = {"clips": len(clips), "rejects": len(rejects)}
    summary |= {f"rejects_{cause.replace(' ', '_')}": causes[cause] for cause in CAUSES}
    for name in ("silent", "cancelled", "still"):
        summary[name] = pc.sum(clips[name]).as_py() or 0
    summary["with_holes"] = pc.sum(pc.greater(clips["holes"], 0)).as_py() or 0
    summary["duplicates"] = len(clips) - pc.count_distinct(clips["content"]).as_py()
    for name in ("duration", "sound_seconds", "frame_rate", "loudness"):
        values = clips[name].drop_null().to_numpy()
        if len(values):
            for label, share in (("min", 0), ("p05", 0.05), ("median", 0.5), ("max", 1)):
                summary[f"{name}_{label}"] = round(float(np.quantile(values, share)), 4)
    return summary
