"""Chapter 3, customer loyalty (客户的忠诚): who comes back, for how long, and what brings them."""

__all__: list[str] = []
