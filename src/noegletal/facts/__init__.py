"""Raw tables turned into facts: clean codes, kroner and persons, one row per thing observed."""
