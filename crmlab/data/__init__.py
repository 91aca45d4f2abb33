"""What comes in: the data model, the mapping of a user's files to it, the engine that queries it."""
