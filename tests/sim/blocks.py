"""Blocks where a test wants them."""


def lay(world, colour, at, quat=(1.0, 0.0, 0.0, 0.0)):
    """Put one block somewhere, at rest."""
    joint = world._data.joint(world._model.body(colour).jntadr[0])
    joint.qpos[:] = [*at, *quat]
    joint.qvel[:] = 0.0
    world.place_arm(world.position_rad)
