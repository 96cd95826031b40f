"""The scripts that train stable-baselines3's agents: which steps, which seeds, and which policy is evaluated."""

import importlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from stable_baselines3 import PPO

STEPS = {"reference_sac": [100, 200, 250], "reference_trpo": [2048, 4096]}
"""What each script is asked for, and evaluates after."""


@pytest.fixture
def reference(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(root / "benchmarks")
    return importlib.import_module("reference")


@pytest.mark.slow
@pytest.mark.parametrize("script", STEPS)
def test_a_curve_is_a_file_with_its_facts(root: Path, tmp_path: Path, script: str) -> None:
    every, *_, total = STEPS[script]
    command = [sys.executable, f"benchmarks/{script}.py", "--env", "Pendulum-v1", "--folder", str(tmp_path)]
    command += ["--total-steps", str(total), "--eval-every", str(every), "--eval-episodes", "1"]
    done = subprocess.run([*command, "--seeds", "0"], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first = tmp_path / "Pendulum-v1-0.csv"
    kept = first.read_bytes()
    facts = json.loads(first.with_suffix(".json").read_text())
    assert {"total_steps": total, "eval_every": every, "eval_episodes": 1}.items() <= facts["settings"].items()

    done = subprocess.run([*command, "--seeds", "0", "1"], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert first.read_bytes() == kept, "what exists is not trained again"
    other = subprocess.run([*command, "--eval-episodes", "2"], cwd=root, capture_output=True, text=True, timeout=120)
    assert other.returncode != 0
    assert "Pendulum-v1-0.json is of a curve with {'eval_episodes': 1}; give the same settings" in other.stderr
    curves = [pd.read_csv(tmp_path / f"Pendulum-v1-{seed}.csv") for seed in (0, 1)]
    for seed, curve in enumerate(curves):
        assert list(curve) == ["seed", "step", "return", "length"]
        assert set(curve["seed"]) == {seed}
        assert list(curve["step"]) == STEPS[script]
        assert set(curve["length"]) == {200}
    assert list(curves[0]["return"]) != list(curves[1]["return"])


def test_the_policy_is_evaluated_after_the_update_of_its_steps(
    reference: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = PPO("MlpPolicy", "Pendulum-v1", n_steps=32, batch_size=32, n_epochs=1, seed=0, device="cpu")
    weights = model.policy.action_net.weight
    before, seen = weights.detach().numpy().copy(), []

    def evaluate(*_: object) -> tuple[float, float]:
        seen.append(weights.detach().numpy().copy())
        return 0.0, 0.0

    monkeypatch.setattr(reference, "evaluate", evaluate)
    curve = reference.RolloutCurve("Pendulum-v1", reference.Schedule(96, 32, 1))
    assert list(reference.learned(model, 7, curve)["step"]) == [32, 64, 96]
    policies = [before, *seen]
    assert all((a != b).any() for a, b in itertools.pairwise(policies))
    np.testing.assert_array_equal(seen[-1], weights.detach().numpy())
