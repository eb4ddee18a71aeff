"""Register two images and save what came out.

python examples/register_two_images.py fixed.nii.gz moving.nii.gz result
"""

import sys
from pathlib import Path

import napari_voxelmorph as nvm


def main(fixed: str, moving: str, out: str) -> None:
    registrar = nvm.Registrar()
    registrar.set_pair(moving=nvm.load(moving), fixed=nvm.load(fixed))
    result = registrar.register(on_step=lambda step: print(f"{step.fraction:4.0%} {step.phase}"))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    nvm.save(result.moved, folder / "moved.nii.gz")
    nvm.save_displacement(result, folder / "displacement.nii.gz")
    nvm.save_session(result, folder / "session")
    print(dict(result.metrics))


if __name__ == "__main__":
    main(*sys.argv[1:])
