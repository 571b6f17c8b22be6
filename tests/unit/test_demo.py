"""The live demo does as much as a machine has the time for, and what was begun is gone on with."""

import types

import pytest

from labeler import demo
from labeler.demo import CONTEXTS, EXPLAINERS, FOREIGN, SECONDS, SIMULATORS, SIZES, Size, label_live, live_size


@pytest.mark.parametrize(
    ("tokens_a_second", "size"),
    [
        pytest.param(2_000, SIZES[0], id="a fast machine does all of it"),
        pytest.param(300, SIZES[1], id="two cores without bfloat16"),
        pytest.param(140, SIZES[2], id="one such core"),
        pytest.param(5, SIZES[-1], id="the least there is"),
    ],
)
def test_a_machine_does_what_it_has_the_time_for(tokens_a_second, size):
    assert live_size(tokens_a_second) == size
    assert size == SIZES[-1] or size.work / tokens_a_second <= SECONDS


def test_sizes_fall_and_speeds_change_them_only_in_steps():
    assert [size.work for size in SIZES] == sorted((size.work for size in SIZES), reverse=True)
    chosen = [live_size(speed) for speed in range(1, 1_000)]
    assert [size for at, size in enumerate(chosen) if at == 0 or size != chosen[at - 1]] == list(reversed(SIZES))


class Sample:
    """A dictionary with runs of some features each."""

    def __init__(self, *runs):
        self.store = types.SimpleNamespace(manifest=types.SimpleNamespace(fingerprint="f"))
        self._runs = [self._run(list(range(n)), **changes) for n, changes in runs]

    def _run(self, indices, **changes):
        labelling = {
            "explainers": EXPLAINERS, "simulators": SIMULATORS, "contexts": CONTEXTS, "foreign": FOREIGN
        } | changes  # fmt: skip
        config = {"labelling": labelling, "evidence": "f"}
        record = types.SimpleNamespace(config=config, state="running")
        return types.SimpleNamespace(record=record, indices=lambda: indices, retry=lambda: 0)

    def spread(self, n):
        return list(range(n))

    def runs(self):
        return self._runs

    def label(self, features, **_):
        return self._run(features)


def test_a_run_that_was_begun_is_gone_on_with_whatever_this_call_measured():
    assert len(label_live(Sample((16, {})), SIZES[0]).indices()) == 16
    assert len(label_live(Sample((16, {"contexts": 80}), (3, {})), SIZES[2]).indices()) == SIZES[2].features


@pytest.mark.parametrize(("there", "tokens"), [(None, 49_152), (33_000, 33_000), (900_000, 49_152)])
def test_what_was_collected_before_is_enough(monkeypatch, there, tokens):
    asked = []
    monkeypatch.setattr(demo, "tokens_a_second", lambda: 300.0)
    monkeypatch.setattr(demo.api, "dictionaries", lambda: [] if there is None else [demo.NAME])
    manifest = types.SimpleNamespace(n_tokens=there)
    opened = types.SimpleNamespace(store=types.SimpleNamespace(manifest=manifest))
    monkeypatch.setattr(demo.api, "open", lambda name: opened)
    monkeypatch.setattr(demo, "collect_sample", lambda progress, tokens: asked.append(tokens))
    assert demo.collect_live()[1] == Size(49_152, 16)
    assert asked == [tokens]
