"""A StatBank on 127.0.0.1 for tests: answers as the real API was seen to answer, and fails on demand.

What the notes on the API leave open is marked "assumed" here; a client must not lean on it.
"""

import csv
import gzip
import io
import itertools
import json
import re
import select
import socket
import socketserver
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

MISSING = ".."
NUMBER = re.compile(r"-?[0-9]+([.,][0-9]+)?|\.\.")
CELL_LIMIT = 1_000_000
CHUNK_BYTES = 16 << 10
# A stalled answer waits for the client to give up; this only bounds a test whose client never does.
STALL_SECONDS = 60.0
BOM = b"\xef\xbb\xbf"
STREAMING = ("BULK", "SDMXCOMPACT", "SDMXGENERIC")
WHOLE = ("CSV", "JSONSTAT", "PX", "DSTML", "XLSX", "HTML", "HTML5", "PNG")
SUFFIXES = {"CSV": "csv", "BULK": "csv", "JSONSTAT": "json"}
CSV_TYPE, JSON_TYPE, HTML_TYPE = "text/csv; charset=utf-8", "text/json; charset=utf-8", "text/html; charset=utf-8"
NEW_CODE = "9998"
SUBJECTS = {
    "1": ("Borgere", "People"),
    "2": ("Arbejde og indkomst", "Labour and income"),
    "3": ("Økonomi", "Economy"),
    "4": ("Sociale forhold", "Social conditions"),
    "5": ("Uddannelse og forskning", "Education and research"),
    "6": ("Erhvervsliv", "Business"),
    "7": ("Transport", "Transport"),
    "8": ("Kultur og fritid", "Culture and leisure"),
    "9": ("Miljø og energi", "Environment and energy"),
    "19": ("Om Danmarks Statistik", "About Statistics Denmark"),
}
# Status, code, and the message in Danish (as seen) and in English (assumed, but for the two bilingual ones).
ERRORS = {
    "table": (400, "EXTRACT-NOTFOUND", "Tabel findes ikke: {0}", "Table does not exist: {0}"),
    "variable": (400, "EXTRACT-NOTFOUND", "Kan ikke finde variablen: {0}", "Can't find variable: {0}"),
    "value": (400, "EXTRACT-NOTFOUND", "Kan ikke finde værdien: {0} ({1})", "Can't find value: {0} ({1})"),
    "values": (
        400,
        "EXTRACT-NOTALLOWED",
        "Der skal vælges værdier for variabel: {0}",
        "Values must be selected for variable: {0}",
    ),
    "order": (
        400,
        "EXTRACT-STREAMINGTIMESORT",
        "Der kan ikke vælges sortering af tid for streamede formater.",
        "Sorting of time cannot be selected for streamed formats.",
    ),
    "no table": (400, "REQUEST-MISSING", "Der er ikke angivet nogen tabel-id.", "No table id is given."),
    "no format": (
        400,
        "REQUEST-MISSING",
        "Format ikke angivet, eller ikke gyldigt.",
        "Format is not given, or is not valid.",
    ),
    "no json": (
        400,
        "REQUEST-EMPTY",
        "Medsend gyldigt JSON-objekt når der postes. / Supply valid JSON-object when posting.",
        "Medsend gyldigt JSON-objekt når der postes. / Supply valid JSON-object when posting.",
    ),
    "limit": (
        400,
        "REQUEST-LIMIT",
        "Forespørgslen på op mod {0} celler er over begrænsningen på 1.000.000 celler for denne filtype. "
        "Anvend BULK eller andet streaming format i stedet.",
        "The request of up to {0} cells is above the limit of 1.000.000 cells for this file type. "
        "Use BULK or another streaming format instead.",
    ),
    "page": (
        404,
        "REQUEST-NOTFOUND",
        "Siden kan ikke findes. / Page not found.",
        "Siden kan ikke findes. / Page not found.",
    ),
}
FAULTS = {
    "slow": "says nothing (or stops after `after_bytes` of the body) until the client gives up",
    "hangup": "closes the connection without an answer",
    "cut": "closes the connection after `after_bytes` of the body (half of it unless told)",
    "429": "too many requests, with `retry_after` as header when given",
    "500": "internal error",
    "503": "unavailable, with `retry_after` as header when given",
    "html": "a page with status 200 in place of what was asked for",
    "labels": "before it answers, the table is published anew with other labels of its variables and values",
    "new_code": f"before it answers, the table is published anew with the code {NEW_CODE} in `variable`",
    "removed_variable": "before it answers, the table is published anew without `variable`, its values added up",
    "updated": "before it answers, the table is published anew a day later, otherwise the same",
    "wrong_decimal": "numbers carry the decimal mark of the other language; whole numbers get one decimal",
    "duplicate_rows": "the first row stands once more at the end",
    "truncated": "the last row lacks its end (or the body stops after `after_bytes`), and the answer ends cleanly",
}


