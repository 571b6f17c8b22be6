"""What goes wrong is drawn by the request, at the rates of the knobs."""

from collections import Counter

import pytest

from eval.provider.__main__ import knobs_and_port
from eval.provider.fates import fate, line_fate
from eval.provider.knobs import FAULTS, SPOILT, Knobs


def test_the_same_sending_has_the_same_fate():
    knobs = Knobs.faults(0.9, seed=3, latency=1.0)
    assert [fate(knobs, "a", n) for n in range(20)] == [fate(knobs, "a", n) for n in range(20)]
    assert len({fate(knobs, "a", n) for n in range(20)}) > 10
    assert fate(knobs, "a", 0) != fate(Knobs.faults(0.9, seed=4, latency=1.0), "a", 0)


def test_faults_are_spread_evenly_over_every_kind():
    knobs = Knobs.faults(0.5)
    counts = Counter(fate(knobs, str(n), 0).fault for n in range(20_000))
    assert set(counts) == {None, *FAULTS}
    for fault in FAULTS:
        assert abs(counts[fault] / 20_000 - 0.5 / len(FAULTS)) < 0.006  # four standard deviations
    assert abs(counts[None] / 20_000 - 0.5) < 0.015


def test_latency_has_its_median():
    knobs = Knobs(latency=2.0, spread=0.5)
    seconds = sorted(fate(knobs, str(n), 0).seconds for n in range(4_001))
    assert abs(seconds[2_000] - 2.0) < 0.1
    assert fate(Knobs(), "a", 0).seconds == 0


def test_lines_of_batches_end_badly_in_ways_of_their_own():
    knobs = Knobs.faults(0.5, batch_errored=0.2, batch_expired=0.1)
    counts = Counter(line_fate(knobs, str(n), 0) for n in range(10_000))
    assert set(counts) == {None, "batch_errored", "batch_expired", *SPOILT}
    assert abs(counts["batch_errored"] / 10_000 - 0.2) < 0.02
    assert abs(counts["batch_expired"] / 10_000 - 0.1) < 0.02


@pytest.mark.parametrize("wrong", [{"timeout": -0.1}, {"reset": 0.6, "empty": 0.6}, {"batch_expired": 1.5}])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match="probabilities"):
        Knobs(**wrong)


def test_every_knob_is_an_option():
    knobs, port = knobs_and_port("--port 7 --seed 5 --faults 0.13 --timeout 0 --requests-per-minute 50".split())
    assert port == 7
    assert knobs == Knobs.faults(0.13, seed=5, timeout=0, requests_per_minute=50)
    assert knobs_and_port([]) == (Knobs(), 0)


def test_nonsense_on_the_command_line_ends_with_a_line(capsys):
    with pytest.raises(SystemExit):
        knobs_and_port(["--reset", "2"])
    assert "probabilities" in capsys.readouterr().err
