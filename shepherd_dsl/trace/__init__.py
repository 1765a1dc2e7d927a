"""The trace store: events as Git commits behind a write-ahead journal."""
