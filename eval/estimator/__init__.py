"""How far samples of contexts can be trusted, where the whole truth is known."""
