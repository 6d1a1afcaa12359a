"""Slow drift: found over nights that each look well, forgotten when it is over, and never counted twice."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest

from governance.regression.detector import Drifts, advanced
from governance.regression.measurements import Counts, DriftState, Figures, Judgement, Losses, Measurement
from governance.regression.night import judge_night
from governance.regression.settings import DEFAULT

CROWD = [Measurement(f"calm-{i}", "paired", Counts(60, 60, 2000), {}, True, None, None, False) for i in range(300)]
SLIGHTLY_WORSE = Counts(80, 50, 2000)  # 1.5 points, p = .004: nothing in a night of three hundred
WELL = Counts(60, 60, 2000)


def follow(nights: Iterable[tuple[Figures, bool]], state: DriftState | None = None) -> list[Judgement]:
    found = []
    for figures, fresh in nights:
        one = Measurement("m", "paired", figures, {}, fresh, None, state, False)
        found.append(judge_night([one, *CROWD])["m"])
        state = found[-1].detector
    return found


def test_one_step_by_hand() -> None:
    found = advanced(np.array([[0.0, 3.0]]), [1.2], (0.5, 2.0), 1e4)[0]
    assert found == pytest.approx([math.exp(0.5 * 1.2 - 0.125), 4 * math.exp(2.4 - 2)])


def test_healthy_evidence_grows_by_one_a_night_at_most() -> None:
    """E[M] after n nights without a drop is n: what the guarantee rests on. Larger rates have heavier tails."""
    random = np.random.default_rng(5)
    evidence = np.zeros((400_000, 2))
    for _ in range(4):
        evidence = advanced(evidence, random.standard_normal(len(evidence)), (0.25, 0.5), 1e9)
    assert evidence.mean(axis=0) == pytest.approx([4, 4], rel=0.02)


def test_a_slight_drop_that_lasts_is_found_though_no_night_shows_it() -> None:
    found = follow([(SLIGHTLY_WORSE, True)] * 8)
    assert [one.detected for one in found[:2]] == [False, False]
    last = found[-1]
    assert last.causes == ("slow_drift",)
    assert last.q > DEFAULT.false_discoveries
    assert last.bound is not None
    assert 0 < last.bound < 0.015
    assert last.severity == "low"
    assert last.detector is not None
    assert (last.detector.nights, len(last.detector.recent)) == (8, DEFAULT.window)


def test_a_fixed_test_set_answered_again_is_no_new_evidence() -> None:
    found = follow([(SLIGHTLY_WORSE, True)] + [(SLIGHTLY_WORSE, False)] * 20)
    assert not any(one.detected for one in found)
    assert all(one.detector == found[0].detector for one in found)


def test_a_drop_of_no_interest_never_alarms() -> None:
    tiny = Counts(3200, 2800, 100_000)  # .4 points with z of 5
    found = follow([(tiny, True)] * 15)
    assert not any(one.detected for one in found)
    last = found[-1].detector
    assert last is not None
    assert np.mean(last.evidence) >= DEFAULT.arl


def test_one_strange_night_does_not_alarm_alone() -> None:
    drifts = Drifts.of([follow([(Counts(1500, 0, 2000), True)])[-1].detector], DEFAULT)
    assert drifts.evidence.mean() < DEFAULT.arl / 10


def test_it_begins_again_when_the_drop_is_over() -> None:
    found = follow([(SLIGHTLY_WORSE, True)] * 30 + [(Counts(50, 70, 2000), True)] * 14)
    assert found[29].detected
    over = found[-1]
    assert not over.detected
    assert over.detector is not None
    assert np.mean(over.detector.evidence) < 10


def test_years_of_a_known_drop_stay_finite() -> None:
    state = DriftState((1e300, 1e300, 1e300, 1e300), 900, (SLIGHTLY_WORSE,) * 7)
    found = follow([(SLIGHTLY_WORSE, True)], state)[-1].detector
    assert found is not None
    assert max(found.evidence) <= 100 * DEFAULT.arl


def test_lasting_nights_make_smaller_drops_detectable() -> None:
    found = follow([(WELL, True)] * 28)
    first, before, seventh, last = (found[night].minimum_detectable_effect for night in (0, 5, 6, 27))
    assert first == before > seventh > last
    churn = 120 / 2000
    expected = (math.sqrt(2 * math.log(4 * DEFAULT.arl)) + 0.8416) * math.sqrt(churn / 2000 / 28)
    assert last == pytest.approx(expected, rel=1e-4)


def test_a_drop_of_the_lasting_detectable_size_is_found_with_its_power() -> None:
    random = np.random.default_rng(6)
    n, churn, nights, models = 2000, 0.06, 14, 2000
    drop = (math.sqrt(2 * math.log(4 * DEFAULT.arl)) + 0.8416) * math.sqrt(churn / n / nights)
    b = random.binomial(n, churn / 2 + drop / 2, (nights, models))
    c = random.binomial(n, churn / 2 - drop / 2, (nights, models))
    evidence, alarmed = np.zeros((models, 4)), np.zeros(models, dtype=np.bool_)
    for lost, won in zip(b, c, strict=True):
        z = np.clip((lost - won) / np.sqrt(lost + won), -DEFAULT.clip, DEFAULT.clip)
        evidence = advanced(evidence, z, DEFAULT.rates, DEFAULT.arl)
        alarmed |= evidence.mean(axis=1) >= DEFAULT.arl
    assert alarmed.mean() >= 0.75


def test_losses_drift_too_and_are_pooled_as_one_sample() -> None:
    random = np.random.default_rng(7)
    samples = [random.normal(0.12, 1.0, 900) for _ in range(9)]
    found = follow([(Losses(900, float(one.mean()), float(one.std(ddof=1)), 1.0), True) for one in samples])
    assert "slow_drift" in found[-1].causes
    state = found[-1].detector
    together = np.concatenate(samples[-7:])
    pooled = Drifts.of([state], DEFAULT).pooled(np.array([1], dtype=np.int8)).values[0]
    assert pooled == pytest.approx([6300, together.mean(), together.std(ddof=1), 1.0])


def test_a_state_of_other_rates_begins_again() -> None:
    assert Drifts.of([DriftState((1e5, 1e5), 9, (WELL,))], DEFAULT).evidence.sum() == 0
