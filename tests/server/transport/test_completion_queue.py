"""A completion queue of our own on gRPC's core: what may be called while its server stops."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from scoreline_server.transport.completion_queue import CallQueue, Event

METHOD = "/test.Service/Method"
NEVER = float("inf")

# Requests in a tight loop beside a stop: without the lock the process dies within some hundred rounds.
STORM = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import grpc
from scoreline_server.transport.completion_queue import CallQueue

def request_until_closed(queue):
    while queue.request("/test.Service/Method", print):
        pass

with ThreadPoolExecutor(1) as pool:
    for _ in range(int(sys.argv[1])):
        server = grpc.server(pool)
        queue = CallQueue(server, ["/test.Service/Method"])
        server.start()
        requesting = threading.Thread(target=request_until_closed, args=(queue,))
        requesting.start()
        queue.close()
        server.stop(0).wait()
        requesting.join()
        queue.shutdown()
"""


@pytest.mark.parametrize("rounds", [50, pytest.param(3000, marks=pytest.mark.acceptance)])
def test_requests_beside_a_stop_do_not_end_the_process(rounds: int) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", STORM, str(rounds)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_closed_queue_makes_no_request_and_ends_once_the_requested_calls_have_failed() -> None:
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        queue = CallQueue(server, [METHOD])
        server.start()
        succeeded: list[bool] = []
        assert queue.request(METHOD, lambda event: succeeded.append(event.success))
        queue.close()
        assert not queue.request(METHOD, print)
        server.stop(0)
        event: Event = queue.poll(NEVER)
        event.tag(event)
        queue.shutdown()
        assert queue.is_shutdown(queue.poll(NEVER))
    assert succeeded == [False]
