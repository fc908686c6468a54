"""The StatBank for tests behaves as the notes on the real one say, and fails as it is told to."""

import base64
import csv
import gzip
import io
import json
import random
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest
import yaml
from conftest import REFERENCE, ROOT, write_raw
from statbank_server import BOM, NEW_CODE, StatBank, Table, Variable, table_from_csv

RECORDED = REFERENCE / "dst" / "recorded_thoran"
OBSERVED = REFERENCE / "dst" / "transcribed" / "api_errors_observed.jsonl"
RAW = ROOT / "data" / "raw" / "2025"
AREAS = {"101": "København", "147": "Frederiksberg"}
SEXES = {"TOT": "I alt", "1": "Mænd", "2": "Kvinder"}
AGES = {"0": "0 år", "1": "1 år", "10": "10 år"}
YEARS = {str(year): str(year) for year in range(2019, 2025)}


def small_table(**changed):
    """Two areas by sex (with a total), age (without) and six years; halves, zeros and missing values among them."""
    variables = [
        Variable("OMRÅDE", "område", False, False, AREAS, "Denmark_municipality_07", text_en="region"),
        Variable(
            "KØN", "køn", "TOT", False, SEXES, text_en="sex", values_en={"TOT": "Total", "1": "Men", "2": "Women"}
        ),
        Variable("ALDER", "alder", True, False, AGES, text_en="age"),
        Variable("Tid", "tid", False, True, YEARS, text_en="time"),
    ]
    rows = {}
    for area in AREAS:
        for place, age in enumerate(AGES):
            for year in YEARS:
                men, women = (int(area) + place) * (int(year) - 2018), place * 10
                rows |= {(area, "1", age, year): f"{men},5", (area, "2", age, year): str(women)}
                rows[area, "TOT", age, year] = f"{men + women},5"
    rows["147", "1", "10", "2019"] = ".."
    facts = {"text_en": "Trial", "unit_en": "Number", "subject": "4"} | changed
    return Table("PROEVE1", "Forsøg", "Antal", variables, rows, **facts)


def population_table():
    """FOLK1A in its full size as of 2025K3, without rows: every cell is the suppressed value."""
    areas = {"000": "Hele landet"} | {f"{code:03}": f"Område {code}" for code in range(101, 205)}
    quarters = [f"{year}K{quarter}" for year in range(2008, 2026) for quarter in range(1, 5)][:71]
    ages = {"IALT": "Alder i alt"} | {str(age): f"{age} år" for age in range(126)}
    civil = {"TOT": "I alt", "U": "Ugift", "G": "Gift", "E": "Enke", "F": "Fraskilt"}
    variables = [
        Variable("OMRÅDE", "område", "000", False, areas),
        Variable("KØN", "køn", "TOT", False, SEXES),
        Variable("ALDER", "alder", "IALT", False, ages),
        Variable("CIVILSTAND", "civilstand", "TOT", False, civil),
        Variable("Tid", "tid", False, True, {quarter: quarter for quarter in quarters}),
    ]
    return Table("FOLK1A", "Folketal", "Antal", variables, {}, subject="1")


@pytest.fixture
def bank():
    with StatBank({"PROEVE1": small_table(), "FOLK1A": population_table()}) as running:
        yield running


@pytest.fixture(scope="module")
def client():
    with httpx.Client(timeout=5) as session:
        yield session


def asked(form="CSV", table="PROEVE1", lang=None, presentation="Code", order=None, **values):
    """The body of a request; values go by variable."""
    body = {"table": table, "format": form, "lang": lang, "valuePresentation": presentation, "timeOrder": order}
    variables = [{"code": code, "values": listed} for code, listed in values.items()]
    return {name: value for name, value in body.items() if value} | {"variables": variables}


EVERYTHING = {"OMRÅDE": ["*"], "KØN": ["*"], "ALDER": ["*"], "Tid": ["*"]}


def lines_of(answer):
    """Rows of a CSV or BULK answer without its header."""
    assert answer.status_code == 200, answer.text
    text = answer.content.removeprefix(BOM).decode("utf-8")
    assert text.endswith("\r\n")
    assert text.count("\n") == text.count("\r\n")
    return text.split("\r\n")[1:-1]


def refusal_of(answer):
    return answer.status_code, answer.json()["errorTypeCode"], answer.json()["message"]


# ---- errors as observed


def of_the_whole(form, **changed):
    """A request for all of FOLK1A with the values of some variables changed, or left out where None."""
    wanted = {code: ["*"] for code in ("OMRÅDE", "KØN", "ALDER", "CIVILSTAND", "Tid")} | changed
    return asked(form, "FOLK1A", **{code: values for code, values in wanted.items() if values is not None})


