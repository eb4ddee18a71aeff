"""``python -m napari_voxelmorph.cli`` is the same as ``napari-voxelmorph``."""

import sys

from napari_voxelmorph.cli import main

sys.exit(main())
