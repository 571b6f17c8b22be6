"""Evidence at rest: contexts, activations, and what is kept beside them, as memory-mapped files."""