@dataclass(frozen=True)
class Variable:
    """A variable of a table: `values` are labels by code, in the order of tableinfo.

    `elimination` is the code that stands for the total, True when the values are added up, or False. `time` marks
    Tid, whose codes stand in ascending order. `values_en` and `text_en` stand in for Danish where lang is en.
    """

    id: str
    text: str
    elimination: bool | str
    time: bool
    values: Mapping[str, str]
    map: str = ""
    text_en: str = ""
    values_en: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.time and list(self.values) != sorted(self.values):
            raise ValueError(f"{self.id}: periods must stand in ascending order")
        if isinstance(self.elimination, str) and self.elimination not in self.values:
            raise ValueError(f"{self.id}: the total {self.elimination} is not among the values")

    def name(self, lang: str) -> str:
        return self.text_en if lang == "en" and self.text_en else self.text

    def label(self, code: str, lang: str) -> str:
        if lang == "en" and code in self.values_en:
            return self.values_en[code]
        # Assumed: only the label of a quarter is translated, the code stays.
        return self.values[code].replace("K", "Q") if lang == "en" and self.time else self.values[code]


@dataclass(frozen=True)
class Table:
    """A table with its rows: values as text by codes in the order of `variables` (Tid last); `..` is missing.

    A combination without a row has the value `suppressed`. Either decimal mark will do. `updated` is local time.
    """

    id: str
    text: str
    unit: str
    variables: list[Variable]
    rows: dict[tuple[str, ...], str]
    suppressed: str = "0"
    updated: str = "2025-05-22T08:00:00"
    active: bool = True
    footnote: str | None = None
    text_en: str = ""
    unit_en: str = ""
    subject: str = "3"
    documentation: str = "00000000-0000-0000-0000-000000000000"

    def __post_init__(self) -> None:
        if [variable.time for variable in self.variables] != [False] * (len(self.variables) - 1) + [True]:
            raise ValueError(f"{self.id}: the last variable, and no other, must be the time variable")
        if any(len(codes) != len(self.variables) for codes in self.rows):
            raise ValueError(f"{self.id}: a row has not one code for each variable")
        for place, variable in enumerate(self.variables):
            if unknown := {codes[place] for codes in self.rows} - set(variable.values):
                raise ValueError(f"{self.id}: rows have codes that {variable.id} lacks: {sorted(unknown)}")
        if wrong := [value for value in {*self.rows.values(), self.suppressed} if not NUMBER.fullmatch(value)]:
            raise ValueError(f"{self.id}: neither numbers nor {MISSING}: {sorted(wrong)}")

    def name(self, lang: str) -> str:
        return self.text_en if lang == "en" and self.text_en else self.text

    def measure(self, lang: str) -> str:
        return self.unit_en if lang == "en" and self.unit_en else self.unit


def table_from_csv(
    source: Path | Iterable[str],
    *more: Path | Iterable[str],
    table: str = "",
    text: str = "",
    unit: str = "Antal",
    elimination: Mapping[str, bool | str] | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    **facts: Any,
) -> Table:
    """A table from raw files of the contract (paths, gzip or not, or lines), several parts together.

    `elimination` and `labels` go by variable; codes of `labels` come first and need no row. Other codes get a label
    that is not the code, so that an answer with labels is never mistaken for one with codes. `facts` are fields of
    Table. The id is the name of the file unless `table` is given.
    """
    rows: dict[tuple[str, ...], str] = {}
    header: list[str] = []
    for part in (source, *more):
        read = csv.reader(_lines(part), delimiter=";")
        found = [name.upper() for name in next(read)]
        if found[-2:] != ["TID", "INDHOLD"] or (header and found != header):
            raise ValueError(f"{part}: the header must end with TID;INDHOLD and be the same in all parts: {found}")
        header = found
        for *codes, value in read:
            key = tuple(codes)
            if key in rows:
                raise ValueError(f"{part}: {codes} stands twice")
            rows[key] = value
    given = {name.upper(): dict(values) for name, values in (labels or {}).items()}
    totals = {name.upper(): total for name, total in (elimination or {}).items()}
    variables = []
    for position, name in enumerate(header[:-1]):
        is_time = name == "TID"
        codes = dict.fromkeys(key[position] for key in rows)
        if is_time:
            values = {period: period for period in sorted(codes)}
        else:
            values = given.pop(name, {})
            values |= {code: f"{name.capitalize()} {code}" for code in codes if code not in values}
        code = "Tid" if is_time else name
        variables.append(Variable(code, name.lower(), totals.get(name, False), is_time, values))
    name = (table or (source.name.split(".")[0] if isinstance(source, Path) else "")).upper()
    if not name:
        raise ValueError("lines have no file name: give the id as table=")
    return Table(name, text or f"{name} til prøve", unit, variables, rows, **facts)


