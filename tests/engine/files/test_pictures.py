"""PNG, JPEG and TIFF: colours, pixel size, palettes, stacks; written the right way round."""

from __future__ import annotations

import imageio.v3 as imageio
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import load, save
from napari_voxelmorph.engine.geometry.volume import Volume

GREY = np.arange(30, dtype=np.uint8).reshape(5, 6) * 8
RGB = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_as_imageio(tmp_path, suffix, dtype):
    imageio.imwrite(tmp_path / f"x{suffix}", GREY.astype(dtype) * 3)
    volume = load(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(volume.data, imageio.imread(tmp_path / f"x{suffix}"))
    assert not volume.oriented and volume.spacing == (1, 1)
    assert "1 mm is assumed" in volume.header["notes"][0]


def test_jpeg(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "x.jpg", dpi=(300, 300))
    volume = load(tmp_path / "x.jpg")
    np.testing.assert_array_equal(volume.data, imageio.imread(tmp_path / "x.jpg"))
    assert volume.spacing == (1, 1)  # dots per inch of a photograph mean nothing


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_colours(tmp_path, suffix):
    imageio.imwrite(tmp_path / f"x{suffix}", RGB)
    with pytest.raises(InputError, match="grayscale=True"):
        load(tmp_path / f"x{suffix}")
    with pytest.raises(InputError, match="one channel"):
        load(tmp_path / f"x{suffix}", "labels", grayscale=True)
    volume = load(tmp_path / f"x{suffix}", grayscale=True)
    expected = Image.open(tmp_path / f"x{suffix}").convert("L")
    np.testing.assert_allclose(volume.data, np.asarray(expected), atol=1)


def test_grey_saved_as_colours_is_grey(tmp_path):
    imageio.imwrite(tmp_path / "x.png", np.stack([GREY] * 3 + [np.full_like(GREY, 255)], -1))
    np.testing.assert_array_equal(load(tmp_path / "x.png").data, GREY)


def test_palette(tmp_path):
    picture = Image.fromarray(GREY // 8).convert("P")
    picture.putpalette([v for i in range(256) for v in (i, 255 - i, 7)])
    picture.save(tmp_path / "seg.png")
    np.testing.assert_array_equal(load(tmp_path / "seg.png", "labels").data, GREY // 8)
    with pytest.raises(InputError, match="colour"):
        load(tmp_path / "seg.png")


def test_tiff_pixel_size(tmp_path):
    def spacing(name, **options):
        tifffile.imwrite(tmp_path / name, GREY, **options)
        return load(tmp_path / name).spacing

    assert spacing("cm.tif", resolution=(20, 40), resolutionunit="CENTIMETER") == (0.25, 0.5)
    assert spacing("dpi.tif", resolution=(300, 300), resolutionunit="INCH") == (1, 1)
    microns = spacing("ij.tif", imagej=True, resolution=(4, 2), metadata={"unit": "um"})
    np.testing.assert_allclose(microns, (0.0005, 0.00025))
    ome = spacing("x.ome.tif", ome=True, metadata={
        "axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "mm", "PhysicalSizeY": 0.25,
        "PhysicalSizeYUnit": "mm"})  # fmt: skip
    assert ome == (0.25, 0.5)
    assert spacing("silly.tif", resolution=(1e-9, 1e-9), resolutionunit="CENTIMETER") == (1, 1)


def test_tiff_stack_and_series(tmp_path):
    stack = np.stack([GREY, GREY + 1, GREY + 2])
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    volume = load(tmp_path / "stack.tif")
    np.testing.assert_array_equal(volume.data, stack)
    tifffile.imwrite(tmp_path / "time.tif", stack, imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(InputError, match="3 volumes"):
        load(tmp_path / "time.tif")
    np.testing.assert_array_equal(load(tmp_path / "time.tif", volume_index=1).data, GREY + 1)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_packed_tiff(tmp_path, compression):
    Image.fromarray(GREY).save(tmp_path / "x.tif", compression=compression)
    np.testing.assert_array_equal(load(tmp_path / "x.tif").data, GREY)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "uint16", "int16", "int32", "float32", "float64"]
)
def test_tiff_round_trip(tmp_path, dtype):
    volume = Volume((GREY % 2 if dtype == "bool" else GREY).astype(dtype), np.diag([0.5, 0.25, 1]),
                    oriented=False)  # fmt: skip
    save(volume, tmp_path / "x.tif")
    again = load(tmp_path / "x.tif")
    np.testing.assert_array_equal(again.data, volume.data)
    np.testing.assert_allclose(again.affine, volume.affine, rtol=1e-6)


def test_png_round_trip(tmp_path):
    for data in (GREY, GREY.astype(np.uint16) * 200, GREY.astype(np.int64)):
        save(Volume(data, oriented=False, kind="labels"), tmp_path / "x.png")
        np.testing.assert_array_equal(load(tmp_path / "x.png", "labels").data, data)
    save(Volume(GREY / 7.0 - 3, oriented=False), tmp_path / "x.png")
    data = load(tmp_path / "x.png").data.astype(float)
    np.testing.assert_allclose(data / 65535, GREY / GREY.max(), atol=1e-4)
    with pytest.raises(InputError, match="do not fit"):
        save(Volume(GREY.astype(np.int32) - 1, kind="labels"), tmp_path / "x.png")
    with pytest.raises(InputError, match="3-D"):
        save(Volume(np.zeros((3, 4, 5))), tmp_path / "x.png")


@pytest.mark.parametrize("flips", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_left_of_a_slice_is_on_the_right_of_its_picture(tmp_path, flips, swap, suffix):
    """As radiologists look at it, and as ITK writes it, however the file stores it."""
    affine = np.diag([*flips, 1]).astype(float)
    if swap:
        affine = affine[:, [1, 0, 2]]
    world = affine[:2, :2] @ np.indices((6, 6)).reshape(2, -1)
    left = (world[0] < world[0].mean()).reshape(6, 6)
    front = (world[1] > world[1].mean()).reshape(6, 6)
    save(Volume((left * 2 + front).astype(np.uint8), affine), tmp_path / f"slice{suffix}")
    picture = load(tmp_path / f"slice{suffix}").data
    assert (picture[:, -1] >= 2).all() and (picture[:, 0] < 2).all()
    assert (picture[0] % 2 == 1).all() and (picture[-1] % 2 == 0).all()
    save(Volume((left * 2 + front).astype(np.uint8), affine), tmp_path / "slice.nii")
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "slice.nii")))
    if not swap and flips == (-1, -1):
        np.testing.assert_array_equal(image, picture)


def test_real_picture(data_dir):
    volume = load(data_dir / "brain_2d" / "ants" / "r16slice.jpg")
    assert volume.shape == (256, 256) and volume.data.dtype == np.uint8
    with pytest.raises(InputError, match="RGB"):
        load(data_dir / "histology" / "Rat-Kidney_HE.jpg")
    assert load(data_dir / "histology" / "Rat-Kidney_HE.jpg", grayscale=True).shape == (787, 1164)
