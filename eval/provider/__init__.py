"""An LLM provider on this machine, for tests and benches: Anthropic's API and OpenAI's, with limits, faults and bills.

    with Provider(Knobs.faults(0.3, seed=1, latency=0.05)) as provider:
        ...                            # anthropic:small@{provider.url}, openai:small@{provider.url}/v1
        provider.totals().usd

or, beside other processes, ``python -m eval.provider --latency 0.05``, which prints its address. Answers follow simple
rules (``rules``), so that labels and scores made with it mean something. Everything is forgotten when it ends.

Some names of models ask for more: ``…thinking…`` thinks first, ``…reasoning…`` takes no temperature and bills
reasoning (OpenAI), ``…plain…`` takes no schema, ``…short…`` takes 2,048 tokens.
"""

from eval.provider.billing import Bill, Totals
from eval.provider.knobs import FAULTS, Knobs
from eval.provider.server import Provider

__all__ = ["FAULTS", "Bill", "Knobs", "Provider", "Totals"]