# Key figures of NGLK with their labels and about how many kr. of the service expenditure they are.
KEY_FIGURES_OF_ACCOUNTS = {
    "DRI": ("Kommunale driftsudgifter pr. indbygger", 1.4),
    "SER": ("Serviceudgifter pr. indbygger", 1.0),
    "KUL": ("Kulturudgifter pr. indbygger", 0.03),
    "ANL": ("Anlægsudgifter pr. indbygger", 0.05),
}


def nglk(prices: Mapping[str, tuple[float, float]], areas: Iterable[str] = ("000", "101")) -> Table:
    """NGLK as StatBank has it, of some areas: service expenditure in current and in fixed prices by year.

    Every area and key figure moves with the same prices, and is rounded to whole kroner.
    """
    rows = ["OMRÅDE;BNØGLE;BRUTNETUDG;PRISENHED;TID;INDHOLD"]
    for place, area in enumerate(areas):
        for figure, (_, share) in KEY_FIGURES_OF_ACCOUNTS.items():
            for kind, of_net in (("NET", 1.0), ("BRUT", 1.3)):
                for year, pair in prices.items():
                    for unit, amount in zip(("AARPRIS", "08PRIS"), pair, strict=True):
                        value = round(amount * share * of_net * (1 + place / 10))
                        rows.append(f"{area};{figure};{kind};{unit};{year};{value}")
    labels = {
        "OMRÅDE": {"000": "Hele landet"},
        "BNØGLE": {code: label for code, (label, _) in KEY_FIGURES_OF_ACCOUNTS.items()},
        "BRUTNETUDG": {"NET": "Nettoudgifter", "BRUT": "Bruttoudgifter"},
        "PRISENHED": {"AARPRIS": "Løbende priser", "08PRIS": "Faste priser"},
    }
    return table_from_csv(rows, table="NGLK", text="Udvalgte kommunale regnskabstal", unit="Kr.", labels=labels)


def _lines(source: Path | Iterable[str]) -> list[str]:
    if not isinstance(source, Path):
        return list(source)
    data = source.read_bytes()
    data = gzip.decompress(data) if source.suffix == ".gz" else data
    return data.decode("utf-8-sig").splitlines()


@dataclass
class Asked:
    """A request as it came: path below /v1, query by name, body as parsed JSON (None where there is none)."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    table: str = ""
    fault: str = ""
    status: int = 0


@dataclass
class _Fault:
    name: str
    times: int
    after_bytes: int | None
    table: str | None
    path: str
    variable: str | None
    retry_after: str | None


@dataclass
class _Answer:
    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False


class _RefusedError(Exception):
    """What the API says no to: a key of ERRORS and what fills its message."""

    def __init__(self, error: str, *details: str) -> None:
        super().__init__(error)
        self.error, self.details = error, details


class _Chosen(NamedTuple):
    variable: Variable
    codes: list[str]


class StatBank:
    """A running server: `with StatBank({"REGK100": table}) as bank:` and then requests to `bank.url`.

    `bank.requests` holds what was asked, `bank.tables` what is published (replace a table to publish it anew),
    `bank.pending` the names of faults not yet seen. A mistake inside the server is raised when the block ends.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        if wrong := [name for name, table in tables.items() if name.upper() != table.id]:
            raise ValueError(f"tables must stand under their ids in capitals: {wrong}")
        self.tables = {table.id: table for table in tables.values()}
        self.requests: list[Asked] = []
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._port = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()
        self.mistakes: list[Exception] = []

    def __enter__(self) -> "StatBank":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if self.mistakes and kind is None:
            raise self.mistakes[0]

    @property
    def url(self) -> str:
        """The base address; it stays the same when the server is stopped and started again."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def pending(self) -> list[str]:
        """Names of the faults that are still to come, once for each time."""
        with self._lock:
            return [fault.name for fault in self._faults for _ in range(fault.times)]

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self.stopping.clear()
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.bank = self
        self._port = self._server.server_address[1]
        # The short poll is what makes stopping quick.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="statbank")
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and the port, and wait for the threads; connections are refused from then on."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()
        self._server = self._thread = None

    def fault(
        self,
        name: str,
        *,
        times: int = 1,
        after_bytes: int | None = None,
        table: str | None = None,
        path: str = "/data",
        variable: str | None = None,
        retry_after: str | None = None,
    ) -> None:
        """Queue a fault of FAULTS for the next `times` requests below `path` (and for `table`); first in, first out.

        `variable` is the one that gets a new code or is removed (the last before Tid unless told); a table that is
        published anew stays so.
        """
        if name not in FAULTS:
            raise ValueError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
        with self._lock:
            self._faults.append(_Fault(name, times, after_bytes, table and table.upper(), path, variable, retry_after))

    def met_by(self, asked: Asked) -> _Fault | None:
        """Note a request, and give the fault that it meets: used up once, and its table published anew."""
        with self._lock:
            self.requests.append(asked)
            for fault in self._faults:
                if asked.path.startswith(fault.path) and fault.table in (None, asked.table):
                    fault.times -= 1
                    self._faults = [left for left in self._faults if left.times]
                    asked.fault = fault.name
                    if fault.name in CHANGES and asked.table in self.tables:
                        self.tables[asked.table] = CHANGES[fault.name](self.tables[asked.table], fault.variable)
                    return fault
        return None

    def published(self, table: str) -> Table:
        """The table of that name, in whatever letter case; the API's error when there is none."""
        if table.upper() not in self.tables:
            raise _RefusedError("table", table)
        return self.tables[table.upper()]