CASES = {
    "invalid_table_id": [
        ("POST", "/data", {"json": asked(table="INVALIDTABLE999")}),
        ("POST", "/tableinfo", {"json": {"table": "INVALIDTABLE999"}}),
        ("GET", "/tableinfo", {"params": {"id": "INVALIDTABLE999"}}),
        ("GET", "/tableinfo/INVALIDTABLE999", {}),
        ("GET", "/data/INVALIDTABLE999/CSV", {}),
    ],
    "invalid_format": [
        ("POST", "/data", {"json": asked("INVALID", "FOLK1A")}),
        ("POST", "/data", {"json": asked("JSON", "FOLK1A")}),
        ("POST", "/data", {"json": {"table": "FOLK1A"}}),
        ("GET", "/data/FOLK1A/INVALID", {}),
    ],
    "missing_table_param": [
        ("POST", "/data", {"json": {"format": "CSV"}}),
        ("GET", "/tableinfo", {}),
        ("POST", "/tableinfo", {"json": {"id": "FOLK1A"}}),
    ],
    "invalid_variable_code (non-BULK)": [
        ("POST", "/data", {"json": asked("CSV", "FOLK1A", INVALIDVAR=["*"])}),
        ("POST", "/data", {"json": asked("JSONSTAT", "FOLK1A", INVALIDVAR=["*"])}),
        ("GET", "/data/FOLK1A/CSV", {"params": {"INVALIDVAR": "*"}}),
    ],
    "invalid_value_code": [("POST", "/data", {"json": asked("CSV", "FOLK1A", OMRÅDE=["101", "999999"])})],
    "malformed_json": [
        ("POST", "/data", {"content": b'{"table": "FOLK1A", '}),
        ("POST", "/data", {"content": b'["FOLK1A"]'}),
        ("POST", "/tableinfo", {"content": b"table=FOLK1A"}),
    ],
    "wrong_http_method (GET, no format)": [
        ("GET", "/data", {}),
        ("GET", "/data/FOLK1A", {}),
    ],
    "nonexistent_endpoint": [("GET", "/nothing", {}), ("POST", "/nothing", {"json": {}}), ("GET", "", {})],
    "empty_post_body": [("POST", "/data", {}), ("POST", "/data", {"json": {}})],
    "BULK without a variable": [
        ("POST", "/data", {"json": of_the_whole("BULK", OMRÅDE=None)}),
        ("POST", "/data", {"json": of_the_whole("BULK", OMRÅDE=[])}),
        ("POST", "/data", {"json": of_the_whole("CSV", OMRÅDE=[])}),
        ("POST", "/data", {"json": of_the_whole("BULK", OMRÅDE=None, INVALIDVAR=["*"])}),
    ],
    "BULK with timeOrder": [("POST", "/data", {"json": of_the_whole("BULK") | {"timeOrder": "Ascending"}})],
    "BULK, invalid value": [("POST", "/data", {"json": of_the_whole("BULK", OMRÅDE=["INVALID999"])})],
    "JSONSTAT over the cell limit": [
        ("POST", "/data", {"json": of_the_whole("JSONSTAT")}),
        ("POST", "/data", {"json": of_the_whole("CSV")}),
    ],
}


def observed_errors():
    """The cases of the file; one placeholder that is skipped where the file is absent."""
    if not OBSERVED.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"{OBSERVED} is not on this machine"))]
    cases = [json.loads(line) for line in OBSERVED.read_text(encoding="utf-8").splitlines()]
    return [pytest.param(case, id=case["case"]) for case in cases]


@pytest.mark.parametrize("case", observed_errors())
def test_every_observed_error_is_answered_byte_for_byte(bank, client, case):
    for method, path, content in CASES[case["case"]]:
        answer = client.request(method, bank.url + path, **content)
        assert answer.content == case["body"].encode(), (method, path, content)
        assert answer.status_code == case["http_status"]
        assert answer.headers["content-type"] == "text/json; charset=utf-8"


def test_errors_follow_the_language(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked(lang="en", OMRÅDE=["999"]))
    assert refusal_of(answer) == (400, "EXTRACT-NOTFOUND", "Can't find value: 999 (OMRÅDE)")
    danish = client.post(f"{bank.url}/data", json=asked(lang="da", OMRÅDE=["999"]))
    assert refusal_of(danish)[2] == "Kan ikke finde værdien: 999 (OMRÅDE)"


def test_a_variable_that_cannot_be_eliminated_must_be_given(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked(KØN=["1"]))
    assert refusal_of(answer) == (400, "EXTRACT-NOTALLOWED", "Der skal vælges værdier for variabel: OMRÅDE")


def test_a_stream_must_list_the_periods(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked("BULK", OMRÅDE=["*"], KØN=["*"], ALDER=["*"]))
    assert refusal_of(answer) == (400, "EXTRACT-NOTALLOWED", "Der skal vælges værdier for variabel: Tid")


def test_a_stream_refuses_an_unknown_variable_when_all_others_are_there(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked("BULK", **EVERYTHING, ANDET=["*"]))
    assert refusal_of(answer) == (400, "EXTRACT-NOTFOUND", "Kan ikke finde variablen: ANDET")


def test_the_limit_counts_columns_with_time_and_value(bank, client):
    # 105 areas x 127 ages x 15 quarters = 200,025 rows; 4 columns are within the limit only when one fewer is counted.
    wanted = {"OMRÅDE": ["*"], "ALDER": ["*"], "Tid": ["(-n+15)"]}
    assert client.post(f"{bank.url}/data", json=asked(table="FOLK1A", **wanted)).status_code == 200
    over = client.post(f"{bank.url}/data", json=asked(table="FOLK1A", **wanted, KØN=["TOT"], CIVILSTAND=["TOT"]))
    assert refusal_of(over)[1] == "REQUEST-LIMIT"
    assert "på op mod 1.200.150 celler" in over.json()["message"]
    stream = client.post(f"{bank.url}/data", json=of_the_whole("BULK"))
    assert lines_of(stream) == []


def test_formats_that_are_not_made_here_say_so(bank, client):
    assert client.post(f"{bank.url}/data", json=asked("PX", OMRÅDE=["*"])).status_code == 501


# ---- recorded exchanges


class _WithBinary(yaml.SafeLoader):
    """Reads the bodies that the recorder wrote as base64."""


