"""A saved transform, applied to images, segmentations, series, points and surfaces."""
