-- One row of the result is one day on which orders came in, up to as_of; the last row, without a day, is those
-- whose day is not known. An order of negative amount is a cancellation or refund and is left out.
-- unnamed are those of the orders that name no customer.
-- Ordered by: day
SELECT
  CAST(ordered_at AS DATE) AS day,
  COUNT(*) AS orders,
  COUNT(CASE WHEN customer_id IS NULL THEN 1 END) AS unnamed
FROM orders
WHERE
  amount IS NULL
  OR amount >= 0
GROUP BY CAST(ordered_at AS DATE)
