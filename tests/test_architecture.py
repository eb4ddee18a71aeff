[metadata]
name = napari-voxelmorph
version = 0.1.0
description = Align two scans in napari and see whether to believe it: the VoxelMorph family in PyTorch
long_description = file: README.md
long_description_content_type = text/markdown
license = BSD-3-Clause
license_files = LICENSE
author = napari-voxelmorph developers
classifiers =
    Development Status :: 4 - Beta
    Framework :: napari
    Intended Audience :: Science/Research
    Operating System :: OS Independent
    Programming Language :: Python :: 3
    Programming Language :: Python :: 3.11
    Programming Language :: Python :: 3.12
    Programming Language :: Python :: 3.13
    Topic :: Scientific/Engineering :: Image Processing
    Topic :: Scientific/Engineering :: Medical Science Apps.
    Typing :: Typed

[options]
python_requires = >=3.11
packages =
    napari_voxelmorph
    napari_voxelmorph.cli
    napari_voxelmorph.engine
    napari_voxelmorph.engine.apply
    napari_voxelmorph.engine.evaluation
    napari_voxelmorph.engine.files
    napari_voxelmorph.engine.files.transforms
    napari_voxelmorph.engine.geometry
    napari_voxelmorph.engine.lambda_sweep
    napari_voxelmorph.engine.losses
    napari_voxelmorph.engine.networks
    napari_voxelmorph.engine.optimization
    napari_voxelmorph.engine.report
    napari_voxelmorph.engine.review
    napari_voxelmorph.engine.review
    napari_voxelmorph.engine.synthesis
    napari_voxelmorph.engine.training
    napari_voxelmorph.engine.training.data
    napari_voxelmorph.gui
    napari_voxelmorph.gui.background
    napari_voxelmorph.gui.charts
    napari_voxelmorph.gui.files
    napari_voxelmorph.gui.lambda_strip
    napari_voxelmorph.gui.models
    napari_voxelmorph.gui.register
    napari_voxelmorph.gui.training
    napari_voxelmorph.gui.views
    napari_voxelmorph_models
    napari_voxelmorph_manifest
# npe2 looks for the manifest beside a module.  This module is the top level
# folder itself, so that napari.yaml may stay where the reader looks for it.
package_dir =
    napari_voxelmorph_models = models
    napari_voxelmorph_manifest = .
install_requires =
    h5py
    imageio
    magicgui>=0.9
    napari>=0.9
    nibabel>=5.2
    numba>=0.60
    numpy>=1.26
    pillow>=10.1
    psutil
    psygnal>=0.11
    qtpy>=2.4
    safetensors>=0.4
    scipy>=1.12
    SimpleITK>=2.3
    superqt>=0.6.7
    tifffile
    torch>=2.4

[options.extras_require]
bids =
    ancpbids>=0.4
dicom =
    highdicom>=0.24
    pydicom>=3
keras =
    h5py
pyqt6 =
    PyQt6
pyside6 =
    PySide6
all =
    napari[all]
testing =
    ancpbids>=0.4
    build
    fslpy
    h5py
    highdicom>=0.24
    hypothesis
    mypy
    nitransforms>=25
    pydicom>=3
    pytest>=8
    pytest-qt
    ruff
    setuptools>=77
    surface-distance

[options.package_data]
napari_voxelmorph = py.typed
napari_voxelmorph_models = *.md, */*
napari_voxelmorph_manifest = napari.yaml

[options.entry_points]
console_scripts =
    napari-voxelmorph = napari_voxelmorph.cli:main
napari.manifest =
    napari-voxelmorph = napari_voxelmorph_manifest:napari.yaml

[tool:pytest]
testpaths = tests
addopts = --import-mode=importlib --strict-markers --strict-config -ra
xfail_strict = true
qt_api = pyqt6
markers =
    gl: draws real pictures; needs a display with OpenGL (make test runs these under Xvfb)
    slow: takes more than a few seconds
# A warning is an error, so that none is missed.  The exceptions are other people's:
# they are raised inside the named package by code that is not ours to mend.
filterwarnings =
    error
    # napari and npe2 declare their models in ways that pydantic 3 will drop.
    ignore::pydantic.warnings.PydanticDeprecatedSince20
