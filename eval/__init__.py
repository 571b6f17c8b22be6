"""How far the scores can be trusted: known labels, controls, benches. Run as ``python -m eval COMMAND``."""
