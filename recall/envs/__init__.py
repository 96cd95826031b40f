"""Environments of our own, registered with Gymnasium when this package is imported."""

import gymnasium

gymnasium.register(id="recall/FourRooms-v0", entry_point="recall.envs.four_rooms:FourRoomsEnv")
gymnasium.register(id="recall/PointMassND-v0", entry_point="recall.envs.point_env:PointMassEnv")
gymnasium.register(id="recall/PointMassUMaze-v0", entry_point="recall.envs.point_env:UMazeEnv")
gymnasium.register(id="recall/AntUMaze-v0", entry_point="recall.envs.ant_env:AntUMazeEnv")
