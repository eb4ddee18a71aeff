"""Make the sample pair, register it, and compare with the known truth."""

import numpy as np

import napari_voxelmorph as nvm


def main(ndim: int = 2, spacing: float = 2.0) -> float:
    pair = nvm.make_pair(ndim, seed=1, spacing=spacing)
    registrar = nvm.Registrar()
    registrar.set_pair(moving=pair.moving, fixed=pair.fixed)
    result = registrar.register()

    found = result.fixed_to_moving(pair.fixed_landmarks)
    before = np.linalg.norm(pair.fixed_landmarks - pair.moving_landmarks, axis=1).mean()
    after = np.linalg.norm(found - pair.moving_landmarks, axis=1).mean()
    print(f"landmark error: {before:.2f} mm before, {after:.2f} mm after")
    return float(after)


if __name__ == "__main__":
    main()
