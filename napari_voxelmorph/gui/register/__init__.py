"""The Register dock."""
