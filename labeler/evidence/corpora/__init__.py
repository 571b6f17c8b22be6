"""Where text comes from: one kind of corpus a file."""
