"""`python -m edgevla.sim.probe`: can this machine render and read pictures without a screen? Exit code 0 says yes."""

from __future__ import annotations

import sys

from edgevla.errors import EdgeVLAError


def main() -> int:
    """Draw one small picture; on failure say which package is missing."""
    try:
        import cv2  # noqa: F401 - its system libraries are part of the question

        from edgevla.sim.world import World

        world = World(image_size=16)
        world.render("front")
        world.close()
    except (EdgeVLAError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
