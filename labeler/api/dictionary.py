"""A dictionary whose evidence is here: its features, its labels, and runs over them."""

from __future__ import annotations

import heapq
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, TextIO, TypeAlias, Unpack, cast, overload

from labeler.api.running import Run
from labeler.api.tools import asyncio_run, check_broker, check_tools, has_catalogue, open_catalogue
from labeler.arguments import (
    Features,
    Names,
    among_slice,
    index_of,
    indices_of,
    name_of,
    names_of,
    one_of,
    path_of,
    whole,
)
from labeler.arguments import shown as quoted
from labeler.errors import InputError, LabelerError
from labeler.models.names import encoder_available
from labeler.options import Labelling, Options, Scoring, taking
from labeler.settings import Settings
from labeler.views import Feature, overview, table

# What a call needs is imported there: a look at a row should not have to wait for the SDKs of language models.
if TYPE_CHECKING:
    import pandas

    from labeler.catalogue.label_files import Labels
    from labeler.catalogue.records import NewRun, Standing
    from labeler.catalogue.report import Report
    from labeler.catalogue.repository import Catalogue
    from labeler.evidence.near_misses import NearMiss
    from labeler.evidence.store.manifest import Collected
    from labeler.evidence.store.store import EvidenceStore
    from labeler.features import Evidence, Split
    from labeler.llm.protocol import PendingRequest
    from labeler.pipeline.config import Given, RunConfig
    from labeler.pipeline.plan import Plan

    Brought: TypeAlias = (
        str | Path | Mapping[int, str | Sequence[str]] | Mapping[str, str | Sequence[str]] | pandas.DataFrame
    )
    """Labels that somebody brings: a file's name, by the features' indices, or as a table."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What all runs of a dictionary took."""

    runs: int
    usd: float
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    unpriced_calls: int
    """Those of the calls whose price is unknown."""
    unknown_calls: int
    """Calls of which nobody can say whether they were billed."""
    unknown_usd: float
    """The most that those can have cost."""


