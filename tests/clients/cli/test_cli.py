"""The command: quick to start, one line for a failure, the right exit code."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from scoreline.cli import app
from scoreline.cli.commands import COMMANDS
from scoreline.cli.output import counting, print_table
from scoreline.version import __version__
from tests.clients.conftest import Start
from tests.clients.sums import Running, Sums, fail, hold, make_schema
from tests.waiting import wait_until

MAIN = "import sys; from scoreline.cli import main; sys.exit(main())"


def run(*arguments: str, before: str = "", text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own; ``before`` is Python that runs first."""
    command = [sys.executable, "-c", f"{before}\n{MAIN}", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=240, check=False)


def without(*modules: str) -> str:
    """Python that makes modules look as if they were not installed."""
    return f"import sys\nsys.modules.update(dict.fromkeys({modules!r}))"


def test_help_lists_every_command_and_loads_none_of_their_packages() -> None:
    after = "import atexit, sys\natexit.register(lambda: print('MODULES', *sys.modules))"
    done = run("--help", before=after)
    listed, _, loaded = done.stdout.partition("MODULES")
    assert done.returncode == 0
    assert all(f"  {name} " in listed and spec.help in listed for name, spec in COMMANDS.items())
    assert {"grpc", "numpy", "pydantic", "rich", "yaml", "onnxruntime"}.isdisjoint(loaded.split())


@pytest.mark.parametrize(
    "group", ["alias", "bento", "data", "experiment", "export", "journal", "models", "outcomes", "ramp", "route"]
)
def test_no_summary_of_a_command_is_cut(group: str) -> None:
    done = run(group, "--help")
    assert done.returncode == 0
    assert not [line for line in done.stdout.splitlines() if line.startswith("  ") and line.endswith("...")]


@pytest.mark.parametrize("missing", [(), ("click",)])
def test_version(missing: tuple[str, ...]) -> None:
    done = run("--version", before=without(*missing))
    assert (done.returncode, done.stdout) == (0, f"scoreline, version {__version__}\n")


