"""Print one simulated life of a cluster: `python -m tests.simulation.cluster_replay SIZE SEED [SECONDS]`."""

from __future__ import annotations

import sys

from tests.simulation.cluster_scenario import Scenario

if __name__ == "__main__":
    size, seed = int(sys.argv[1]), int(sys.argv[2])
    faults_s = float(sys.argv[3]) if len(sys.argv) > 3 else Scenario.faults_s
    scenario = Scenario(size, seed, faults_s, verbose=True).run()
    print("history", scenario.world.digest())
