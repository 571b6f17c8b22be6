import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.evidence.importers.tokens import Spelling, writable

PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
LETTERS = {byte: chr(byte) for byte in PRINTABLE}
LETTERS |= {byte: chr(256 + n) for n, byte in enumerate(b for b in range(256) if b not in PRINTABLE)}


def byte_level(data: bytes) -> str:
    """GPT-2's spelling of bytes."""
    return "".join(LETTERS[byte] for byte in data)


def cleaned(*texts):
    spelling = Spelling(texts)
    return [spelling.clean(text) for text in texts]


def test_gpt2s_spelling_is_undone():
    text = ["The", "Ġcat", "Ġsaid", "ĠâĢľ", "meow", "âĢĿ", "ĊĊ", "ĉ", "caf", "Ã©"]
    assert cleaned(text) == [("The", " cat", " said", " “", "meow", "”", "\n\n", "\t", "caf", "é")]


def test_what_a_tool_has_put_right_already_stays():
    """As SAEDashboard writes it: spaces, line ends and dashes are real, other characters are not."""
    text = [" he", "âĢ", "Ļ", "s", " —", " a", "\n", "âĢ", "ľ", "big", "âĢ", "Ŀ", " cat"]
    assert cleaned(text) == [(" he", "’", "", "s", " —", " a", "\n", "“", "", "big", "”", "", " cat")]


def test_sentencepieces_spelling_is_undone():
    text = ["▁The", "▁cat", "s", "<0xE2>", "<0x82>", "<0xAC>", "<0x0A>", "▁▁x"]
    assert cleaned(text) == [(" The", " cat", "s", "€", "", "", "\n", "  x")]


def test_mojibake_is_undone():
    text = [" he", " said", " â€œ", "hello", "â€\x9d", ",", " cafÃ©", " and", " Â£", "5"]
    assert cleaned(text) == [(" he", " said", " “", "hello", "”", ",", " café", " and", " £", "5")]


def test_mojibake_across_tokens_belongs_to_the_first():
    assert cleaned(["it", "â", "€", "™", "s"]) == [("it", "’", "", "", "s")]


@pytest.mark.parametrize(
    "text",
    [
        ["Il-", "Ġimgħa", " ħafna", " Ġurnata", " sabiħa", " u", " twajba"],  # Maltese
        ["un", " été", " à", " la", " plage", ",", " déjà", " vu"],  # French
        [" Łódź", " jest", " piękna", " Ćma"],  # Polish
        [" “", "quoted", "”", " –", " it’s", " €", "5"],  # Windows-1252's marks, as they should be
        [" a", " bar", " ▁▂▃", " chart"],
        ["数", "学", "です"],
        [" Â", " is", " a", " letter", " and", " so", " is", " Ã"],
    ],
)
def test_honest_text_survives(text):
    assert cleaned(text) == [tuple(text)]


def test_one_token_does_not_decide():
    """A Maltese word among English ones that have real spaces is no sign of byte-level spelling."""
    texts = [[" on", " ĠGunju", " there", " was", " rain"], [" it", " was", " cold"]]
    assert cleaned(*texts) == [tuple(text) for text in texts]


def test_a_mojibake_passage_in_an_honest_corpus_stays_as_the_model_saw_it():
    honest = [[" it", "’", "s", " “", "fine", "”", " he", " said"] for _ in range(5)]
    broken = [" it", "â€™", "s"]
    assert cleaned(*honest, broken)[-1] == tuple(broken)


def test_a_window_may_begin_and_end_within_a_character():
    text = ["Ļ", "s", "Ġa", "Ġcat", "âĢľ", "Ġand", "âĢ"]
    assert cleaned(text) == [("\ufffd", "s", " a", " cat", "“", " and", "\ufffd\ufffd")]


def test_single_tokens_of_a_list_are_cleaned_by_what_the_texts_show():
    spelling = Spelling([["Ġa", "Ġcat", "âĢľ"], ("ãĤ±",), ("Ġthe",), ("âĢ",)])
    assert [spelling.clean((t,))[0] for t in ("ãĤ±", "Ġthe", "âĢ")] == ["ケ", " the", "\ufffd\ufffd"]


def test_nothing_survives_that_json_or_utf8_cannot_carry():
    texts = [["a\0b", "\ud83d", "x\udcffy", "<0x00>"], ["Ġa", "Ġb", "Ġc", "Ā"]]
    for text in cleaned(*texts):
        joined = "".join(text)
        assert "\0" not in joined
        assert json.loads(json.dumps(joined).encode()) == joined.encode("utf-8").decode("utf-8")
    assert writable("a\0b\ud800") == "a\ufffdb\ufffd"


def test_no_texts_at_all():
    assert Spelling([]).clean(()) == ()


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=8), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_whatever_is_spelled_byte_by_byte_comes_back(texts, chance):
    """Cut anywhere, also within characters: joined the tokens give the text, and each character stands where it begins."""
    spelled = []
    for words in texts:
        data = " ".join(["so", "it", "is", *words]).encode()
        cuts = sorted({0, len(data), *(chance.randrange(len(data)) for _ in range(6))})
        spelled.append([byte_level(data[a:b]) for a, b in itertools.pairwise(cuts)])
    spelled.append(["Ġit", "Ġis", "Ġso"])  # so that there is a sign of it
    for words, text in zip(texts, cleaned(*spelled), strict=False):
        assert "".join(text) == " ".join(["so", "it", "is", *words])


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.lists(st.text(max_size=6), max_size=8), max_size=5))
def test_any_strings_come_out_writable_and_as_many(texts):
    for text, result in zip(texts, cleaned(*texts), strict=True):
        assert len(text) == len(result)
        assert "\0" not in "".join(result)
        "".join(result).encode("utf-8")
