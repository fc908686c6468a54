"""One thing wrong in a file of the reference data or an edition: one error that names the file and the line or key."""

import sys

import pytest
from conftest import ROOT, write_raw

from analysis import areas
from analysis.edition import load_edition
from analysis.errors import InputError
from analysis.herberg.rules import rules as shelter_rules
from analysis.prices import deflators
from noegletal import rules
from noegletal.figures import reference
from noegletal.figures.build import build_edition
from noegletal.sources import corrections
from noegletal.sources.sidecar import Sidecar

EDITION = "editions/2025.yml"
# What keeps what it has read of a file.
CACHES = {
    "accounts.csv": ("analysis.accounts",),
    "areas.csv": ("analysis.areas", "noegletal.sources.snapshot"),
    "categories.csv": ("analysis.accounts",),
    "indicators.yml": ("analysis.catalogue", "noegletal.figures.kinds"),
    "labels.yml": ("analysis.rows",),
    "quality.yml": ("noegletal.rules",),
    "shelter_rules.yml": ("analysis.herberg.rules",),
    "tables.yml": ("noegletal.sources.snapshot",),
    "forms/komponent.yml": ("noegletal.sources.forms",),
}

MUTATIONS = {
    EDITION: [
        ("price_level: 2024\n", "price_level: 2024\nprice_level: 2023\n", "line 5: key 'price_level' stands twice"),
        ("{KOMPONENT: persons,", "{KOMPONENT: persons, KOMPONENT: cleared,", "key 'KOMPONENT' stands twice"),
        ("home_area: hovedstaden", "home_area: hovedstad", "home_area 'hovedstad' is not an area with key figures"),
        ('["081", "082"', '["086", "082"', "comparison_areas '086' is not an area with key figures"),
        ("price_level: 2024", "price_level: 2014", "price_level 2014 must lie in 2020-2024, or soon after"),
        ("price_index: pl_service", "price_index: pl_servce", "price_index.csv: index 'pl_servce' lacks 2020"),
        ("  REGK31: {years: {first: 2018, last: 2024}}\n", "", "tables does not name REGK31, which is in the raw"),
        (
            "  REGK31: {years: {first: 2018",
            "  REGK31: {years: {first: 2017",
            "holds 2017, a year that price_index",
        ),
        ("  KRISE1: {", "  KRISE2: {", "tables.KRISE2 is neither in tables.yml nor the table of a form"),
        (
            "  REGK100: {required: true, years: {first: 2020",
            "  REGK100: {required: true, years: {first: 2021",
            "years must",
        ),
        ("  FOLK1A: {required: true, years: {first: 2020, last: 2024}}\n", "", "tables must name FOLK1A"),
        (
            "{expenditure: [compared], expenditure_per_capita: [], population: []",
            "{expenditures: [], expenditure_per_capita: [], population: []",
            "'expenditures', wh",
        ),
        ("{first: 2020, last: 2024}", "{first: 2024, last: 2020}", "first year 2024 is after last year 2020"),
        (None, "", "editions/2025.yml is not a valid edition"),
        (None, "- 1\n", "editions/2025.yml is not a valid edition"),
    ],
    "indicators.yml": [
        ("    prices: fixed\n", "    prices: fixed\n    prices: current\n", "key 'prices' stands twice"),
        ("numerator: recipients\n", "numerator: recipients\n    scale: 100\n", "recipients_per_1000.*scale"),
        ("unit: kr_pr_indbygger", "unit: pr_1000", "indicators\\.\\w+\\.unit: 'pr_1000' is not what"),
        ("    unit: pr_1000\n", "    unit: kr_pr_indbygger\n", "recipients_per_1000.unit: .* is not what"),
        ("    unit: kr\n", "    unit: pct\n", "expenditure_current.amount.unit: Input should be 'kr'"),
        ("    name: Enhedspris\n    unit: kr\n", "    name: Enhedspris\n    unit: pct\n", "unit_cost.unit"),
        ("    unit: antal\n", "    unit: pct\n", "population.population.unit: Input should be 'antal'"),
        (
            "med støtte\n    unit: pct\n",
            "med støtte\n    unit: pr_1000\n",
            "children_supported.share: .* is not in per",
        ),
        ('0-22, date: "12-31"', '0-22, date: "13-41"', "weight.date: month must be in 1..12"),
        ('0-22, date: "12-31"', '0-22, date: "06-31"', "weight.date: day (is out of range|31 must be)"),
        ('0-22, date: "12-31"', '0-17, date: "12-31"', "weight.age_band: '0-17' is not an age that"),
        ('0-22, date: "12-31"', '0-21, date: "12-31"', "weight.age_band: '0-21' is not among the age_b"),
        ("18-66: {first: 18, last: 66", "18-66: {first: 18, last: 71", "age_bands.18-66 is .*called 18-71"),
        ("18+: {first: 18, last: 125", "18+: {first: 18, last: 25", "age_bands.18\\+ is .*called 18-25"),
        ("  18-66: {first: 18, last: 66", "  18-71: {first: 18, last: 71", "age_bands.18-66 of 'voksne'"),
        ("17, population_group: boern_og_unge}", "17, population_group: voksne}", "age_bands.0-17 of"),
        ("standard: {boern_og_unge: 0-22", "standard: {boern_og_unge: 0-17", "denominators.age_0_17: an age"),
        ("voksne: 18-66}\n", "voksne: 18+}\n", "denominators.standard: '18\\+' is not an age that"),
        ("voksne: 18-66}\n", "voksne: 0-17}\n", "denominators.standard: '0-17' is not an age band of 'voksne'"),
        ("      standard: {boern", "      standart: {boern", "labels.yml: variants lacks 'standart'"),
        ("age_0_17: {boern", "age_0_71: {boern", "labels.yml: variants lacks 'age_0_71'"),
        (
            "numerator: expenditure\n",
            "numerator: expenditure_current\n",
            "indicators\\.\\w+\\.source_line: 'faste priser'",
        ),
        ("    prices: fixed\n", "    prices: current\n", "indicators.expenditure.current: an amount in fixed prices"),
        ("current: expenditure_current", "current: expenditure_now", "current: 'expenditure_now' is not an indicator"),
        ("{funktion_52821:", "{funktion_52812:", "functions: 'funktion_52812' is not in categories.csv"),
        (
            'funktion_53845: "53845"',
            'funktion_53845: "52820"',
            "funktion_53845: '52820' is not a function of",
        ),
        ("prefer: children_notified", "prefer: children_notifyed", "prefer: 'children_notifyed' is not an ind"),
        ("prefer: children_notified", "prefer: expenditure", "prefer: 'expenditure' is not a count"),
        ("share: children_supported_share", "share: children_notified_per_1000", "share: .* not in per cent"),
        ("leave_out: {bostoette", "leave_out: {bostotte", "unit_cost.leave_out.bostotte: 53838 must be some"),
        ('{bostoette: ["53838"]', '{bostoette: ["53883"]', "leave_out.bostoette: 53883 must be some"),
        ("table: HAND05", "table: HAND50", "recipients.counts.1.table: 'HAND50' is not in tables.yml"),
        ("        level: region\n", "        level: municipality\n", "recipients.counts.2.level: KRISE1 has no mun"),
        ("        select: {KMDR: TOT}\n", "", "recipients.counts.2.select: .* each variable of KRISE1"),
        ('botilbud: ["30181"', 'botilbud: ["30117"', "counts.1.categories: code '30117' stands twice"),
        ('["30014", "30011"]', '["30014", "30012"]', "code '30012' is not among the labels of HAND05"),
        ("          botilbud: [", "          botilbut: [", "'botilbut' of 'voksne' is not in categories.csv"),
        ("{category: bostoette, year: 2020", "{category: bostotte, year: 2020", "counts.1.categories: 'bostotte'"),
        ("select: {FORANSTALT: IALT, ALDER", "select: {FORANSTALT: IALT, ALDR", "select: it must name .*BU43"),
        ("    sources: [REGK100]", "    sources: [REGK010]", "expenditure_current.sources: 'REGK010'"),
        ("caveats: [anbaar]", "caveats: [anbar]", "placements.caveats: 'anbar' is not among the caveats"),
        ("share_of: {boern_og_unge: 0-17", "share_of: {boern_og_unge: 0-22", "share_of: '0-22' is not an age"),
        ("share_of: diagnosis_share", "share_of: diagnose_share", "share_of: 'diagnose_share' is not an indicator"),
        ("    category: herberger\n", "    category: herberg\n", "shelter_places.category: 'herberg' of 'voksne'"),
        ("  unit_cost:\n", "  unitcost:\n", "editions/2025.yml: section 02_.* reads 'unit_cost', which"),
    ],
    "tables.yml": [
        ("REGK31:\n", "REGK100:\n", r"tables.yml: line \d+: key 'REGK100' stands twice"),
        ("padding: {OMRÅDE: 3, GRUPPERING: 3}", "padding: {OMRÅDE: 3}", "REGK100: padding must give GRUPPERING 3"),
        ("padding: {OMRÅDE: 3, GRUPPERING: 3}", "padding: {OMRÅDE: 2, GRUPPERING: 3}", "give OMRÅDE 3 digits"),
        ("  area: ADMKOM", "  area: ADMKON", "UND2_PR_1000: 'ADMKON' is not among its variables"),
        ('    UNDERRETERE: ["0"]', '    UNDERRETER: ["0"]', "UND1: 'UNDERRETER' is not among its variables"),
        ("  rate: pct\n", "  suppressed_value: 0\n", "children_supported_share.unit: 'pct' is not the `rate` of"),
        ("  rate: pct\n", "  rate: pr_1000\n", "children_supported_share.unit: 'pct' is not the `rate` of 'BU43'"),
        ("  decimals: 1\n", "", "tables.yml: BU43.decimals: Field required"),
        ("  suppressed_value: 0\n", "  suppressed_value: 1\n", "REGK100.suppressed_value: Input should be 0"),
        ("replaced_by: [UND2, FOLK1A]", "replaced_by: [UND22, FOLK1A]", "UND2_PR_1000.replaced_by 'UND22' is not"),
        (None, "", "^tables.yml: file: Input should be a valid dictionary"),
        (None, "- REGK100\n", "^tables.yml: file: Input should be a valid dictionary"),
        (None, "REGK100: 5\n", "^tables.yml: REGK100: Input should be a valid dictionary"),
        (None, "REGK100: {a: [1\n", "^tables.yml: line 2: "),
        (None, "? [a]\n: 1\n", "^tables.yml: line 1: found unhashable key"),
    ],
    "quality.yml": [
        ("  own_rows_share: 0.001\n", "  own_rows_share: 0.001\n  own_rows_share: 0.1\n", "stands twice"),
        ("indicators: [population], factor: 1.15", "indicators: [folketal], factor: 1.15", "'folketal', which is not"),
        ("own_rows_share: 0.001", "own_rows_share: .nan", "thresholds.own_rows_share: Input should be a finite"),
        ('"411", "910"', '"412", "910"', "quality.yml: expected_areas '412' is not an area"),
        ("  AFVIST-01:\n", "  AFVIST-1:\n", "quality.yml: .*rules lacks AFVIST-01"),
        ("rule: SPRING-03", "rule: SPRING-30", "thresholds name a rule that is not declared: SPRING-30"),
    ],
    "labels.yml": [
        ("groups: {", "groups: {alle: alle, ", "key 'alle' stands twice"),
        ("  suppressed: vises", "  supressed: vises", "labels.yml: statuses lacks 'suppressed'"),
        ("  derived: ", "  deriveret: ", "labels.yml: origins lacks 'derived'"),
        ("  pr_1000: {", "  pr_100: {", "labels.yml: units lacks 'pr_1000'"),
        ("    variant: variant\n", "    varient: variant\n", "labels.yml: columns.key_figures lacks 'variant'"),
    ],
    "shelter_rules.yml": [
        ("  rate: 2322\n", "  rate: 2322\n  rate: 232\n", "shelter_rules.yml: line 8: key 'rate'"),
        ("date: 2026-04-07", "date: 2026-13-07", "line .*'2026-13-07': month must be in 1..12"),
        ("date: 2026-04-07", "date: 2026-06-31", "'2026-06-31': day "),
    ],
    "forms/komponent.yml": [
        ("table: KOMPONENT\n", "table: KOMPONENT\ntable: HERBERG\n", "forms/komponent.yml .*'table'"),
    ],
    "price_index.csv": [
        (",1.023500,", ",10.23500,", "line 6: pl_service goes 911.7 per cent from 2021 to 2022"),
        (",1.023500,", ",1.203500,", "line 6: pl_service goes 19.0 per cent"),
        ("2021,1.011682", "2021,1.023500", "line 6: pl_service goes 0.0 per cent from 2021 to 2022"),
        ("pl_service,2021,", "pl_service,2022,", "pl_service 2022 stands twice"),
        ("pl_service,2021,", "pl_servce,2021,", "pl_service has no year before 2022"),
        (",1.023500,", ",1_023500,", "line 6: .*positive number with a decimal point"),
    ],
    "categories.csv": [
        ("aflastning,stoettende_indsatser", "aflastning,stottende_indsatser", "line 4: parent 'stottende_indsats"),
        ("aflastning,stoettende_indsatser", "aflastning,", "line 4: parent is empty, so 'aflastning' would"),
        ("stoettende_indsatser,i_alt", "stoettende_indsatser,aflastning", "line 2: the parents of .* go in a ring"),
        ("voksne,bostoette", "voksen,bostoette", "line 22: population_group 'voksen' is not in labels.yml"),
        ("voksne,dagtilbud", "voksne,botilbud", "line 24: population_group 'voksne', category 'botilbud' stands"),
        ("#882255,expenditure", "#882255,expenditures", "line 5: used_for 'expenditures' must be one of"),
        ("#117733", "#11773", "line 2: colour '#11773' must be a colour"),
        ("0-22,,0-22 år", "0-21,,0-22 år", "age_bands.0-21 of 'boern_og_unge' is not both"),
    ],
    "accounts.csv": [
        (",2016,,", ",20l6,,", "line 60: valid_from '20l6' must be a year, or empty|valid_from '20l6'"),
        (",2016,,", ",2016,2015,", "valid_from 2016 is after valid_to 2015"),
        ("printed_mapping", "printed_maping", "variant 'printed_maping' is not in labels.yml; it has standard"),
        ("52821,005,boern_og_unge", "52821,005,boern_unge", "category 'aflastning' of 'boern_unge' is not in cat"),
        ("52821,001,boern_og_unge", "52821,001,voksne", "function 52821 is of 'boern_og_unge' here and of 'voks"),
        ("52821,005,", "52821,5,", "line 13: grouping '5' must be \\* or three digits"),
        ("52821,005,", "5.28.21,005,", "line 13: function '5.28.21' must be five digits"),
        ("boern_og_unge,aflastning", "boern_og_unge,anbringelser", "'anbringelser' .* or is a sum of others"),
    ],
    "areas.csv": [
        ("101,København,", "101,Frederiksberg,", "areas.csv line 21: name 'Frederiksberg' stands twice|line 20: slug"),
        ("269,Solrød,", "269,Solrod,", "slug 'solroed' does not fit the name 'Solrod', which gives 'solrod'"),
        (",i Solrød", ",i Greve", "locative 'i Greve' does not end in the name 'Solrød'"),
        ("Solrød,municipality,085,L05", "Solrød,municipality,086,L05", "region_code '086' is not a region"),
        ("Solrød,municipality,085,L05", "Solrød,municipality,084,L05", "'L05' is not a landsdel of region '084'"),
        ("Solrød,municipality", "Solrød,municipalty", "type 'municipalty' must be one of country, group, region"),
        ("L01,hovedstaden,dragoer", "L01,hovedstad,dragoer", "groups 'hovedstad' is not a group"),
        ("L01,hovedstaden,dragoer", "L01,,dragoer", "line 3: the group must be .* region 084; 155 is not"),
        ("\n269,", "\n265,", "area_code '265' stands twice, first in areas.csv line"),
        ("000,Hele landet,country", "000,Hele landet,outside", "one area must be the country, with the code 000"),
    ],
    "tiles.csv": [
        ("101,7,16,Kbh", "101,7,15,Kbh", "tiles.csv line 3: row '7', column '15' stands twice, first in .* line 2"),
        ("101,7,16,Kbh", "101,7,16,København", "line 2: short 'København' must be 2 to 4 letters"),
        ("101,7,16,Kbh", "101,-7,16,Kbh", "line 2: row '-7' must be a whole number"),
        ("101,7,16,Kbh", "411,7,16,Kbh", "tiles.csv: 101 has no tile"),
        (",short\n", ",kort\n", "tiles.csv line 1 has no column short"),
    ],
}


