"""What one night says, case by case: which cause, how severe, and when it says that it cannot say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from governance.regression.measurements import Counts, Figures, Judgement, Losses, Measurement, Totals
from governance.regression.night import judge_night
from governance.regression.settings import DEFAULT, RegressionSettings, Sizes

CALM = Counts(b=150, c=150, n=5000)


def measured(key: str, overall: Figures = CALM, **others: object) -> Measurement:
    plain = Measurement(
        key=key,
        evidence="aggregate" if isinstance(overall, Totals) else "paired",
        overall=overall,
        slices={},
        fresh=True,
        guard=None,
        detector=None,
        breached=False,
    )
    return replace(plain, **others)  # type: ignore[arg-type]


def calm(count: int, like: Figures = CALM) -> list[Measurement]:
    return [measured(f"calm-{number}", like) for number in range(count)]


def judged(one: Measurement, *, among: int = 99) -> Judgement:
    """In a night with so many others in which nothing happened."""
    like: dict[type[Figures], Figures] = {
        Counts: CALM,
        Losses: Losses(5000, 0.0, 1.0, 1.0),
        Totals: Totals(4500, 5000, 4500, 5000),
    }
    return judge_night([one, *calm(among, like[type(one.overall)])])[one.key]


def test_a_clear_drop_is_found_with_its_figures() -> None:
    found = judged(measured("m", Counts(b=250, c=100, n=5000)))
    assert (found.conclusion, found.detected, found.causes) == ("regression", True, ("overall",))
    assert found.drop == pytest.approx(0.03)
    assert found.n == 5000
    expected = stats.binomtest(250, 350, 0.5, alternative="greater").pvalue - stats.binom.pmf(250, 350, 0.5) / 2
    assert found.p == pytest.approx(expected)
    assert found.q == pytest.approx(100 * expected)  # the smallest of a hundred
    assert found.lower < found.drop < found.upper
    assert found.bound is not None
    assert found.bound < found.lower  # found among a hundred, so its bound is further away
    assert found.severity == "medium"


def test_the_same_evidence_is_nothing_in_a_fleet_where_it_comes_by_chance() -> None:
    one = measured("m", Counts(b=190, c=140, n=5000))  # p = .003
    assert judge_night([one])["m"].detected
    assert not judged(one, among=999).detected


def test_a_certain_drop_of_no_interest_is_not_found() -> None:
    found = judged(measured("m", Counts(b=4000, c=3000, n=1_000_000)))
    assert found.p < 1e-30
    assert not found.detected
    assert found.conclusion == "no_regression"


@pytest.mark.parametrize(("b", "severity"), [(240, "low"), (300, "medium"), (600, "high")])
def test_severity_is_read_off_the_bound(b: int, severity: str) -> None:
    found = judged(measured("m", Counts(b=b, c=150, n=5000)))
    assert found.severity == severity


def test_a_breached_threshold_makes_a_finding_high_but_is_none_itself() -> None:
    assert judged(measured("m", Counts(b=240, c=150, n=5000), breached=True)).severity == "high"
    alone = judged(measured("m", breached=True))
    assert (alone.detected, alone.severity, alone.bound) == (False, "none", None)


def test_a_slice_is_found_and_named_though_the_whole_looks_well() -> None:
    slices = {"region=north": Counts(60, 12, 400), "region=south": Counts(138, 138, 4600)}
    found = judged(measured("m", Counts(155, 150, 5000), slices=slices))
    assert found.causes == ("slice:region=north",)
    assert [one.detected for one in found.slices] == [True, False]
    assert found.bound is not None
    assert found.bound > 0.03
    assert found.severity == "high"
    assert found.q < 0.05 < found.p


def test_small_slices_are_told_but_not_tested() -> None:
    slices = {"few": Counts(20, 0, 25), "agreeing": Counts(5, 0, 400)}
    found = judged(measured("m", slices=slices))
    assert not found.detected
    assert [one.name for one in found.slices] == ["few", "agreeing"]
    assert found.slices[0].p < 1e-5


def test_a_slice_must_lose_two_points() -> None:
    slices = {"a": Counts(900, 600, 20_000), "b": Counts(150, 150, 5000)}  # 1.5 points, p < 1e-14
    assert not judged(measured("m", Counts(800, 800, 25_000), slices=slices)).detected


def test_loss_by_loss_over_the_quarter_is_found_against_the_best() -> None:
    found = judged(measured("m", guard=Counts(b=260, c=130, n=5000)))
    assert found.causes == ("cumulative_loss",)
    assert found.detected
    assert found.drop == 0
    assert found.bound is not None
    assert found.bound > 0


def test_losses_are_told_in_deviations_of_the_baselines() -> None:
    found = judged(measured("m", Losses(n=5000, mean=0.6, sd=2.0, scale=2.0)))
    assert found.drop == pytest.approx(0.3)
    assert found.causes == ("overall",)
    assert found.severity == "medium"
    assert not judged(measured("m", Losses(n=5000, mean=0.15, sd=2.0, scale=2.0))).detected  # .075 deviations
    few = judged(measured("m", Losses(n=20, mean=9.0, sd=0.1, scale=1.0)))
    assert (few.p, few.conclusion) == (1.0, "insufficient_evidence")


def test_losses_and_answers_are_families_of_their_own() -> None:
    one = measured("m", Counts(b=190, c=140, n=5000))
    losses = [measured(f"l{number}", Losses(5000, 0.0, 1.0, 1.0)) for number in range(999)]
    assert judge_night([one, *losses])["m"].detected


def test_aggregate_evidence_is_marked_and_has_no_detector() -> None:
    found = judged(measured("m", Totals(right=4300, n=5000, baseline_right=4500, baseline_n=5000)))
    assert (found.detected, found.evidence, found.detector) == (True, "aggregate", None)
    assert found.drop == pytest.approx(0.04)
    lesser = judged(measured("m", Totals(right=4400, n=5000, baseline_right=4500, baseline_n=5000)))
    paired = judged(measured("m", Counts(b=250, c=150, n=5000)))
    assert lesser.drop == pytest.approx(paired.drop)
    assert lesser.p > paired.p


def test_too_few_examples_are_no_all_clear() -> None:
    assert judged(measured("m", Counts(15, 15, 500))).conclusion == "insufficient_evidence"
    assert judged(measured("m", Counts(1500, 1500, 100_000))).conclusion == "no_regression"
    nothing = judged(measured("m", Counts(0, 0, 0)))
    assert (nothing.conclusion, nothing.p, nothing.minimum_detectable_effect) == ("insufficient_evidence", 1.0, 1e6)


def test_the_minimum_detectable_effect_is_found_with_its_power() -> None:
    random = np.random.default_rng(4)
    n, churn = 5000, 0.06
    mde = judged(measured("m", Counts(150, 150, n))).minimum_detectable_effect
    b = random.binomial(n, churn / 2 + mde / 2, 3000).tolist()
    c = random.binomial(n, churn / 2 - mde / 2, 3000).tolist()
    many = judge_night([measured(f"m{i}", Counts(*pair, n)) for i, pair in enumerate(zip(b, c, strict=True))])
    p = np.array([one.p for one in many.values()])
    assert 0.77 <= float((p <= DEFAULT.fleet_alpha).mean()) <= 0.83


def test_nobody_in_a_night_of_nobody() -> None:
    assert judge_night([]) == {}


@given(st.integers(60, 200), st.integers(0, 60), st.integers(1, 40))
@settings(max_examples=60)
def test_one_more_mistake_never_makes_it_look_better(b: int, c: int, more: int) -> None:
    before = judged(measured("m", Counts(b, c, 2000)), among=20)
    after = judged(measured("m", Counts(b + more, c, 2000)), among=20)
    assert after.p <= before.p
    assert after.q <= before.q
    assert after.detected >= before.detected
    order = ["none", "low", "medium", "high"]
    assert order.index(after.severity) >= order.index(before.severity)


@given(st.permutations(range(12)))
@settings(max_examples=20)
def test_the_order_of_models_says_nothing(order: list[int]) -> None:
    night = [
        measured(f"m{one}", Counts(150 + 12 * one, 150, 5000), slices={"s=a": Counts(20 + 5 * one, 20, 600)})
        for one in range(12)
    ]
    assert judge_night([night[one] for one in order]) == judge_night(night)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="out of range"):
        RegressionSettings(false_discoveries=0.7)
    with pytest.raises(ValueError, match="positive"):
        RegressionSettings(rates=())
    with pytest.raises(ValueError, match="grow"):
        Sizes(least=0.05, least_in_slice=0.02, medium=0.1, high=0.2)
