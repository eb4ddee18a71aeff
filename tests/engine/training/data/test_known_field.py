"""Known transforms from an atlas become what the network is to find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.session import save_session
from napari_voxelmorph.engine.files.transforms.registry import save_transform
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.augment import augmented
from napari_voxelmorph.engine.training.data.changes import plan
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.opening import open_cohort
from napari_voxelmorph.engine.training.data.prepare import prepare
from napari_voxelmorph.engine.training.data.source import cohort_source
from napari_voxelmorph.engine.training.samples import Sample

SUPERVISED = TrainingConfig(similarity="none", smoothness=0.0, field_weight=1.0, augmentation=0.0)


def picture(places):
    """A blob with structure at places (D, *S), voxels, about 24 wide."""
    far = sum(((p - 15) / (6 + a)) ** 2 for a, p in enumerate(places))
    return (np.exp(-far) * (1 + 0.3 * np.sin(places.sum(0) / 3))).astype(np.float32)


@pytest.fixture
def table(tmp_path):
    """Three scans, an atlas, and the transforms between them; the scans lie elsewhere."""

    def write(ndim, kind):
        shape = (32, 30, 34)[:ndim]
        grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(np.float32)
        here = np.diag([1.5] * ndim + [1.0])
        atlas = Volume(picture(grid), here, name="atlas", oriented=ndim == 3)
        files.save(atlas, tmp_path / "atlas.nii.gz")
        lines = ["image,transform"]
        for n in range(3):
            # atlas(x) = scan(x + u(x)), and the scan's world is shifted.
            there = here.copy()
            there[:-1, -1] = 5 * n - 3
            # A shear, whose inverse is known.
            u = np.zeros_like(grid)
            u[0] = 3 * np.sin(grid[1] / 6 + n)
            scan = Volume(picture(grid - u), there, name=f"s{n}", oriented=ndim == 3)
            files.save(scan, tmp_path / f"s{n}.nii.gz")
            field = Field(u, np.ones(ndim), np.zeros(ndim), "displacement")
            found = Registration(atlas, scan, there @ np.linalg.inv(here), field)
            name = f"t{n}.nii.gz" if kind == "file" else f"t{n}"
            if kind == "file":
                save_transform(found, tmp_path / name, "itk")
            else:
                (tmp_path / name).mkdir()
                save_session(found, tmp_path / name / "session")
            lines.append(f"s{n}.nii.gz,{name}")
        (tmp_path / "table.csv").write_text("\n".join(lines))
        return tmp_path / "table.csv"

    return write


def source_of(table, finished, config=SUPERVISED, **data):
    chosen = DataConfig(**{"atlas": str(table.with_name("atlas.nii.gz")), "multiple": 4} | data)
    prepared = finished(prepare(open_cohort(table), table.with_name("kept"), chosen))
    return cohort_source(prepared, config, chosen)


@pytest.mark.parametrize(("ndim", "kind", "affine"), [(2, "file", True), (3, "file", False),
                                                      (2, "session", False)])  # fmt: skip
def test_the_scan_lies_on_the_atlas_by_its_known_field(table, finished, ndim, kind, affine):
    source = source_of(table(ndim, kind), finished, affine=affine)
    for n in range(3):
        sample = source.draw(n)
        assert sample.names[1] == "atlas" and sample.displacement.shape[0] == ndim
        assert affine or float(sample.displacement.abs().max()) < 8
        moved = warp(sample.moving[None], sample.displacement[None])[0]
        inside = (slice(None), *(slice(5, -5),) * ndim)
        before = (sample.moving - sample.fixed)[inside].abs().mean()
        after = (moved - sample.fixed)[inside].abs().mean()
        assert float(after) < 0.2 * float(before)


@pytest.mark.parametrize("shape", [(40, 36), (24, 28, 20)])
def test_it_is_changed_with_the_moving_image(shape):
    """An image of its own coordinates tells where everything went."""
    grid = torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij")).float()
    u = torch.stack([2 * torch.sin(grid[a - 1] / 6) for a in range(len(shape))])
    for axis, size in enumerate(shape):
        chosen = plan(np.random.default_rng(axis), shape, 1.0, fixed_stays=True)
        places = chosen.moving.grid.copy()
        places[3] = 1  # no change of brightness
        still = replace(chosen.moving, grid=places, gamma=1.0, noise=0.0)
        sample = Sample(grid[axis : axis + 1] + 1, grid[:1], displacement=u)
        found = augmented(sample, replace(chosen, moving=still))
        there = warp(found.moving[None], found.displacement[None])[0, 0] - 1
        wanted = (grid + u)[axis]
        stale = warp(found.moving[None], u[None])[0, 0] - 1
        inside = (slice(8, -8),) * len(shape)
        assert float((there - wanted)[inside].abs().max()) < 0.05 * size / 20
        assert float((stale - wanted)[inside].abs().max()) > 0.2


def test_kept_and_read_again(table, finished):
    path = table(2, "file")
    first, again = (source_of(path, finished, affine=False) for _ in range(2))
    assert torch.equal(first.draw(0).displacement, again.draw(0).displacement)


def test_without_an_atlas_known_fields_are_refused(table, finished):
    path = table(2, "file")
    with pytest.raises(InputError, match=r"known fields.*“transform”.*“Known-field weight” to 0"):
        source_of(path, finished, atlas="", affine=False)
    plain = replace(SUPERVISED, similarity="lncc", field_weight=0.0)
    assert source_of(path, finished, plain, atlas="", affine=False).draw(0).displacement is None


def test_a_bad_transform_leaves_its_scan_out(table, finished):
    path = table(2, "file")
    path.with_name("t1.nii.gz").write_bytes(b"nothing")
    source = source_of(path, finished, affine=False)
    assert {source.draw(n).names[0] for n in range(4)} == {"s0", "s2"}
    assert any(note.startswith("s1 is left out: ") for note in source.prepared.notes)


def test_landmarks_that_no_pair_shares_are_refused(table, finished):
    config = replace(SUPERVISED, field_weight=0.0, landmark_weight=1.0)
    with pytest.raises(InputError, match=r"landmarks of one name.*“Landmark weight” to 0"):
        source_of(table(2, "file"), finished, config, affine=False)
