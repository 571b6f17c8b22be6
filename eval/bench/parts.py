"""The parts of ``python -m eval.bench evidence``: each runs in a process of its own and prints a line of JSON."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from eval.bench.resident import MB, Memory
from eval.bench.synthetic import LENGTH, pieces
from labeler.evidence.collect.compaction import Building
from labeler.evidence.collect.publish import write_features, write_store
from labeler.evidence.neighbours import NEAREST, Neighbours
from labeler.evidence.store.manifest import no_tokens
from labeler.evidence.store.store import EvidenceStore

SHALLOW = "blocks.0.hook_resid_post"
"""Where the memory of long collections is measured: one layer runs, and everything behind it as it always does."""


def speed(tokens: int) -> dict[str, Any]:
    """Collection against the bare forward pass, on the sample model and dictionary, piece by piece in turn."""
    from labeler.demo import sample_dictionary
    from labeler.evidence.dictionaries import load_dictionary
    from labeler.models.language import load_language_model
    from labeler.models.names import SMOLLM2

    return compared(load_language_model(SMOLLM2), load_dictionary(sample_dictionary()), tokens)


def cuda(tokens: int) -> dict[str, Any]:
    """The same on an accelerator: a Llama of 1.2 B random parameters, and 65,536 random features on its middle layer."""
    from eval.bench.random_model import random_dictionary, random_model

    model = random_model()
    return compared(model, random_dictionary(model, 65_536), tokens)


def compared(model: Any, dictionary: Any, tokens: int) -> dict[str, Any]:
    """Tokens per second of the bare pass and of a collection; both see the same pieces of text, one after the other."""
    import torch

    from labeler.evidence.collect.forward import LENGTH as CONTEXT
    from labeler.evidence.collect.forward import PIECE_TOKENS, activations, activity, batches, cut, placed, windows
    from labeler.evidence.corpora.registry import read_corpus
    from labeler.models.hooks import HookPoint

    hook = HookPoint.parse(dictionary.hook)
    on_device = dictionary.to(model.device)
    bare = collecting = 0.0
    seen = first = 0

    def timed(act: Callable[[], Any]) -> tuple[float, Any]:
        started = time.perf_counter()
        found = act()
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started, found

    with tempfile.TemporaryDirectory() as folder:
        building = Building(Path(folder) / "parts", dictionary.n_features)
        stream = batches(placed(windows(read_corpus("sample"), model), CONTEXT), PIECE_TOKENS)
        for number in itertools.count():
            reading, batch = timed(partial(next, stream))
            forward, _ = timed(partial(activations, model, [hook], batch, first=model.separator_id))

            def collect(batch: Any = batch, first: int = first) -> int:
                contexts, kept = cut(batch, first, CONTEXT)
                hidden = activations(model, [hook], batch, first=model.separator_id)[0][torch.from_numpy(kept)]
                building.add(contexts, activity(contexts, hidden, on_device))
                return len(contexts)

            whole, n_contexts = timed(collect)
            first += n_contexts
            if number:  # the first warms up
                bare, collecting = bare + forward, collecting + reading + whole
                seen += sum(len(window.ids) for window in batch)
            if seen >= tokens:
                break
        merging, _ = timed(building.merge)
    return {
        "tokens": seen,
        "bare": round(seen / bare),
        "collection": round(seen / (collecting + merging)),
        "ratio": round(bare / (collecting + merging), 3),
    }


def memory(tokens: int) -> dict[str, Any]:
    """The highest memory of a whole ``collect``, on text that is as long as one likes."""
    from labeler.demo import sample_dictionary
    from labeler.evidence.collect.collect import CollectRequest, Wanted, collect
    from labeler.evidence.corpora.registry import sample_corpus
    from labeler.models.names import SMOLLM2

    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "long.jsonl"
        with corpus.open("w", encoding="utf-8") as file:
            characters = 0
            for turn in itertools.count():
                for passage in sample_corpus():
                    file.write(json.dumps({"id": f"{passage.document} {turn}", "text": passage.text}) + "\n")
                    characters += len(passage.text)
                if characters > 6 * tokens:
                    break
        wanted = Wanted(dictionary=str(sample_dictionary()), name="long", hook=SHALLOW)
        request = CollectRequest(model=SMOLLM2, wanted=(wanted,), corpus=str(corpus), tokens=tokens)
        started = time.perf_counter()
        [store] = collect(request, Path(folder) / "dictionaries")
        return {
            "tokens": store.manifest.n_tokens,
            "seconds": round(time.perf_counter() - started),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "store_mb": round(store.manifest.size / MB),
        }


def peer(tokens: int, python: str) -> dict[str, Any]:
    """Delphi's cache pass and ours over the same tokens: tokens per second, and by how much the memory grows."""
    from labeler.demo import sample_dictionary
    from labeler.models.names import smollm2_folder

    with tempfile.TemporaryDirectory() as folder:
        ids = Path(folder) / "tokens.npy"
        ours = in_process("ours", str(tokens), str(ids))
        script = Path(__file__).with_name("delphi_peer.py")
        arguments = [str(smollm2_folder()), str(sample_dictionary()), str(ids), "layers.14", folder]
        done = subprocess.run([python, str(script), *arguments], check=True, capture_output=True, text=True)
        theirs = json.loads(done.stdout.strip().splitlines()[-1])
    growth = max(theirs["rss_highest_run_mb"], theirs["rss_highest_save_mb"]) - theirs["rss_before_mb"]
    return {
        "tokens": theirs["tokens"],
        "ours_per_second": ours["per_second"],
        "theirs_per_second": round(theirs["tokens_per_second"]),
        "times_as_fast": round(ours["per_second"] / theirs["tokens_per_second"], 2),
        "ours_growth_mb": ours["growth_mb"],
        "theirs_growth_mb": round(growth),
        "share_of_memory": round(ours["growth_mb"] / growth, 3),
    }


