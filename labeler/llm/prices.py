"""What a call costs, by the prices that the package ``genai-prices`` ships; nothing is asked of any network."""

from __future__ import annotations

from labeler.llm.protocol import Usage
from labeler.llm.urls import Origin


def price(
    provider: str, model: str, usage: Usage, *, base_url: str | None = None, cache_write_tokens: int = 0
) -> float | None:
    """US dollars for a call's tokens; None where the price is unknown, 0.0 where nobody is paid.

    ``base_url`` is the server's where it is not the provider's own. ``cache_write_tokens`` are those of the input
    tokens that the provider put into its cache: Anthropic takes a quarter more for them, so the worst case of a call
    to it has all of its input there. Prices are those of single calls, not of batches.
    """
    if provider == "local" or (base_url is not None and Origin.of(base_url).loopback):
        return 0.0
    # Imported here: its table takes most of a second, and `labeler --help` needs no prices.
    import genai_prices

    try:
        tokens = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_tokens or None,
            cache_write_tokens=cache_write_tokens or None,
            output_tokens=usage.output_tokens,
        )
        if base_url is None:
            found = genai_prices.calc_price(tokens, model, provider_id=provider)
        else:
            found = genai_prices.calc_price(tokens, model, provider_api_url=base_url)
    except (LookupError, ValueError):  # an unknown model or server; counts that contradict each other
        return None
    return float(found.total_price)
