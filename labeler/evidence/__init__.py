"""Where evidence comes from, and where it rests."""
