"""The Apply dock: a transform, applied to many things at once."""