_WithBinary.add_constructor("!binary", lambda loader, node: base64.b64decode(loader.construct_scalar(node)))


def recorded(name):
    """A recorded request and response; the test is skipped where the recordings are absent."""
    path = RECORDED / f"{name}.yml"
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    exchange = yaml.load(path.read_text(encoding="utf-8"), Loader=_WithBinary)["http_interactions"][0]  # noqa: S506
    body = exchange["response"]["body"]["string"]
    return exchange["request"], exchange["response"], body if isinstance(body, bytes) else body.encode()


def recorded_table():
    """STRAF42 from its recorded tableinfo in both languages, with the two values of the recorded answers."""
    danish, english = (json.loads(recorded(name)[2]) for name in ("table_info_straf42_da", "table_info_straf42"))
    variables = []
    for here, there in zip(danish["variables"], english["variables"], strict=True):
        values, values_en = ({value["id"]: value["text"] for value in item["values"]} for item in (here, there))
        total = next(iter(values)) if here["elimination"] else False
        variables.append(
            Variable(here["id"], here["text"], total, here["time"], values, text_en=there["text"], values_en=values_en)
        )
    totals = tuple(variable.elimination for variable in variables[:-1])
    return Table(
        danish["id"],
        danish["text"],
        danish["unit"],
        variables,
        {(*totals, "2023"): "233454", (*totals, "2024"): "227774"},
        updated=danish["updated"],
        text_en=english["text"],
        unit_en=english["unit"],
        documentation=danish["documentation"]["id"],
    )


RECORDED_HEADERS = ("Content-Type", "Cache-Control", "Transfer-Encoding", "Content-Disposition", "Server")


@pytest.mark.parametrize("name", ["data_straf42_csv", "data_straf42_json", "data_straf42_all"])
def test_recorded_data_requests_get_the_recorded_answer(client, name):
    request, response, body = recorded(name)
    with StatBank({"STRAF42": recorded_table()}) as bank:
        answer = client.post(f"{bank.url}/data", content=request["body"]["string"].encode())
    assert answer.content == body
    for header in RECORDED_HEADERS:
        assert answer.headers[header] == response["headers"][header][0]
    assert len(answer.headers["StatbankAPI-Request-Id"]) == len(response["headers"]["Statbankapi-Request-Id"][0])


@pytest.mark.parametrize(("name", "lang"), [("table_info_straf42", "en"), ("table_info_straf42_da", "da")])
def test_recorded_tableinfo_is_answered_alike(client, name, lang):
    _, response, body = recorded(name)
    with StatBank({"STRAF42": recorded_table()}) as bank:
        answer = client.get(f"{bank.url}/tableinfo", params={"id": "straf42", "lang": lang, "format": "json"})
    # The contact is a person, and the footnote is not part of the table made here.
    given, expected = (
        {key: value for key, value in json.loads(text).items() if key not in ("contacts", "footnote")}
        for text in (answer.content, body)
    )
    assert json.dumps(given) == json.dumps(expected)
    assert list(answer.json()) == list(json.loads(body))
    assert answer.headers["Content-Type"] == response["headers"]["Content-Type"][0]
    assert "Transfer-Encoding" not in answer.headers


@pytest.mark.parametrize(("name", "lang"), [("subjects_da", "da"), ("subjects_en", "en")])
def test_recorded_subjects_are_answered_byte_for_byte(bank, client, name, lang):
    assert client.get(f"{bank.url}/subjects", params={"lang": lang, "format": "json"}).content == recorded(name)[2]


def test_recorded_items_of_tables_have_the_same_fields(bank, client):
    expected = json.loads(recorded("tables_subject_crime")[2])[0]
    given = client.get(f"{bank.url}/tables", params={"lang": "en", "subjects": "1"}).json()[0]
    assert list(given) == list(expected)
    assert (given["firstPeriod"], given["latestPeriod"]) == ("2008Q1", "2025Q3")


# ---- metadata


def test_tableinfo_is_the_same_in_all_its_forms_and_cases(bank, client):
    answers = [
        client.get(f"{bank.url}/tableinfo", params={"id": "PROEVE1", "lang": "da", "format": "JSON"}),
        client.get(f"{bank.url}/tableinfo/proeve1", params={"lang": "da", "format": "JSON"}),
        client.post(f"{bank.url}/tableinfo", json={"table": "proeve1", "lang": "da"}),
        client.post(f"{bank.url}/tableinfo", json={"table": "PROEVE1"}),
    ]
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["StatbankAPI-Request-Id"] for answer in answers}) == 4
    info = answers[0].json()
    assert info["suppressedDataValue"] == "0"
    assert info["updated"] == "2025-05-22T08:00:00"
    assert info["footnote"] is None
    assert info["description"] == "Forsøg efter område, køn, alder og tid"
    assert [(item["id"], item["elimination"], item["time"]) for item in info["variables"]] == [
        ("OMRÅDE", False, False),
        ("KØN", True, False),
        ("ALDER", True, False),
        ("Tid", False, True),
    ]
    assert info["variables"][0]["map"] == "Denmark_municipality_07"
    assert "map" not in info["variables"][1]
    assert info["variables"][0]["values"][0] == {"id": "101", "text": "København"}


def test_tableinfo_in_english(bank, client):
    info = client.get(f"{bank.url}/tableinfo/PROEVE1", params={"lang": "en"}).json()
    assert (info["text"], info["unit"]) == ("Trial", "Number")
    assert info["description"] == "Trial by region, sex, age and time"
    assert info["variables"][0]["map"] == "denmark_municipality_07"
    assert [value["text"] for value in info["variables"][1]["values"]] == ["Total", "Men", "Women"]


