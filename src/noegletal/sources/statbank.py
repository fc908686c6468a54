"""StatBank's API: what a table holds, requests of a reasonable size, answers streamed to disk."""

import difflib
import email.utils
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from analysis.errors import InputError

BASE_URL = "https://api.statbank.dk/v1"
LANGUAGE = "da"
# BULK has no limit of its own; a request of this size is some 20 MB and little lost when it has to be repeated.
MAX_ROWS = 500_000
REQUEST_ID = "StatbankAPI-Request-Id"
TOO_MANY = 429
NEAR = 3

Result = TypeVar("Result")


class StatBankError(InputError):
    """StatBank does not answer, or not with the table that was asked for."""

    def __init__(self, text: str) -> None:
        """Say `text`, under the id of its rule."""
        super().__init__(text, rule="HENT-01")


class UnreachableError(StatBankError):
    """No connection to StatBank can be made at all, so that asking for another table is of no use."""


class _TryLaterError(Exception):
    """An answer that another attempt may mend: too many requests, or an error of the server."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True)
class Patience:
    """How often a request is tried, and how long to wait between attempts and for an answer (seconds)."""

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 120.0
    connect: float = 15.0
    read: float = 120.0


@dataclass(frozen=True)
class Connection:
    """An open client and the patience it asks with."""

    client: httpx.Client
    url: str
    patience: Patience


class _Delivered(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Code(_Delivered):
    """A code of a variable and its label."""

    id: str
    text: str


class Variable(_Delivered):
    """A variable of a table with every code it has."""

    id: str
    time: bool = False
    values: tuple[Code, ...]

    @property
    def codes(self) -> list[str]:
        """The codes in the table's own order."""
        return [code.id for code in self.values]


class Footnote(_Delivered):
    """What Statistics Denmark says about a table."""

    text: str
    mandatory: bool = False


class TableInfo(_Delivered):
    """What StatBank says of a table: labels, unit, time stamp, meaning of a row left out, variables and periods."""

    id: str
    text: str
    unit: str | None = ""
    updated: str
    active: bool = True
    suppressed_value: str | None = Field(alias="suppressedDataValue", default=None)
    footnote: Footnote | None = None
    variables: tuple[Variable, ...]

    def variable(self, name: str) -> Variable:
        """The variable of a name, whatever its case; an unknown one is an error that lists those there are."""
        found = [variable for variable in self.variables if variable.id.casefold() == name.casefold()]
        if len(found) == 1:
            return found[0]
        known = [variable.id for variable in self.variables]
        near = difflib.get_close_matches(name.upper(), [code.upper() for code in known], n=1)
        hint = f" (is it {near[0]}?)" if near else ""
        raise StatBankError(
            f"{self.id} has no variable {name} in StatBank{hint}; it has {', '.join(known)}: correct tables.yml"
        )

    @property
    def time(self) -> Variable:
        """The variable that holds the periods."""
        return next((variable for variable in self.variables if variable.time), None) or self.variable("Tid")


@dataclass(frozen=True)
class Request:
    """One BULK request: every variable of the table with the codes asked for, in the table's own spelling."""

    table: str
    variables: Mapping[str, tuple[str, ...]]

    @property
    def body(self) -> dict[str, Any]:
        """What is posted."""
        listed = [{"code": name, "values": list(codes)} for name, codes in self.variables.items()]
        return {
            "table": self.table,
            "format": "BULK",
            "lang": LANGUAGE,
            "valuePresentation": "Code",
            "variables": listed,
        }

    @property
    def rows(self) -> int:
        """The most rows the answer can have; rows of zero are left out of it."""
        return math.prod(len(codes) for codes in self.variables.values())

    @property
    def cells(self) -> int:
        """The most cells the answer can have, as StatBank counts them: rows times columns with Tid and INDHOLD."""
        return self.rows * (len(self.variables) + 1)


@dataclass(frozen=True)
class Answer:
    """What is known about a download that came through whole."""

    request_id: str
    size: int


