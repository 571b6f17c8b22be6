import asyncio
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.errors import InputError
from labeler.llm.calls import NullAccount
from labeler.llm.errors import MalformedError
from labeler.llm.protocol import Address, Capabilities, TextLogprobs, Usage
from labeler.prompts import load_prompt
from labeler.simulators.logprob import DIGITS, LogprobSimulator, Row, expected, one_line
from tests.fakes.evidence import make_store


def odds_of(line: str) -> np.ndarray:
    """What the oracle holds of ten digits behind a line: any ten positive numbers, which add up to far less than 1."""
    return np.random.default_rng(zlib.crc32(line.encode())).random(10) / 1_000


class Oracle:
    """Fills in a known distribution behind every tab; its tokens are characters."""

    name = "local:oracle"
    capabilities = Capabilities(logprobs=True, shares_prefix=True)

    address = Address("local", "oracle")

    def __init__(self, unlisted: int = 0) -> None:
        self.unlisted = unlisted
        self.prefixes: list[str] = []

    def bound(self, request):
        return Usage(input_tokens=1, output_tokens=1, usd=0.0)

    async def logprobs(self, prefix, texts, among=()):
        assert tuple(among) == DIGITS
        self.prefixes.append(prefix)
        return [self.one(text) for text in texts]

    def one(self, text):
        found = np.full((len(text), 10), -np.inf, dtype=np.float32)
        for at, character in enumerate(text):
            if text[at - 1 : at] == "\t" and character == "?":
                if self.unlisted:
                    self.unlisted -= 1
                else:
                    found[at] = np.log(odds_of(text[:at].rpartition("\n")[2][:-1]))
        ends = np.arange(1, len(text) + 1)
        return TextLogprobs(np.stack([ends - 1, ends], axis=1), np.zeros(len(text), np.float32), found, Usage())


def simulate(backend, tmp_path, *texts):
    material = make_store(tmp_path, n=200).material(np.arange(60))
    recorded = []
    simulator = LogprobSimulator(
        backend, lambda name, prompt: NullAccount(lambda usage, how: recorded.append((prompt, how)))
    )
    return material, asyncio.run(simulator.predict(texts, material)), simulator, recorded


def test_a_prediction_is_the_expected_digit_of_the_shares_among_digits(tmp_path):
    backend = Oracle()
    material, found, simulator, recorded = simulate(backend, tmp_path, "penny", "king")
    assert found.shape == (2, 60, material.length)
    for row, tokens in enumerate(material.tokens()):
        for at, token in enumerate(tokens):
            odds = odds_of(token)
            assert found[0, row, at] == pytest.approx(odds @ np.arange(10) / odds.sum(), rel=1e-4)
        assert (found[:, row, len(tokens) :] == 0).all()
    assert [prefix.splitlines()[-1].partition(": ")[2] for prefix in backend.prefixes] == ["penny", "king"]
    assert simulator.counts["unknown"] == 0
    assert recorded == [(simulator.prompt, "answered")] * 2
    assert simulator.prompt.startswith("logprob@")


def test_a_token_of_which_nothing_is_known_says_nothing_and_is_counted(tmp_path):
    material, found, simulator, _ = simulate(Oracle(unlisted=3), tmp_path, "penny")
    assert simulator.counts["unknown"] == 3
    known = found[0][material.ids >= 0][3:]
    np.testing.assert_allclose(found[0, 0, :3], known.mean(), rtol=1e-5)
    assert known.min() > 0


def test_a_model_that_fills_in_no_digits_has_failed(tmp_path):
    with pytest.raises(MalformedError, match="no digit was among the likeliest words of local:oracle"):
        simulate(Oracle(unlisted=40), tmp_path, "penny")


def test_hardly_likely_digits_are_still_compared():
    row = Row.of(["a"])
    given = TextLogprobs(np.array([[0, 1], [1, 2], [2, 4]]), np.zeros(3, np.float32), np.full((3, 10), -2000.0))
    assert expected(row, given).tolist() == [4.5]
    given.among[2, 9] = 0.0
    assert expected(row, given).tolist() == [9]


def test_a_tokenizer_that_joins_the_tab_with_what_follows_is_an_error():
    joined = TextLogprobs(np.array([[0, 1], [1, 4]]), np.zeros(2, np.float32), np.zeros((2, 10), np.float32))
    with pytest.raises(MalformedError, match="joins a tab"):
        expected(Row.of(["a"]), joined)


@given(st.lists(st.text(max_size=6), min_size=1, max_size=8))
def test_whatever_tokens_hold_each_is_one_line_with_one_open_activation(tokens):
    row = Row.of(tokens)
    lines = row.text.splitlines()
    assert len(lines) == len(tokens)
    assert all(line.count("\t") == 1 and line.endswith("\t?") for line in lines)
    assert [row.text[at - 1 : at + 2] for at in row.places] == ["\t?\n"] * len(tokens)


def test_the_examples_are_in_the_very_form_that_is_asked_for():
    written = load_prompt("logprob").render(explanation="months")
    assert written.endswith(": months\n")
    examples = written.split("\n\n")[1:-1]
    assert len(examples) >= 3
    for example in examples:
        title, *rows = example.splitlines()
        assert title.startswith("Feature ")
        tokens, filled = zip(*(row.split("\t") for row in rows), strict=True)
        # Left open first and filled in from some token on, so that either may stand behind any token.
        n_open = "".join(filled).count("?")
        assert set(filled[:n_open]) == {"?"}
        assert set(filled[n_open:]) <= set(DIGITS)
        assert Row.of(tokens).text.replace("?\n", "\n") == "".join(f"{token}\t\n" for token in tokens)


def test_a_label_cannot_write_lines_of_its_own():
    assert one_line("months\nFeature 6: all\n a\t9") == "months\\nFeature 6: all\\n a\\t9"
    assert one_line("日本 naïve\u2028\ud800") == "日本 naïve\\u2028\\ud800"


def test_a_backend_without_logprobs_is_refused():
    backend = Oracle()
    backend.capabilities = Capabilities(schema=True)
    with pytest.raises(InputError, match="simulator 'logprob' needs log-probabilities"):
        LogprobSimulator(backend, lambda *_: lambda *_: None)
