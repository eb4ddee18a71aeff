"""Reading and writing through napari."""
