"""What the loop promises for every method that keeps to the contract, as checks that a method's
test calls with a `make`: a function that gives the method as it begins.

The made methods are small (`SMALL`), and hear sounds of the form `FORM`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from made_corpus import make_corpus
from torch import Tensor
from two_ranks import run_ranks

from pipeline.base.files import read_tsv
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.flow import DTYPES, FlowForm
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.files import load_weights, save_weights
from pipeline.methods.contract import Dice, Method, Moment, load_method, select
from pipeline.networks import ranks
from pipeline.report.watched import Validation, open_validation
from pipeline.train.batches import Batch, Neighbours
from pipeline.train.loop import train
from pipeline.train.settings import Train
from pipeline.train.step import Stepper
from pipeline.train.watch import Watch

Make = Callable[[], Method]

FORM = SoundForm(bands=16)
STORED_SIDE, BATCH, CLIPS = 36, 16, 32
# A map of 4 x 4, and a window of 12 steps of `FORM`.
SMALL: Mapping[str, Any] = {
    "blocks": [1, 1],
    "channels": [6, 8],
    "strides": [1, 2],
    "side": 32,
    "seconds": 0.15,
}
RECIPE = Train(epochs=2, batch=BATCH, learning_rate=3e-3, threads=1)
FIRST = Moment(0, 4, 0, 2)  # the first of four steps, in the first of two epochs
CPU = torch.device("cpu")


def maker(name: str, settings: Mapping[str, Any] = SMALL, form: SoundForm = FORM) -> Make:
    """A `make` of the method `name` with these settings, of one seed."""
    kind: Any = load_method(name)
    return lambda: kind(kind.Settings(**settings), form, seed=1)


def made_batch(method: Method, clips: int = BATCH, seed: int = 0) -> Batch:
    """Stored frames, flow and sounds as the method asks for them, at random, of so many clips."""
    generator = torch.Generator().manual_seed(seed)
    batch: Batch = {}
    for name, wanted in method.inputs().items():
        if wanted.part == "frame":
            shape = (clips, STORED_SIDE, STORED_SIDE, 3)
            batch[name] = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        elif wanted.part == "flow":
            pixels = 3 * torch.randn(clips, STORED_SIDE, STORED_SIDE, 2, generator=generator)
            batch[name] = _stored_flow(pixels, wanted.flow)
        elif wanted.part == "kin":  # every third clip is of one kind
            kinds = torch.arange(clips) % 3
            batch[name] = ((kinds[:, None] == kinds) & ~torch.eye(clips).bool()).float()
        else:
            steps = method.form.steps(wanted.seconds or method.settings.seconds)
            noise = torch.randn(clips, steps, method.form.bins, generator=generator)
            batch[name] = (4 * noise - 8).half()
    return batch


def backward(
    method: Method,
    recipe: Train = RECIPE,
    batch: Batch | None = None,
    moment: Moment = FIRST,
    side_by_side: bool = False,
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Losses, gradients and buffers after the backward pass of one batch, of which each rank takes
    its part: (1 + parts,), and by name (no entry for a parameter without a gradient)."""
    whole = made_batch(method) if batch is None else batch
    stepper = Stepper(method.train(), recipe, 3, CPU, side_by_side=side_by_side)
    dice = Dice(3, moment.step, ranks.rank(), ranks.count())
    method.before_step(moment)
    views = stepper.views({name: dice.part(part) for name, part in whole.items()}, dice)
    losses = stepper.backward(views, dice, moment)
    gradients = {name: p.grad for name, p in method.named_parameters() if p.grad is not None}
    ranks.average(gradients.values())
    ranks.average([losses])
    return losses, gradients, {name: b.clone() for name, b in method.named_buffers()}


def check_step(make: Make) -> None:
    """One step: finite named losses that add up, a gradient for what learns and none beside it, and
    weights that move."""
    method = make()
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    losses, gradients, _ = backward(method)
    assert losses.shape == (1 + len(method.parts),) and bool(torch.isfinite(losses).all())
    assert float(losses[0]) == pytest.approx(float(losses[1:].sum()), rel=1e-5)
    learning = {id(p) for group in method.parameter_groups(1.0) for p in group["params"]}
    assert learning
    for name, parameter in method.named_parameters():
        assert (name in gradients) <= (id(parameter) in learning), name
        if name in gradients:
            assert bool(torch.isfinite(gradients[name]).all()), name
    moved = make().train()
    Stepper(moved, RECIPE, 3, CPU).step(made_batch(moved), FIRST)
    apart = [name for name, p in moved.named_parameters() if not torch.equal(p, before[name])]
    assert set(apart) >= {name for name, g in gradients.items() if bool(g.any())}


