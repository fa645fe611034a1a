"""Pure functions that return argv. They run nothing and read nothing."""
