"""Defects of the one public implementation of the paper (soumye/recalltraces), each as a test of this one.

Its third and fifth defects concern the normalisation of continuous observations and actions, which a grid does not
have; what they come to here is that states and actions travel as the integers the environment gave.
"""

import ast
import importlib
import pkgutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from small_runs import AGENT, small_spec

import recall
from recall.agents.actor_critic import ActorCritic, entropy
from recall.backtracking import MODELS, Batch, ExactStates, LearnedActions, LearnedStates, make_model
from recall.buffers import Rollout
from recall.envs.four_rooms import FourRooms, FourRoomsConfig
from recall.on_policy import OnPolicyTraining, collect
from recall.seeding import Streams
from recall.traces import generate_traces

GRID = FourRooms(FourRoomsConfig(side=7))


def test_1_the_terminal_state_is_stored_although_the_environment_resets_itself() -> None:
    """There, the successor of an episode's last state was the first state of the next episode."""
    training = OnPolicyTraining(small_spec("learned"))
    assert training.recaller is not None
    for _ in range(10):
        training.recaller.observe(collect(training.env, training.agent, training.streams, 16))
    buffer = training.recaller.buffer
    ends = buffer.is_last & np.isfinite(buffer.trajectory_return) & (buffer.trajectory_return > 0)
    assert ends.sum() > 3
    assert (buffer.data["next_obs"][ends] == GRID.goal).all()
    assert not (buffer.data["next_obs"] == GRID.start)[ends].any()
    obs, action, next_obs = (buffer.data[name][:, : buffer.time] for name in ("obs", "action", "next_obs"))
    assert np.array_equal(GRID.next_state[obs, action], next_obs)


def test_1_the_model_learns_what_leads_to_the_goal_and_nothing_leads_to_the_start_by_reset() -> None:
    training = OnPolicyTraining(small_spec("learned", updates=40))
    for _ in range(40):
        training.step()
    assert training.recaller is not None
    into_goal = training.recaller.model.actions.probs[:, GRID.goal]
    assert (into_goal[:, GRID.predecessor[GRID.goal] >= 0].sum(1) > 0.9).all()


@pytest.mark.parametrize("model", MODELS)
def test_2_a_roll_out_is_a_chain_of_single_steps(model: str) -> None:
    """There, states were rescaled with the wrong mean in between; here a step's state is the next one's input."""
    backtracking = make_model(model, GRID.predecessor, 0.01, Streams([0]))
    backtracking.follow(np.ones((1, GRID.n_states)), np.full((1, GRID.n_states, 4), 0.25))
    single = Mock(side_effect=backtracking.step_back)
    backtracking.step_back = single  # type: ignore[method-assign]
    numbers = np.random.default_rng(0).random((8, 1, 5, 2))
    traces = generate_traces(backtracking, np.full((1, 5), GRID.goal), numbers)
    seen = [call.args[0] for call in single.call_args_list]
    assert (seen[0] == GRID.goal).all()
    for position in range(7):
        assert np.array_equal(seen[position + 1], traces.obs[..., position])


def test_3_the_actions_imitated_are_those_the_model_sampled() -> None:
    """There, actions were imitated in normalised units."""
    training = OnPolicyTraining(small_spec("true", known_goal=True, weight=1.0))
    asked = Mock(side_effect=training.agent.log_prob)
    training.agent.log_prob = asked  # type: ignore[method-assign]
    training.step()
    assert training.recaller is not None
    assert training.recaller.traces is not None
    obs, action, valid = training.recaller.traces.flat()
    imitated = asked.call_args_list[0].args
    assert np.array_equal(imitated[0], obs)
    assert np.array_equal(imitated[1], action)
    assert valid.all()
    assert (GRID.next_state[obs, action] != obs).all()
    assert set(np.unique(action)) <= {0, 1, 2, 3}


