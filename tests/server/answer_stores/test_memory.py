"""Answers in memory: which go first, and when."""

from scoreline_server.answer_stores.memory import MemoryAnswers


def test_memory_keeps_the_answers_that_were_used_last() -> None:
    store = MemoryAnswers(900)
    keys = [bytes([at]) * 32 for at in range(4)]
    for key in keys[:3]:
        store.put({key: key[:4]}, keep_seconds=60)
    store.get(keys[:1])
    store.put({keys[3]: b"last"}, keep_seconds=60)
    assert store.get(keys) == [keys[0][:4], None, keys[2][:4], b"last"]
    assert 0 < store.nbytes <= 900
    store.put({keys[0]: bytes(2000)}, keep_seconds=60)
    assert (store.get(keys), store.nbytes) == ([None] * 4, 0)


def test_memory_forgets_an_answer_when_its_time_is_over() -> None:
    now = 0.0
    store = MemoryAnswers(1 << 20, clock=lambda: now)
    store.put({b"a": b"1"}, keep_seconds=10)
    now = 9.9
    store.put({b"b": b"2"}, keep_seconds=10)
    assert store.get([b"a", b"b"]) == [b"1", b"2"]
    now = 10.0
    assert store.get([b"a", b"b"]) == [None, b"2"]
    now = 20.0
    assert (store.get([b"a", b"b"]), store.nbytes) == ([None, None], 0)
