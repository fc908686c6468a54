"""Which areas stand beside the area of a report: what it is compared with, its regions, its peers and its KKR."""

from analysis import areas
from analysis.edition import Edition, Scope, SectionPlan


def compared_areas(edition: Edition, area_code: str) -> list[str]:
    """The area of the report and those it is compared with, without the same municipalities twice."""
    own = areas.members(area_code)
    return [area_code, *(code for code in edition.comparison_areas if areas.members(code) != own)]


def regions(edition: Edition, area_code: str) -> list[str]:
    """The regions among the compared areas; the report's own area stands in for a region with its members."""
    own = areas.members(area_code)
    of_edition = [code for code in edition.comparison_areas if code in areas.regions()]
    chosen = [area_code if areas.members(code) == own else code for code in of_edition]
    return sorted(chosen, key=lambda code: areas.members(code)[0])


def peers(edition: Edition, area_code: str) -> list[str]:
    """The municipalities to look at one by one: the area's own, or those around a single municipality."""
    own = areas.members(area_code)
    if len(own) > 1:
        return list(own)
    home = areas.members(edition.home_area)
    return list(home if area_code in home else areas.members(areas.region(area_code)))


def kkr(edition: Edition, area_code: str) -> str:
    """The KKR that decides on herberger for the area, as its region; for the country that of the home area."""
    code = areas.kkr(area_code)
    return code if code != areas.COUNTRY else areas.kkr(edition.home_area)


def subject(edition: Edition, plan: SectionPlan, area_code: str) -> str:
    """The area that a section of an area's report is about and is run for: the area itself or its KKR."""
    return kkr(edition, area_code) if plan.about == "kkr" else area_code


def areas_within(edition: Edition, area_code: str, scopes: list[Scope]) -> list[str]:
    """The area itself and those that the scopes of a section add, each once and in a fixed order."""
    own_kkr = kkr(edition, area_code)
    added = {
        "compared": [*compared_areas(edition, area_code), *regions(edition, area_code)],
        "peers": peers(edition, area_code),
        "kkr": [own_kkr, *areas.members(own_kkr)],
        "regions": list(areas.regions()),
    }
    return list(dict.fromkeys([area_code, *(code for scope in scopes for code in added[scope])]))
