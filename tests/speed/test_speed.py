"""The measuring measures, and each alternative computes what ours does."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
import typer
from alone import failing, holding, paying
from PIL import Image
from typer.testing import CliRunner

from pipeline.base.params import Parameters
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.media.file import read_picture, read_sound
from pipeline.methods.contract import Dice, method_names
from pipeline.speed import (
    decode,
    evaluate,
    growth,
    harness,
    load,
    loss,
    made_clip,
    methods,
    neighbours,
    train,
)
from pipeline.speed.harness import (
    Fact,
    Row,
    Setup,
    compare,
    cost_alone,
    memory_alone,
    scaled,
    take_turns,
    time_alone,
)
from pipeline.speed.method import FORMS, made_method, networks_alone
from pipeline.train.settings import Train
from stages import bench

T = TypeVar("T")

_FROZEN = {"attention10k_2018", "sspl", "sspl_pcm"}  # their networks learn nothing


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that would get a process of their own stay in this one, and the network is small."""

    def timed(prepare: Callable[..., Callable[[], T]], *arguments: object) -> tuple[float, T]:
        return 1.0, prepare(*arguments)()

    def watched(prepare: Callable[..., Callable[[], object]], *arguments: object) -> int:
        prepare(*arguments)()
        return 2**20

    small = partial(made_method, blocks=[1], channels=[8], strides=[2])
    monkeypatch.setattr(growth, "time_alone", timed)
    for module in (growth, loss, neighbours, train):
        monkeypatch.setattr(module, "memory_alone", watched)
    for module in (loss, methods, train):
        monkeypatch.setattr(module, "made_method", small)


def measured(
    part: Callable[[Path, Setup], Iterator[Row]],
    folder: Path,
    size: float,
    method: str = "alignment",
) -> list[Row]:
    return list(part(folder, Setup(size=size, repeats=1, method=method)))


def number(fact: Fact) -> float:
    assert isinstance(fact.value, float | int)
    return fact.value


def test_ours_and_the_alternative_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = [0.0], []
    costs = {"ours": iter([9.0, 1.0, 2.0, 4.0]), "other": iter([9.0, 4.0, 4.0, 4.0])}

    def call(name: str) -> str:
        calls.append(name)
        now[0] += next(costs[name])
        return name

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    row = compare(
        "a row",
        partial(call, "ours"),
        partial(call, "other"),
        "the alternative",
        repeats=3,
        units=2,
        other_units=4,
        bar=1.0,
        facts=lambda ours, other: [Fact(f"{ours} and {other}", 0.5, at_most=0.4)],
    )
    assert calls == ["ours", "other"] * 4  # a first turn that is not timed
    assert (row.ours, row.theirs) == (1.0, 1.0)
    assert row.ratio == 1.0  # the median of 2, 1 and 0.5
    assert row.facts == (Fact("ours and other", 0.5, 0.4),)
    assert row.met is False
    assert Row("", 1, "", 2, 2.0, 2.0).met is True
    assert Row("", 1, "", 2, 2.0).met is None


def test_sizes_are_shares_with_a_least() -> None:
    assert [scaled(1000, 0.5), scaled(1000, 1e-5), scaled(9, 0.1, least=4)] == [500, 1, 4]


def test_memory_is_what_the_call_adds() -> None:
    assert 90 < memory_alone(holding, 96) / harness.MEBIBYTE < 130


def test_what_a_call_costs_is_what_its_cpus_take() -> None:
    assert cost_alone(paying, 2.5)[0] == 2.5
    assert 90 < cost_alone(holding, 96)[1] / harness.MEBIBYTE < 130


def test_a_call_of_its_own_is_timed_and_gives_its_result() -> None:
    seconds, result = time_alone(holding, 1)
    assert seconds >= 0.1  # it sleeps as long
    assert result == 2


def test_a_call_that_ends_its_process_is_told() -> None:
    with pytest.raises(RuntimeError, match="failing: its process ended with exit code 3"):
        time_alone(failing)


def test_the_floor_of_decoding_finds_the_same_frame_and_sound(tmp_path: Path) -> None:
    path = made_clip.clip(tmp_path / "clip.mp4", seconds=1.0, width=64, height=48)
    frame, samples = decode.plain_decode(path)
    squashed = frame.to_image().resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(np.asarray(squashed), read_picture(path, side=32).frame)
    ours = read_sound(path).samples
    np.testing.assert_allclose(samples[: len(ours)], ours, atol=1e-4)


def test_decoding_is_measured(tmp_path: Path) -> None:
    one, spectrograms, many = measured(decode.measure, tmp_path, 0.05)
    assert one.bar == 0.9 and "64x32, 1.0 s" in one.name
    assert many.met is not None and many.facts[0].value == 0  # rejects
    steps, apart = spectrograms.facts
    ours, theirs = map(int, str(steps.value).split(", "))
    assert 90 < ours <= theirs < 110  # 98 in a second
    assert apart.at_most == 0.05 and number(apart) <= 0.05


