"""What two chapters or more compute, on plain arrays and frames."""
