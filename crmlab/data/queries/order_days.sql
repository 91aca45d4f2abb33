-- One row of the result is one group of {by} and day on which its orders came in, up to as_of; rows without a day are
-- those whose day is not known. An order of negative amount is a cancellation or refund and is left out.
-- Ordered by: day, {by}
WITH placed AS (
  SELECT
    {by},
    CAST(orders.ordered_at AS DATE) AS day
  FROM orders
  {join_customers}
  WHERE
    orders.amount IS NULL
    OR orders.amount >= 0
)
SELECT
  {by_names},
  day,
  COUNT(*) AS orders
FROM placed
GROUP BY
  {by_names},
  day