def test_a_footnote_is_shown(client):
    with StatBank({"PROEVE1": small_table(footnote="Nyt fra 2023.")}) as bank:
        info = client.get(f"{bank.url}/tableinfo/PROEVE1").json()
    assert info["footnote"] == {"text": "Nyt fra 2023.", "mandatory": True}


def test_tables_can_be_limited(client):
    now = datetime.now().isoformat(timespec="seconds")
    old = replace(population_table(), id="GAMMEL", active=False, subject="4", updated="2010-01-01T08:00:00")
    with StatBank({"PROEVE1": small_table(updated=now), "FOLK1A": population_table(), "GAMMEL": old}) as bank:

        def ids(**query):
            posted = client.post(f"{bank.url}/tables", json=query).json()
            assert posted == client.get(f"{bank.url}/tables", params=query).json()
            return [item["id"] for item in posted]

        assert ids() == ["PROEVE1", "FOLK1A"]
        assert ids(includeInactive=True) == ["PROEVE1", "FOLK1A", "GAMMEL"]
        assert ids(includeInactive=True, subjects="4") == ["PROEVE1", "GAMMEL"]
        assert ids(pastdays=2) == ["PROEVE1"]
        listed = client.get(f"{bank.url}/subjects", params={"subjects": "1", "includeTables": "true"}).json()
        assert [(item["id"], [table["id"] for table in item["tables"]]) for item in listed] == [("1", ["FOLK1A"])]


# ---- CSV


def test_csv_has_a_mark_windows_line_ends_and_every_cell_in_order(bank, client):
    wanted = {"KØN": ["2", "TOT"], "OMRÅDE": ["147"], "ALDER": ["10", "0"], "Tid": ["2020", "2019"]}
    answer = client.post(f"{bank.url}/data", json=asked(**wanted))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename=PROEVE1.csv"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.content.startswith(BOM + "KØN;OMRÅDE;ALDER;TID;INDHOLD\r\n".encode())
    assert lines_of(answer) == [
        "2;147;10;2019;20",
        "2;147;10;2020;20",
        "2;147;0;2019;0",
        "2;147;0;2020;0",
        "TOT;147;10;2019;169,5",
        "TOT;147;10;2020;318,5",
        "TOT;147;0;2019;147,5",
        "TOT;147;0;2020;294,5",
    ]


def test_csv_may_have_the_newest_period_first(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked(OMRÅDE=["101"], ALDER=["0"], Tid=["*"], order="Descending"))
    assert [line.split(";")[2] for line in lines_of(answer)] == list(YEARS)[::-1]


def test_a_cell_without_row_is_the_suppressed_value(client):
    table = small_table(suppressed="..")
    rows = {key: value for key, value in table.rows.items() if key[0] == "101"}
    with StatBank({"PROEVE1": replace(table, rows=rows)}) as bank:
        answer = client.post(f"{bank.url}/data", json=asked(OMRÅDE=["*"], KØN=["1"], ALDER=["0"], Tid=["2019"]))
    assert lines_of(answer) == ["101;1;0;2019;101,5", "147;1;0;2019;.."]


def test_what_is_not_listed_is_eliminated_and_its_column_vanishes(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked(OMRÅDE=["101"]))
    assert answer.content.startswith(BOM + "OMRÅDE;TID;INDHOLD\r\n".encode())
    # The total of KØN and the sum over ALDER, in the newest year: 606,5 + 622,5 + 638,5 men and women.
    total = sum((101 + place) * 6 + place * 10 for place in range(3)) + 1.5
    assert lines_of(answer) == [f"101;2024;{total:.1f}".replace(".", ",")]


def test_a_sum_with_a_missing_member_is_missing(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked(OMRÅDE=["147"], KØN=["1"], Tid=["2019", "2020"]))
    assert lines_of(answer)[0] == "147;1;2019;.."
    assert lines_of(answer)[1] != "147;1;2020;.."


def test_everything_may_be_eliminated(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked(table="FOLK1A"))
    assert answer.content == BOM + b"TID;INDHOLD\r\n2025K3;0\r\n"


@pytest.mark.parametrize(
    ("presentation", "expected"),
    [
        (None, "København;I alt;0 år;2024;606,5"),
        ("Default", "København;I alt;0 år;2024;606,5"),
        ("Value", "København;I alt;0 år;2024;606,5"),
        ("Code", "101;TOT;0;2024;606,5"),
        ("CodeAndValue", "101 København;TOT I alt;0 0 år;2024 2024;606,5"),
    ],
)
@pytest.mark.parametrize("form", ["CSV", "BULK"])
def test_value_presentation_is_a_property_of_the_request(bank, client, form, presentation, expected):
    wanted = {"OMRÅDE": ["101"], "KØN": ["TOT"], "ALDER": ["0"], "Tid": ["2024"]}
    body = asked(form, presentation=presentation, **wanted)
    for variable in body["variables"]:
        variable["valuePresentation"] = "CodeAndValue"
    assert lines_of(client.post(f"{bank.url}/data", json=body)) == [expected]


