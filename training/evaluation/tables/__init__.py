"""One file a table (or a few that belong together): each a function from the evidence to rows."""