def _variable_to_change(table: Table, name: str | None) -> Variable:
    wanted = [variable for variable in table.variables[:-1] if name is None or variable.id.upper() == name.upper()]
    if not wanted:
        raise ValueError(f"{table.id} has no variable {name} to change")
    return wanted[-1]


def with_other_labels(table: Table, _: str | None = None) -> Table:
    """The table with other labels of variables and values; codes and rows stay."""
    changed = [
        variable
        if variable.time
        else replace(
            variable,
            text=f"{variable.text} (ny)",
            values={code: f"{label} (ny)" for code, label in variable.values.items()},
            text_en=variable.text_en and f"{variable.text_en} (new)",
            values_en={code: f"{label} (new)" for code, label in variable.values_en.items()},
        )
        for variable in table.variables
    ]
    return replace(table, variables=changed)


def with_new_code(table: Table, name: str | None = None) -> Table:
    """The table with one more code, which has a row of value 1 wherever the variable's first code has a row."""
    changed = _variable_to_change(table, name)
    place = table.variables.index(changed)
    first = next(iter(changed.values))
    variables = list(table.variables)
    variables[place] = replace(changed, values={**changed.values, NEW_CODE: "Ny værdi"})
    added = {(*codes[:place], NEW_CODE, *codes[place + 1 :]): "1" for codes in table.rows if codes[place] == first}
    return replace(table, variables=variables, rows=table.rows | added)


def without_variable(table: Table, name: str | None = None) -> Table:
    """The table without a variable: its total, or the sum of its values, is what is left."""
    removed = _variable_to_change(table, name)
    place = table.variables.index(removed)
    left: dict[tuple[str, ...], list[str]] = {}
    for codes, value in table.rows.items():
        if not isinstance(removed.elimination, str) or codes[place] == removed.elimination:
            left.setdefault((*codes[:place], *codes[place + 1 :]), []).append(value)
    variables = [variable for variable in table.variables if variable is not removed]
    return replace(table, variables=variables, rows={codes: _sum(values) for codes, values in left.items()})


def a_day_later(table: Table, _: str | None = None) -> Table:
    """The same table, published a day later."""
    later = datetime.fromisoformat(table.updated) + timedelta(days=1)
    return replace(table, updated=later.isoformat())


CHANGES: dict[str, Callable[[Table, str | None], Table]] = {
    "labels": with_other_labels,
    "new_code": with_new_code,
    "removed_variable": without_variable,
    "updated": a_day_later,
}