@pytest.fixture
def spoil(tmp_path, monkeypatch):
    """Puts another text in the place of one of a file, in a project whose other files are those of the repository."""
    spoilt = []

    def forget(file):
        for name in CACHES.get(file, ()):
            for kept in vars(sys.modules[name]).values():
                if hasattr(kept, "cache_clear"):
                    kept.cache_clear()

    def changed(file, old, new):
        for folder in ("data/reference", "editions", "data/reference/forms"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            for path in (ROOT / folder).iterdir():
                if not (tmp_path / folder / path.name).exists() and path.name != "forms":
                    (tmp_path / folder / path.name).symlink_to(path)
        path = tmp_path / (file if file == EDITION else f"data/reference/{file}")
        text = path.read_text(encoding="utf-8")
        assert old is None or old in text
        path.unlink()
        path.write_text(new if old is None else text.replace(old, new, 1), encoding="utf-8")
        monkeypatch.setenv("NOEGLETAL_ROOT", str(tmp_path))
        spoilt.append(file)
        forget(file)

    yield changed
    monkeypatch.undo()
    for file in spoilt:
        forget(file)


def read_everything():
    """What a build reads before the first raw row, and what the shelter model adds."""
    edition = load_edition("2025")
    delivered = ("REGK100", "REGK31", "FOLK1A", "FOLK1B", "KOMPONENT")
    reference.require_consistent(edition, delivered)
    shelter_rules()
    corrections.load_corrections()
    deflators(edition)


def test_the_tiles_lie_as_the_country_does():
    """By what every map shows: regions from north to south, islands off the coast, neighbours side by side."""
    tiles = areas.tiles()
    assert list(tiles.index) == list(areas.municipalities())
    place = {areas.name(code): (tile.row, tile.column) for code, tile in tiles.iterrows()}
    middle = {code: tiles.loc[list(areas.members(code)), ["row", "column"]].mean() for code in areas.regions()}
    assert middle["081"]["row"] < middle["082"]["row"] < middle["083"]["row"]
    assert middle["083"]["column"] < middle["085"]["column"] < middle["084"]["column"]
    assert max(place.values(), key=lambda at: at[1])[1] == place["Bornholm"][1] == place["København"][1]
    for one, other in [("København", "Frederiksberg"), ("Fanø", "Esbjerg"), ("Tårnby", "Dragør"), ("Odense", "Nyborg"),
                       ("Aarhus", "Skanderborg"), ("Lolland", "Guldborgsund"), ("Struer", "Holstebro")]:  # fmt: skip
        assert sum(abs(a - b) for a, b in zip(place[one], place[other], strict=True)) == 1, (one, other)


def test_the_reference_data_of_the_repository_is_consistent():
    read_everything()


@pytest.mark.parametrize(
    ("file", "old", "new", "said"), [(file, *mutation) for file, listed in MUTATIONS.items() for mutation in listed]
)
def test_one_thing_wrong_is_one_error_that_names_file_and_place(spoil, file, old, new, said):
    spoil(file, old, new)
    with pytest.raises(InputError, match=said) as refused:
        read_everything()
    text = str(refused.value)
    assert text.startswith(("KONT-01", file, "editions/2025.yml", "indicators.yml", "labels.yml", "price_index.csv")), (
        text
    )
    assert "\n" not in text
    if file != "quality.yml":
        assert rules.refusal(refused.value).severity == "FATAL"
    assert refused.value.rule in ("REF-01", "KONT-01"), text


@pytest.mark.parametrize(
    ("file", "one", "other", "said"),
    [
        ("areas.csv", "Odense,municipality", "Aarhus,municipality", "slug 'odense' does not fit the name 'Aarhus'"),
        ("areas.csv", "\n147,", "\n400,", "not those quality.yml"),
        ("price_index.csv", "pl_service,2021,", "pl_service,2022,", "goes -1.2 per cent from 2021 to 2022"),
        ("price_index.csv", ",1.011682,", ",1.023500,", "goes -1.2 per cent from 2021 to 2022"),
        ("price_index.csv", ",1.000000,", ",1.121000,", "from 2019 to 2020"),
    ],
)
def test_two_that_are_exchanged_are_seen(spoil, file, one, other, said):
    text = (ROOT / "data" / "reference" / file).read_text(encoding="utf-8")
    assert text.count(one) == text.count(other) == 1
    spoil(file, None, text.replace(one, "\0").replace(other, one).replace("\0", other))
    with pytest.raises(InputError, match=rf"^{file}( line \d+)?: .*{said}"):
        read_everything()


@pytest.mark.parametrize(
    ("table", "text", "said"),
    [
        (
            "BU43",
            "origin: statbank\norigin: delivery\n",
            "line 2: key 'origin' stands twice",
        ),
        ("BU43", "retrieved: 2026-13-41\n", "line 1: '2026-13-41': month must be in"),
        ("BU43", "", "file: Input should be"),
    ],
)
def test_a_sidecar_that_is_wrong_is_one_error(tmp_path, table, text, said):
    (tmp_path / f"{table}.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"^sidecar {table}.yml is not valid: {said}") as refused:
        Sidecar.read(tmp_path / f"{table}.yml")
    assert refused.value.rule == "FIL-01"


def test_a_correction_with_a_key_twice_is_one_error(spoil):
    spoil("corrections.yml", None, "- table: REGK100\n  value: 1\n  value: 2\n")
    with pytest.raises(
        InputError, match=r"^corrections.yml is not valid YAML: line 3: key 'value' stands twice"
    ) as refused:
        read_everything()
    assert refused.value.rule == "KOR-02"


def test_a_build_with_a_table_that_the_edition_does_not_name_stops_before_it_reads(tiny_raw, edition, tmp_path):
    """To take REGK31 out of `tables` would switch the control of REGK100 off, unseen in a new year."""
    write_raw(tiny_raw, "REGK31", "OMRÅDE;FUNKTION;DRANST;ART;PRISENHED;TID;INDHOLD\n101;52821;1;TOT;LOBM;2024;1")
    tables = {name: need for name, need in edition.tables.items() if name != "REGK31"}
    with pytest.raises(InputError, match="tables does not name REGK31, which is in the raw folder") as refused:
        build_edition(edition.model_copy(update={"tables": tables}), tiny_raw, tmp_path / "out")
    assert refused.value.rule == "REF-01"
    assert not (tmp_path / "out").exists()
