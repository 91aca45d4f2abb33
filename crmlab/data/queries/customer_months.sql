-- One row of the result is one customer and calendar month with purchases, up to as_of; months without any have no
-- row.
-- A purchase is an order whose amount is zero, positive or unknown; an order with a negative amount is a
-- cancellation or refund, and is counted beside: a month that has nothing else keeps its row.
-- orders are the purchases; promoted those that name a promotion.
-- amount adds up what is known of the purchases; refunded is what was taken back.
-- Orders without a customer or without a day are left out here; the query orders_accounting counts them.
-- Ordered by: customer_id, year, month
SELECT
  customer_id,
  CAST(EXTRACT(YEAR FROM ordered_at) AS BIGINT) AS year,
  CAST(EXTRACT(MONTH FROM ordered_at) AS BIGINT) AS month,
  COUNT(CASE WHEN amount < 0 THEN NULL ELSE 1 END) AS orders,
  COUNT(CASE WHEN amount < 0 THEN NULL ELSE promotion END) AS promoted,
  CAST(SUM(CASE WHEN amount >= 0 THEN amount END) AS DOUBLE PRECISION) AS amount,
  CAST(COALESCE(SUM(CASE WHEN amount < 0 THEN -amount END), 0) AS DOUBLE PRECISION) AS refunded
FROM orders
WHERE
  customer_id IS NOT NULL
  AND ordered_at IS NOT NULL
GROUP BY
  customer_id,
  CAST(EXTRACT(YEAR FROM ordered_at) AS BIGINT),
  CAST(EXTRACT(MONTH FROM ordered_at) AS BIGINT)
