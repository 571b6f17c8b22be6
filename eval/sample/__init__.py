"""The sample dictionary: how it is trained, what it is, and what its features mean to a reader."""
