"""The strip below the canvas on which λ is chosen."""
