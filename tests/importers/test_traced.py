"""Rewritten functions beside what they stand for."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'edgevla[distill]'")

from edgevla.importers.traced import rope, swapped, time_embedding  # noqa: E402 - torch first


@pytest.mark.parametrize("dimension", [8, 720, 1024])
def test_the_time_embedding_in_float32_is_that_in_float64(dimension):
    times = np.concatenate([1.0 - np.arange(10) / 10, np.random.default_rng(0).uniform(0, 1, 200)]).astype(np.float32)
    period = 4e-3 * (4.0 / 4e-3) ** np.linspace(0.0, 1.0, dimension // 2)
    angle = 2.0 * math.pi * times.astype(np.float64)[:, None] / period
    expected = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    found = time_embedding(torch.from_numpy(times), dimension, 4e-3, 4.0).numpy()
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-6


def test_rope_turns_each_pair_by_its_place():
    x = torch.randn(1, 5, 2, 8, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([[0, 1, 2, 7, 40]])
    found = rope(x, places).numpy()
    first, second = x.numpy()[..., :4], x.numpy()[..., 4:]
    turned = (first + 1j * second) * np.exp(
        1j * np.array([0, 1, 2, 7, 40])[None, :, None, None] * 10_000.0 ** -(np.arange(4) / 4)
    )
    np.testing.assert_allclose(found, np.concatenate([turned.real, turned.imag], -1), atol=1e-5)


def test_what_was_swapped_is_put_back_after_an_error():
    import types

    module = types.ModuleType("upstream")
    module.f = before = lambda: 1
    with pytest.raises(ValueError, match="inside"), swapped(module, f=lambda: 2):
        assert module.f() == 2
        raise ValueError("inside")
    assert module.f is before


def test_a_function_that_upstream_no_longer_has_is_not_invented():
    import types

    with pytest.raises(AttributeError), swapped(types.ModuleType("upstream"), f=lambda: 2):
        pass
