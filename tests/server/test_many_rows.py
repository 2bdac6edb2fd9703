"""What a plan of many rows says is what readers find in its files."""

from pathlib import Path

import numpy as np

from scoreline_registry.routing.bucketing import WHOLE
from scoreline_server.journal.format.fingerprints import text_keys
from scoreline_server.journal.reading.reader import Selection, read_records, read_shadows
from tests.server.many_rows import BLOCK_ROWS, CHALLENGER, ManyRows, unit_name, write_rows


def test_the_rows_of_a_plan_are_in_its_files(tmp_path: Path) -> None:
    plan = ManyRows(rows=40_000, units=5000, steps=(10, 30), shift=0.2, failing=0.05, shadowed=True)
    write_rows(tmp_path, plan)
    pairs = list(zip(plan.blocks(), read_records([tmp_path]), read_shadows([tmp_path]), strict=True))
    assert sum(len(block) for block, _, _ in pairs) == 40_000 > BLOCK_ROWS
    for block, records, shadow in pairs:
        arrays = records.arrays
        assert np.array_equal(arrays.times, block.times)
        assert np.array_equal(arrays.call_ids, block.call_ids)
        assert np.array_equal(arrays.scores, block.scores)
        assert np.array_equal(arrays.assigned == 1, block.challenged)
        assert np.array_equal(arrays.served == 1, block.challenged & ~block.failed)
        assert arrays.units == [unit_name(number) for number in block.unit_numbers.tolist()]
        assert np.array_equal(arrays.unit_keys, text_keys(arrays.units))
        assert records.route.rules[0].shares[CHALLENGER] == plan.steps[block.step] / 100 * WHOLE
        share = block.challenged.mean()
        expected = plan.steps[block.step] / 100
        assert abs(share - expected) < 4 * (expected * (1 - expected) / 5000) ** 0.5
        assert shadow.prediction_ids == records.prediction_ids
        assert np.array_equal(shadow.scores, block.shadow_scores)


def test_steps_only_add_units_to_the_challenger(tmp_path: Path) -> None:
    plan = ManyRows(rows=20_000, units=1000, steps=(10, 50))
    arms = [{unit for block in plan.blocks() if block.step == step
             for unit in block.unit_numbers[block.challenged].tolist()} for step in (0, 1)]  # fmt: skip
    assert arms[0] < arms[1]


def test_retries_are_of_the_row_before(tmp_path: Path) -> None:
    write_rows(tmp_path, ManyRows(rows=1000, retry_every=10))
    assert sum(map(len, read_records([tmp_path], Selection(drop_retries=True)))) == 900
