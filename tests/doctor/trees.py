"""Machines that are folders, to be broken one file at a time: a Jetson Orin in good order, a Thor, a workstation."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgevla.doctor.machine import Answer, Machine, Node

NVPMODEL = """\
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_1 /sys/devices/system/cpu/cpu1/online
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_1 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< PM_CONFIG DEFAULT=1 >
"""
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max locked memory         {memlock:<20} {memlock:<20} bytes
Max realtime priority     {rtprio:<20} {rtprio:<20}
"""
ORIN = {
    "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
    "var/lib/dpkg/status": (
        "Package: libc6\nStatus: install ok installed\nVersion: 2.35\nDescription: x\n more: y\n\n"
        "Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 6.2+b77\n"
    ),
    "etc/nvpmodel.conf": NVPMODEL,
    "var/lib/nvpmodel/status": "pmode:0002",
    "sys/class/devfreq/17000000.gpu/min_freq": "1020000000\n",
    "sys/class/devfreq/17000000.gpu/max_freq": "1020000000\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq": "1728000\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq": "1728000\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48500\n",
    "sys/class/thermal/thermal_zone0/trip_point_0_type": "critical\n",
    "sys/class/thermal/thermal_zone0/trip_point_0_temp": "104500\n",
    "sys/class/thermal/thermal_zone0/trip_point_1_type": "passive\n",
    "sys/class/thermal/thermal_zone0/trip_point_1_temp": "99000\n",
    "sys/class/thermal/cooling_device0/type": "cpufreq-cpu0\n",
    "sys/class/thermal/cooling_device0/cur_state": "0\n",
    "sys/class/thermal/cooling_device1/type": "pwm-fan\n",
    "sys/class/thermal/cooling_device1/cur_state": "2\n",
    "sys/class/hwmon/hwmon3/name": "soctherm_oc\n",
    "sys/class/hwmon/hwmon3/oc1_event_cnt": "0\n",
    "sys/class/hwmon/hwmon3/oc2_event_cnt": "0\n",
    "sys/class/hwmon/hwmon3/oc3_event_cnt": "17\n",
    "usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.68"}}',
    "proc/driver/nvidia/version": (
        "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build  (buildbrain)\n"
    ),
    "proc/version": "Linux version 5.15.148-tegra (buildbrain@host) (gcc) #1 SMP PREEMPT Tue Jan 7 2025\n",
    "proc/meminfo": "MemTotal:        7802000 kB\nMemFree:          500000 kB\nMemAvailable:    5200000 kB\n",
    "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition 3901000 0 5\n",
    "proc/self/status": "Name:\tpython\nUid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n",
    "proc/self/limits": LIMITS.format(memlock="unlimited", rtprio=60),
    "proc/sys/kernel/sched_rt_runtime_us": "950000\n",
    "proc/sys/kernel/sched_rt_period_us": "1000000\n",
    "etc/passwd": "root:x:0:0::/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/bash\n",
    "etc/group": "root:x:0:\ndialout:x:20:ann\nvideo:x:44:ann\n",
}
THOR = {
    **ORIN,
    "etc/nv_tegra_release": "# R38 (release), REVISION: 4.0, GCID: 43443517, BOARD: generic, EABI: aarch64\n",
    "proc/device-tree/model": "NVIDIA Jetson AGX Thor Developer Kit\0",
    "var/lib/dpkg/status": "Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 7.1\n",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=120W >\n< PM_CONFIG DEFAULT=1 >\n",
    "var/lib/nvpmodel/status": "pmode:0000",
    "sys/class/devfreq/17000000.gpu/min_freq": None,
    "sys/class/devfreq/17000000.gpu/max_freq": None,
    "sys/class/devfreq/gpu-gpc-0/min_freq": "1575000000\n",
    "sys/class/devfreq/gpu-gpc-0/max_freq": "1575000000\n",
}
WORKSTATION = {
    path: ORIN[path]
    for path in ("proc/version", "proc/meminfo", "proc/self/status", "proc/self/limits", "etc/passwd", "etc/group")
}
PORT = Node(is_character=True, owner="root", group="dialout", mode=0o660, allowed=True)
CAMERA = PORT._replace(group="video")


@dataclass(frozen=True)
class Tree(Machine):
    """A machine in a folder. Devices cannot be made there without being root, so they are told."""

    nodes: dict[str, Node] = field(default_factory=dict)

    def node(self, name):
        return self.nodes.get(self.device(name))


def plant(root, files, nodes=None, ask=None):
    """Write the files below `root`, leaving out those that are None; `nodes` are devices there."""
    for name, content in files.items():
        if content is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    for name in nodes or {}:
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Tree(root, ask or no_answer, nodes or {})


def no_answer(words):
    return Answer(-1, "", "nothing can be run on a folder")


def link(root, name, target):
    """A symbolic link as udev or the kernel makes it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def process(root, pid, name, *, words=(), opens=()):
    """A process that runs on a tree, with files it has open."""
    folder = root / f"proc/{pid}"
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cmdline").write_text("\0".join(words or (name,)))
    for number, target in enumerate(opens):
        (folder / f"fd/{number}").symlink_to(target)
