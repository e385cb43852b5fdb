"""What runs say of the paper's claims, on made scores whose answer is known."""

import pytest

from pipeline.report.claims import (
    CLAIMS,
    SCORES,
    Claim,
    answers,
    apart_table,
    claims_section,
    claims_table,
    differences,
    forms,
    guided_table,
    k_claims,
    of_form,
    order_table,
    verdict,
    with_s_l,
)
from pipeline.report.paper_numbers import ABLATIONS
from pipeline.report.runs import PAPER, Run, Scored
from pipeline.report.tables import over_seeds

NOISE = {200: 0.0, 201: 4.0, 202: -3.0}  # of a seed, and shared by all runs


def _seeds(level: float, **more: float) -> dict[int, dict[str, float]]:
    return {
        seed: {**dict.fromkeys(SCORES.values(), level + noise), **more}
        for seed, noise in NOISE.items()
    }


def test_differences_are_taken_seed_by_seed() -> None:
    better = {1: {"swap": 10.0}, 2: {"swap": 30.0}, 4: {"swap": 1.0}}
    worse = {1: {"swap": 8.0}, 2: {"swap": 21.0}, 3: {"swap": 1.0}, 4: {}}
    assert differences(better, worse, "swap") == [2.0, 9.0]


@pytest.mark.parametrize(
    ("values", "no_worse", "said"),
    [
        ([2.0, 2.1, 1.9], False, "holds"),
        ([-2.0, -2.1, -1.9], False, "contradicted"),
        ([-2.0, 2.0, 0.1], False, "open"),
        ([-2.0, 2.0, 0.1], True, "holds"),
        ([-2.0, -2.1, -1.9], True, "contradicted"),
        ([5.0], False, "open"),  # one seed says nothing
    ],
)
def test_an_interval_decides(values: list[float], no_worse: bool, said: str) -> None:
    assert verdict(over_seeds(values), no_worse) == said


def test_what_all_seeds_share_does_not_hide_a_difference() -> None:
    rows = claims_table({"A": _seeds(52), "B": _seeds(50), "C": _seeds(53)}).rows
    assert [row[1] for row in rows] == ["A over B", "A over C"]  # what has its runs
    assert set(rows[0][2:]) == {"+2.0 ± 0.0 holds"}
    assert set(rows[1][2:]) == {"-1.0 ± 0.0 contradicted"}


def test_every_claim_is_of_runs_of_table_8() -> None:
    assert {name for claim in CLAIMS for name in (claim.better, claim.worse)} == set(ABLATIONS)
    for claim in CLAIMS:  # and as the paper's own numbers have it
        assert ABLATIONS[claim.better][1][0] > ABLATIONS[claim.worse][1][0]


def test_a_larger_k_is_asked_to_be_no_worse_than_the_next_smaller() -> None:
    assert k_claims({100: "k-100", 1: "k-1", 10: "k-10"}) == (
        Claim("a larger k is not worse", "4.3, Table 9", "k-10", "k-1", True),
        Claim("a larger k is not worse", "4.3, Table 9", "k-100", "k-10", True),
    )


def test_the_order_is_compared_with_the_paper_s() -> None:
    same = {name: _seeds(values[0]) for name, (_, values) in ABLATIONS.items()}
    assert set(order_table(same).rows[0][1:]) == {"1.00"}
    turned = {name: _seeds(-values[0]) for name, (_, values) in ABLATIONS.items()}
    assert set(order_table(turned).rows[0][1:]) == {"-1.00"}


def test_what_object_guidance_costs() -> None:
    found = guided_table({"A": _seeds(60, cIoU_adaptive=60.0, cIoU_adaptive_ogl=45.0)}).rows
    assert found == [["A", "60.0", "+15.0 ± 0.0 holds"]]


def test_localization_and_retrieval_over_runs() -> None:
    runs = {name: _seeds(50 + place) for place, name in enumerate("ABC")}
    for place, name in enumerate("ABC"):
        for metrics in runs[name].values():
            metrics["class_R@1_a2i_s_L"] = -float(place)
    assert {row[2] for row in apart_table(runs).rows} == {"-1.00"}


def test_a_run_without_s_a_retrieves_by_s_l() -> None:
    assert with_s_l({"mAP_a2i": 3.0})["mAP_a2i_s_L"] == 3.0
    assert with_s_l({"mAP_a2i": 3.0, "mAP_a2i_s_L": 4.0})["mAP_a2i_s_L"] == 4.0


def test_runs_of_a_form_and_tables_without_a_row() -> None:
    found = {"A": _seeds(1), "A-text": _seeds(2), "H-text": _seeds(3), "k-10": _seeds(4)}
    assert forms(found) == ["", "text"]
    assert set(of_form(found, "")) == {"A", "k-10"} and set(of_form(found, "text")) == {"A", "H"}
    assert answers({"A": _seeds(1)}) == []


def test_the_page_has_a_table_for_each_answer_of_each_form() -> None:
    def run(name: str, seed: int) -> Run:
        return Run(f"alignment-{name}-{seed}", "", PAPER, "toy", "toy", name, seed=seed)

    scored = [
        Scored(run(name, seed), "scenes", "toy-test", True, None, metrics)
        for name, level in {"A": 3.0, "B": 2.0, "A-text": 5.0, "B-text": 6.0}.items()
        for seed, metrics in _seeds(level).items()
    ]
    other = Run("lvs-full-0", "", "lvs", "toy", "toy", "lvs", seed=0)
    scored.append(Scored(other, "scenes", "toy-test", True, None, {"swap": 1.0}))
    page = "".join(claims_section(scored))
    assert page.count("A over B") == 2 and "form text" in page and "lvs" not in page
    assert page.count("+1.0 ± 0.0 holds") == page.count("-1.0 ± 0.0 contradicted") == len(SCORES)
    assert claims_section(scored[:3]) == []  # one run alone