def idle_rollout() -> Rollout:
    """Steps that pay nothing, on which the critic starts out right."""
    shape = (16, 2, 4)
    states = np.random.default_rng(0).integers(0, GRID.n_states, shape)
    return Rollout(states, states % 4, np.zeros(shape, np.float32), states, np.ones(shape, bool), np.zeros(shape, bool))


def leaning_agent(bonus: float) -> ActorCritic:
    """An agent that prefers one action and values every state at 0."""
    agent = ActorCritic(replace(AGENT, entropy=bonus), GRID.n_states, 4, Streams([0, 1]))
    with torch.no_grad():
        agent.policy.biases[-1][..., 2] = 2.0
        agent.critic.weights[-1].zero_()
    agent._tabulate()
    return agent


def test_4_a_bonus_on_the_entropy_raises_it() -> None:
    """There, a doubled sign made the bonus a penalty."""
    rollout = idle_rollout()
    without, with_bonus = leaning_agent(0.0), leaning_agent(0.1)
    at_start = entropy(with_bonus.log_probs).detach().numpy()
    for _ in range(20):
        for agent in (without, with_bonus):
            agent.update(rollout)
    assert entropy(without.log_probs).detach().numpy() == pytest.approx(at_start, abs=1e-4)
    assert (entropy(with_bonus.log_probs).detach().numpy() > at_start + 0.05).all()


def test_5_a_model_means_the_same_whatever_batch_it_saw_last() -> None:
    """There, statistics of the last training batch decided how every state was read."""
    training = OnPolicyTraining(small_spec("learned-both"))
    for _ in range(12):
        training.step()
    assert training.recaller is not None
    model, other = training.recaller.model, make_model("learned-both", GRID.predecessor, 0.01, Streams([5, 6]))
    obs, action = np.full((2, 9), GRID.start), np.full((2, 9), 3)
    other.learn(Batch(obs, action, GRID.next_state[obs, action], np.ones(2, bool)))
    other.load_state(model.state())
    assert np.array_equal(other.actions.probs, model.actions.probs)
    assert np.array_equal(other.states.prob_of(GRID.predecessor), model.states.prob_of(GRID.predecessor))


def test_6_every_module_can_be_imported_and_none_stops_in_a_debugger() -> None:
    """There, a branch named a module that does not exist, and an exception handler opened a debugger."""
    modules = [module.name for module in pkgutil.walk_packages(recall.__path__, "recall.")]
    assert len(modules) > 25
    for name in modules:
        source = Path(str(importlib.import_module(name).__file__)).read_text()
        called = {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
        assert not called & {"breakpoint", "pdb.set_trace", "IPython.embed", "embed"}


@pytest.mark.parametrize("model", MODELS)
def test_6_every_branch_of_the_method_runs(model: str) -> None:
    training = OnPolicyTraining(small_spec(model, updates=6, n_targets=2, top_fraction=0.5, anneal=0.0))
    for _ in range(6):
        training.step()
    assert np.isfinite(training.agent.probs).all()
    assert training.recaller is not None
    learned = isinstance(training.recaller.model.actions, LearnedActions)
    assert learned == model.startswith("learned")
    states = LearnedStates if model == "learned-both" else ExactStates
    assert isinstance(training.recaller.model.states, states)


@pytest.mark.parametrize("n_traces", [1, 2, 7])
def test_as_many_traces_are_made_and_imitated_as_asked(n_traces: int) -> None:
    """There, every imitation step made a single trace."""
    training = OnPolicyTraining(small_spec("true-uniform", known_goal=True, n_traces=n_traces))
    training.step()
    assert training.recaller is not None
    assert training.recaller.traces is not None
    obs, _, valid = training.recaller.traces.flat()
    assert obs.shape == (2, n_traces * 14)
    assert valid.sum() == 2 * n_traces * 14
    different = {trace.tobytes() for trace in training.recaller.traces.obs.reshape(-1, 14)}
    assert len(different) == 2 * n_traces
