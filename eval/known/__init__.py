"""Known answers: features whose truth is a rule, labelled well, badly and in between, and how scorers rank the labels."""
