"""The shelf of trained models (data only); installed as ``napari_voxelmorph_models``."""
