"""MuJoCo with an off-screen OpenGL that works here.

MuJoCo reads MUJOCO_GL once, when it is imported, so the rooms of the simulator take `mujoco` from this module:

    from edgevla.sim.graphics import mujoco

A MUJOCO_GL that is already set is honoured. Otherwise EGL is taken when it has a device, else OSMesa; with neither
the physics still runs and the first picture raises `GraphicsError`.
"""

from __future__ import annotations

import ctypes
import os

from edgevla.errors import EdgeVLAError

_OSMESA = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")
_NONE = "disable"


class GraphicsError(EdgeVLAError):
    """No picture can be rendered on this machine, or not from this thread."""


def _egl_has_device() -> bool:
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        return False
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    if not address:
        return False
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(address)
    count = ctypes.c_int(0)
    return bool(query(0, None, ctypes.byref(count))) and count.value > 0


def _osmesa_loads() -> bool:
    for name in _OSMESA:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def select_backend() -> str:
    """Set MUJOCO_GL and LP_NUM_THREADS unless they are set, and return the backend: egl, osmesa, disable or yours.

    llvmpipe's own threads cost more than they bring at these picture sizes, so they are switched off.
    """
    os.environ.setdefault("LP_NUM_THREADS", "0")
    if not os.environ.get("MUJOCO_GL"):
        os.environ["MUJOCO_GL"] = "egl" if _egl_has_device() else "osmesa" if _osmesa_loads() else _NONE
    return os.environ["MUJOCO_GL"]


BACKEND = select_backend()

try:
    import mujoco
except ModuleNotFoundError as error:
    raise GraphicsError(f"graphics: MuJoCo cannot be imported ({error})", fix="pip install 'edgevla[sim]'") from error
except (ImportError, RuntimeError) as error:  # MUJOCO_GL is no backend, or PYOPENGL_PLATFORM contradicts it
    raise GraphicsError(
        f"graphics: MUJOCO_GL={BACKEND}: {error}", fix="unset MUJOCO_GL and PYOPENGL_PLATFORM, or let them agree"
    ) from error


def open_renderer(model: mujoco.MjModel, size: int) -> mujoco.Renderer:
    """Open a renderer of `size` x `size` pixels, without shadows, reflections and sky, for the calling thread.

    Raises:
        GraphicsError: there is no working OpenGL; names the package to install.
    """
    fix = "install it with: sudo apt-get install -y libosmesa6 (or libegl1 libgl1-mesa-dri)"
    if BACKEND == _NONE:
        raise GraphicsError("graphics: neither EGL nor OSMesa is installed, so no camera picture can be made", fix=fix)
    try:
        renderer = mujoco.Renderer(model, size, size)
    except Exception as error:  # every backend raises its own kind
        raise GraphicsError(f"graphics: MUJOCO_GL={BACKEND} does not start ({error})", fix=fix) from error
    for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_SKYBOX):
        renderer.scene.flags[flag] = False
    return renderer


__all__ = ["BACKEND", "GraphicsError", "mujoco", "open_renderer", "select_backend"]
