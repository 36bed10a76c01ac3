"""What was done and what became of it, so that a run can be repeated: the only home of sqlite3."""
