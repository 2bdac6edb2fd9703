"""The tables of the file that profiles are kept in."""

from scoreline_server.databases.sqlite_file import FileFormat
from scoreline_server.profile_stores.kind import PROFILES

_TABLES = """
CREATE TABLE profiles (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    late INTEGER NOT NULL DEFAULT 0,
    repeated INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE entities (
    number INTEGER PRIMARY KEY,
    profile INTEGER NOT NULL,
    entity TEXT NOT NULL,
    newest INTEGER NOT NULL,
    until_time INTEGER NOT NULL DEFAULT 0,
    until_id TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL DEFAULT 0,
    count INTEGER NOT NULL,
    pending BLOB NOT NULL,
    UNIQUE (profile, entity)
);
CREATE TABLE states (
    number INTEGER PRIMARY KEY,
    folded BLOB NOT NULL
);
CREATE TABLE offsets (
    consumer TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (consumer, topic, partition)
) WITHOUT ROWID;
"""
# An entity's state has a table of its own, so that an append need not write it again. Its pending events stand in its
# row: an append touches one page an event, where a row for each event would touch two.

PROFILE_FILE = FileFormat(PROFILES, application=0x53434C50, schema=1, tables=_TABLES)
"""Its application is SCLP in ASCII."""
