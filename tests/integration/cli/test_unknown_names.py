"""A misspelt name is answered in one line, before anything is asked, loaded or stored."""

import time

import pytest

COLLECT = ["collect", "--hook", "blocks.3.mlp.hook_post", "--as", "mine"]
LABEL = ["label", "toy", "--features", "0", "--simulator", "lexical"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["label", "toy", "--explainer", "local:smolm2-135m"], "did you mean the built-in 'smollm2-135m'?"),
        (["label", "toy", "--simulator", "likelihood=local:smollm"], "did you mean the built-in 'smollm2-135m'?"),
        (["plan", "toy", "--explainer", "local:smollm2"], "did you mean the built-in 'smollm2-135m'?"),
        ([*COLLECT, "--model", "smollm", "--dictionary", "neurons"], "did you mean the built-in 'smollm2-135m'?"),
        ([*COLLECT, "--model", "smollm2-135m", "--dictionary", "neuron"], "at 'neuron' (did you mean 'neurons'?)"),
        ([*COLLECT, "--model", "smollm2-135m", "--dictionary", "org/sae"], "on the hub it would be hf://org/sae"),
        (
            [*COLLECT, "--model", "smollm2-135m", "--dictionary", "neurons", "--corpus", "samples"],
            "no corpus at 'samples' (did you mean 'sample'?)",
        ),
        (["show", "toi", "1"], "no dictionary 'toi' in '.labeler/dictionaries' (here: toy) (did you mean 'toy'?)"),
    ],
)
def test_a_misspelt_name_is_named_with_what_was_meant(command, home, arguments, says):
    began = time.monotonic()
    refused = command(*arguments)
    assert (refused.code, refused.out) == (2, "")
    (line,) = [line for line in refused.err.splitlines() if not line.startswith("loading ")]
    assert says in line
    assert time.monotonic() - began < 30  # of which the libraries take the most; a hub that is asked again takes 55 s
    assert command("status").out.startswith("no runs yet")


@pytest.mark.parametrize(
    "arguments",
    [
        ["colect"],
        ["requests", "exprt"],
        ["label", "tyo"],
        ["show", "TOY", "1"],
        ["label", "toy", "--simulater", "lexical"],
    ],
)
def test_what_was_probably_meant_is_said_once(command, home, arguments):
    said = command(*arguments)
    assert said.code == 2
    assert said.err.lower().count("did you mean") + said.err.lower().count("possible options") == 1


def test_a_run_without_an_explainer_says_which_it_takes(command, home):
    assert "explained by lexical, for no --explainer was given" in command(*LABEL).err
    assert "explained by" not in command(*LABEL, "--explainer", "lexical").err
