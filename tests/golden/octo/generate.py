"""Run Octo's own diffusion head with a fixed formula for a network: see PROVENANCE.md.

python -m tests.golden.octo.generate --checkout octo
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

HORIZON, DIMENSIONS, STEPS, WINDOW = 4, 7, 20, 2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    sys.path.insert(0, str(parser.parse_args().checkout.resolve()))
    jax.random.KeyArray = jax.Array  # a name for annotations that newer JAX lacks
    from octo.model.components.action_heads import DiffusionActionHead
    from octo.model.components.base import TokenGroup
    from octo.model.components.diffusion import cosine_beta_schedule

    slope = np.linspace(0.2, 0.4, HORIZON * DIMENSIONS, dtype=np.float32)

    class Formula(DiffusionActionHead):
        def __call__(self, transformer_outputs, time=None, noisy_actions=None, train=True):
            return slope * noisy_actions + jnp.float32(0.05) * time - jnp.float32(0.4)

    head = Formula(readout_key="action", action_horizon=HORIZON, action_dim=DIMENSIONS, diffusion_steps=STEPS)
    tokens = {"action": TokenGroup(jnp.zeros((1, WINDOW, 1, 8)), jnp.ones((1, WINDOW, 1)))}
    saved = {"slope": slope.reshape(HORIZON, DIMENSIONS), "betas": np.asarray(cosine_beta_schedule(STEPS))}
    for name, dimensions, seed in (("full", DIMENSIONS, 0), ("masked", 5, 1)):
        rng = jax.random.PRNGKey(seed)
        bound = head.bind({})
        actions = bound.predict_action(tokens, rng, train=False, embodiment_action_dim=dimensions)
        saved[f"{name}_actions"] = np.asarray(actions[0])
        saved[f"{name}_noise"] = noise(rng)
    np.savez_compressed(Path(__file__).with_name("octo.npz"), **saved)


def noise(rng: jax.Array) -> np.ndarray:
    """(1 + steps, horizon, dimensions): the sample it began with and what each step added, by the same keys."""
    drawn = []
    for _ in range(1 + STEPS):
        rng, key = jax.random.split(rng)
        drawn.append(np.asarray(jax.random.normal(key, (1, WINDOW, HORIZON * DIMENSIONS)))[0, -1])
    return np.stack(drawn).reshape(1 + STEPS, HORIZON, DIMENSIONS)


if __name__ == "__main__":
    main()
