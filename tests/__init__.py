"""A package, so that another `tests` that some library installs is not taken for it."""
