"""The command ``scoreline events consume``: a process that records the events of Kafka topics."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click

from scoreline.cli.output import counting
from scoreline_server import logging_config
from scoreline_server.events.kafka.consumer import KafkaConsumer, KafkaError, Source
from scoreline_server.events.kafka.dead_letters import LoggedLetters, TopicLetters
from scoreline_server.events.kafka.messages import MessageReader
from scoreline_server.events.options import opened, pairs, place_options, profile_option, table_options
from scoreline_server.metrics.consumer_metrics import ConsumerMetrics
from scoreline_server.processes.exposition import counted, rendered
from scoreline_server.processes.ops import CONTENT_TYPE
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.settings import read_settings


@click.command(short_help="Record the events of Kafka topics.")
@click.argument("topics", nargs=-1, required=True, metavar="TOPIC...")
@profile_option
@click.option("--brokers", required=True, metavar="HOST:PORT,...", help="Brokers to begin with.")
@click.option("--group", default="scoreline", show_default=True, help="Consumers of one group share the partitions.")
@click.option("--from-end", is_flag=True, help="Read new partitions from their end.  [default: from the beginning]")
@click.option(
    "--dead-letters",
    "dead_topic",
    metavar="TOPIC",
    help="Topic for messages that are no events.  [default: they are logged and counted]",
)
@click.option(
    "--option",
    "options",
    callback=pairs,
    multiple=True,
    metavar="NAME=VALUE",
    help="Setting of librdkafka, such as security.protocol=SSL; may be repeated.",
)
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Port of 127.0.0.1 for /metrics.  [default: none]")
@table_options
@place_options
def consume(
    *, topics: tuple[str, ...], name: str, brokers: str, group: str, from_end: bool, dead_topic: str | None,
    options: dict[str, str], metrics_port: int | None, event_type: str, columns: dict[str, str],
    fields: dict[str, str], registry: str, store: str | None,
) -> None:  # fmt: skip
    """Record the events of TOPICs until the process is interrupted.

    Each message is a JSON object with entity_id, id, time and type, and the fields beside them or in an object
    "fields". The entity may be the message's key, the time its timestamp; without an id its topic, partition and offset
    are one. How far the topics were read is kept with the events, so nothing is lost and nothing counts twice, however
    the process ends.
    """
    logging_config.configure(read_settings(registry=registry))
    metrics = ConsumerMetrics()

    def reader(profile: CompiledProfile) -> MessageReader:
        return MessageReader(profile, columns=columns, fields=fields, type=event_type)

    source = Source(brokers, topics, group, from_end=from_end, options=options)
    with opened(registry=registry, store=store, counting=metrics) as place, counting("Recording", "messages") as count:
        try:
            letters = TopicLetters(source, dead_topic) if dead_topic else LoggedLetters()
            consumer = KafkaConsumer(
                source, place.profiles, name, reader, dead_letters=letters, counting=metrics, on_recorded=count
            )
            with _stopped_by_signals() as stop, _metrics_page(metrics, metrics_port):
                consumer.run(stop)
        except ImportError as error:
            raise click.ClickException(
                "events consume needs the extra kafka: pip install 'scoreline[kafka]'"
            ) from error
        except (KafkaError, OSError) as error:
            raise click.ClickException(str(error)) from error


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, in place of ending the process between two steps."""
    stop = threading.Event()
    before = {each: signal.signal(each, lambda *_: stop.set()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Quiet(WSGIRequestHandler):
    """A handler that does not log requests."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Writes nothing."""


@contextmanager
def _metrics_page(metrics: ConsumerMetrics, port: int | None) -> Iterator[None]:
    """Serves the metrics of this process on loopback; without a port does nothing."""
    if port is None:
        yield
        return

    def page(_environment: object, start: object) -> list[bytes]:
        start("200 OK", [("Content-Type", CONTENT_TYPE)])  # type: ignore[operator]
        return [rendered(counted(metrics.counts()))]

    with make_server("127.0.0.1", port, page, server_class=WSGIServer, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        click.echo(f"metrics at http://127.0.0.1:{server.server_port}/metrics", err=True)
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
