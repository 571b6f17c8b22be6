"""Asking a language model; this room has never heard of a feature."""