def test_without_click_there_is_one_hint() -> None:
    done = run("--help", before=without("click"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The scoreline command needs more than the client: pip install 'scoreline[cli]'\n"


def test_a_missing_dependency_names_the_extra_to_install() -> None:
    done = run("models", "list", before=without("pydantic"))
    assert done.returncode == 1
    assert done.stderr == "Error: `scoreline models` needs pydantic: pip install 'scoreline[registry]'\n"


def test_local_scoring_without_the_server_names_its_extra(tmp_path: Path) -> None:
    done = run("score", "credit", "--local", "--set", "income=1", before=without("onnxruntime"))
    assert done.returncode == 1
    assert done.stderr == "Error: `scoreline score --local` needs onnxruntime: pip install 'scoreline[server]'\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [("trian", "No such command 'trian'. Did you mean 'train'?"), ("xyz", "No such command 'xyz'.")],
)
def test_an_unknown_command_is_bad_usage_and_meets_the_nearest(name: str, says: str) -> None:
    done = run(name)
    assert done.returncode == 2
    assert done.stderr.endswith(f"Error: {says}\n")


def test_no_server_is_one_line() -> None:
    # Ten minutes of retries would pass the limit of ``run``.
    done = run("status", "--server", "127.0.0.1:1", "--timeout", "600")
    assert done.returncode == 1
    assert done.stderr == "Error: no server at 127.0.0.1:1: connection refused; start one with `scoreline serve`\n"


def test_a_certificate_that_is_not_trusted_is_one_line(certificates: Path, start: Start) -> None:
    pair = ((certificates / "server.key").read_bytes(), (certificates / "server.crt").read_bytes())
    target = start(credentials=grpc.ssl_server_credentials([pair])).target
    done = run("status", "--server", target, "--tls-ca", str(certificates / "client.crt"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: the certificate of the server at {target} is not trusted: give the PEM file")
    assert done.stderr.count("\n") == 1


def test_an_address_that_is_a_url_is_bad_usage() -> None:
    done = run("status", "--server", "http://127.0.0.1:50051")
    assert done.returncode == 2
    assert "is a URL: give host and port, '127.0.0.1:50051'" in done.stderr


def test_debug_shows_the_traceback() -> None:
    done = run("--debug", "status", "--server", "127.0.0.1:1", "--timeout", "1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "UnavailableError" in done.stderr


def test_a_defect_is_one_line_that_says_how_to_see_more() -> None:
    broken = "from scoreline.cli import status\nstatus.connect = lambda **options: {}['x']"
    done = run("status", before=broken)
    assert done.returncode == 1
    assert done.stderr == "Error: unexpected KeyError: 'x' (`scoreline --debug status` shows where)\n"


def test_ctrl_c_while_a_native_module_is_imported_is_no_defect() -> None:
    code = """
from scoreline.cli import status
def connect(**options):
    raise ImportError("initialization failed") from KeyboardInterrupt()
status.connect = connect
"""
    done = run("status", before=code)
    assert (done.returncode, done.stderr) == (130, "")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    done = run("score", "credit", "--input", str(tmp_path / "no.csv"))
    assert done.returncode == 2
    assert "No such file" in done.stderr


def test_ctrl_c_ends_quietly_with_130(running: Running) -> None:
    running.sums.plan.append(hold)
    command = [sys.executable, "-c", MAIN, "score", "credit", "--server", running.target, "--set", "income=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: running.sums.requests)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err.strip()) == (130, "", "")


def test_a_reader_that_leaves_is_met_without_a_word(running: Running, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("income\n" + "1\n" * 5000)
    command = [sys.executable, "-c", MAIN, "score", "credit", "--json", "--server", running.target]
    command += ["--input", str(table)]
    reader, writer = os.pipe()
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, text=True) as process:
        os.close(writer)
        assert os.read(reader, 10)
        os.close(reader)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, "")


def test_other_packages_add_commands_but_hide_none(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(
        "import click\n@click.command()\ndef hello():\n    'Greets.'\n    click.echo('hello')\n"
    )
    facts = tmp_path / "plugin-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[scoreline.commands]\nhello = plugin:hello\nscore = plugin:hello\n")
    before = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})"
    assert run("hello", before=before).stdout == "hello\n"
    assert re.search(r"hello +From plugin\.", run("--help", before=before).stdout)
    assert "Usage: scoreline score" in run("score", "--help", before=before).stdout


def scoreline(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Runs the command in this process."""
    code = app.run(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_one_entity_is_scored_from_the_command_line(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = scoreline(
        capsys, "score", "credit", "--server", running.target, "--set", "income=20", "--set", "status=ok",
        "--id", "c-1", "--extra", "members", "--json",
    )  # fmt: skip
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert (answer["entity_id"], answer["score"], answer["reason"]) == ("c-1", 40.0, "SPLIT")
    assert answer["quality"] == {"missing": 1, "defaulted": 2, "unseen": 3, "clipped": 4}
    assert answer["extras"] == {"members": [40.0, -40.0]}


def test_an_event_is_scored_from_the_command_line(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    event = '{"type": "purchase", "amount": 42}'
    code, out, err = scoreline(
        capsys, "score", "credit", "--server", running.target, "--id", "c-17", "--event", event, "--json"
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["profile_state"] == "NONE"
    (sent,) = running.sums.requests[-1].packed.events
    assert (sent.type, sent.fields["amount"].number) == ("purchase", 42.0)


def test_a_table_has_the_columns_that_are_used(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = scoreline(capsys, "score", "credit", "--server", running.target, "--set", "income=20.5")
    assert code == 0
    header, row = (line.split() for line in out.splitlines())
    assert header == ["ROW", "SCORE", "BAND", "POINTS", "MODEL", "ARM", "REASON", "PREDICTION"]
    assert row[:6] == ["0", "20.5", "low", "41", "credit@3", "credit@champion"]


def test_a_file_of_entities_keeps_its_order_and_its_errors(
    running: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("entity_id,income\na,1\nbad,2\nc,3\n")
    code, out, err = scoreline(capsys, "score", "credit", "--server", running.target, "--input", str(table), "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [(answer["row"], answer["entity_id"], answer.get("score")) for answer in answers] == [
        (0, "a", 1.0), (1, "bad", None), (2, "c", 3.0),
    ]  # fmt: skip
    assert answers[1]["error"]["reason"] == "MISSING_FEATURE"
    assert (code, err) == (1, "Error: 1 of 3 entities could not be scored\n")


def test_rows_that_cannot_be_read_or_sent_leave_the_others_alone(
    running: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("entity_id,income\na,1\nb,much\nc,1e39\nd,4\n")
    arguments = ["score", "credit", "--server", running.target, "--input", str(table)]
    code, out, err = scoreline(capsys, *arguments, "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer.get("score") for answer in answers] == [1.0, None, None, 4.0]
    assert [answer["error"]["message"] for answer in answers[1:3]] == [
        "line 3: 'income' takes a number, not 'much'",
        "line 4: 'income' is a number too large for float32",
    ]
    assert (code, err) == (1, "Error: 2 of 4 entities could not be scored\n")
    code, out, _ = scoreline(capsys, *arguments)
    assert code == 1
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["0", "a"], ["1", "b"], ["2", "c"], ["3", "d"]]


def test_a_wrong_header_is_one_line(running: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("incom\n1\n2\n")
    code, out, err = scoreline(capsys, "score", "credit", "--server", running.target, "--input", str(table))
    assert (code, out) == (1, "")
    assert err == "Error: route 'credit' has no feature 'incom'; the nearest it has is 'income'\n"


def test_ids_that_are_due_and_not_given_are_asked_for_by_the_option(
    running: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("customer,income\na,1\nb,2\n")
    arguments = ["score", "credit", "--server", running.target, "--input", str(table), "--json"]
    code, _, err = scoreline(capsys, *arguments, "--id-column", "custmer")
    assert (code, err) == (
        1, "Error: there is no column 'custmer' for --id-column; there is 'customer', 'income'\n",
    )  # fmt: skip
    running.sums.plan.append(fail(grpc.StatusCode.INVALID_ARGUMENT, "MISSING_UNIT", text="send it with every entity"))
    table.write_text("income\n1\n")
    code, out, _ = scoreline(capsys, *arguments)
    assert json.loads(out)["error"]["message"] == (
        "send it with every entity; name the column of the ids with --id-column"
    )


def test_parquet_is_read_like_json_lines(start: Start, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = start(Sums(schema=make_schema(steps=("spend",)))).target
    file = tmp_path / "rows.parquet"
    rows: dict[str, list[Any]] = {"customer": [7, 8], "income": [1.0, None], "left": [0, 1]}
    rows["sequence"] = [[{"spend": 1.0}, {"spend": 2.0}], []]
    parquet.write_table(pa.table(rows), file)
    arguments = ["score", "credit", "--server", target, "--id-column", "customer", "--json", "--input", str(file)]
    code, out, err = scoreline(capsys, *arguments, "--known-only")
    assert (code, err) == (0, "")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [(answer["entity_id"], answer["score"]) for answer in answers] == [("7", 301.0), ("8", 0.0)]
    code, _, err = scoreline(capsys, *arguments)
    assert (code, err) == (1, "Error: route 'credit' has no feature 'left'; it has 'age', 'income', 'status'\n")


def test_a_file_of_no_known_format_asks_for_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    file.write_text("income\n1\n")
    code, _, err = scoreline(capsys, "score", "credit", "--input", str(file.rename(tmp_path / "rows.data")))
    assert (code, err.splitlines()[-1].partition(": ")[2]) == (
        2, f"{tmp_path / 'rows.data'}: give its format, --format csv, jsonl, parquet",
    )  # fmt: skip


def test_reading_parquet_without_pyarrow_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").touch()
    done = run("score", "credit", "--input", str(tmp_path / "rows.parquet"), before=without("pyarrow"))
    assert (done.returncode, done.stderr) == (1, "Error: reading Parquet needs pyarrow: pip install pyarrow\n")


def test_a_history_comes_from_the_command_line_and_from_csv(
    start: Start, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = start(Sums(schema=make_schema(steps=("spend",)))).target
    history = '[{"spend": 1}, {"spend": 2}]'
    arguments = ["score", "credit", "--server", target, "--json"]
    _, out, _ = scoreline(capsys, *arguments, "--set", f"sequence={history}")
    assert json.loads(out)["score"] == 300.0
    table = tmp_path / "rows.csv"
    table.write_text('income,sequence\n1,"[{""spend"": 3}]"\n2,\n3,7\n')
    _, out, _ = scoreline(capsys, *arguments, "--input", str(table))
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer.get("score") for answer in answers] == [301.0, 2.0, None]
    assert answers[2]["error"]["message"] == """line 4: 'sequence' takes a JSON list such as [{"amount": 12.5}]"""


@pytest.mark.parametrize("text", ["", "income\n"])
def test_a_file_without_rows_is_said_to_have_none(
    running: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text(text)
    code, out, err = scoreline(capsys, "score", "credit", "--server", running.target, "--input", str(table))
    assert (code, out, err) == (0, "", f"{table}: there are no rows to score\n")


def test_long_files_are_counted_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with counting("Scoring", "rows") as count:
        count(12_345)
    assert "12,345 rows" in capsys.readouterr().err


def test_headings_keep_their_units(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("model", "µs/row"), [("credit", 12.0)])
    assert capsys.readouterr().out.split() == ["MODEL", "µs/row", "credit", "12"]


def test_control_characters_of_callers_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("level",), [("\x1b[2Jweb",), ("\u202ewéb\nshop",)])
    assert capsys.readouterr().out == "LEVEL\n?[2Jweb\n?wéb shop\n"


def test_the_error_of_one_entity_is_the_command_s(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = scoreline(
        capsys, "score", "credit", "--server", running.target, "--set", "income=1", "--id", "bad"
    )
    assert (code, out, err) == (1, "", "Error: 'age' is required\n")


def test_json_lines_come_from_standard_input(start: Start) -> None:
    target = start(Sums(schema=make_schema(steps=("spend",)))).target
    text = '{"entity_id": 7, "sequence": [{"spend": 1}, {"spend": 2}]}\n'
    done = run("score", "credit", "--server", target, "--input", "-", "--format", "jsonl", "--json", text=text)
    assert (done.returncode, json.loads(done.stdout)["score"]) == (0, 300.0)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--set", "income=1", "--input", __file__],
        ["--input", __file__],
        ["--set", "a=1", "--tls-key", __file__],
        ["--set", "age"],
        ["--set", "=1"],
    ],
)
def test_bad_usage_exits_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, out, err = scoreline(capsys, "score", "credit", *arguments)
    assert (code, out) == (2, "")
    assert "Usage: scoreline score" in err


def test_a_wrong_feature_is_one_line(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = scoreline(capsys, "score", "credit", "--server", running.target, "--set", "incom=1")
    assert (code, err) == (1, "Error: route 'credit' has no feature 'incom'; the nearest it has is 'income'\n")


def test_status_shows_what_is_loaded_and_why_not(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = scoreline(capsys, "status", "--server", running.target)
    assert code == 0
    assert out.splitlines()[0] == "scoreline 0.1.0, SERVING, registry revision 7 (as of the last poll)"
    assert out.splitlines()[1] == "problem: revision 8 is damaged"
    assert "credit@2 is damaged" in out
    assert "failed" in out
    code, out, _ = scoreline(capsys, "status", "--server", running.target, "--json")
    assert json.loads(out)["models"][1]["problem"] == "a byte differs"
