"""Transforms in the files of other programs: one module per format, `registry` knows them all."""