@contextmanager
def connection(url: str = BASE_URL, patience: Patience | None = None) -> Iterator[Connection]:
    """A client of the API at `url`; errors: an address that is not one."""
    patience = patience or Patience()
    base = url.rstrip("/")
    try:
        address = httpx.URL(base)
    except httpx.InvalidURL as error:
        raise InputError(f"{url!r} is not an address ({error}); give --url as {BASE_URL}") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise InputError(f"{url!r} is not a web address; give --url as {BASE_URL}")
    timeout = httpx.Timeout(patience.read, connect=patience.connect)
    # Unpacked answers: the length that is promised is then that of the file, and a short one is seen.
    headers = {"User-Agent": "noegletal-hovedstaden", "Accept-Encoding": "identity"}
    with httpx.Client(timeout=timeout, headers=headers) as client:
        yield Connection(client, base, patience)


def table_info(link: Connection, table: str) -> TableInfo:
    """What StatBank says of a table now. Errors: no answer, StatBank's own refusal, an answer that is no tableinfo."""
    address = f"{link.url}/tableinfo"

    def ask() -> TableInfo:
        response = link.client.get(address, params={"id": table, "lang": LANGUAGE, "format": "JSON"})
        _require_success(link, response, table)
        try:
            info = TableInfo(**json.loads(response.content.decode("utf-8-sig")))
        except (ValueError, TypeError, ValidationError) as error:
            raise StatBankError(
                f"{table}: {address} answered with something that does not describe a table "
                f"({_opening(response.content)}); check --url, or try again later"
            ) from error
        if info.id.casefold() != table.casefold():
            raise StatBankError(f"{table}: StatBank describes {info.id} when asked for {table}; nothing was fetched")
        return info

    return _patiently(link, table, ask)


def download(link: Connection, request: Request, target: Path, on_bytes: Callable[[int], None]) -> Answer:
    """Stream the answer to a request into `target`; the file is there only when the answer came through whole.

    `on_bytes` is told how many bytes of the running attempt have come. Errors: no answer after every attempt,
    StatBank's own refusal, a web page instead of data, an answer that stops in the middle of a line.
    """
    partial = target.with_name(f"{target.name}.partial")

    def ask() -> Answer:
        on_bytes(0)
        with link.client.stream("POST", f"{link.url}/data", json=request.body) as response:
            if not response.is_success:
                response.read()
            _require_success(link, response, request.table)
            _require_framing(response, request.table)
            with partial.open("wb") as stream:
                for block in response.iter_bytes(1 << 16):
                    stream.write(block)
                    on_bytes(stream.tell())
        _require_whole_lines(partial, request.table, response.headers.get("Content-Type", ""))
        return Answer(response.headers.get(REQUEST_ID, ""), partial.stat().st_size)

    try:
        answer = _patiently(link, request.table, ask)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return answer


def matched(own: Sequence[str], wanted: Iterable[str], place: str) -> dict[str, str]:
    """The table's own code of each wanted one: the same, or the only one that differs in case and leading zeros.

    Errors name `place` (table and variable), the code and the nearest codes there are.
    """
    by_fold: dict[str, list[str]] = {}
    for code in own:
        by_fold.setdefault(folded(code), []).append(code)
    exact = set(own)
    found: dict[str, str] = {}
    for code in wanted:
        candidates = [code] if code in exact else by_fold.get(folded(code), [])
        if len(candidates) > 1:
            raise StatBankError(
                f"{place}: the code {code} may be any of {', '.join(candidates)}; say which in tables.yml"
            )
        if not candidates:
            raise StatBankError(
                f"{place} has no code {code} in StatBank; the nearest are {', '.join(_nearest(code, own))}: "
                "correct what data/reference asks for"
            )
        twin = next((other for other, taken in found.items() if taken == candidates[0]), None)
        if twin is not None:
            raise StatBankError(f"{place}: {twin} and {code} are both StatBank's {candidates[0]}; correct tables.yml")
        found[code] = candidates[0]
    return found


def folded(code: str) -> str:
    """A code without what tables spell differently: letter case and leading zeros."""
    return code.casefold().lstrip("0") or "0"


def _nearest(code: str, own: Sequence[str]) -> list[str]:
    return sorted(own, key=lambda other: (-difflib.SequenceMatcher(None, code, other).ratio(), other))[:NEAR]