def check_side_by_side(make: Make) -> None:
    """Pictures and sounds on a thread each give the plain step's losses, gradients and buffers to
    the bit."""
    for precision in ("float32", "bfloat16"):
        recipe = replace(RECIPE, precision=precision)
        torch.testing.assert_close(
            backward(make(), recipe, side_by_side=True), backward(make(), recipe), atol=0, rtol=0
        )


def check_cached_gradients(make: Make) -> None:
    """`cache_gradients` gives the plain step's losses, buffers, and gradients to 1e-6."""
    plain = backward(make())
    cached = backward(make(), replace(RECIPE, cache_gradients=True))
    torch.testing.assert_close(cached[0], plain[0], atol=0, rtol=1e-6)
    _assert_near(cached[1], plain[1], 1e-6)
    torch.testing.assert_close(cached[2], plain[2], atol=0, rtol=0)


def check_compile(make: Make) -> None:
    """`compile` gives the plain step to 1e-4. What is traced and differentiated is compiled by no C
    compiler, which a machine may lack."""
    plain = backward(make())
    torch._dynamo.reset()  # the graphs of methods checked before count towards its limit
    with patch.object(torch, "compile", partial(torch.compile, backend="aot_eager")):
        compiled = backward(make(), replace(RECIPE, compile=True))
    torch.testing.assert_close(compiled[0], plain[0], atol=0, rtol=1e-4)
    _assert_near(compiled[1], plain[1], 1e-4)
    _assert_near(compiled[2], plain[2], 1e-4)


def check_kill_and_resume(make: Make, tmp_path: Path) -> None:
    """A training of two epochs that is killed after the first and resumed, and is watched all the
    way, ends in the bytes of an undisturbed one, and both have learnt something."""
    corpus = small_corpus(tmp_path / "corpus", make().form)
    list_of_all = tmp_path / "validation.txt"
    list_of_all.write_text("".join(f"{clip}\n" for clip in corpus.clip_ids))
    ask = Validation(open_validation(str(list_of_all), tmp_path, corpus), corpus)
    watch = Watch(1, tmp_path / "watched", lambda steps_done: None, ask)

    def run(
        folder: Path,
        epoch_done: Callable[[int], None] | None = None,
        watch: Watch | None = None,
    ) -> dict[str, bytes]:
        train(
            corpus,
            np.arange(CLIPS),
            everyone_as_neighbours(),
            make,
            RECIPE,
            seed=3,
            output=folder / "run",
            work=folder / "work",
            device=CPU,
            epoch_done=epoch_done,
            watch=watch,
        )
        return {path.name: path.read_bytes() for path in sorted((folder / "run").iterdir())}

    undisturbed = run(tmp_path / "undisturbed")

    def kill(epoch: int) -> None:
        raise _KilledError

    with pytest.raises(_KilledError):
        run(tmp_path / "killed", kill, watch)
    assert (tmp_path / "killed/work/checkpoint.pt").exists()
    done: list[int] = []
    assert run(tmp_path / "killed", done.append, watch) == undisturbed
    assert done == [2]  # what was done is not done again
    assert read_tsv(tmp_path / "watched/validation.tsv")["epoch"] == [0, 1, 2]
    rows = undisturbed["history.tsv"].decode().splitlines()
    assert rows[0].split("\t")[2:-1] == list(make().parts) and len(rows) == 3
    assert all(math.isfinite(float(row.split("\t")[1])) for row in rows[1:])
    learnt = load_weights(tmp_path / "killed/run/weights.safetensors").state_dict()
    assert any(not torch.equal(learnt[name], p) for name, p in make().named_parameters())


def check_ranks(
    module: str, settings: Mapping[str, Any], tmp_path: Path, share: float = 5e-5
) -> None:
    """Two ranks with `sync_batch_norm` give the whole batch's losses, gradients and buffers on one
    process, plain and with cached gradients. `module` is the method's name, `share` the gradients'
    tolerance, as a share of the largest; a small temperature leaves 1e-5 of rounding alone."""
    run_ranks(_rank, module, dict(settings), tmp_path)
    whole = backward(maker(module, settings)())
    for name in ("plain", "cached"):
        for rank in range(2):
            found = torch.load(tmp_path / f"{name}_{rank}.pt", weights_only=True)
            torch.testing.assert_close(found["losses"], whole[0], atol=1e-5, rtol=1e-5)
            _assert_near(found["gradients"], whole[1], share)
            _assert_near(found["buffers"], whole[2], 1e-5)


