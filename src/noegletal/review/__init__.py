"""Key figures held against the printed report, against earlier data and against the rows they come from."""