def requests(table: str, variables: Mapping[str, Sequence[str]], time: str, limit: int = MAX_ROWS) -> list[Request]:
    """Requests that together ask for every combination of codes, none for more than `limit` rows where that can be.

    Periods are divided first, so that as many whole ones as fit go together; a period that is too large is divided
    by its largest variable.
    """
    whole = Request(table, {name: tuple(codes) for name, codes in variables.items()})
    if whole.rows <= limit:
        return [whole]
    largest = time if len(whole.variables[time]) > 1 else max(variables, key=lambda name: len(variables[name]))
    codes = whole.variables[largest]
    if len(codes) == 1:
        return [whole]
    others = whole.rows // len(codes)
    per_request = max(1, limit // others)
    parts = []
    for start in range(0, len(codes), per_request):
        chosen = {**whole.variables, largest: codes[start : start + per_request]}
        parts += requests(table, chosen, time, limit)
    return parts


def _patiently(link: Connection, table: str, ask: Callable[[], Result]) -> Result:
    """Ask again, with growing pauses, as long as another attempt may help."""
    patience = link.patience
    growing = wait_exponential(multiplier=patience.first_wait, max=patience.longest_wait)

    def pause(state: RetryCallState) -> float:
        asked = getattr(state.outcome.exception(), "wait", None)
        return max(growing(state), asked or 0.0)

    attempts = Retrying(
        retry=retry_if_exception_type((httpx.TransportError, httpx.DecodingError, _TryLaterError)),
        wait=pause,
        stop=stop_after_attempt(patience.attempts),
        reraise=True,
    )
    try:
        return attempts(ask)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise UnreachableError(
            f"no connection to {link.url} after {patience.attempts} attempts ({_reason(error)}); "
            "check the network and --url, and run the command again"
        ) from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise StatBankError(
            f"{table}: StatBank did not answer in full in {patience.attempts} attempts ({_reason(error)}); "
            "run the command again, what has come is kept"
        ) from error
    except _TryLaterError as error:
        raise StatBankError(f"{table}: {error} in {patience.attempts} attempts; run the command again later") from error


def _require_success(link: Connection, response: httpx.Response, table: str) -> None:
    status = response.status_code
    if response.is_success:
        return
    if status == TOO_MANY or response.is_server_error:
        wait = _retry_after(response.headers.get("Retry-After"))
        if wait is not None and wait > link.patience.longest_wait:
            raise StatBankError(
                f"{table}: StatBank asks to wait {wait:.0f} seconds (HTTP {status}); run the command again then"
            )
        raise _TryLaterError(f"StatBank answered HTTP {status}", wait)
    if response.is_redirect:
        target = response.headers.get("Location", "elsewhere")
        raise StatBankError(f"{table}: {link.url} refers to {target} (HTTP {status}); correct --url")
    raise StatBankError(f"{table}: StatBank refuses the request (HTTP {status}): {_refusal(response)}")


def _refusal(response: httpx.Response) -> str:
    """StatBank's own message, or the beginning of what came instead."""
    try:
        return " ".join(str(response.json()["message"]).split())
    except (ValueError, KeyError, TypeError):
        return _opening(response.content)


def _require_framing(response: httpx.Response, table: str) -> None:
    """Refuse an answer that does not say where it ends: one that is cut short would look complete."""
    headers = response.headers
    if "Content-Length" not in headers and "chunked" not in headers.get("Transfer-Encoding", "").lower():
        raise StatBankError(
            f"{table}: the answer says neither its length nor where it ends, so that a part of it could be missing; "
            "is there a proxy between here and StatBank?"
        )


def _require_whole_lines(path: Path, table: str, content_type: str) -> None:
    with path.open("rb") as stream:
        start = stream.read(512).removeprefix(b"\xef\xbb\xbf").lstrip()
        stream.seek(max(0, path.stat().st_size - 1))
        last = stream.read(1)
    if "html" in content_type.lower() or start.startswith(b"<"):
        raise StatBankError(
            f"{table}: a web page came instead of data ({_opening(start)}); check --url or try again later"
        )
    if start.startswith(b"{"):
        raise StatBankError(f"{table}: something else than a table came ({_opening(start)}); try again later")
    if not start:
        raise StatBankError(f"{table}: the answer is empty; try again later")
    if last != b"\n":
        raise StatBankError(f"{table}: the answer stops in the middle of a line; run the command again")


def _opening(content: bytes) -> str:
    text = " ".join(content[:400].decode("utf-8", errors="replace").split())
    return repr(text[:80] + ("..." if len(text) > 80 else ""))


def _retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds a number or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    return str(error) or {"ReadTimeout": "no answer in time", "ConnectTimeout": "no connection in time"}.get(
        type(error).__name__, type(error).__name__
    )
