"""Whoever answers: one provider a file, its batches beside it."""
