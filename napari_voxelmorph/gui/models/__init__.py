"""The Models dock, and the choice of a model."""
