"""Which labels of a rule a scorer should rank above which, and how it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.known.meaning import Meaning
from eval.known.rules import Rule
from labeler.metrics import Average, average

ORDERS = (
    ("true", "neighbour"),
    ("true", "too narrow"),
    ("true", "too broad"),
    ("true", "wrong"),
    ("paraphrase", "neighbour"),
    ("too narrow", "neighbour"),
    ("too broad", "neighbour"),
)
"""Kinds of label, the better first."""

HALVES = ("missing half", "extra half")

TESTS = (*(f"{better} > {worse}" for better, worse in ORDERS), *HALVES)


@dataclass(frozen=True)
class Pair:
    """Two unrelated rules of like mass that are put together, so that each is half of a whole."""

    one: Rule
    other: Rule

    @property
    def whole(self) -> Meaning:
        """What fires where either does."""
        return Meaning(
            f"{self.one.true.label}; also {self.other.true.label}", (*self.one.true.places, *self.other.true.places)
        )


def pairs(rules: Sequence[Rule], mass: Mapping[str, float]) -> list[Pair]:
    """Every rule with one of like mass (its sum of squares) that is not its neighbour; an odd one stays alone."""
    left = sorted(rules, key=lambda rule: mass[rule.name])
    found = []
    while len(left) > 1:
        one = left.pop(0)
        related = {one.neighbour, *(rule.name for rule in rules if rule.neighbour == one.name)}
        at = next((i for i, rule in enumerate(left) if rule.name not in related), 0)
        found.append(Pair(one, left.pop(at)))
    return found


def wrong(rules: Sequence[Rule]) -> dict[str, Rule]:
    """An unrelated rule for each, by name: the one that stands half the list away, so that each label is wrong once."""
    return {rule.name: rules[(at + len(rules) // 2) % len(rules)] for at, rule in enumerate(rules)}


def labels(rule: Rule, rules: Sequence[Rule]) -> dict[str, str]:
    """The labels of a rule by kind."""
    by_name = {each.name: each for each in rules}
    return {
        "true": rule.true.label,
        "paraphrase": rule.paraphrase,
        "too narrow": rule.narrow.label,
        "too broad": rule.broad.label,
        "neighbour": by_name[rule.neighbour].true.label,
        "wrong": wrong(rules)[rule.name].true.label,
    }


Scores = Mapping[tuple[str, str], float | None]
"""By the label of the truth and the label that was simulated; None where there is no number, which counts as 0."""


def questions(rules: Sequence[Rule], paired: Sequence[Pair]) -> dict[Meaning, list[str]]:
    """Every truth with the labels that are to be scored against it."""
    found = {rule.true: list(labels(rule, rules).values()) for rule in rules}
    for pair in paired:
        found[pair.whole] = [pair.whole.label, pair.one.true.label, pair.other.true.label]
        for rule in (pair.one, pair.other):
            found[rule.true].append(pair.whole.label)
    return found


@dataclass(frozen=True)
class Verdict:
    """How one scorer ranks the labels."""

    passed: dict[str, dict[str, bool]]
    """Of every test, whether each rule passes."""
    means: dict[str, Average]
    """The mean score of every kind of label."""
    auc: float
    """True labels against the same labels given to wrong rules, over all rules."""

    def share(self, test: str) -> float:
        """How often a test is passed."""
        return float(np.mean(list(self.passed[test].values())))


def verdict(scores: Scores, rules: Sequence[Rule], paired: Sequence[Pair]) -> Verdict:
    """The tests, out of the scores; a tie is no pass."""

    def value(truth: Meaning, label: str) -> float:
        return scores[truth.label, label] or 0.0

    kinds = {rule.name: labels(rule, rules) for rule in rules}
    passed: dict[str, dict[str, bool]] = {
        f"{better} > {worse}": {
            rule.name: value(rule.true, kinds[rule.name][better]) > value(rule.true, kinds[rule.name][worse])
            for rule in rules
        }
        for better, worse in ORDERS
    }
    passed |= {test: {} for test in HALVES}
    for pair in paired:
        whole = pair.whole
        for rule in (pair.one, pair.other):
            # The whole is true: a label that names this half alone misses the other.
            passed["missing half"][rule.name] = value(whole, whole.label) > value(whole, rule.true.label)
            # This half is true: a label that names the whole says as much again that is not so.
            passed["extra half"][rule.name] = value(rule.true, rule.true.label) > value(rule.true, whole.label)
    by_kind = {
        kind: [scores[rule.true.label, kinds[rule.name][kind]] for rule in rules] for kind in kinds[rules[0].name]
    }
    right, shuffled = (np.array([found or 0.0 for found in by_kind[kind]]) for kind in ("true", "wrong"))
    return Verdict(passed, {kind: average(found) for kind, found in by_kind.items()}, auc_of(right, shuffled))


def auc_of(right: np.ndarray, shuffled: np.ndarray) -> float:
    """How often a true label scores above a shuffled one; ties count half."""
    return float((np.sign(right[:, None] - shuffled[None, :]) / 2 + 0.5).mean())
