"""``python -m tests.benchmarks.publishing REGISTRY MODEL``: publishes a model and makes it champion every second."""

import sys
import time

from scoreline_registry.registry import Registry
from tests.benchmarks.trained import republish

if __name__ == "__main__":
    registry = Registry.open(sys.argv[1])
    print("ready", flush=True)
    while True:
        republish(registry, sys.argv[2], as_name=sys.argv[2])
        time.sleep(1.0)
