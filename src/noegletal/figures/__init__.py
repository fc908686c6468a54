"""Key figures from facts, hidden where they must be, checked, and written with what they were made from."""
