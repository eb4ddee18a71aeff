"""What is shown of a registration: lazy overlays, grids, marks."""