@pytest.mark.parametrize("form", ["CSV", "BULK"])
def test_the_decimal_mark_and_the_labels_follow_the_language(bank, client, form):
    wanted = {"OMRÅDE": ["101"], "KØN": ["1"], "ALDER": ["0"], "Tid": ["2024"]}
    danish = client.post(f"{bank.url}/data", json=asked(form, presentation="Default", **wanted))
    english = client.post(f"{bank.url}/data", json=asked(form, lang="en", presentation="Default", **wanted))
    assert lines_of(danish) == ["København;Mænd;0 år;2024;606,5"]
    assert lines_of(english) == ["København;Men;0 år;2024;606.5"]
    assert "INDHOLD" in english.text


def test_get_and_post_give_the_same(bank, client):
    query = "lang=da&valuePresentation=Code&OMR%C3%85DE=101%2C147&ALDER=*&Tid=%3E%3D2020%3C%3D2021%2C(1)"
    got = client.get(f"{bank.url}/data/PROEVE1/CSV?{query}")
    posted = client.post(
        f"{bank.url}/data", json=asked(OMRÅDE=["101", "147"], ALDER=["*"], Tid=[">=2020<=2021", "(1)"])
    )
    assert got.content == posted.content
    assert len(lines_of(got)) == 2 * 3 * 3


# ---- selection of values


@pytest.mark.parametrize(
    ("values", "years"),
    [
        (["2021"], "2021"),
        (["2023", "2021", "2023"], "2021 2023"),
        (["*"], "2019 2020 2021 2022 2023 2024"),
        (["202*"], "2020 2021 2022 2023 2024"),
        (["*4"], "2024"),
        (["2*9"], "2019"),
        (["(1)"], "2024"),
        (["(2)"], "2023"),
        (["-(2)"], "2020"),
        (["(-n+3)"], "2022 2023 2024"),
        (["-(-n+3)"], "2019 2020 2021"),
        (["(2n)"], "2019 2021 2023"),
        (["(n+5)"], "2019 2020"),
        (["(-n+50)"], "2019 2020 2021 2022 2023 2024"),
        ([">=2020<=2021"], "2020 2021"),
        ([">2020<2022"], "2021"),
        ([">=2020", "<=2021"], "2019 2020 2021 2022 2023 2024"),
        (["<=2019", "(1)"], "2019 2024"),
    ],
)
@pytest.mark.parametrize("form", ["CSV", "BULK"])
def test_periods_can_be_chosen_in_many_ways(bank, client, form, values, years):
    answer = client.post(f"{bank.url}/data", json=asked(form, OMRÅDE=["101"], KØN=["TOT"], ALDER=["0"], Tid=values))
    found = [line.split(";")[3] for line in lines_of(answer)]
    assert (sorted(found) if form == "BULK" else found) == years.split()


@pytest.mark.parametrize("value", ["2030", "203*", "(7)", "(x)", ">=2030", "all", "sum(2019;2020)"])
def test_a_choice_without_any_period_is_refused(bank, client, value):
    answer = client.post(f"{bank.url}/data", json=asked(OMRÅDE=["101"], Tid=[value]))
    assert refusal_of(answer) == (400, "EXTRACT-NOTFOUND", f"Kan ikke finde værdien: {value} (Tid)")


def test_wildcards_work_in_any_variable_and_rules_only_in_time(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked(OMRÅDE=["1*7"], KØN=["t*"], ALDER=["1*"]))
    assert [line.rpartition(";")[0] for line in lines_of(answer)] == ["147;TOT;1;2024", "147;TOT;10;2024"]
    refused = client.post(f"{bank.url}/data", json=asked(OMRÅDE=["(1)"]))
    assert refusal_of(refused)[2] == "Kan ikke finde værdien: (1) (OMRÅDE)"


def test_codes_match_in_any_letter_case(bank, client):
    wanted = {"område": ["101"], "Køn": ["tot"], "alder": ["0"], "TID": ["2024"]}
    assert lines_of(client.post(f"{bank.url}/data", json=asked("bulk", "proeve1", **wanted))) == [
        "101;TOT;0;2024;606,5"
    ]


# ---- BULK


def test_bulk_has_no_mark_no_zeros_no_order_and_is_always_the_same(bank, client):
    answer = client.post(f"{bank.url}/data", json=asked("BULK", **EVERYTHING))
    assert answer.content.startswith("OMRÅDE;KØN;ALDER;TID;INDHOLD\r\n".encode())
    assert answer.headers["Transfer-Encoding"] == "chunked"
    whole = client.post(f"{bank.url}/data", json=asked("CSV", **EVERYTHING))
    found, expected = lines_of(answer), lines_of(whole)
    assert found != [line for line in expected if line in found]
    assert sorted(found) == sorted(line for line in expected if not line.endswith(";0"))
    assert len(found) == len(expected) - 12
    assert "147;1;10;2019;.." in found
    shuffled = list(small_table().rows.items())
    random.Random(1).shuffle(shuffled)  # noqa: S311
    with StatBank({"PROEVE1": replace(small_table(), rows=dict(shuffled))}) as other:
        assert client.post(f"{other.url}/data", json=asked("BULK", **EVERYTHING)).content == answer.content


def test_bulk_leaves_out_the_suppressed_value_of_the_table_not_zero(client):
    with StatBank({"PROEVE1": small_table(suppressed="20,0")}) as bank:
        found = lines_of(client.post(f"{bank.url}/data", json=asked("BULK", **EVERYTHING)))
    assert not [line for line in found if line.endswith(";20")]
    assert len([line for line in found if line.endswith(";0")]) == 12


# ---- JSON-stat


