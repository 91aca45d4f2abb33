-- One row of the result is one listed customer, with the day on which the company won it.
-- acquired_on is missing where the source does not say.
-- Ordered by: customer_id
SELECT
  customer_id,
  CAST(acquired_on AS DATE) AS acquired_on
FROM customers
WHERE
  customer_id IS NOT NULL
