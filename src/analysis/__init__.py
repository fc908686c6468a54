"""Key figures for the specialised social area: from raw tables to key figures, notebooks and reports."""

import sys

# jsonschema compiles grammars for a check that no notebook schema uses; without it Jupyter loads 2 to 6 s faster.
# It has to be said before anything imports nbformat.
sys.modules.setdefault("rfc3987_syntax", None)