def test_jsonstat_holds_the_values_flat_with_null_for_missing(bank, client):
    wanted = {"OMRÅDE": ["*"], "KØN": ["1"], "ALDER": ["10"], "Tid": ["2019", "2020"]}
    answer = client.post(f"{bank.url}/data", json=asked("JSONSTAT", **wanted))
    assert answer.headers["Content-Type"] == "text/json; charset=utf-8"
    dataset = answer.json()["dataset"]
    assert dataset["dimension"]["id"] == ["OMRÅDE", "KØN", "ALDER", "ContentsCode", "Tid"]
    assert dataset["dimension"]["size"] == [2, 1, 1, 1, 2]
    assert dataset["dimension"]["role"] == {"metric": ["ContentsCode"], "time": ["Tid"], "geo": ["OMRÅDE"]}
    assert dataset["value"] == [103.5, 206.5, None, 298.5]
    assert dataset["dimension"]["ContentsCode"]["category"]["unit"] == {"PROEVE1": {"base": "Antal", "decimals": 1}}
    # 8 o'clock in Danish summer time.
    assert dataset["updated"] == "2025-05-22T06:00:00Z"
    assert dataset["label"] == "Forsøg efter område, køn, alder, Indhold og tid"


# ---- tables made of raw files


def test_an_embedded_table_comes_back_as_the_contract_has_it(client, tmp_path):
    from noegletal.sources.snapshot import read_table

    with StatBank({"HAND05": table_from_csv(RAW / "HAND05.csv.gz")}) as bank:
        body = asked("BULK", "HAND05", OMRÅDE=["*"], YDELSESTYPE=["*"], Tid=["*"])
        answer = client.post(f"{bank.url}/data", json=body)
    write_raw(tmp_path, "HAND05", answer.content)
    columns = ["OMRÅDE", "YDELSESTYPE", "TID"]
    given, _ = read_table(tmp_path, "HAND05")
    expected, _ = read_table(RAW, "HAND05")
    expected = expected[expected["value"] != 0]
    found, wanted = (frame.set_index(columns)["value"].sort_index() for frame in (given, expected))
    assert len(found) > 6000
    assert found.isna().any()
    assert found.equals(wanted)


def test_a_large_embedded_table_is_served_in_parts(client):
    table = table_from_csv(RAW / "REGK100.csv.gz", labels={"EJER": {"0": "Ikke angivet", "1": "Egne"}})
    owners = next(variable for variable in table.variables if variable.id == "EJER")
    assert list(owners.values)[:2] == ["0", "1"]
    assert owners.values["1"] == "Egne"
    assert owners.values["2"] == "Ejer 2"
    with gzip.open(RAW / "REGK100.csv.gz", "rt", encoding="utf-8") as stream:
        rows = [row for row in csv.reader(stream, delimiter=";") if row[1] == "52821"]
    wanted = {variable.id: ["*"] for variable in table.variables} | {"FUNKTION": ["52821"]}
    with StatBank({"REGK100": table}) as bank:
        answer = client.post(f"{bank.url}/data", json=asked("BULK", "REGK100", **wanted))
    found = list(csv.reader(io.StringIO("\n".join(lines_of(answer))), delimiter=";"))
    assert sorted(found) == sorted(row for row in rows if row[-1] != "0")


def test_parts_make_one_table_and_must_not_overlap():
    header = "OMRÅDE;TID;INDHOLD"
    table = table_from_csv(
        [header, "101;2024;1,5"], [header, "101;2023;.."], table="bu43", elimination={"OMRÅDE": "101"}
    )
    assert table.id == "BU43"
    assert list(table.variables[-1].values) == ["2023", "2024"]
    assert table.rows == {("101", "2024"): "1,5", ("101", "2023"): ".."}
    for value in ("1,5", "1"):
        with pytest.raises(ValueError, match="stands twice"):
            table_from_csv([header, f"101;2024;{value}"], [header, f"101;2024;{value}"], table="BU43")
    with pytest.raises(ValueError, match="must end with TID;INDHOLD"):
        table_from_csv(["OMRÅDE;INDHOLD;TID", "101;2024;1,5"], table="BU43")
    with pytest.raises(ValueError, match="give the id"):
        table_from_csv([header, "101;2024;1,5"])


def test_a_table_that_does_not_hold_together_is_refused():
    table = small_table()
    for rows, reason in [
        ({("101", "1", "0"): "1"}, "one code for each variable"),
        ({("999", "1", "0", "2024"): "1"}, "codes that OMRÅDE lacks"),
        ({("101", "1", "0", "2024"): "1.000,5"}, "neither numbers nor"),
    ]:
        with pytest.raises(ValueError, match=reason):
            replace(table, rows=rows)
    with pytest.raises(ValueError, match="must be the time variable"):
        replace(table, variables=table.variables[::-1])
    with pytest.raises(ValueError, match="ascending"):
        Variable("Tid", "tid", False, True, {"2024": "2024", "2023": "2023"})
    with pytest.raises(ValueError, match="not among the values"):
        Variable("KØN", "køn", "IALT", False, SEXES)
    with pytest.raises(ValueError, match="under their ids"):
        StatBank({"ANDEN": table})


# ---- faults

REQUEST = asked("BULK", **EVERYTHING)


def sound_body(client):
    with StatBank({"PROEVE1": small_table()}) as bank:
        return client.post(f"{bank.url}/data", json=REQUEST).content


