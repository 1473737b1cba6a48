"""Open a dataset with LeRobot's own class and hand every frame back as .npz on stdout; 77 when there is no LeRobot."""

import io
import sys

import numpy as np

try:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
except ImportError:
    sys.exit(77)

dataset = LeRobotDataset("local/exported", root=sys.argv[1])
frames = [dataset[index] for index in range(len(dataset))]
buffer = io.BytesIO()
np.savez(
    buffer,
    episodes=dataset.num_episodes,
    front=np.stack([np.rint(frame["observation.images.front"].permute(1, 2, 0) * 255) for frame in frames]),
    state=np.stack([frame["observation.state"].numpy() for frame in frames]),
    intervention=np.stack([frame["intervention"].numpy() for frame in frames]),
    task=[frame["task"] for frame in frames],
)
sys.stdout.buffer.write(buffer.getvalue())
