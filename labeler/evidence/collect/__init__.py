"""Model + dictionaries + corpus -> evidence: forward passes, segments on disk, their compaction, the finished store."""
