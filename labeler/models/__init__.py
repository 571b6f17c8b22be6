"""Loading language models and encoders; nothing else in the package knows how."""
