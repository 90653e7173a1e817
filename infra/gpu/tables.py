"""The tables of the machine's journal; each but the first two is kept by a module of its own."""

from typing import Any

Value = str | int | float | None
Row = tuple[Any, ...]

WORKERS = """CREATE TABLE IF NOT EXISTS workers (
    epoch INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, process TEXT NOT NULL)"""

IDENTITY = """CREATE TABLE IF NOT EXISTS identity (
    one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL)"""

LEASES = """CREATE TABLE IF NOT EXISTS leases (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE, worker TEXT NOT NULL,
    request_json TEXT NOT NULL, grant_json TEXT NOT NULL, since TEXT NOT NULL, process TEXT)"""

BASELINES = """CREATE TABLE IF NOT EXISTS baselines (
    lease INTEGER NOT NULL, device TEXT NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (lease, device))"""

QUARANTINE = """CREATE TABLE IF NOT EXISTS quarantine (
    device TEXT PRIMARY KEY, entry TEXT NOT NULL)"""

SIGHTINGS = """CREATE TABLE IF NOT EXISTS sightings (
    name TEXT PRIMARY KEY, sighting TEXT NOT NULL)"""

WAITING = """CREATE TABLE IF NOT EXISTS waiting (
    run TEXT NOT NULL, worker TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (run, worker))"""

COURSES = """CREATE TABLE IF NOT EXISTS courses (
    lease INTEGER NOT NULL, device TEXT NOT NULL, course TEXT NOT NULL,
    PRIMARY KEY (lease, device))"""

RECORDS = """CREATE TABLE IF NOT EXISTS records (lease INTEGER PRIMARY KEY, record TEXT NOT NULL)"""

TABLES = (IDENTITY, WORKERS, LEASES, BASELINES, QUARANTINE, SIGHTINGS, WAITING, COURSES, RECORDS)
"""Made where they are missing each time a journal is opened to be written."""
