"""The tables. Every time is in seconds since the epoch, so that both databases and all machines agree on it."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    Float,
    ForeignKeyConstraint,
    FromClause,
    Index,
    MetaData,
    Table,
    and_,
    false,
    literal_column,
    text,
)
from sqlmodel import Field, SQLModel

from labeler.catalogue.database import CleanFloat, CleanJSON, CleanText, WholeText

_OPEN = text("stage <> 'done'")
# Either as its database has a truth in a condition: only then does it see that the index is meant.
_BEGUN_SQLITE = text("begun = 1 AND stage <> 'done'")
_BEGUN_POSTGRES = text("begun AND stage <> 'done'")


class Base(SQLModel):
    """Names every constraint, so that a migration can name it too."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


class Run(Base, table=True):
    """One labelling job over features of a dictionary."""

    __tablename__ = "runs"

    id: str = Field(primary_key=True, sa_type=CleanText)
    """12 hexadecimal characters."""
    dictionary: str = Field(sa_type=CleanText, index=True)
    state: str = Field(sa_type=CleanText)
    """``running|paused|cancelled|finished``"""
    created_at: float = Field(sa_type=Float)
    finished_at: float | None = Field(None, sa_type=Float, nullable=True)
    config: dict[str, Any] = Field(sa_type=CleanJSON)
    n_features: int
    budget_usd: float | None = Field(None, sa_type=Float, nullable=True)
    """What it may cost; null where nobody said."""
    committed_usd: float = Field(0.0, sa_type=Float, sa_column_kwargs={"server_default": text("0")})
    """What its settled calls took, and the worst cases of those that are open or unknown."""
    reason: str | None = Field(None, sa_type=CleanText, nullable=True)
    """Why it is paused."""
    nulls: dict[str, list[float | None]] | None = Field(None, sa_type=CleanJSON, nullable=True)
    """Foreign labels' scores by score key, over the features of ``config.null_sample``; filled in when it finishes."""


