"""Follow a registration step by step, and stop it early keeping the best so far."""

import napari_voxelmorph as nvm


def main(enough: float = 0.5) -> nvm.Registration:
    pair = nvm.make_pair(2, seed=2, spacing=2.0)
    registrar = nvm.Registrar()
    registrar.set_pair(moving=pair.moving, fixed=pair.fixed)
    run = registrar.steps(nvm.RegistrationConfig(smoothness=2.0))
    for step in run:
        if step.fraction > enough:
            break
    so_far = step.partial()
    run.close()
    print(f"stopped in phase “{step.phase}” with similarity {step.similarity}")
    return so_far


if __name__ == "__main__":
    main()
