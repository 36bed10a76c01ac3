"""The command line: a thin skin over `pixmill.api`."""
