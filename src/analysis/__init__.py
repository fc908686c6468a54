"""Key figures for the specialised social area in the municipalities of Denmark."""
