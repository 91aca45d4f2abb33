-- One row of the result is one customer who has purchases, up to as_of or within the period asked for: what a
-- model of repeat buying needs to know of them.
-- A purchase is an order whose amount is zero, positive or unknown. An order with a negative amount is a
-- cancellation or refund: it is no purchase, and is counted beside. Customers who have nothing else have no row.
-- second_day is the next day with a purchase after the first_day, missing where there is none.
-- days are the days with a purchase; orders the purchases; amount_missing counts those of unknown money. amount is
-- what all purchases brought, first_day_amount what those of the first day did, first_day_orders how many they are.
-- refunded is the money taken back.
-- Orders without a customer or without a day are left out here; the query orders_accounting counts them.
-- $period_from, $period_to: first and last day that count, both included; NULL for no bound.
-- Ordered by: customer_id
WITH seen AS (
  SELECT
    customer_id,
    CAST(ordered_at AS DATE) AS purchase_day,
    CASE WHEN amount < 0 THEN 0 ELSE 1 END AS purchase,
    amount
  FROM orders
  WHERE
    customer_id IS NOT NULL
    AND ordered_at IS NOT NULL
    AND (
      CAST($period_from AS DATE) IS NULL
      OR CAST(ordered_at AS DATE) >= CAST($period_from AS DATE)
    )
    AND (
      CAST($period_to AS DATE) IS NULL
      OR CAST(ordered_at AS DATE) <= CAST($period_to AS DATE)
    )
),
by_day AS (
  SELECT
    customer_id,
    purchase_day,
    SUM(purchase) AS orders,
    COUNT(CASE WHEN amount IS NULL THEN 1 END) AS amount_missing,
    SUM(CASE WHEN amount >= 0 THEN amount END) AS amount,
    SUM(CASE WHEN purchase = 0 THEN -amount END) AS refunded
  FROM seen
  GROUP BY
    customer_id,
    purchase_day
),
numbered AS (
  SELECT
    *,
    MIN(CASE WHEN orders > 0 THEN purchase_day END) OVER (PARTITION BY customer_id) AS first_day
  FROM by_day
)
SELECT
  customer_id,
  MIN(first_day) AS first_day,
  MIN(CASE WHEN orders > 0 AND purchase_day > first_day THEN purchase_day END) AS second_day,
  MAX(CASE WHEN orders > 0 THEN purchase_day END) AS last_day,
  COUNT(CASE WHEN orders > 0 THEN 1 END) AS days,
  CAST(SUM(orders) AS BIGINT) AS orders,
  CAST(SUM(amount_missing) AS BIGINT) AS amount_missing,
  CAST(SUM(amount) AS DOUBLE PRECISION) AS amount,
  CAST(SUM(CASE WHEN purchase_day = first_day THEN orders END) AS BIGINT) AS first_day_orders,
  CAST(SUM(CASE WHEN purchase_day = first_day THEN amount END) AS DOUBLE PRECISION) AS first_day_amount,
  CAST(COALESCE(SUM(refunded), 0) AS DOUBLE PRECISION) AS refunded
FROM numbered
WHERE first_day IS NOT NULL
GROUP BY customer_id
