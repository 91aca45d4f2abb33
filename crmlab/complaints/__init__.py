"""Chapter 4, complaints (客户的投诉): what goes wrong, how it is handled, and what to do first."""
