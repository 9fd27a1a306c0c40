"""Stories of the merge queue on a real repository with a bare remote (docs/MERGE_QUEUE.md)."""
