"""A misspelt name is answered in one line, before anything is asked, loaded or stored."""

import time

import pytest

COLLECT = ["collect", "--hook", "blocks.3.mlp.hook_post", "--as", "mine"]


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