def test_slow_outlasts_the_client_before_and_within_the_body(bank):
    bank.fault("slow")
    bank.fault("slow", after_bytes=40)
    with httpx.Client(timeout=0.15) as impatient:
        with pytest.raises(httpx.ReadTimeout):
            impatient.post(f"{bank.url}/data", json=REQUEST)
        received = b""
        with pytest.raises(httpx.ReadTimeout), impatient.stream("POST", f"{bank.url}/data", json=REQUEST) as answer:
            assert answer.status_code == 200
            for part in answer.iter_bytes():
                received += part
        assert len(received) == 40
    assert bank.pending == []


@pytest.mark.parametrize("after_bytes", [0, 1, 100, 10**9])
def test_cut_ends_the_connection_within_a_chunked_body(bank, client, after_bytes):
    body = sound_body(client)
    bank.fault("cut", after_bytes=after_bytes)
    received = b""
    with pytest.raises(httpx.RemoteProtocolError), client.stream("POST", f"{bank.url}/data", json=REQUEST) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        for part in answer.iter_bytes():
            received += part
    assert received == body[:after_bytes]
    assert client.post(f"{bank.url}/data", json=REQUEST).content == body


def test_cut_can_hit_metadata_too(bank, client):
    bank.fault("cut", path="/tableinfo")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(f"{bank.url}/tableinfo/PROEVE1")


def test_hangup_gives_no_answer_at_all(bank, client):
    bank.fault("hangup")
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(f"{bank.url}/data", json=REQUEST)
    assert bank.requests[-1].status == 0


@pytest.mark.parametrize(
    ("name", "retry_after"), [("429", None), ("429", "1"), ("500", None), ("503", None), ("503", "0")]
)
def test_status_faults_come_as_often_as_told(bank, client, name, retry_after):
    bank.fault(name, times=2, retry_after=retry_after)
    for _ in range(2):
        answer = client.post(f"{bank.url}/data", json=REQUEST)
        assert answer.status_code == int(name)
        assert answer.headers.get("Retry-After") == retry_after
    assert client.post(f"{bank.url}/data", json=REQUEST).status_code == 200
    assert [request.status for request in bank.requests] == [int(name), int(name), 200]
    assert [request.fault for request in bank.requests] == [name, name, ""]


def test_a_page_in_place_of_data_has_status_200(bank, client):
    bank.fault("html")
    answer = client.post(f"{bank.url}/data", json=REQUEST)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_changed_labels_leave_the_codes(bank, client):
    before = client.get(f"{bank.url}/tableinfo/PROEVE1").json()["variables"]
    data = client.post(f"{bank.url}/data", json=REQUEST).content
    bank.fault("labels", path="/tableinfo")
    after = client.get(f"{bank.url}/tableinfo/PROEVE1").json()["variables"]
    assert [value["id"] for item in before for value in item["values"]] == [
        value["id"] for item in after for value in item["values"]
    ]
    assert after[0]["values"][0]["text"] == "København (ny)"
    assert after[-1] == before[-1]
    english = client.get(f"{bank.url}/tableinfo/PROEVE1", params={"lang": "en"}).json()["variables"]
    assert english[1]["values"][1]["text"] == "Men (new)"
    assert client.post(f"{bank.url}/data", json=REQUEST).content == data


def test_a_new_code_is_in_metadata_and_data_from_then_on(bank, client):
    bank.fault("new_code", variable="område", table="proeve1")
    before = client.get(f"{bank.url}/tableinfo/PROEVE1").json()["variables"][0]["values"]
    data = client.post(f"{bank.url}/data", json=REQUEST)
    after = client.get(f"{bank.url}/tableinfo/PROEVE1").json()["variables"][0]["values"]
    assert [value["id"] for value in after] == [*(value["id"] for value in before), NEW_CODE]
    assert len([line for line in lines_of(data) if line.startswith(f"{NEW_CODE};") and line.endswith(";1")]) == 54


def test_a_removed_variable_makes_the_old_request_fail(bank, client):
    bank.fault("removed_variable", variable="KØN")
    refused = client.post(f"{bank.url}/data", json=REQUEST)
    assert refusal_of(refused) == (400, "EXTRACT-NOTFOUND", "Kan ikke finde variablen: KØN")
    info = client.get(f"{bank.url}/tableinfo/PROEVE1").json()
    assert [item["id"] for item in info["variables"]] == ["OMRÅDE", "ALDER", "Tid"]
    left = client.post(f"{bank.url}/data", json=asked("BULK", OMRÅDE=["101"], ALDER=["0"], Tid=["2024"]))
    assert lines_of(left) == ["101;0;2024;606,5"]


def test_a_removed_variable_without_total_is_added_up(bank, client):
    bank.fault("removed_variable", path="/tableinfo")
    assert [item["id"] for item in client.get(f"{bank.url}/tableinfo/PROEVE1").json()["variables"]][-2:] == [
        "KØN",
        "Tid",
    ]
    left = client.post(f"{bank.url}/data", json=asked("BULK", OMRÅDE=["147"], KØN=["1", "2"], Tid=["2019"]))
    assert sorted(lines_of(left)) == ["147;1;2019;..", "147;2;2019;30"]


def test_the_table_may_be_published_anew_between_tableinfo_and_data(bank, client):
    bank.fault("updated", times=2)
    stamps = []
    for _ in range(3):
        stamps.append(client.get(f"{bank.url}/tableinfo/PROEVE1").json()["updated"])
        client.post(f"{bank.url}/data", json=REQUEST)
    assert [datetime.fromisoformat(stamp) - datetime.fromisoformat(stamps[0]) for stamp in stamps] == [
        timedelta(days=days) for days in (0, 1, 2)
    ]