class _Server(socketserver.ThreadingTCPServer):
    """Serves each connection in a thread that is waited for, and knows its connections so that it can end them."""

    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 64
    bank: StatBank

    def __init__(self, *args: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is part of the tests; anything else is a mistake in this server."""
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, ConnectionError):
            self.bank.mistakes.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: Any) -> None:
        return

    def version_string(self) -> str:
        return "Microsoft-IIS/10.0"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        bank = self.server.bank
        address = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(address.path).removeprefix("/v1")
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        body, sound = _parsed(raw)
        asked = Asked(self.command, path, query, body)
        wanted = _wanted(asked)
        asked.table = str(wanted.get("table", "")).upper()
        fault = bank.met_by(asked)
        lang = "en" if str(wanted.get("lang", "")).lower() == "en" else "da"
        function = path.strip("/").split("/")[0].lower() if address.path.startswith("/v1/") else ""
        answer = _answered(bank, function, wanted if sound else None, lang)
        self._send(answer if fault is None else _spoilt(answer, fault, lang), fault, asked)

    def _send(self, answer: _Answer, fault: _Fault | None, asked: Asked) -> None:
        name = fault.name if fault else ""
        if name == "hangup":
            self.close_connection = True
            return
        if name == "slow" and fault.after_bytes is None:
            self._stall()
            return
        asked.status = answer.status
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Pragma", "no-cache")
        self.send_header("Expires", "-1")
        self.send_header("StatbankAPI-Request-Id", str(uuid.uuid4()))
        self.send_header("Access-Control-Expose-Headers", "StatbankAPI-Request-Id")
        for header, value in answer.headers.items():
            self.send_header(header, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        sent = answer.body
        if name in ("slow", "cut"):
            sent = sent[: len(sent) // 2 if fault.after_bytes is None else fault.after_bytes]
        for start in range(0, len(sent), CHUNK_BYTES):
            part = sent[start : start + CHUNK_BYTES]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if answer.chunked else part)
        if name == "slow":
            self._stall()
        elif name == "cut":
            self.close_connection = True
        elif answer.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _stall(self) -> None:
        self.close_connection = True
        end = time.monotonic() + STALL_SECONDS
        while time.monotonic() < end and not self.server.bank.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.02)
            # Nothing more is expected from the client, so being readable means that it has hung up.
            if readable:
                return


def _parsed(raw: bytes) -> tuple[Any, bool]:
    """The JSON of a body, and whether it is sound; an empty body is as good as an empty object."""
    if not raw.strip():
        return None, True
    try:
        body = json.loads(raw)
    except ValueError:
        return None, False
    return body, isinstance(body, dict)


def _wanted(asked: Asked) -> dict[str, Any]:
    """Parameters of a request by lower-case name, whether posted, in the query, or in the path."""
    if asked.method == "POST":
        return {name.lower(): value for name, value in asked.body.items()} if isinstance(asked.body, dict) else {}
    wanted: dict[str, Any] = {name.lower(): value for name, value in asked.query.items()}
    parts = asked.path.strip("/").split("/")
    if parts[0] == "tableinfo":
        wanted["table"] = parts[1] if len(parts) > 1 else wanted.get("id", wanted.get("table", ""))
    if parts[0] == "data":
        wanted |= dict(zip(("table", "format"), parts[1:], strict=False))
        wanted["variables"] = [
            {"code": name, "values": values}
            for name, values in asked.query.items()
            if name.lower() not in ("table", "format", "lang", "valuepresentation", "timeorder", "delimiter")
        ]
    return wanted


def _answered(bank: StatBank, function: str, wanted: Mapping[str, Any] | None, lang: str) -> _Answer:
    """The answer of a function of the API; `wanted` is None where the body was no JSON object."""
    try:
        if function not in ENDPOINTS:
            raise _RefusedError("page")
        if wanted is None:
            raise _RefusedError("no json")
        return ENDPOINTS[function](bank, wanted, lang)
    except _RefusedError as refused:
        status, code, danish, english = ERRORS[refused.error]
        message = (english if lang == "en" else danish).format(*refused.details)
        return _json({"errorTypeCode": code, "message": message}, status)


def _json(content: Any, status: int = 200) -> _Answer:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return _Answer(status, JSON_TYPE, body)


def _metadata_format(wanted: Mapping[str, Any]) -> None:
    # The API can also answer metadata as XML, which nobody here reads.
    if str(wanted.get("format", "JSON")).upper() != "JSON":
        raise _RefusedError("no format")


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _listed(value: Any) -> list[str]:
    """Items of a JSON list, or of a text with commas as a query has them."""
    if value is None:
        return []
    items = value if isinstance(value, list) else str(value).split(",")
    return [str(item) for item in items if str(item)]


def _subjects(bank: StatBank, wanted: Mapping[str, Any], lang: str) -> _Answer:
    """The ten subjects at the top; the levels below are not known here, so tables hang from the top."""
    _metadata_format(wanted)
    items = []
    for code, names in SUBJECTS.items():
        if "subjects" in wanted and code not in _listed(wanted["subjects"]):
            continue
        item = {"id": code, "description": names[lang == "en"], "active": True, "hasSubjects": True, "subjects": []}
        if _true(wanted.get("includetables", False)):
            item["tables"] = [_listing(table, lang) for table in bank.tables.values() if table.subject == code]
        items.append(item)
    return _json(items)


def _tables(bank: StatBank, wanted: Mapping[str, Any], lang: str) -> _Answer:
    _metadata_format(wanted)
    tables = list(bank.tables.values())
    if not _true(wanted.get("includeinactive", False)):
        tables = [table for table in tables if table.active]
    if "subjects" in wanted:
        tables = [table for table in tables if table.subject in _listed(wanted["subjects"])]
    if "pastdays" in wanted:
        since = (datetime.now() - timedelta(days=int(wanted["pastdays"]))).isoformat()
        tables = [table for table in tables if table.updated >= since]
    return _json([_listing(table, lang) for table in tables])


def _listing(table: Table, lang: str) -> dict[str, Any]:
    periods = table.variables[-1]
    codes = list(periods.values)
    return {
        "id": table.id,
        "text": table.name(lang),
        "unit": table.measure(lang),
        "updated": table.updated,
        "firstPeriod": periods.label(codes[0], lang),
        "latestPeriod": periods.label(codes[-1], lang),
        "active": table.active,
        "variables": [variable.name(lang) for variable in table.variables],
    }


def _tableinfo(bank: StatBank, wanted: Mapping[str, Any], lang: str) -> _Answer:
    _metadata_format(wanted)
    if not wanted.get("table"):
        raise _RefusedError("no table")
    table = bank.published(str(wanted["table"]))
    return _json(
        {
            "id": table.id,
            "text": table.name(lang),
            "description": _described(table.name(lang), [variable.name(lang) for variable in table.variables], lang),
            "unit": table.measure(lang),
            "suppressedDataValue": table.suppressed,
            "updated": table.updated,
            "active": table.active,
            "contacts": [{"name": "Prøve Prøvesen", "phone": "+4500000000", "mail": "proeve@example.org"}],
            "documentation": {"id": table.documentation, "url": _documentation(table, lang)},
            "footnote": table.footnote and {"text": table.footnote, "mandatory": True},
            "variables": [_variable_info(variable, lang) for variable in table.variables],
        }
    )


def _variable_info(variable: Variable, lang: str) -> dict[str, Any]:
    info: dict[str, Any] = {
        "id": variable.id,
        "text": variable.name(lang),
        "elimination": variable.elimination is not False,
        "time": variable.time,
    }
    if variable.map:
        info["map"] = variable.map.lower() if lang == "en" else variable.map
    info["values"] = [{"id": code, "text": variable.label(code, lang)} for code in variable.values]
    return info


def _described(title: str, names: list[str], lang: str) -> str:
    by, and_ = ("by", "and") if lang == "en" else ("efter", "og")
    listed = f"{', '.join(names[:-1])} {and_} {names[-1]}" if len(names) > 1 else names[0]
    return f"{title} {by} {listed}"


def _documentation(table: Table, lang: str) -> str:
    page = "documentationofstatistics" if lang == "en" else "statistikdokumentation"
    return f"https://www.dst.dk/{page}/{table.documentation}"


def _data(bank: StatBank, wanted: Mapping[str, Any], lang: str) -> _Answer:
    form = str(wanted.get("format", "")).upper()
    if form not in (*WHOLE, *STREAMING):
        raise _RefusedError("no format")
    if not wanted.get("table"):
        raise _RefusedError("no table")
    table = bank.published(str(wanted["table"]))
    if form not in SUFFIXES:
        return _Answer(501, "text/plain; charset=utf-8", f"the StatBank for tests has no {form}".encode())
    chosen = _chosen(table, wanted, streaming=form in STREAMING)
    if form not in STREAMING:
        _refuse_too_many(chosen)
    presentation = str(wanted.get("valuepresentation", "Default")).lower()
    if form == "JSONSTAT":
        content_type, body = JSON_TYPE, _jsonstat(table, chosen, lang)
    else:
        rows = _streamed(table, chosen) if form == "BULK" else _cells(table, chosen)
        content_type, body = CSV_TYPE, _written(chosen, rows, presentation, lang)
        body = body if form == "BULK" else BOM + body
    disposition = {"Content-Disposition": f"attachment; filename={table.id}.{SUFFIXES[form]}"}
    return _Answer(200, content_type, body, disposition, chunked=True)


ENDPOINTS: dict[str, Callable[[StatBank, Mapping[str, Any], str], _Answer]] = {
    "subjects": _subjects,
    "tables": _tables,
    "tableinfo": _tableinfo,
    "data": _data,
}


def _chosen(table: Table, wanted: Mapping[str, Any], *, streaming: bool) -> list[_Chosen]:
    """The variables of the answer with their codes, in the order asked for (assumed), Tid last."""
    if streaming and wanted.get("timeorder"):
        raise _RefusedError("order")
    known = {variable.id.upper(): variable for variable in table.variables}
    asked: dict[str, list[str]] = {}
    unknown = []
    for item in wanted.get("variables") or []:
        code, values = str(item.get("code", "")), _listed(item.get("values"))
        if code.upper() in known:
            asked.setdefault(code.upper(), []).extend(values)
        else:
            unknown.append(code)
    lacking = [
        variable.id
        for code, variable in known.items()
        if not asked.get(code) and (code in asked or streaming or (variable.elimination is False and not variable.time))
    ]
    # A streamed format looks for values of every variable before it looks for variables it does not know.
    refusals = [("values", lacking), ("variable", unknown)]
    for error, found in refusals if streaming else reversed(refusals):
        if found:
            raise _RefusedError(error, found[0])
    chosen = [_Chosen(known[code], _codes(known[code], values)) for code, values in asked.items()]
    periods = next((item for item in chosen if item.variable.time), None)
    if periods is None:
        newest = list(table.variables[-1].values)[-1]
        periods = _Chosen(table.variables[-1], [newest])
    descending = str(wanted.get("timeorder", "")).lower() == "descending"
    ordered = sorted(periods.codes, key=list(periods.variable.values).index, reverse=descending)
    return [item for item in chosen if not item.variable.time] + [_Chosen(periods.variable, ordered)]


def _codes(variable: Variable, asked: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for value in asked:
        matching = _matching(variable, value)
        if not matching:
            raise _RefusedError("value", value, variable.id)
        found |= dict.fromkeys(matching)
    return list(found)


def _matching(variable: Variable, asked: str) -> list[str]:
    """Codes that one value of a request stands for: a code, a wildcard, a range, or a rule for periods."""
    codes = list(variable.values)
    if asked in variable.values:
        return [asked]
    if "*" in asked:
        pattern = re.compile(".*".join(re.escape(part) for part in asked.split("*")), re.IGNORECASE)
        return [code for code in codes if pattern.fullmatch(code)]
    if bounds := re.fullmatch(r"(?:(>=?)([^<>=]+))?(?:(<=?)([^<>=]+))?", asked):
        above, low, below, high = bounds.groups()
        if above or below:
            return [code for code in codes if _above(code, above, low) and _below(code, below, high)]
    if variable.time and (rule := re.fullmatch(r"([+-]?)\((.+)\)", asked)):
        positions = _nth(rule[2], len(codes))
        counted = codes if rule[1] == "-" else codes[::-1]
        return [code for position, code in enumerate(counted, start=1) if position in positions]
    return [code for code in codes if code.upper() == asked.upper()]


def _above(code: str, sign: str | None, bound: str | None) -> bool:
    return sign is None or code.upper() > bound.upper() or (sign == ">=" and code.upper() == bound.upper())


def _below(code: str, sign: str | None, bound: str | None) -> bool:
    return sign is None or code.upper() < bound.upper() or (sign == "<=" and code.upper() == bound.upper())


def _nth(rule: str, count: int) -> set[int]:
    """Positions from 1 that a rule such as 1, -n+5 or 2n+1 gives, as nth-child of CSS does."""
    if rule.isdigit():
        return {int(rule)}
    parts = re.fullmatch(r"([+-]?[0-9]*)n([+-][0-9]+)?", rule)
    if not parts:
        return set()
    step = int(parts[1] + "1") if parts[1] in ("", "+", "-") else int(parts[1])
    start = int(parts[2] or 0)
    return {step * turn + start for turn in range(count + abs(start) + 1)}


def _refuse_too_many(chosen: list[_Chosen]) -> None:
    rows = 1
    for item in chosen:
        rows *= len(item.codes)
    cells = rows * (len(chosen) + 1)
    if cells > CELL_LIMIT:
        raise _RefusedError("limit", f"{cells:,}".replace(",", "."))


def _cells(table: Table, chosen: list[_Chosen]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every combination in order, Tid running fastest, with what is not listed eliminated."""
    listed = [item.variable.id for item in chosen]
    left_out = [variable for variable in table.variables if variable.id not in listed]
    members = (
        [variable.elimination] if isinstance(variable.elimination, str) else variable.values for variable in left_out
    )
    ways = list(itertools.product(*members))
    names = listed + [variable.id for variable in left_out]
    places = [names.index(variable.id) for variable in table.variables]
    for codes in itertools.product(*(item.codes for item in chosen)):
        keys = [tuple([(*codes, *way)[place] for place in places]) for way in ways]
        yield codes, _sum([table.rows.get(key, table.suppressed) for key in keys])


def _sum(values: list[str]) -> str:
    if len(values) == 1:
        return values[0]
    if MISSING in values:
        return MISSING
    return f"{sum(Decimal(value.replace(',', '.')) for value in values):f}"


def _number_of(value: str) -> Decimal | None:
    return None if value == MISSING else Decimal(value.replace(",", "."))


def _streamed(table: Table, chosen: list[_Chosen]) -> list[tuple[tuple[str, ...], str]]:
    """Stored rows in no useful order (but always the same), without those that are the suppressed value."""
    places = [table.variables.index(item.variable) for item in chosen]
    limited = [
        (place, set(item.codes))
        for place, item in zip(places, chosen, strict=True)
        if len(item.codes) < len(item.variable.values)
    ]
    left_out = {value for value in set(table.rows.values()) if _number_of(value) == _number_of(table.suppressed)}
    rows = [
        (tuple([key[place] for place in places]), value)
        for key, value in table.rows.items()
        if value not in left_out and all(key[place] in codes for place, codes in limited)
    ]
    return sorted(rows, key=lambda row: zlib.crc32(";".join(row[0]).encode()))


def _written(chosen: list[_Chosen], rows: Iterable[tuple[tuple[str, ...], str]], presentation: str, lang: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow([*(item.variable.id.upper() for item in chosen), "INDHOLD"])
    shown = [
        {code: _presented(code, item.variable.label(code, lang), presentation) for code in item.codes}
        for item in chosen
    ]
    for codes, value in rows:
        writer.writerow([*(names[code] for names, code in zip(shown, codes, strict=True)), _number(value, lang)])
    return text.getvalue().encode()


def _presented(code: str, label: str, presentation: str) -> str:
    return {"code": code, "codeandvalue": f"{code} {label}"}.get(presentation, label)


def _number(value: str, lang: str) -> str:
    if value == MISSING:
        return value
    return value.replace(",", ".") if lang == "en" else value.replace(".", ",")


def _jsonstat(table: Table, chosen: list[_Chosen], lang: str) -> bytes:
    """The first form of JSON-stat; a missing value is null (assumed)."""
    decimals = max(
        (len(re.split("[.,]", value)[-1]) for value in table.rows.values() if re.search("[.,][0-9]", value)), default=0
    )
    dimensions: dict[str, Any] = {}
    for item in chosen:
        if item.variable.time:
            dimensions["ContentsCode"] = {
                "label": "Indhold",
                "category": {
                    "index": {table.id: 0},
                    "label": {table.id: table.name(lang)},
                    "unit": {table.id: {"base": table.measure(lang), "decimals": decimals}},
                },
            }
        dimensions[item.variable.id] = {
            "label": item.variable.name(lang),
            "category": {
                "index": {code: place for place, code in enumerate(item.codes)},
                "label": {code: item.variable.label(code, lang) for code in item.codes},
            },
        }
    geographic = [item.variable.id for item in chosen if item.variable.map]
    sizes = [len(dimension["category"]["index"]) for dimension in dimensions.values()]
    role = {"metric": ["ContentsCode"], "time": [table.variables[-1].id]} | ({"geo": geographic} if geographic else {})
    updated = datetime.fromisoformat(table.updated).replace(tzinfo=ZoneInfo("Europe/Copenhagen"))
    names = [dimension["label"] for dimension in dimensions.values()]
    as_number = float if decimals else int
    numbers = (_number_of(value) for _, value in _cells(table, chosen))
    values = [None if number is None else as_number(number) for number in numbers]
    dataset = {
        "dimension": {**dimensions, "id": list(dimensions), "size": sizes, "role": role},
        "label": _described(table.name(lang), names, lang),
        "source": "Statistics Denmark" if lang == "en" else "Danmarks Statistik",
        "updated": updated.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "value": values,
        "extension": {"px": {"infofile": _documentation(table, lang), "tableid": table.id, "decimals": decimals}},
    }
    return _json({"dataset": dataset}).body


def _spoilt(answer: _Answer, fault: _Fault, lang: str) -> _Answer:
    """What a fault makes of an answer; an answer that is an error already stays."""
    if fault.name in ("429", "500", "503"):
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        return _Answer(int(fault.name), HTML_TYPE, f"<h1>Fejl {fault.name}</h1>".encode(), headers)
    if fault.name == "html":
        page = (
            "<!DOCTYPE html>\r\n<html><head><title>Statistikbanken</title></head><body>Driftsforstyrrelse</body></html>"
        )
        return _Answer(200, HTML_TYPE, page.encode())
    if fault.name not in BODIES or answer.status != 200:
        return answer
    if answer.content_type != CSV_TYPE:
        raise ValueError(f"the fault {fault.name} is for CSV and BULK")
    return replace(answer, body=BODIES[fault.name](answer.body, fault, lang))


def _wrong_decimal(body: bytes, _: _Fault, lang: str) -> bytes:
    right, wrong = (b".", b",") if lang == "en" else (b",", b".")
    header, *rows = body.split(b"\r\n")[:-1]
    changed = [header]
    for row in rows:
        keys, _, value = row.rpartition(b";")
        whole, _, part = value.partition(right)
        changed.append(row if value == MISSING.encode() else keys + b";" + whole + wrong + (part or b"0"))
    return b"".join(line + b"\r\n" for line in changed)


def _duplicate_rows(body: bytes, _: _Fault, __: str) -> bytes:
    return body + body.split(b"\r\n")[1] + b"\r\n"


def _truncated(body: bytes, fault: _Fault, _: str) -> bytes:
    # Without the line end and one digit: what is left looks like a number all the same, where it had two.
    return body[: -3 if fault.after_bytes is None else fault.after_bytes]


BODIES: dict[str, Callable[[bytes, _Fault, str], bytes]] = {
    "wrong_decimal": _wrong_decimal,
    "duplicate_rows": _duplicate_rows,
    "truncated": _truncated,
}
