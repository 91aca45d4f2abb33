-- One row of the result is one customer and service line with list prices, in all or within the period asked for.
-- orders are purchases (no negative amount) with a list price above zero, log_price the sum of the natural
-- logarithms of their list prices; unit_orders and log_unit_price are the same of the list price per unit ordered,
-- where the quantity is known.
-- service_line is missing where the source does not say.
-- Orders without a customer or without a day are left out.
-- $period_from, $period_to: first and last day that count, both included; NULL for no bound.
-- Ordered by: customer_id, service_line
SELECT
  customer_id,
  service_line,
  COUNT(*) AS orders,
  CAST(SUM(LN(list_price)) AS DOUBLE PRECISION) AS log_price,
  COUNT(CASE WHEN quantity_ordered > 0 THEN 1 END) AS unit_orders,
  CAST(
    SUM(CASE WHEN quantity_ordered > 0 THEN LN(list_price) - LN(quantity_ordered) END) AS DOUBLE PRECISION
  ) AS log_unit_price
FROM orders
WHERE
  customer_id IS NOT NULL
  AND ordered_at IS NOT NULL
  AND list_price > 0
  AND (
    amount IS NULL
    OR amount >= 0
  )
  AND (
    CAST($period_from AS DATE) IS NULL
    OR CAST(ordered_at AS DATE) >= CAST($period_from AS DATE)
  )
  AND (
    CAST($period_to AS DATE) IS NULL
    OR CAST(ordered_at AS DATE) <= CAST($period_to AS DATE)
  )
GROUP BY
  customer_id,
  service_line