def test_both_loaders_give_six_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "BATCH", 2)
    rows = measured(load.measure, tmp_path, 0.001)
    assert [row.bar for row in rows[:4]] == [20.0, 3.0, 20.0, 3.0]
    for row in rows[4:]:  # where the file system has a disk behind it
        assert "on the disk alone" in row.name and number(row.facts[0]) > 0
    views = load.PeersLoader(tmp_path / "256.jpg", tmp_path / "sound.wav").sample()
    assert [tuple(view.shape) for view in views] == [(3, 224, 224)] * 3 + [(1, 257, 299)] * 3


def test_scores_are_those_of_the_loops(tmp_path: Path) -> None:
    rows = measured(evaluate.measure, tmp_path, 0.002)
    assert [row.bar for row in rows] == [4.0, 4.0, 20.0, 100.0]
    for row in rows:
        for fact in row.facts:
            assert fact.at_most is not None and number(fact) <= fact.at_most, row.name


def test_neighbours_are_those_of_faiss(tmp_path: Path, here: None) -> None:
    (row,) = measured(neighbours.measure, tmp_path, 0.002)
    facts = {fact.name: fact for fact in row.facts}
    gap = facts["their cosines differ by"]
    assert gap.at_most is not None and number(gap) <= gap.at_most and row.floor is not None
    found, theirs = np.array([[1, 2]]), np.array([[0, 1, 3]])
    features = np.array([[1, 0], [1, 0], [0.8, 0.6], [0.6, 0.8]], np.float32)
    count, apart = neighbours._differences(features, np.array([0]), found, theirs)
    assert count.value == 1 and apart.value == pytest.approx(0.2) and apart.at_most is not None
    assert number(apart) > apart.at_most


def test_the_objective_is_that_of_the_tensor(tmp_path: Path, here: None) -> None:
    *growing, first, second = measured(loss.measure, tmp_path, 0.02)
    for row in (first, second):
        apart = [fact for fact in row.facts if "differ" in fact.name]
        assert len(apart) == 2
        for fact in apart:
            assert fact.at_most == 1e-5 and number(fact) <= fact.at_most, row.name
    assert [row.name.split()[-1] for row in growing] == ["4", "8", "16"]
    assert any(fact.name == "% of a step" for fact in growing[0].facts)


