-- One row in all: what the orders table holds up to as_of, so that what a measure leaves out can be counted.
-- A cancellation is an order with a negative amount. A line is a row of the source that an order is made of;
-- an order that does not say how many it has counts as one.
SELECT
  COUNT(*) AS orders,
  CAST(COALESCE(SUM(COALESCE(lines, 1)), 0) AS BIGINT) AS lines,
  COUNT(DISTINCT customer_id) AS customers,
  CAST(COALESCE(SUM(CASE WHEN customer_id IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT)
    AS orders_without_customer,
  CAST(COALESCE(SUM(CASE WHEN customer_id IS NULL THEN COALESCE(lines, 1) ELSE 0 END), 0) AS BIGINT)
    AS lines_without_customer,
  CAST(COALESCE(SUM(CASE WHEN amount < 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS cancellations,
  CAST(COALESCE(SUM(CASE WHEN amount < 0 AND customer_id IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT)
    AS cancellations_without_customer,
  CAST(COALESCE(SUM(CASE WHEN amount = 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS zero_amount_orders,
  CAST(COALESCE(SUM(CASE WHEN amount IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT) AS amount_missing,
  CAST(COALESCE(SUM(CASE WHEN ordered_at IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT)
    AS ordered_at_missing,
  MIN(CAST(ordered_at AS DATE)) AS first_day,
  MAX(CAST(ordered_at AS DATE)) AS last_day,
  CAST(SUM(amount) AS DOUBLE PRECISION) AS amount,
  CAST(SUM(CASE WHEN customer_id IS NULL THEN amount END) AS DOUBLE PRECISION)
    AS amount_without_customer
FROM orders
