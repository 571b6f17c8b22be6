"""A home with evidence and labels, and commands that run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from labeler import api
from labeler.catalogue import Catalogue
from labeler.catalogue.records import CandidateRecord, LabelOutcome, NewFeature, NewRun, ScoreRecord
from labeler.cli import main
from labeler.settings import settings
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store

KEY = "simulation.embedding"


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the dictionary ``toy`` in its home, in which commands run."""
    clean(monkeypatch)
    make_store(tmp_path / ".labeler")
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process."""

    def run(*arguments: str) -> Said:
        settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["labeler", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def catalogue(home: Path) -> Catalogue:
    """The home's catalogue."""
    return api.open_catalogue(settings())


def features(*indices: int) -> list[NewFeature]:
    """Features of the dictionary ``toy``."""
    return [NewFeature(index=index, statistics={"density": 0.01, "max_activation": 3.5}) for index in indices]


def labelled(label: str, value: float | None, *, state: str = "ok") -> LabelOutcome:
    """A label with its headline score."""
    score = ScoreRecord(key=KEY, state=state, value=value)  # type: ignore[arg-type]
    return LabelOutcome(
        state="labelled", candidates=[CandidateRecord(label=label, explainer="lexical")], chosen=0, scores=[score]
    )


def store_run(catalogue: Catalogue, outcomes: dict[int, LabelOutcome], dictionary: str = "toy") -> str:
    """A run whose features ended so; their controls are still to come."""
    config = {"headline": KEY, "null_sample": [], "labelling": {"dictionary": dictionary, "labels": "given"}}
    config["labelling"] |= {"simulators": ["embedding"]}
    run_id = catalogue.create_run(NewRun(dictionary=dictionary, config=config, features=features(*outcomes)))
    for claim in catalogue.claim(len(outcomes), 60.0, 1e9, [run_id]):
        assert catalogue.finish_label(claim, outcomes[claim.index])
    return run_id
