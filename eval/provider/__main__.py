"""``python -m eval.provider [--port N] [knobs]``: prints the provider's address, and ends on SIGTERM."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import threading
from collections.abc import Sequence
from typing import Any, get_type_hints

from eval.provider.knobs import Knobs
from eval.provider.server import Provider


def knobs_and_port(arguments: Sequence[str] | None = None) -> tuple[Knobs, int]:
    """What a command line asks for; ends the process with a line where it asks for nonsense."""
    parser = argparse.ArgumentParser("python -m eval.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--faults", type=float, metavar="RATE", help="spread over all faults that are not set otherwise"
    )
    hints = get_type_hints(Knobs)
    for knob in dataclasses.fields(Knobs):
        kind: Any = int if hints[knob.name] is int else float
        parser.add_argument(
            f"--{knob.name.replace('_', '-')}", type=kind, metavar="N", help=f"{knob.metadata['says']} ({knob.default})"
        )
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    port, rate = given.pop("port"), given.pop("faults", 0.0)
    try:
        return Knobs.faults(rate, **given), port
    except ValueError as error:
        parser.error(str(error))


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    knobs, port = knobs_and_port()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with Provider(knobs, port=port) as provider:
        print(provider.url, flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