@dataclass(frozen=True)
class Dictionary:
    """A dictionary whose evidence is here; made by ``open`` or ``collect``."""

    name: str
    store: EvidenceStore
    _settings: Settings = field(hash=False)

    def __repr__(self) -> str:
        return f"Dictionary({self.store.manifest.summary})"

    def __len__(self) -> int:
        return self.store.n_features

    @overload
    def __getitem__(self, index: SupportsIndex) -> Feature: ...

    @overload
    def __getitem__(self, index: slice) -> list[Feature]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Feature | list[Feature]:
        """A feature by its index, whatever its place, and the last one as -1; or those that are here of a range of them.

        InputError where it is not here.
        """
        here: list[int] = self.store.indices.tolist()
        if isinstance(index, slice):
            among = among_slice(index, here)
            return list(self._features(among, self._standing(among)))
        at = index_of(index)
        at = self.store.check_index(here[at] if -len(here) <= at < 0 else at)
        return Feature(self, at, next(self._standing([at]), None))

    def __iter__(self) -> Iterator[Feature]:
        """All features in the order of their indices, each with its label where it has one."""
        return self._features(self.store.indices.tolist(), self._standing())

    def _features(self, indices: Sequence[int], rows: Iterator[dict[str, Any]]) -> Iterator[Feature]:
        """Features by their indices (ascending), each with its row of those that there are."""
        row = next(rows, None)
        for index in indices:
            while row is not None and row["index"] < index:  # labelled once, and no longer here
                row = next(rows, None)
            yield Feature(self, index, row if row is not None and row["index"] == index else None)

    def __contains__(self, index: object) -> bool:
        """Whether a feature of this index is here."""
        try:
            self.store.check_index(index_of(index))
        except InputError:
            return False
        return True

    def _repr_html_(self) -> str:
        """For a notebook."""
        return overview(self.store)

    def to_pandas(self) -> pandas.DataFrame:
        """All features as a table, one a row: its label, its scores, how often and how strongly it is active.

        ``score``, ``low``, ``high`` and ``null_percentile`` (the share of other features' labels that score less, in per
        cent) are the headline's, ``score_reason`` says why it is imprecise or missing, and ``against_lookup`` how it stands
        to a look-up of tokens (``better``, ``alike``, ``worse``); every score has such columns of its own besides
        (``simulation.embedding.value``). The columns are those of the exported CSV. What is not there, as with features
        that were not labelled, is empty.
        MissingExtraError where pandas is not installed.
        """
        return table(self.store, self._standing())

    def _standing(self, indices: Sequence[int] | None = None) -> Iterator[dict[str, Any]]:
        """The catalogue's rows, if there is a catalogue."""
        return self.catalogue(indices) if has_catalogue(self._settings) else iter(())

    def evidence(self, index: int) -> Evidence:
        """All that is known about one feature before any label; InputError where the index is out of range."""
        return self.store.evidence(index_of(index))

    def near_misses(self, index: int, split: Split, n: int) -> list[NearMiss]:
        """At most n contexts of each kind that were looked up and found silent, though something speaks for them."""
        from labeler.evidence.near_misses import near_misses
        from labeler.features import SPLITS

        one_of(split, "split", SPLITS)
        return near_misses(self.store, index_of(index), split, whole(n, "n", 0))

    def spread(self, n: int) -> list[int]:
        """n features at equal steps through the live ones by density."""
        from labeler.pipeline.config import spread_by_density

        return spread_by_density(self.store, whole(n, "n", 1))

    def imported(self, index: int | None = None) -> dict[int, list[dict[str, Any]]]:
        """Labels that came with the evidence, by feature: of all that have any, or of one.

        Each is a dictionary of ``label``, ``description``, ``explainer``, ``side`` and ``scores``.
        """
        if not has_catalogue(self._settings):
            return {}
        wanted = None if index is None else [self.store.check_index(index_of(index))]
        return dict(open_catalogue(self._settings).imported_shown(self.name, wanted))

    @property
    def collected(self) -> Collected | None:
        """What was read of the corpus: tokens, documents, contexts left out as copies, and whether it ended there.

        None where the evidence was not collected here.
        """
        return self.store.manifest.collected

    def explainable(self) -> list[int]:
        """The features that a run can explain: they fire in contexts that labels may be made from."""
        from labeler.pipeline.config import explainable

        return [int(index) for index in self.store.indices[explainable(self.store)]]

    def dead(self) -> list[int]:
        """The features that are known to be active nowhere."""
        from labeler.pipeline.config import dead

        return [int(index) for index in self.store.indices[dead(self.store)]]

    def scorable(self) -> list[int]:
        """Those of them whose labels can then be scored: they fire in contexts that are kept for that, too.

        Contexts that are copies of one another are kept for one purpose.
        """
        from labeler.pipeline.config import scorable

        return list(scorable(self.store))

    @taking(Labelling)
    def label(self, features: Features | None = None, **options: Unpack[Labelling]) -> Run:
        """Store a run over some features (all, by default); ``Run.work`` sees it through.

        ``features`` are an index, several in a list, a range or an array, or text such as ``"0-99,512"``; of names, too,
        one may stand alone. ``budget`` is in US dollars and is never overshot: no more features are under way than it is
        expected to finish, and where it finishes none the run pauses. ``foreign`` says how many labels of
        other features a paid simulator or scorer is tried with on a sample, for the null (0: none); None for as many as
        cost a fifth of the run at most. ``escalate`` names a stronger explainer for what the others leave unclear or
        ``below`` a score on ``select``; ``prompts`` are templates in the place of shipped ones, by name.
        Everything that can be known to be wrong is found now: an unknown name, a missing key, an index out of range.
        Raises InputError; nothing is stored then.
        """
        chosen = Options(**options)
        return self._begin(self._config(chosen), self._indices(features), budget=chosen.budget)

    @taking(Labelling)
    def plan(
        self, features: Features | None = None, *, batch: bool = False, **options: Unpack[Labelling]
    ) -> list[Plan]:
        """What labelling would take, from the requests of a random sample; nothing is sent or stored.

        One plan an explainer; with ``batch`` both ways of asking, side by side; with a ``budget`` each says how many
        features it would finish. The other options are those of ``label``. Raises what ``label`` raises, but for missing
        keys, which are not needed.
        """
        from labeler.pipeline.plan import plans

        chosen = Options(**options)
        usual = open_catalogue(self._settings).usual_answer
        config, wanted = self._config(chosen), self._indices(features)
        found = plans(config, self.store, self._settings, wanted, usual, batch=batch, budget=chosen.budget)
        return asyncio_run(found)

    @taking(Labelling)
    def requests(
        self, index: int, stage: str = "explain", *, label: str | None = None, **options: Unpack[Labelling]
    ) -> list[PendingRequest]:
        """The requests that a stage (``explain``, ``simulate`` or ``judge``) would send about a feature; nothing is sent.

        What is simulated or judged is ``label``, else the catalogue's, else one of token statistics. The other options
        are those of ``label``. Raises InputError where the stage asks no model, or a run would ask nothing of the feature.
        """
        from labeler.pipeline.config import unasked
        from labeler.pipeline.dry_run import STAGES, requests_of

        at = self.store.check_index(index_of(index))
        one_of(stage, "stage", STAGES)
        if not (label is None or isinstance(label, str)):
            raise InputError(f"label is {quoted(label)}; give what the feature is said to mean, as text")
        if at in (done := unasked(self.store, [at], explains=stage == "explain")):
            state, why = done[at]
            raise InputError(f"feature {at} is {state}: nothing would be asked ({why})")
        text = label or self._standing_text(at)
        found = asyncio_run(requests_of(self._config(Options(**options)), self.store, self._settings, at, stage, text))
        if not found:
            raise InputError(f"stage '{stage}' asks no model here; name one that does, such as anthropic:MODEL")
        return found

    def _indices(self, features: Features | None) -> list[int]:
        return indices_of(features, self.store.indices.tolist())

    def _standing_text(self, index: int) -> str | None:
        from labeler.features import Explanation

        for row in self.catalogue([index]):
            if row["label"]:
                return Explanation(label=row["label"], description=row["description"] or "", explainer="").text
        return None

    @taking(Scoring)
    def score(
        self,
        labels: Brought | None = None,
        *,
        features: Features | None = None,
        simulators: Names | None = None,
        output_labels: bool = False,
        **options: Unpack[Scoring],
    ) -> Run:
        """Store a run that scores labels without explaining again: the catalogue's, a file's, or those at hand.

        At hand is a mapping of features' indices to a label or several, or a table of pandas with the columns ``index`` and
        ``label`` (or the names that files have for them).

        ``labels="imported"`` are those that came with the evidence (a file of that name is ``./imported``).
        Several labels for one feature are candidates to choose from; a label of the catalogue stands, and keeps the
        scores that are not made anew. Features without a label, or with an empty one, are left out, and so are
        a file's labels of features that are not here (``record.config["unknown_labels"]`` names them), those whose index
        is none (``"wrong_labels"``) and those that say the same again (``"repeated_labels"``). Without
        ``simulators`` it is ``embedding`` that scores, or, where ``scorers`` are given, they alone. A label from elsewhere
        that says what its feature promotes is ``unscored``, unless ``output_labels``. One that is the very label that
        stands, made here and scored, stays that label, as where no ``labels`` are given. Raises InputError; nothing is
        stored then.
        """
        from labeler.catalogue.imported import SOURCE as IMPORTED
        from labeler.pipeline.config import STANDING

        if simulators is None:
            simulators = () if names_of(options.get("scorers", ()), "scorers") else Options.simulators
        chosen = Options(explainers=(), simulators=simulators, **options)
        wanted = None if features is None else {self.store.check_index(index) for index in self._indices(features)}
        given: Mapping[int, Given]
        left_out: Mapping[str, Sequence[str]] = {}
        blank: Collection[int] = ()
        catalogue = open_catalogue(self._settings)
        theirs_too = isinstance(labels, str) and labels == IMPORTED
        if theirs_too:
            source, here = IMPORTED, set(self.store.indices.tolist())
            named = None if wanted is None else sorted(wanted)
            theirs = catalogue.imported(self.name, named)
            given = {index: mine for index, mine in theirs if index in here}
        elif labels is None:
            source, here = STANDING, set(self.store.indices.tolist())
            standing = catalogue.standing(self.name, None if wanted is None else sorted(wanted))
            given = {label.index: label for label in standing if label.index in here}
        else:
            brought = self._brought(labels, wanted)
            source, blank, left_out = brought.source, brought.blank, brought.left_out
            own = {label.index: label for label in catalogue.ours(self.name, brought.candidates)}
            given = {**brought.candidates, **own}
        if not given:
            if theirs_too:
                raise InputError(
                    f"no label of those features came with '{self.name}'; the explanations/ of an export are imported with it"
                )
            where = "the catalogue" if labels is None else f"'{labels}'" if isinstance(labels, str | Path) else "labels"
            empty = left_out.get("empty_labels")
            nothing = f"; there is nothing at {empty[0]}" if empty else ""
            raise InputError(f"no feature of '{self.name}' that was asked for has a label in {where}{nothing}")
        config = self._config(chosen, labels=source, output_labels=output_labels)
        without_label = (len(self) if wanted is None else len(wanted)) - len(given) - len(blank)
        before = None if labels is None else {one.index: one for one in catalogue.standing(self.name, sorted(given))}
        return self._begin(config, sorted(given), given, without_label, chosen.budget, left_out, before)

    def _brought(self, labels: Brought, wanted: Collection[int] | None) -> Labels:
        from labeler.catalogue.label_files import of_mapping, of_table, read

        if isinstance(labels, Mapping):
            # A key of JSON is text, whatever it says.
            keys = (int(key) if isinstance(key, str) and key.isdecimal() else index_of(key) for key in labels)
            return of_mapping(dict(zip(keys, labels.values(), strict=True)), self.store.check_index, wanted)
        if not isinstance(labels, str | Path):
            if not (hasattr(labels, "columns") and callable(getattr(labels, "to_csv", None))):
                raise InputError(
                    f"labels is a {type(labels).__name__}; give a file's name, labels by the features' indices, or a table "
                    "of pandas with the columns index and label"
                )
            return of_table(labels, self.store.check_index, wanted)
        return read(Path(labels), self.store.check_index, wanted)

    def _config(self, options: Options, labels: str | None = None, output_labels: bool = False) -> RunConfig:
        from labeler.pipeline.config import RunConfig
        from labeler.simulators import parse_simulator

        encoder = encoder_available()
        free = [method.name for method in map(parse_simulator, options.simulators) if method.llm is None]
        return RunConfig(
            dictionary=self.name,
            labels=labels,
            output_labels=output_labels,
            selector=free[0] if free else "embedding" if encoder else "lexical",
            guided=encoder,
            sampling=self.store.manifest.sampling,
            **options.labelling,
        )

    def _begin(
        self,
        config: RunConfig,
        indices: Sequence[int],
        given: Mapping[int, Given] | None = None,
        without_label: int = 0,
        budget: float | None = None,
        left_out: Mapping[str, Sequence[str]] | None = None,
        before: Mapping[int, Standing] | None = None,
    ) -> Run:
        from labeler.pipeline.bench import Bench
        from labeler.pipeline.config import new_run

        stored = new_run(config, self.store, indices, given, without_label, budget, left_out or {}, before)
        check_tools(lambda backends: Bench(config, self.store, backends), self._settings, budget)
        self._try_prompts(config, stored)
        check_broker(self._settings)
        catalogue = open_catalogue(self._settings)
        if budget is not None and any(feature.state is None for feature in stored.features):
            stored = self._priced(config, stored, catalogue)
        return Run(catalogue.create_run(stored), self.name, catalogue, self._settings)

    def _priced(self, config: RunConfig, stored: NewRun, catalogue: Catalogue) -> NewRun:
        """The same with what its features are expected to take: no more of them are begun than its budget can finish."""
        from labeler.pipeline.plan import expected_usd

        try:
            expected = asyncio_run(expected_usd(config, self.store, self._settings, stored, catalogue.usual_answer))
        except (
            LabelerError
        ):  # what one feature meets is no reason not to begin; what they take is then seen as they end
            return stored
        return replace(stored, config={**stored.config, "expected_usd": expected})

    def _try_prompts(self, config: RunConfig, stored: NewRun) -> None:
        """Fill in a user's own templates for one feature: what fails there would fail for every one."""
        from labeler.pipeline.dry_run import STAGES, requests_of

        live = [feature.index for feature in stored.features if feature.state is None]
        for stage in STAGES if config.prompts and live else ():
            asyncio_run(requests_of(config, self.store, self._settings, live[0], stage))

    def runs(self) -> list[Run]:
        """The runs of this dictionary, newest first."""
        catalogue = open_catalogue(self._settings)
        return [Run(record.id, self.name, catalogue, self._settings) for record in catalogue.runs(self.name)]

    def run(self, id: str) -> Run:
        """One of its runs by its id, or by enough of its beginning; InputError, naming those there are, otherwise."""
        name_of(id, "run", "a run, or enough of its beginning")
        if not has_catalogue(self._settings):
            raise InputError(f"there is no run '{id}' of '{self.name}' (runs: none yet)")
        catalogue = open_catalogue(self._settings)
        return Run(catalogue.run(id, self.name).id, self.name, catalogue, self._settings)

    def catalogue(self, indices: Features | None = None, *, run: str | None = None) -> Iterator[dict[str, Any]]:
        """The exported rows, in index order: of each feature the newest run's that has one, or those of one ``run``."""
        of = None if run is None else self.run(run).id
        wanted = None if indices is None else [self.store.check_index(index) for index in self._indices(indices)]
        return open_catalogue(self._settings).rows(self.name, run_id=of, indices=wanted)

    def report(self, run: str | None = None) -> Report:
        """The catalogue as a whole, or one ``run``: states, mean scores, by density, against the controls."""
        from labeler.catalogue.report import report

        return report(self.catalogue(run=run))

    def best(self, n: int, *, worst: bool = False, run: str | None = None) -> list[int]:
        """The n features with the highest headline scores of the labels that stand, or of one run's; or the lowest.

        The best (the worst) comes first; a label whose score is no number has no place among them.
        """
        of = None if run is None else self.run(run).id
        n = whole(n, "n", 0)
        scored = open_catalogue(self._settings).headlines(self.name, of)
        pick = heapq.nsmallest if worst else heapq.nlargest
        return [index for index, _ in pick(n, scored, key=lambda one: one[1])]

    def drawn(self, n: int, *, run: str | None = None) -> list[int]:
        """n features at random, of those with a label that stands (or one ``run``'s); of all, where none has one."""
        of = None if run is None else self.run(run).id
        n = whole(n, "n", 0)
        labelled = [label.index for label in open_catalogue(self._settings).standing(self.name, run_id=of)]
        among = labelled if labelled or of else self.store.indices.tolist()
        return sorted(random.sample(among, min(n, len(among))))

    def spent(self, run: str | None = None) -> Spent:
        """What all its runs have cost, those that are not finished too; or what one ``run`` has."""
        all_of_them = [one.progress() for one in (self.runs() if run is None else [self.run(run)])]
        summed = {
            name: sum(getattr(one, name) for one in all_of_them)
            for name in Spent.__dataclass_fields__
            if name != "runs"
        }
        return Spent(runs=len(all_of_them), **summed)

    def export(
        self, path: str | Path | TextIO, format: str | None = None, *, run: str | None = None, force: bool = False
    ) -> int:
        """Write the catalogue, or what one ``run`` made, to a file, and say how many rows that are.

        The file's ending says the ``format`` (``jsonl``, ``csv``) where nobody names one. A file that is open already
        (``sys.stdout``, ``io.StringIO()``) gets JSON lines by default. InputError for a format that is not
        known, for an ending that is another format's, and where a file is there already, unless ``force`` replaces it.
        """
        from labeler.catalogue.export import check_free, format_for, write, writer

        if callable(getattr(path, "write", None)):
            chosen = format or "jsonl"
            writer(chosen)
            return write(self.catalogue(run=run), chosen, cast("TextIO", path))
        target = path_of(path, "path")
        chosen = format_for(target, format)
        if not force:
            check_free(target)
        return write(self.catalogue(run=run), chosen, target)
