"""Running notebooks strictly: parameters checked first, outputs staged, nothing published unless it is whole."""
