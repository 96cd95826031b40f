"""The Goal GAN learns known goals, labels are right, archives keep their distance, checkpoints continue exactly."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.envs.point_mass import PointMass, PointMassConfig
from recall.errors import ConfigError, RecallError
from recall.goal_archive import GoalArchive
from recall.goal_curriculum import POINT_MASS, U_MAZE, CurriculumConfig, GoalCurriculum
from recall.goal_gan import GoalGAN, GoalGANConfig
from recall.goal_labels import intermediate, success_rates
from recall.identity import state_digest
from recall.seeding import GOAL_STREAMS, STREAMS, Streams

CENTRE = np.array([2.0, 2.0])
SMALL = GoalGANConfig(generator_hidden=(32, 32), discriminator_hidden=(32, 32), updates=20, pretraining_updates=20)


def gan(config: GoalGANConfig = SMALL, seeds: tuple[int, ...] = (0,)) -> GoalGAN:
    streams = Streams(seeds, GOAL_STREAMS)
    return GoalGAN(config, CENTRE, 5.0, streams["gan_init"], streams["gan"])


def box_goals(generator: np.random.Generator, n: int) -> np.ndarray:
    return CENTRE + generator.uniform(-5, 5, (n, 2))


# The networks


def test_the_generator_learns_a_known_set_of_good_goals() -> None:
    """Goals near (5, -1) are good for the first run, near (0, 5) for the second, all others bad."""
    draw, good = np.random.default_rng(0), np.array([[5.0, -1.0], [0.0, 5.0]])
    network = gan(seeds=(0, 1))
    before = np.linalg.norm(network.sample(500) - good[:, None], axis=2)
    for _ in range(4):
        near = good[:, None] + draw.uniform(-1, 1, (2, 100, 2))
        far = np.stack([box_goals(draw, 200) for _ in range(2)])
        goals = np.concatenate([near, far], 1)[:, draw.permutation(300)]
        network.train(list(goals), [np.abs(g - c).max(1) <= 1 for g, c in zip(goals, good, strict=True)], 250)
    away = np.linalg.norm(network.sample(500) - good[:, None], axis=2)
    assert np.all(np.median(away, 1) < 1.5)
    assert np.all(np.median(away, 1) < 0.5 * np.median(before, 1))


def test_the_discriminator_tells_good_goals_from_bad_ones() -> None:
    network, draw = gan(), np.random.default_rng(0)
    goals = box_goals(draw, 300)
    network.train([goals], [goals[:, 0] > 2], 300)
    opinion = network.judge(torch.from_numpy(((goals - CENTRE) / 10).astype(np.float32))[None])[0].numpy()
    assert opinion[goals[:, 0] > 3].mean() > opinion[goals[:, 0] < 1].mean() + 0.3


def test_one_update_equals_torchs_own_rmsprop() -> None:
    """Both losses, by autograd of plain layers, with torch's optimiser brought to TensorFlow's form."""
    network, draw = gan(replace(SMALL, epsilon=1e-30), seeds=(3,)), np.random.default_rng(0)
    goals, labels = box_goals(draw, 64), draw.random(64) < 0.5
    noise = copy.deepcopy(network.noise[0]).standard_normal((64, 4), np.float32)
    layers = {
        name: [p[0].clone().requires_grad_() for p in getattr(network, name)] for name in ("generator", "discriminator")
    }

    def forward(name: str, x: torch.Tensor) -> torch.Tensor:
        w = layers[name]
        slope = 0.0 if name == "generator" else 0.1
        for weight, bias in zip(w[:-2:2], w[1:-2:2], strict=True):
            x = torch.nn.functional.leaky_relu(x @ weight + bias, slope)
        x = x @ w[-2] + w[-1]
        return torch.tanh(x) if name == "generator" else x[:, 0]

    def descend(name: str, loss: torch.Tensor) -> None:
        optimiser = torch.optim.RMSprop(layers[name], lr=1e-3, alpha=0.9, eps=0.0)
        for each in layers[name]:
            optimiser.state[each] = {"step": torch.tensor(0.0), "square_avg": torch.ones_like(each)}
        for each, grad in zip(layers[name], torch.autograd.grad(loss, layers[name]), strict=True):
            each.grad = grad
        optimiser.step()

    known = torch.from_numpy(((goals - CENTRE) / 10).astype(np.float32))
    target = torch.from_numpy(np.where(labels, 1, -1).astype(np.float32))
    made = forward("generator", torch.from_numpy(noise)).detach()
    told = torch.cat([forward("discriminator", known) - target, forward("discriminator", made) + 1])
    descend("discriminator", told.square().mean())
    passed = (forward("discriminator", forward("generator", torch.from_numpy(noise))) - 1).square().mean()
    descend("generator", passed)
    losses = network.train([goals], [labels], 1)
    assert losses["discriminator_loss"][0] == pytest.approx(told.square().mean().item(), rel=1e-5)
    assert losses["generator_loss"][0] == pytest.approx(passed.item(), rel=1e-5)
    for name, expected in layers.items():
        for found, each in zip(getattr(network, name), expected, strict=True):
            torch.testing.assert_close(found[0], each.detach(), rtol=1e-4, atol=1e-6)


def test_a_run_does_not_depend_on_its_company() -> None:
    draw = np.random.default_rng(0)
    goals, more = box_goals(draw, 100), box_goals(draw, 70)
    alone, together = gan(seeds=(7,)), gan(seeds=(3, 7))
    labels = goals[:, 0] > 0
    alone.train([goals], [labels], 5)
    together.train([more, goals], [more[:, 0] > 0, labels], 5)
    np.testing.assert_allclose(alone.sample(20)[0], together.sample(20)[1], rtol=1e-4, atol=1e-4)


def test_outputs_reach_twice_the_range_as_in_the_source() -> None:
    network = gan()
    network.generator[-1].fill_(100.0)
    np.testing.assert_allclose(network.sample(3), np.full((1, 3, 2), 12.0))


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(RecallError, match="no labelled goals"):
        gan().train([np.empty((0, 2))], [np.empty(0, bool)], 1)


# Labels


@pytest.mark.parametrize(("low", "high", "attempts"), [(0.1, 0.9, 3), (0.0, 1.0, 2)])
def test_labels_are_good_as_often_as_exact_success_probabilities_say(low: float, high: float, attempts: int) -> None:
    """A toy task: whether a goal at x is reached is a coin with probability x."""
    x, draw = np.array([0.0, 0.05, 0.3, 0.5, 0.97, 1.0]), np.random.default_rng(0)
    copies = 4000
    goal = np.tile(np.arange(len(x) * copies), attempts)
    probability = np.repeat(x, copies)
    rates, episodes = success_rates(goal, draw.random(len(goal)) < probability[goal], len(probability))
    assert np.all(episodes == attempts)
    found = intermediate(rates, low, high).reshape(len(x), copies).mean(1)
    expected = 1 - x**attempts - (1 - x) ** attempts
    np.testing.assert_allclose(found, expected, atol=5 * (0.25 / copies) ** 0.5)
    assert found[[0, -1]].tolist() == [0, 0]


def test_with_many_attempts_labels_are_those_of_the_exact_probabilities() -> None:
    x, draw = np.array([0.0, 0.05, 0.15, 0.5, 0.85, 0.95, 1.0]), np.random.default_rng(0)
    goal = np.repeat(np.arange(len(x)), 5000)
    rates, _ = success_rates(goal, draw.random(len(goal)) < x[goal], len(x))
    assert intermediate(rates, 0.1, 0.9).tolist() == [False, False, True, True, True, False, False]


def test_rates_count_each_goals_own_episodes() -> None:
    rates, episodes = success_rates(np.array([2, 0, 2, 2]), np.array([True, False, False, True]), 4)
    np.testing.assert_allclose(rates, [0, 0, 2 / 3, 0])
    assert episodes.tolist() == [1, 0, 3, 0]


# The archive


@settings(deadline=None, max_examples=50)
@given(
    batches=st.lists(st.lists(st.tuples(*[st.floats(-1, 1)] * 2), max_size=20), max_size=4),
    distance=st.floats(0.05, 1.0),
)
def test_archive_equals_comparing_one_by_one(batches: list[list[tuple[float, float]]], distance: float) -> None:
    archive, held = GoalArchive(2, distance), []
    for batch in batches:
        before = len(held)
        for goal in batch:
            if all((goal[0] - a) ** 2 + (goal[1] - b) ** 2 > distance**2 for a, b in held):
                held.append(goal)
        assert archive.add(np.array(batch).reshape(-1, 2)) == len(held) - before
    assert archive.goals.tolist() == [list(goal) for goal in held]


def test_archive_keeps_its_distance_among_many() -> None:
    archive, draw = GoalArchive(2, 0.3), np.random.default_rng(0)
    for _ in range(3):
        archive.add(draw.uniform(-5, 5, (10_000, 2)))
    away = np.linalg.norm(archive.goals[:, None] - archive.goals, axis=2)
    assert away[~np.eye(len(away), dtype=bool)].min() > 0.3
    assert len(archive) > 500


def test_archive_samples_without_repetition_and_all_where_there_are_few() -> None:
    archive, draw = GoalArchive(2, 0.5), np.random.default_rng(0)
    assert archive.sample(draw, 5).shape == (0, 2)
    archive.add(np.stack([np.arange(9.0), np.zeros(9)], 1))
    assert len(np.unique(archive.sample(draw, 6)[:, 0])) == 6
    assert sorted(archive.sample(draw, 100)[:, 0]) == list(range(9))


# The curriculum


def curriculum(config: CurriculumConfig = U_MAZE, seeds: tuple[int, ...] = (0, 1)) -> GoalCurriculum:
    config = replace(config, gan=SMALL)
    return GoalCurriculum(config, PointMass(PointMassConfig(3)), Streams(seeds, GOAL_STREAMS))


def outer_step(goals: GoalCurriculum) -> list[np.ndarray]:
    """One round in which goals with a small first coordinate are the good ones."""
    proposed = goals.propose()
    rates = [np.where(np.abs(each[:, 0]) < 2, 0.5, 0.0) for each in proposed]
    goals.learn(proposed, rates, [np.full(len(each), 2) for each in proposed])
    return proposed


def test_proposals_are_new_goals_in_the_box_and_old_ones() -> None:
    goals = curriculum()
    goals.begin([np.zeros((50, 3)), np.zeros((40, 3))])
    first = outer_step(goals)
    assert [each.shape for each in first] == [(200, 3)] * 2
    assert np.abs(np.concatenate(first)).max() <= 5
    sizes = [len(archive) for archive in goals.archives]
    held = [archive.goals.copy() for archive in goals.archives]
    second = outer_step(goals)
    for proposed, size, old in zip(second, sizes, held, strict=True):
        assert len(proposed) == 200 + min(size, 100)
        assert all((old == goal).all(1).any() for goal in proposed[200:])
        assert np.all(np.abs(old[:, 0]) < 2)


def test_goals_seen_too_rarely_are_neither_learned_nor_archived() -> None:
    goals = curriculum(seeds=(0,))
    proposed = goals.propose()
    episodes = np.where(np.arange(200) < 5, 2, 1)
    found = goals.learn(proposed, [np.full(200, 0.5)], [episodes])
    assert found["good_goals"].tolist() == [1.0]
    assert all((proposed[0][:5] == goal).all(1).any() for goal in goals.archives[0].goals)


def test_noise_is_that_of_its_setting() -> None:
    quiet, noisy = curriculum(replace(U_MAZE, goal_noise=0.0)), curriculum(replace(U_MAZE, goal_noise=0.5))
    added = np.stack(noisy.propose()) - np.stack(quiet.propose())
    assert added.std() == pytest.approx(0.5, rel=0.1)


def test_a_checkpoint_continues_to_the_byte() -> None:
    goals = curriculum(POINT_MASS)
    goals.begin([np.ones((30, 3))] * 2)
    outer_step(goals)
    saved, streams = copy.deepcopy(goals.state()), copy.deepcopy(goals.streams.state())
    expected = [np.concatenate(outer_step(goals)) for _ in range(2)]
    other = curriculum(POINT_MASS)
    other.load_state(saved)
    other.streams.load_state(streams)
    resumed = [np.concatenate(outer_step(other)) for _ in range(2)]
    assert [each.tobytes() for each in resumed] == [each.tobytes() for each in expected]
    assert state_digest(other.state()) == state_digest(goals.state())


def test_streams_of_goals_leave_the_others_as_they_were() -> None:
    plain, more = Streams([5]), Streams([5], GOAL_STREAMS)
    for name in STREAMS:
        assert plain.uniform(name, 4).tolist() == more.uniform(name, 4).tolist()
    drawn = [tuple(more.uniform(name, 4)[0]) for name in GOAL_STREAMS]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize(
    ("kind", "bad", "sentence"),
    [
        (GoalGANConfig, {"batch": 0}, "batch is 0; it must be 1 or more"),
        (GoalGANConfig, {"learning_rate": -1.0}, "learning_rate is -1.0; it must be positive"),
        (GoalGANConfig, {"decay": 1.0}, r"decay is 1.0, leak 0.1; both lie in"),
        (GoalGANConfig, {"generator_hidden": ()}, "generator_hidden is"),
        (CurriculumConfig, {"new_goals": 0}, "new_goals is 0; it must be 1 or more"),
        (CurriculumConfig, {"goal_noise": -0.5}, "goal_noise is -0.5; it must be 0 or more"),
        (CurriculumConfig, {"min_success": 0.9, "max_success": 0.1}, "min_success is 0.9, max_success 0.1"),
    ],
)
def test_bad_settings_are_refused(kind: type, bad: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        kind(**bad)
