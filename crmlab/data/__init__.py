"""What comes in: the data model, a user's files mapped to it, the engine that queries it."""
