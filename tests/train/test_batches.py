"""The views that a batch holds: from the training list alone, never the clip itself, seeded."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from made_corpus import make_corpus
from torch.utils.data import DataLoader

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.methods.contract import Input
from pipeline.train.batches import Neighbours, TrainingSet

CLIPS, LISTED, LENGTH, STEPS, K = 24, 16, 11, 4, 4
SECONDS = SoundForm(bands=2).seconds(STEPS)
OWN = {"frames": Input("frame"), "sounds": Input("sound")}
SHIFTED = {"shifted_sounds": Input("sound", window="random")}
CONCEPTUAL = {
    "conceptual_frames": Input("frame", "image_neighbour", k=K),
    "conceptual_sounds": Input("sound", "sound_neighbour", k=K),
}
OTHERS = {"other_sounds": Input("sound", "other"), "other_frames": Input("frame", "other")}


@pytest.fixture
def corpus(tmp_path: Path) -> DecodedCorpus:
    """Clips whose frame and sound hold their own row, the sound also its time step."""
    frames = np.zeros((CLIPS, 6, 6, 3), dtype=np.uint8)
    frames += np.arange(CLIPS, dtype=np.uint8)[:, None, None, None]
    lengths = [LENGTH] * (CLIPS - 1) + [2]
    sounds = [np.stack([np.full(n, row), np.arange(n)], 1) for row, n in enumerate(lengths)]
    return make_corpus(tmp_path, frames, sounds)


ROWS = np.arange(LISTED)[::-1] + 3  # a part of the corpus, in an order of its own


def _neighbours(k: int = 5) -> Neighbours:
    generator = np.random.default_rng(0)
    ids = [
        np.stack(
            [generator.permutation(np.delete(np.arange(LISTED), i))[:k] for i in range(LISTED)]
        )
        for _ in range(2)
    ]
    return Neighbours(*(array.astype(np.int32) for array in ids))


def _set(
    corpus: DecodedCorpus,
    inputs: Mapping[str, Input] = {**OWN, **SHIFTED, **CONCEPTUAL},
    neighbours: Neighbours | None = None,
    *,
    batch: int = 6,
    epochs: int = 30,
    seed: int = 1,
    part: int = 0,
    parts: int = 1,
) -> TrainingSet:
    return TrainingSet(
        corpus, ROWS, neighbours or _neighbours(), inputs, seconds=SECONDS,
        batch=batch, epochs=epochs, seed=seed, part=part, parts=parts,
    )  # fmt: skip


def test_views_stay_inside_the_list_and_leave_out_the_clip_itself(corpus: DecodedCorpus) -> None:
    made, neighbours = _set(corpus), _neighbours()
    image_seen: dict[int, set[int]] = {}
    sound_seen: dict[int, set[int]] = {}
    starts: set[int] = set()
    apart = 0
    for step in range(len(made)):
        batch = made[step]
        rows = batch["frames"][:, 0, 0, 0].long()
        assert torch.equal(batch["sounds"][:, 0, 0].long(), rows)
        assert (batch["sounds"][:, 0, 1] == (LENGTH - STEPS) // 2).all()
        assert torch.equal(batch["shifted_sounds"][:, 0, 0].long(), rows)
        starts |= set(batch["shifted_sounds"][:, 0, 1].int().tolist())
        assert (batch["conceptual_sounds"][:, 0, 1] == (LENGTH - STEPS) // 2).all()
        images = batch["conceptual_frames"][:, 0, 0, 0].long()
        sounds = batch["conceptual_sounds"][:, 0, 0].long()
        apart += int((images != sounds).sum())
        for row, image, sound in zip(rows.tolist(), images.tolist(), sounds.tolist(), strict=True):
            assert row in ROWS and image != row and sound != row
            image_seen.setdefault(row, set()).add(image)
            sound_seen.setdefault(row, set()).add(sound)
    assert starts == set(range(LENGTH - STEPS + 1))
    assert apart > 0  # picture and sound come from different neighbours
    for place, row in enumerate(ROWS.tolist()):  # exactly the first k of each list are drawn
        assert image_seen[row] == {int(ROWS[i]) for i in neighbours.image[place, :4]}
        assert sound_seen[row] == {int(ROWS[i]) for i in neighbours.audio[place, :4]}


def test_an_epoch_takes_no_clip_twice_and_each_epoch_another_order(corpus: DecodedCorpus) -> None:
    made = _set(corpus)
    assert made.steps_per_epoch == 2 and len(made) == 60
    orders = []
    for epoch in range(4):
        batches = [made[2 * epoch + step]["frames"][:, 0, 0, 0].tolist() for step in range(2)]
        clips = [row for batch in batches for row in batch]
        assert len(clips) == len(set(clips)) == 12
        orders.append(tuple(clips))
    assert len(set(orders)) == 4


def test_batches_do_not_depend_on_workers_or_on_where_a_run_begins(corpus: DecodedCorpus) -> None:
    expected = [_set(corpus)[step] for step in range(20, 28)]
    for workers in (0, 2):
        loader = DataLoader(
            _set(corpus), batch_size=None, sampler=range(20, 28), num_workers=workers
        )
        for batch, other in zip(loader, expected, strict=True):
            assert batch.keys() == other.keys()
            assert all(torch.equal(batch[key], other[key]) for key in batch)
    assert not torch.equal(_set(corpus, seed=2)[20]["frames"], expected[0]["frames"])


def test_the_parts_of_a_batch_are_the_batch(corpus: DecodedCorpus) -> None:
    whole = _set(corpus)[7]
    parts = [_set(corpus, part=part, parts=3)[7] for part in range(3)]
    for key, tensor in whole.items():
        assert torch.equal(torch.cat([part[key] for part in parts]), tensor)


@pytest.mark.parametrize(
    "inputs", [OWN, {**OWN, **SHIFTED}, {**OWN, **CONCEPTUAL}, OTHERS], ids=", ".join
)
def test_only_what_the_method_asks_for_is_loaded(
    corpus: DecodedCorpus, inputs: dict[str, Input]
) -> None:
    assert _set(corpus, inputs)[0].keys() == inputs.keys()


def test_another_clip_is_any_of_the_list_but_the_clip_itself(corpus: DecodedCorpus) -> None:
    made = _set(corpus, {**OWN, **OTHERS}, epochs=200)
    seen: dict[int, set[int]] = {}
    for step in range(len(made)):
        batch = made[step]
        rows = batch["frames"][:, 0, 0, 0].tolist()
        others = batch["other_frames"][:, 0, 0, 0].tolist()
        assert batch["other_sounds"][:, 0, 0].long().tolist() == others  # of the same other clip
        for row, other in zip(rows, others, strict=True):
            seen.setdefault(row, set()).add(other)
    listed = set(ROWS.tolist())
    assert seen == {row: listed - {row} for row in listed}


def test_each_input_has_its_own_length_and_number_of_neighbours(corpus: DecodedCorpus) -> None:
    long = SoundForm(bands=2).seconds(9)
    inputs = {
        **OWN,
        "long": Input("sound", seconds=long),
        "nearest": Input("frame", "image_neighbour", k=1),
        "near": Input("frame", "image_neighbour", k=3),
    }
    made, image = _set(corpus, inputs), _neighbours().image
    seen: dict[int, set[int]] = {}
    for step in range(len(made)):
        batch = made[step]
        assert batch["sounds"].shape == (6, STEPS, 2) and batch["long"].shape == (6, 9, 2)
        assert (batch["long"][:, 0, 1] == (LENGTH - 9) // 2).all()
        for name in ("frames", "nearest", "near"):
            assert batch[name].dtype == torch.uint8
        for row, nearest, near in zip(
            *(batch[name][:, 0, 0, 0].tolist() for name in ("frames", "nearest", "near")),
            strict=True,
        ):
            place = ROWS.tolist().index(row)
            assert nearest == ROWS[image[place, 0]]
            seen.setdefault(place, set()).add(near)
    assert seen == {place: {int(ROWS[i]) for i in image[place, :3]} for place in range(LISTED)}


def test_a_short_sound_is_repeated(corpus: DecodedCorpus) -> None:
    window = sound_window(corpus, CLIPS - 1, 5)
    assert window[:, 1].tolist() == [0, 1, 0, 1, 0]
    assert (window[:, 0] == CLIPS - 1).all()


def test_wrong_neighbours_are_refused(corpus: DecodedCorpus) -> None:
    good = _neighbours()
    for value, expected in ((7, "found 7"), (LISTED, f"found {LISTED}"), (-1, "found -1")):
        wrong = good.audio.copy()
        wrong[7, 2] = value
        with pytest.raises(InputError, match=f"audio neighbours of training clip 7: {expected}"):
            _set(corpus, neighbours=Neighbours(good.image, wrong))
    with pytest.raises(InputError, match="k = 6"):
        _set(corpus, {"far": Input("frame", "image_neighbour", k=6)})
    with pytest.raises(InputError, match="asks for neighbours, but none were given"):
        TrainingSet(corpus, ROWS, None, CONCEPTUAL, seconds=SECONDS, batch=6, epochs=1, seed=0)
    with pytest.raises(InputError, match="batch of 17"):
        _set(corpus, batch=17)
    with pytest.raises(InputError, match="4 devices"):
        _set(corpus, parts=4)


def test_a_clip_without_sound_is_named(corpus: DecodedCorpus) -> None:
    corpus._sound_starts = np.where(np.arange(CLIPS) == 5, -1, corpus._sound_starts)
    with pytest.raises(InputError, match="clip05 lacks its sound"):
        _set(corpus)


def test_kin_are_the_batch_s_clips_that_are_near_in_either_direction(corpus: DecodedCorpus) -> None:
    neighbours = _neighbours()
    asked = {**OWN, "kin": Input("kin", "sound_neighbour", k=3)}
    near = [set(ids[:3].tolist()) for ids in neighbours.audio]
    batch = _set(corpus, asked, neighbours)[7]
    places = [ROWS.tolist().index(row) for row in batch["frames"][:, 0, 0, 0].tolist()]
    right = [[float(j in near[i] or i in near[j]) for j in places] for i in places]
    assert batch["kin"].tolist() == right and 0 < batch["kin"].sum() < 30
    # A rank has its own clips' rows of the whole batch.
    parts = [_set(corpus, asked, neighbours, part=part, parts=2)[7]["kin"] for part in range(2)]
    assert torch.equal(torch.cat(parts), batch["kin"])