@pytest.mark.parametrize(("lang", "right", "wrong"), [("da", ",", "."), ("en", ".", ",")])
def test_a_wrong_decimal_mark_shows_in_every_number(bank, client, lang, right, wrong):
    bank.fault("wrong_decimal")
    spoilt, sound = (lines_of(client.post(f"{bank.url}/data", json=REQUEST | {"lang": lang})) for _ in range(2))
    numbers = [line.rpartition(";")[2] for line in spoilt]
    assert all(wrong in number for number in numbers if number != "..")
    assert not any(right in number for number in numbers if number != "..")
    assert numbers.count("..") == 1
    assert len(spoilt) == len(sound)
    assert any(line.endswith(f";20{wrong}0") for line in spoilt)


def test_a_duplicate_row_stands_twice(bank, client):
    bank.fault("duplicate_rows")
    lines = lines_of(client.post(f"{bank.url}/data", json=REQUEST))
    assert lines[0] == lines[-1]
    assert len(lines) == len(set(lines)) + 1


def test_a_truncated_body_ends_cleanly(bank, client):
    body = sound_body(client)
    bank.fault("truncated")
    bank.fault("truncated", after_bytes=70)
    assert client.post(f"{bank.url}/data", json=REQUEST).content == body[:-3]
    assert client.post(f"{bank.url}/data", json=REQUEST).content == body[:70]


def test_a_stopped_server_refuses_and_can_return(bank, client):
    address = bank.url
    assert client.get(f"{address}/tables").status_code == 200
    bank.stop()
    assert bank.url == address
    with httpx.Client() as fresh, pytest.raises(httpx.ConnectError):
        fresh.get(f"{address}/tables")
    bank.start()
    assert client.get(f"{address}/tables").status_code == 200


def test_a_fault_waits_for_its_table_and_path(bank, client):
    bank.fault("500", table="folk1a")
    bank.fault("503", path="/tableinfo", times=2)
    assert client.post(f"{bank.url}/data", json=REQUEST).status_code == 200
    assert bank.pending == ["500", "503", "503"]
    assert client.get(f"{bank.url}/tableinfo/PROEVE1").status_code == 503
    assert client.get(f"{bank.url}/data/folk1a/CSV").status_code == 500
    assert bank.pending == ["503"]


def test_faults_come_in_the_order_they_were_queued(bank, client):
    for name in ("500", "429", "html"):
        bank.fault(name)
    answers = [client.post(f"{bank.url}/data", json=REQUEST) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [500, 429, 200, 200]


def test_an_unknown_fault_is_a_mistake_of_the_test(bank):
    with pytest.raises(ValueError, match="no fault 'sloww'"):
        bank.fault("sloww")


# ---- the server itself


def test_requests_are_noted_as_they_came(bank, client):
    client.get(f"{bank.url}/tableinfo/PROEVE1", params={"lang": "da"})
    client.post(f"{bank.url}/data", json=REQUEST)
    first, second = bank.requests
    assert (first.method, first.path, first.query, first.body) == ("GET", "/tableinfo/PROEVE1", {"lang": "da"}, None)
    assert (second.method, second.path, second.query, second.body) == ("POST", "/data", {}, REQUEST)
    assert (first.table, second.table) == ("PROEVE1", "PROEVE1")


def test_it_stops_at_once_and_leaves_no_thread(client):
    def wait_in_vain(url):
        with pytest.raises(httpx.HTTPError):
            client.post(f"{url}/data", json=REQUEST)

    before = set(threading.enumerate())
    with StatBank({"PROEVE1": small_table()}) as bank:
        client.get(f"{bank.url}/tables")
        bank.fault("slow")
        stalled = threading.Thread(target=wait_in_vain, args=(bank.url,))
        stalled.start()
        while not bank.requests[1:]:
            time.sleep(0.01)
        assert len(threading.enumerate()) > len(before) + 1
        started = time.monotonic()
    assert time.monotonic() - started < 2
    stalled.join()
    assert set(threading.enumerate()) == before
    bank.stop()


def test_it_stops_although_a_client_does_not_read_on():
    periods = {str(year): str(year) for year in range(1000, 1400)}
    codes = {f"{code:0>40}": "" for code in range(400)}
    variables = [Variable("KODE", "kode", False, False, codes), Variable("Tid", "tid", False, True, periods)]
    rows = {(code, period): "1" for code in codes for period in periods}
    with httpx.Client(timeout=5) as lazy:
        with StatBank({"STOR": Table("STOR", "Stor", "Antal", variables, rows)}) as bank:
            request = lazy.build_request("POST", f"{bank.url}/data", json=asked("BULK", "STOR", KODE=["*"], Tid=["*"]))
            answer = lazy.send(request, stream=True)
            started = time.monotonic()
        assert time.monotonic() - started < 2
        with pytest.raises(httpx.TransportError):
            answer.read()


def test_requests_at_the_same_time_are_all_answered(bank):
    def ask(answers):
        answers.append(httpx.post(f"{bank.url}/data", json=REQUEST).content)

    answers = []
    threads = [threading.Thread(target=ask, args=(answers,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1


def test_a_mistake_in_the_server_is_not_lost(client):
    with pytest.raises(ValueError, match="the fault duplicate_rows is for CSV and BULK"):  # noqa: SIM117
        with StatBank({"PROEVE1": small_table()}) as bank:
            bank.fault("duplicate_rows", path="/tableinfo")
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(f"{bank.url}/tableinfo/PROEVE1")