def check_answers(make: Make, tmp_path: Path) -> None:
    """Maps of the size and in the range that the method says, the same for a pair alone as among
    others, and the same from its own weight file; similarities of all with all, those that vectors
    give among them."""
    method = make().eval()
    frames, sounds = _asked(method, 3, 5)
    with torch.no_grad():
        v, a = method.frame_features(frames), method.sound_features(sounds)
        own = select(a, torch.arange(3))
        maps = method.maps(v, own)
        alone = method.maps(select(v, torch.tensor([1])), select(a, torch.tensor([1])))
        found = method.similarities(v, a)
    assert maps.shape == (3, *method.map_size()) and maps.dtype == torch.float32
    low, high = method.map_range
    assert low - 1e-5 <= float(maps.min()) < float(maps.max()) <= high + 1e-5
    torch.testing.assert_close(alone[0], maps[1])
    for name, rows in found.items():
        assert rows.shape == (3, 5) and rows.dtype == torch.float32, name
        assert bool(torch.isfinite(rows).all()), name
    seen, heard = method.vectors("frame", v), method.vectors("sound", a)
    assert list(seen) == list(heard) and set(seen) <= set(found)
    for name, vectors in seen.items():
        torch.testing.assert_close(vectors @ heard[name].T, found[name], atol=1e-5, rtol=1e-4)
    save_weights(tmp_path / "weights.safetensors", method)
    loaded = load_weights(tmp_path / "weights.safetensors")
    assert type(loaded) is type(method) and asdict(loaded.settings) == asdict(method.settings)
    with torch.no_grad():
        again = loaded.maps(
            loaded.frame_features(frames), select(loaded.sound_features(sounds), torch.arange(3))
        )
    assert torch.equal(again, maps)


def small_corpus(folder: Path, form: SoundForm = FORM) -> DecodedCorpus:
    """Four classes: a coloured square that moves over noise, and a loud band of the
    spectrogram."""
    generator = np.random.default_rng(0)
    frames = generator.integers(60, 120, (CLIPS, STORED_SIDE, STORED_SIDE, 3)).astype(np.uint8)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    sounds, band = [], form.bins // 4
    pixels = np.zeros((CLIPS, STORED_SIDE, STORED_SIDE, 2), np.float32)
    for clip in range(CLIPS):
        kind = clip % 4
        y, x = generator.integers(0, STORED_SIDE - 16, 2)
        frames[clip, y : y + 16, x : x + 16] = colours[kind]
        pixels[clip, y : y + 16, x : x + 16] = (3, -2)
        sound = generator.normal(-12, 1, (20, form.bins))
        sound[:, band * kind : band * (kind + 1)] += 10
        sounds.append(sound)
    flow = {form: _stored_flow(torch.from_numpy(pixels), form).numpy() for form in DTYPES}
    corpus = make_corpus(folder, frames, sounds, flow=flow)
    vars(corpus).setdefault("form", form)  # where the made corpus does not say it itself
    return corpus


def everyone_as_neighbours() -> Neighbours:
    """All other clips of the small corpus, those of the same class first."""
    others = [
        [c for c in range(CLIPS) if c != clip and c % 4 == clip % 4]
        + [c for c in range(CLIPS) if c % 4 != clip % 4]
        for clip in range(CLIPS)
    ]
    ids = np.array(others, dtype=np.int32)
    return Neighbours(ids, ids.copy())


def _stored_flow(pixels: Tensor, form: FlowForm) -> Tensor:
    return pixels.half() if form == "signed" else pixels.round().clamp(0, 255).byte()


class _KilledError(BaseException):
    """What takes the place of a kill."""


def _asked(method: Method, frames: int, sounds: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    shape = (frames, STORED_SIDE + 3, STORED_SIDE, 3)
    pictures = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    windows = 4 * torch.randn(sounds, method.steps, method.form.bins, generator=generator) - 8
    return pictures, windows.half()


def _assert_near(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], share: float) -> None:
    """Equal to a share of the largest entry of all of them."""
    assert found.keys() == expected.keys()
    largest = max((float(x.abs().max()) for x in expected.values()), default=0.0)
    for name, right in expected.items():
        assert float((found[name] - right).abs().max()) <= share * max(largest, 1e-3), name


def _rank(module: str, settings: Mapping[str, Any], folder: Path) -> None:
    """What one of the ranks of `check_ranks` does."""
    for name, cached in (("plain", False), ("cached", True)):
        method = maker(module, settings)()
        ranks.synchronize_batch_norm(method)
        losses, gradients, buffers = backward(method, replace(RECIPE, cache_gradients=cached))
        torch.save(
            {"losses": losses, "gradients": gradients, "buffers": buffers},
            folder / f"{name}_{ranks.rank()}.pt",
        )
