-- One row of the result is one group of {by}, up to as_of; one row in all where no column is asked for. An order of
-- negative amount is a cancellation or refund and is left out.
-- $period_from, $period_to: first and last day of ordering that count, both included; NULL for no bound.
-- Ordered by: {by}
WITH placed AS (
  SELECT
    {by},
    orders.order_id
  FROM orders
  {join_customers}
  WHERE
    (
      orders.amount IS NULL
      OR orders.amount >= 0
    )
    AND (
      CAST($period_from AS DATE) IS NULL
      OR CAST(orders.ordered_at AS DATE) >= CAST($period_from AS DATE)
    )
    AND (
      CAST($period_to AS DATE) IS NULL
      OR CAST(orders.ordered_at AS DATE) <= CAST($period_to AS DATE)
    )
)
SELECT
  {by_names},
  COUNT(*) AS orders
FROM placed
GROUP BY {by_names}