def ours(tokens: int, ids: str) -> dict[str, Any]:
    """Our half of ``peer``: from tokens to merged evidence; leaves the token ids as Delphi wants them, in rows of 256.

    As in Delphi's half the tokens are there before the clock starts, and the model has run once, on a full batch.
    """
    import torch

    from labeler.demo import sample_dictionary
    from labeler.evidence.collect.forward import LENGTH as CONTEXT
    from labeler.evidence.collect.forward import PIECE_TOKENS, activations, activity, batches, cut, placed, windows
    from labeler.evidence.corpora.registry import read_corpus
    from labeler.evidence.dictionaries import load_dictionary
    from labeler.models.hooks import HookPoint
    from labeler.models.language import load_language_model
    from labeler.models.names import SMOLLM2

    model, dictionary = load_language_model(SMOLLM2), load_dictionary(sample_dictionary())
    hook = HookPoint.parse(dictionary.hook)
    given: list[Any] = []
    for batch in batches(placed(windows(read_corpus("sample"), model), CONTEXT), PIECE_TOKENS):
        given.append(batch)
        if sum(len(window.ids) for batch in given for window in batch) >= tokens:
            break
    activations(model, [hook], given[0], first=model.separator_id)
    sampler = Memory()
    before = sampler.now()
    sampler.take()
    held = first = 0
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        building = Building(Path(folder) / "parts", dictionary.n_features)
        for batch in given:
            contexts, kept = cut(batch, first, CONTEXT)
            hidden = activations(model, [hook], batch, first=model.separator_id)[0][torch.from_numpy(kept)]
            building.add(contexts, activity(contexts, hidden, dictionary))
            first += len(contexts)
            held += contexts.n_tokens
        building.merge()
        seconds = time.perf_counter() - started
        peak = sampler.take()
    rows = np.concatenate([window.ids for batch in given for window in batch])
    np.save(ids, rows[: len(rows) // 256 * 256].reshape(-1, 256).astype(np.int64))
    return {"per_second": round(held / seconds), "growth_mb": round(peak - before)}


def copies(documents: int) -> dict[str, Any]:
    """How copies of texts are told, on a corpus that has many."""
    from eval.bench.copies import measure

    return measure(documents)


SHARED = ("contexts", "places", "words")
"""What the files of a store are called that all features share."""


def scale(n_features: int, tokens: int) -> dict[str, Any]:
    """A store of synthetic features: how it is built, how large it is, how fast one feature is read."""
    active = 32
    with tempfile.TemporaryDirectory() as folder:
        sampler = Memory()
        before = sampler.now()
        started = time.perf_counter()
        building = Building(Path(folder) / "parts", n_features)
        for contexts, pairs in pieces(n_features, tokens, active):
            building.add(contexts, pairs)
        store = written(building, Path(folder) / "store", n_features)
        seconds, peak = time.perf_counter() - started, sampler.take()
        files = store.manifest.files
        return {
            "features": n_features,
            "tokens": store.manifest.n_tokens,
            "build_seconds": round(seconds),
            "build_growth_mb": round(peak - before),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "bytes_a_feature": round(sum(f.bytes for n, f in files.items() if not n.startswith(SHARED)) / n_features),
            "shared_contexts_mb": round(sum(f.bytes for n, f in files.items() if n.startswith(SHARED)) / MB),
            **read_times(store),
        }


def written(
    building: Building, folder: Path, n_features: int, more: Callable[[Path], None] = lambda _: None
) -> EvidenceStore:
    """What was built as a store, without weights and without an encoder; ``more`` writes what else is to be in it."""
    merged = building.merge()
    folder.mkdir()
    for table in merged.tables():
        os.link(table, folder / table.name)
    shards, summary = write_features(folder, merged, building.seen, no_tokens(n_features), n_features)
    more(folder)
    nobody = np.full((n_features, NEAREST), -1, dtype=np.int32)
    write_store(
        folder,
        shards=shards,
        summary=summary,
        neighbours=Neighbours(nearest=nobody, closeness=np.zeros_like(nobody, np.float16), group=nobody[:, 0]),
        vocabulary=[],
        length=LENGTH,
        n_tokens=building.seen.n_tokens,
        n_contexts=building.seen.n_contexts,
        sampling="population",
        **dict.fromkeys(("name", "model", "hook", "dictionary", "source", "corpus", "corpus_fingerprint"), "synthetic"),
        progress={"seen": dataclasses.asdict(building.seen)},
    )
    return EvidenceStore(folder)


def read_times(store: EvidenceStore, n: int = 5_000) -> dict[str, Any]:
    """Microseconds in which one feature's contexts, tokens and activations are read, at random."""
    wanted = np.random.default_rng(1).integers(0, store.n_features, n).tolist()
    for index in wanted[:500]:
        store.read(index)
    for shard in range(0, store.n_features, max(1, store.n_features // 500)):  # every file has been checked once
        store.read(shard)
    took, contexts = [], 0
    for index in wanted:
        started = time.perf_counter_ns()
        found = store.read(index)
        tokens = store.rows.column("tokens", found.contexts)
        took.append(time.perf_counter_ns() - started)
        contexts += len(tokens)
    p50, p99 = np.percentile(took, [50, 99]) / 1000
    return {"read_p50_us": round(p50, 1), "read_p99_us": round(p99, 1), "contexts_a_feature": round(contexts / n, 1)}


def in_process(part: str, *arguments: str) -> dict[str, Any]:
    """A part's figures, taken in a process of its own; its complaints go where ours go."""
    command = [sys.executable, "-m", "eval.bench.parts", part, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "speed": lambda tokens: speed(int(tokens)),
    "cuda": lambda tokens: cuda(int(tokens)),
    "memory": lambda tokens: memory(int(tokens)),
    "peer": lambda tokens, python: peer(int(tokens), python),
    "ours": lambda tokens, ids: ours(int(tokens), ids),
    "copies": lambda documents: copies(int(documents)),
    "scale": lambda features, tokens: scale(int(features), int(tokens)),
}

if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]](*sys.argv[2:])))
