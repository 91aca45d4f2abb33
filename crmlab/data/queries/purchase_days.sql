-- One row of the result is one day on which one customer bought, up to as_of; orders are the purchases of that day.
-- A purchase is an order whose amount is zero, positive or unknown. An order with a negative amount is a
-- cancellation or refund and is left out, as are orders without a customer or without a day.
-- This is nearly as long as the orders: pass very many customers through a sample first.
-- Ordered by: customer_id, purchase_day
SELECT
  customer_id,
  CAST(ordered_at AS DATE) AS purchase_day,
  COUNT(*) AS orders
FROM orders
WHERE
  customer_id IS NOT NULL
  AND ordered_at IS NOT NULL
  AND (
    amount IS NULL
    OR amount >= 0
  )
GROUP BY
  customer_id,
  CAST(ordered_at AS DATE)
