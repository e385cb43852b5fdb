"""An evaluation is of whole benchmarks: it goes on after the last one, never from stale work."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_method import small_method
from made_run import BENCHMARKS, FORM, STEPS, MadeRun, make_run

from pipeline.base.files import map_npy, read_parquet
from pipeline.errors import InputError
from pipeline.evaluate import scorer
from pipeline.evaluate.run import evaluate_run
from pipeline.evaluate.scorer import Scorer
from pipeline.methods.common.files import load_weights, save_weights


@pytest.fixture
def made(tmp_path: Path) -> MadeRun:
    return make_run(tmp_path)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The benchmarks that are scored, in their order."""
    names: list[str] = []
    score = Scorer.score

    def counted(self: Scorer, name: str, *arguments: Any) -> Any:
        names.append(name)
        return score(self, name, *arguments)

    monkeypatch.setattr(scorer.Scorer, "score", counted)
    return names


def evaluate(made: MadeRun, results: Path) -> dict[str, dict[str, float]]:
    return dict(
        evaluate_run(
            made.weights, made.training_clips, made.inputs, made.benchmarks, results,
            work=results.parent / "work",
        )
    )  # fmt: skip


def hashes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def stopped_at(name: str, made: MadeRun, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation that ends without a word when it comes to a benchmark."""
    with monkeypatch.context() as patch:
        score = Scorer.score

        def ends(self: Scorer, asked: str, *arguments: Any) -> Any:
            if asked == name:
                raise KeyboardInterrupt
            return score(self, asked, *arguments)

        patch.setattr(Scorer, "score", ends)
        with pytest.raises(KeyboardInterrupt):
            evaluate(made, results)


def test_results_are_each_benchmark_s_own_in_the_order_asked(made: MadeRun, tmp_path: Path) -> None:
    results = tmp_path / "out" / "results"
    told = evaluate(made, results)
    metrics = json.loads((results / "metrics.json").read_text())
    assert list(metrics) == list(BENCHMARKS) and told == metrics
    alone = Scorer(load_weights(made.weights), made.inputs)
    for name in reversed(BENCHMARKS):
        found = alone.score(name, ["madeclip001_000001", "another"])
        assert found.metrics == metrics[name] and found.metrics["leaked_clips"] == 1
        details = results / "details" / name
        assert read_parquet(details / "samples.parquet") == found.scores.rows
        if name == "retrieval":
            assert found.maps is None and not (details / "maps.npy").exists()
        else:
            assert (map_npy(details / "maps.npy") == found.maps).all()
            assert (results / "curves" / name / "success.tsv").exists()
    assert not (tmp_path / "out" / "work").exists()


def test_it_goes_on_after_the_last_finished_benchmark(
    made: MadeRun, tmp_path: Path, scored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(made, tmp_path / "a/results")
    scored.clear()
    results = tmp_path / "b/results"
    stopped_at("vggss-4655", made, results, monkeypatch)
    assert not results.exists()
    damaged = next((tmp_path / "b/work").glob("*/details/vggss/maps.npy"))
    damaged.write_bytes(b"")  # after a power cut
    (tmp_path / "b/work/begun-killed").mkdir()
    evaluate(made, results)
    assert scored == ["retrieval", "vggss", "vggss", "vggss-4655"]
    assert hashes(results) == hashes(tmp_path / "a/results")
    assert not (tmp_path / "b/work").exists()


@pytest.mark.parametrize("changed", ["weights", "list", "settings"])
def test_another_input_is_never_scored_by_stale_work(
    made: MadeRun,
    tmp_path: Path,
    changed: str,
    scored: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped_at("vggss-4655", made, tmp_path / "b/results", monkeypatch)
    if changed == "weights":
        save_weights(made.weights, small_method(FORM, STEPS, seed=2))
    elif changed == "list":
        made.training_clips.write_text("another\n")
    else:
        values = replace(made.inputs.values, seed=1)
        made = replace(made, inputs=replace(made.inputs, values=values))
    scored.clear()
    evaluate(made, tmp_path / "b/results")
    assert scored == list(BENCHMARKS)
    evaluate(made, tmp_path / "a/results")
    assert hashes(tmp_path / "b/results") == hashes(tmp_path / "a/results")


def test_a_benchmark_that_is_not_what_was_promised_is_refused(
    made: MadeRun, tmp_path: Path
) -> None:
    made.benchmarks["vggss"]["content"] = "another"
    with pytest.raises(InputError, match="benchmark vggss has changed since stage tests looked"):
        evaluate(made, tmp_path / "results")
    assert not (tmp_path / "results").exists()
