"""Run openpi's own sampling loop and transforms with a fixed formula for a network: see PROVENANCE.md.

python -m tests.golden.openpi.generate --checkout openpi
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np

from tests.golden.stand_ins import absent

HORIZON, WIDTH, DIMENSIONS = 50, 32, 7


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    root = parser.parse_args().checkout.resolve()
    sys.path[:0] = [str(root / "src"), str(root / "packages/openpi-client/src")]
    absent("openpi.models_pytorch", "openpi.models_pytorch.pi0_pytorch", "openpi.models.tokenizer")
    from openpi.models import pi0
    from openpi.shared.normalize import NormStats
    from openpi.transforms import AbsoluteActions, Normalize, Unnormalize, make_bool_mask

    rng = np.random.default_rng(7)
    slope = rng.uniform(0.2, 1.2, (HORIZON, WIDTH)).astype(np.float32)

    def llm(tokens, **_):
        if tokens[0] is not None:
            return None, "cache"
        return (None, tokens[1]), None

    def suffix(observation, x, time):
        return x * slope + time[:, None, None] * jnp.float32(0.3), jnp.ones((1, HORIZON), bool), jnp.ones(HORIZON), None

    def prefix(observation):
        return jnp.zeros((1, 1, WIDTH)), jnp.ones((1, 1), bool), jnp.zeros(1, bool)

    pi0._model.preprocess_observation = lambda rng, observation, train: observation
    model = SimpleNamespace(
        action_horizon=HORIZON,
        action_dim=WIDTH,
        embed_prefix=prefix,
        embed_suffix=suffix,
        PaliGemma=SimpleNamespace(llm=llm),
        action_out_proj=lambda out: out,
    )
    observation = SimpleNamespace(state=np.zeros((1, WIDTH), np.float32))
    saved = {"slope": slope}
    noise = rng.standard_normal((1, HORIZON, WIDTH)).astype(np.float32)
    saved["noise"] = noise
    loop = pi0.Pi0.sample_actions
    for steps in (10, 3):
        sampled = loop(model, None, observation, num_steps=steps, noise=jnp.asarray(noise))
        saved[f"sampled_{steps}"] = np.asarray(sampled)
        # The times are what a network that answers with them has been shown.
        shown = SimpleNamespace(**vars(model))
        shown.embed_suffix = lambda _, x, time: (
            jnp.broadcast_to(time[:, None, None], x.shape),
            jnp.ones((1, HORIZON), bool),
            jnp.ones(HORIZON),
            None,
        )
        saved[f"sum_of_times_{steps}"] = np.asarray(
            loop(shown, None, observation, num_steps=steps, noise=jnp.zeros_like(noise))
        )[0, 0, 0]

    sampled = saved["sampled_10"][0]
    low = rng.uniform(-2, 0, DIMENSIONS)
    statistics = NormStats(
        mean=rng.uniform(-1, 1, DIMENSIONS),
        std=rng.uniform(0.01, 2, DIMENSIONS),
        q01=low,
        q99=low + rng.uniform(0.02, 4, DIMENSIONS),
    )
    state = rng.uniform(-2, 2, DIMENSIONS)
    for name, quantiles in (("mean_std", False), ("quantiles", True)):
        units = Unnormalize({"actions": statistics}, use_quantiles=quantiles)({"actions": sampled})["actions"]
        saved[f"{name}_units"] = units
        absolute = AbsoluteActions(make_bool_mask(6, -1))({"state": state, "actions": units[:, :DIMENSIONS].copy()})
        saved[f"{name}_absolute"] = absolute["actions"]
        saved[f"{name}_state"] = Normalize({"state": statistics}, use_quantiles=quantiles)({"state": state})["state"]
    for key in ("mean", "std", "q01", "q99"):
        saved[key] = getattr(statistics, key)
    np.savez_compressed(Path(__file__).with_name("openpi.npz"), state=state, **saved)


if __name__ == "__main__":
    main()
