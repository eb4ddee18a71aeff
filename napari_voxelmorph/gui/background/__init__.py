"""The engine thread and what keeps the window alive beside it."""