class RunFeature(Base, table=True):
    """One feature in one run: what is left to do with it, who holds it, how it ended."""

    __tablename__ = "run_features"
    __table_args__ = (
        ForeignKeyConstraint(["run_id"], ["runs.id"]),
        Index("ix_run_features_open", "run_id", "stage", "parked", "index", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index(
            "ix_run_features_begun",
            "run_id",
            "stage",
            "index",
            sqlite_where=_BEGUN_SQLITE,
            postgresql_where=_BEGUN_POSTGRES,
        ),
    )

    run_id: str = Field(primary_key=True, sa_type=CleanText)
    index: int = Field(primary_key=True)
    stage: str = Field(sa_type=CleanText)
    """``label|control|done``: what is to be done next."""
    state: str | None = Field(None, sa_type=CleanText, nullable=True)
    """``labelled|unclear|failed|dead|skipped``; null before there is an answer."""
    reason: str | None = Field(None, sa_type=CleanText, nullable=True)
    failure: str | None = Field(None, sa_type=CleanText, nullable=True)
    """Of what kind a failure is; null where it did not fail."""
    parked: bool = Field(False, sa_column_kwargs={"server_default": false()})
    """Whether it waits for answers (see ``waits``); nobody claims it meanwhile."""
    begun: bool = Field(False, sa_column_kwargs={"server_default": false()})
    """Whether it was ever claimed in this stage: money may have gone into it."""
    lease_token: str | None = Field(None, sa_type=CleanText, nullable=True)
    """Who holds it; null where nobody does."""
    lease_until: float | None = Field(None, sa_type=Float, nullable=True)
    not_before: float = Field(0.0, sa_type=Float)
    attempts: int = 0
    """How often it was claimed in this stage."""
    chosen: int | None = Field(None, nullable=True)
    """Position of the chosen candidate."""
    statistics: dict[str, Any] = Field(sa_type=CleanJSON)
    """``density`` and ``max_activation``."""
    near_duplicates: list[int] = Field(sa_type=CleanJSON)
    label_run: str | None = Field(None, sa_type=CleanText, nullable=True)
    """The run that its label was taken over from; null where the label came in with this one."""
    headline: str | None = Field(None, sa_type=CleanText, nullable=True)
    """The key of its headline score, where that is not the run's."""
    controls: dict[str, Any] | None = Field(None, sa_type=CleanJSON, nullable=True)
    finished_at: float | None = Field(None, sa_type=Float, nullable=True)
    """When its last stage so far ended."""


class Candidate(Base, table=True):
    """One explanation of a feature."""

    __tablename__ = "candidates"
    __table_args__ = (ForeignKeyConstraint(["run_id", "index"], ["run_features.run_id", "run_features.index"]),)

    run_id: str = Field(primary_key=True, sa_type=CleanText)
    index: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    label: str = Field(sa_type=CleanText)
    description: str = Field(sa_type=CleanText)
    confidence: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    explainer: str = Field(sa_type=CleanText)
    prompt: str | None = Field(None, sa_type=CleanText, nullable=True)
    contexts: list[int] | None = Field(None, sa_type=CleanJSON, nullable=True)
    """The contexts that its maker was shown; null where nobody knows, as of a label from elsewhere."""
    select: dict[str, Any] = Field(sa_type=CleanJSON)
    """Scores on the select split, by key."""


class Imported(Base, table=True):
    """A label of a feature that came with somebody else's evidence."""

    __tablename__ = "imported_labels"

    dictionary: str = Field(primary_key=True, sa_type=CleanText)
    index: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    label: str = Field(sa_type=CleanText)
    description: str = Field(sa_type=CleanText)
    explainer: str = Field(sa_type=CleanText)
    """Who made it, or the file that it came in where nobody says."""


class ScoreRow(Base, table=True):
    """One score of a feature's chosen label."""

    __tablename__ = "scores"
    __table_args__ = (ForeignKeyConstraint(["run_id", "index"], ["run_features.run_id", "run_features.index"]),)

    run_id: str = Field(primary_key=True, sa_type=CleanText)
    index: int = Field(primary_key=True)
    key: str = Field(primary_key=True, sa_type=CleanText)
    """``scorer`` or ``scorer.variant``."""
    value: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    low: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    high: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    n_contexts: int
    uniform_equivalent_n: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    simulator: str | None = Field(None, sa_type=CleanText, nullable=True)
    null_percentile: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    null_mean: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    state: str = Field(sa_type=CleanText)
    """``ok|imprecise|undefined|failed|unscored``"""
    reason: str | None = Field(None, sa_type=CleanText, nullable=True)
    sampling: str | None = Field(None, sa_type=CleanText, nullable=True)
    details: dict[str, Any] = Field(sa_type=CleanJSON)


class Call(Base, table=True):
    """One call of a language model."""

    __tablename__ = "calls"
    __table_args__ = (
        ForeignKeyConstraint(["run_id", "index"], ["run_features.run_id", "run_features.index"]),
        Index(None, "run_id", "index"),
    )

    id: str = Field(primary_key=True, sa_type=CleanText)
    run_id: str = Field(sa_type=CleanText)
    index: int
    stage: str = Field(sa_type=CleanText)
    backend: str = Field(sa_type=CleanText)
    prompt: str | None = Field(None, sa_type=CleanText, nullable=True)
    outcome: str = Field(sa_type=CleanText)
    mode: str = Field("direct", sa_type=CleanText, sa_column_kwargs={"server_default": "direct"})
    """``direct|batch|offline``"""
    key: str | None = Field(None, sa_type=CleanText, nullable=True)
    """What was asked (``labeler.llm.cache_keys``)."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    usd: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    """Null where the price is unknown."""
    created_at: float = Field(sa_type=Float)


class AnswerRow(Base, table=True):
    """A reply that was paid for, under the hash of what was asked."""

    __tablename__ = "answers"
    __table_args__ = (Index(None, "run_id", "index"),)

    key: str = Field(primary_key=True, sa_type=CleanText)
    backend: str = Field(sa_type=CleanText)
    text: str = Field(sa_type=WholeText)
    stop: str = Field(sa_type=CleanText)
    said: str = Field(sa_type=CleanText)
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    usd: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    useless: bool
    """Whether it led nowhere, so that a retry asks anew."""
    run_id: str = Field(sa_type=CleanText)
    index: int
    """For which feature it was bought."""
    created_at: float = Field(sa_type=Float)


class RequestRow(Base, table=True):
    """A question of a run that nobody has answered yet."""

    __tablename__ = "requests"
    __table_args__ = (Index(None, "run_id", "batch_id"), Index(None, "run_id", "index", "key"), Index(None, "key"))

    run_id: str = Field(primary_key=True, sa_type=CleanText)
    key: str = Field(primary_key=True, sa_type=CleanText)
    index: int
    stage: str = Field(sa_type=CleanText)
    backend: str = Field(sa_type=CleanText)
    prompt: str = Field(sa_type=CleanText)
    body: dict[str, Any] = Field(sa_type=CleanJSON)
    bound_input: int
    bound_output: int
    bound_usd: float | None = Field(None, sa_type=CleanFloat, nullable=True)
    batch_id: str | None = Field(None, sa_type=CleanText, nullable=True)
    """The batch that it travels in; null where it waits for one."""
    tries: int = 0
    """In how many batches it came to nothing."""
    created_at: float = Field(sa_type=Float)


class Wait(Base, table=True):
    """A parked feature and one of the answers that it waits for."""

    __tablename__ = "waits"
    __table_args__ = (
        ForeignKeyConstraint(["run_id", "index"], ["run_features.run_id", "run_features.index"]),
        Index(None, "key"),
    )

    run_id: str = Field(primary_key=True, sa_type=CleanText)
    index: int = Field(primary_key=True)
    key: str = Field(primary_key=True, sa_type=CleanText)


class Batch(Base, table=True):
    """Requests that travel together."""

    __tablename__ = "batches"
    __table_args__ = (ForeignKeyConstraint(["run_id"], ["runs.id"]), Index(None, "run_id", "state"))

    id: str = Field(primary_key=True, sa_type=CleanText)
    run_id: str = Field(sa_type=CleanText)
    backend: str = Field(sa_type=CleanText)
    state: str = Field(sa_type=CleanText)
    """``new|sending|sent|done``: what is certain of it."""
    provider_id: str | None = Field(None, sa_type=CleanText, nullable=True)
    created_at: float = Field(sa_type=Float)
    not_before: float = Field(0.0, sa_type=Float)
    lease_token: str | None = Field(None, sa_type=CleanText, nullable=True)
    lease_until: float | None = Field(None, sa_type=Float, nullable=True)


def _table(name: str) -> Table:
    return Base.metadata.tables[name]


RUNS = _table("runs")
FEATURES = _table("run_features")
CANDIDATES = _table("candidates")
IMPORTED = _table("imported_labels")
SCORES = _table("scores")
CALLS = _table("calls")
ANSWERS = _table("answers")
REQUESTS = _table("requests")
WAITS = _table("waits")
BATCHES = _table("batches")

CHOSEN = and_(
    CANDIDATES.c.run_id == FEATURES.c.run_id,
    CANDIDATES.c.index == FEATURES.c.index,
    CANDIDATES.c.position == FEATURES.c.chosen,
)
"""The candidate that is a feature's label."""


def is_open(features: FromClause) -> ColumnElement[bool]:
    """Whether a row of ``run_features`` still wants work.

    Written as the partial index has it, with no parameter in it: only then do both databases use that index.
    """
    return features.c.stage != literal_column("'done'")