@pytest.mark.parametrize("method", ["slavc", "dmc"])  # momentum copies; frames in pairs, no map
def test_any_method_is_measured(
    tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    growing = measured(loss.measure, tmp_path, 0.02, method)
    assert [method in row.name for row in growing] == [True] * 3
    features = [number(row.facts[0]) for row in growing]
    assert features[2] == pytest.approx(4 * features[0], abs=0.3)
    step, *_ = measured(train.measure, tmp_path, 0.1, method)
    assert step.name.startswith(f"whole step of {method}")
    times, without_adam, _ = step.facts
    assert without_adam.at_most == 1.3 and 0 < number(without_adam) < number(times)


def test_methods_are_measured_beside_each_other(
    tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method a row: its whole step, Adam included, is held against its own networks, and the
    memory of its loss against the double of half the batch."""
    asked: list[int] = []

    def watched(prepare: Callable[..., object], *arguments: int) -> int:
        asked.append(arguments[-1])
        return held(3, 1, arguments[-1])

    monkeypatch.setattr(loss, "memory_alone", watched)
    monkeypatch.setattr(methods, "CPU_BATCH", 4)
    setup = Setup(size=0.05, repeats=1, methods=("slavc", "dmc"))
    rows = list(methods.measure(tmp_path, setup))
    assert [row.name for row in rows] == ["slavc, batch 4, 32 px", "dmc, batch 4, 32 px"]
    assert asked == [6, 12, 24] * 2
    for row in rows:
        facts = {fact.name: fact for fact in row.facts}
        times = facts["x its networks"]
        assert times.at_most == 1.3
        assert number(times) == pytest.approx(row.ours / row.theirs, abs=1e-3)
        assert 0 < number(facts["x its networks, without Adam"]) < number(times)
        assert [number(fact) for name, fact in facts.items() if "memory of its loss" in name] == [
            3.0,
            9.0,
            18.0,
        ]
        assert facts["x the memory of half the batch"].value == 2.0


def test_turns_can_be_timed_by_another_clock() -> None:
    def wait() -> None:
        time.sleep(0.05)

    clocks = (time.perf_counter, time.process_time)
    passed, computed = (float(take_turns([wait], 1, clock)[0, 0]) for clock in clocks)
    assert passed >= 0.05 > computed


def test_methods_hear_what_the_paper_s_section_of_params_says() -> None:
    parameters = Parameters(Path(__file__).parents[2] / "params.yaml")
    for name in method_names():
        form = parameters.read(f"paper.forms.{name}", SoundForm)
        assert FORMS.get(name, SoundForm()) == form, name


def held(mebibytes: int, growth: int, batch: int) -> int:
    return mebibytes * 2**20 * (batch // 4) ** growth


@pytest.mark.parametrize("name", method_names())
def test_every_method_s_loss_can_be_measured(name: str, tmp_path: Path) -> None:
    method = made_method(name, 0.15)
    shapes, views = loss.feature_shapes(tmp_path, method)
    assert shapes.keys() == views.keys()
    assert any(learns for parts in shapes.values() for *_, learns in parts) or name in _FROZEN
    loss._loss_call(method, shapes, 6)()  # raises where its shapes are not a loss' own


@pytest.mark.parametrize(("growth", "met"), [(1, True), (2, False)])
def test_a_loss_of_quadratic_memory_is_told(
    tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch, growth: int, met: bool
) -> None:
    def watched(prepare: Callable[..., object], *arguments: int) -> int:
        return held(3, growth, arguments[-1])

    monkeypatch.setattr(loss, "memory_alone", watched)
    last = measured(loss.measure, tmp_path, 0.02, "slavc")[-1]
    assert last.facts[-1] == Fact("x the memory of half the batch", 2.0**growth, loss.GROWTH)
    assert last.met is met


def test_the_networks_alone_learn_what_the_step_learns() -> None:
    """Neither momentum copies nor what stands behind the networks has a gradient."""
    method = made_method("slavc", 0.1, blocks=[1], channels=[8], strides=[2])
    generator = torch.Generator().manual_seed(0)
    steps = method.steps
    batch = {
        "frames": torch.randint(0, 256, (4, 36, 36, 3), generator=generator, dtype=torch.uint8),
        "sounds": torch.randn(4, steps, method.form.bins, generator=generator).half(),
    }
    views = method.views(batch, Dice(0, 0))
    networks_alone(method, views, Train(), torch.device("cpu"))()
    learned = {name for name, p in method.named_parameters() if p.grad is not None}
    assert learned == {n for n, _ in method.named_parameters() if not n.startswith("momentum_")}
    weight = method.get_parameter("audnet.conv1.weight")
    total = torch.stack([part.sum() for part in method.encode(views["a"])]).sum()
    torch.testing.assert_close(weight.grad, *torch.autograd.grad(total, weight))


def test_made_methods_are_as_large_as_asked() -> None:
    whole = made_method("attention10k", 0.5, blocks=[1], channels=[8], strides=[2])
    assert (whole.side, whole.settings.seconds) == (128, 1.0)  # a second stays one
    assert made_method("slavc", 0.5, blocks=[1], channels=[8], strides=[2]).settings.seconds == 1.5
    with pytest.raises(InputError, match="method 'nothing': expected one of alignment"):
        made_method("nothing")
    with torch.device("meta"):  # shapes alone: each method can be made small
        for name in method_names():
            made = made_method(name, 0.25)
            assert made.side < 224 or made.settings.seconds < 3, name


def test_training_is_measured(tmp_path: Path, here: None) -> None:
    whole, step, cached = measured(train.measure, tmp_path, 0.1)
    assert whole.other == "its networks, forward and backward"
    assert "batch 4, 32 px" in step.name and cached.other == "plain step"
    assert {fact.name for fact in step.facts} >= {"clips/s", "% of the time waiting", "TFLOP/s"}


def test_growth_is_against_what_it_should_be(tmp_path: Path, here: None) -> None:
    rows = measured(growth.measure, tmp_path, 0.001)
    assert [row.name for row in rows[:3]] == ["decode, 16", "decode, 32", "decode, 64"]
    exact = [row.other for row in rows if row.name.startswith("exact")]
    assert [text.split()[0] for text in exact] == ["1", "4", "16"]
    assert [row.ratio for row in rows if row.name.startswith("embed")] == [1.0, 2.0, 4.0]
    recalls = [fact.value for row in rows for fact in row.facts if fact.name == "recall"]
    assert len(recalls) == 6 and min(map(float, recalls)) > 0.5  # ivf and hnsw


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(bench.bench)
    options = ["--size", "0.001", "--repeats", "1", "--threads", "1"]
    done = CliRunner().invoke(
        app, ["evaluate", *options, "--json", str(tmp_path / "bench.json")], catch_exceptions=False
    )
    assert done.exit_code == 0 and "exact AP and max-F1" in done.stdout
    content = json.loads((tmp_path / "bench.json").read_text())
    assert content["size"] == 0.001 and content["machine"]["cores"] >= 1
    assert [row["met"] in (True, False) for row in content["rows"]["evaluate"]] == [True] * 4
    for wrong in ("large", "2", "nan"):
        refused = CliRunner().invoke(app, ["evaluate", "--size", wrong])
        assert refused.exit_code == 2 and "expected small, or a share" in refused.output
    assert (bench.size_of("small"), bench.size_of("0.5"), bench.size_of(1.0)) == (0.25, 0.5, 1.0)
    with pytest.raises(InputError, match="method 'none': expected one of alignment"):
        CliRunner().invoke(
            app, ["train", "--method", "none"], catch_exceptions=False, standalone_mode=False
        )
    with pytest.raises(InputError, match=r"nothing\.mp4: not found"):
        CliRunner().invoke(
            app, ["decode", "--media", "nothing.mp4"], catch_exceptions=False, standalone_mode=False
        )
