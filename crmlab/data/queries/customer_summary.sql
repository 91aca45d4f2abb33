-- One row of the result is one customer who has orders, up to as_of or within the period asked for.
-- A purchase is an order whose amount is zero, positive or unknown. An order with a negative amount is a
-- cancellation or refund: it reduces the money, is not a purchase, and has no delivery to be judged.
-- amount = purchases_amount - cancelled_amount. amount_missing and cost_missing count the orders whose money
-- or cost is not known, which the sums leave out. An order is judged when its promise is due: late includes
-- what is undelivered then; what is promised for after as_of is not known yet, even if it came early.
-- Orders without a customer are left out here; the query orders_accounting counts them.
-- What follows from two other sums is taken from them: with many customers every sum carried costs time.
-- $period_from, $period_to: first and last day that count, both included; NULL for no bound.
-- Ordered by: customer_id
SELECT
  customer_id,
  MIN(purchase_day) AS first_day,
  MAX(purchase_day) AS last_day,
  COUNT(*) - COUNT(CASE WHEN amount < 0 THEN 1 END) AS orders,
  COUNT(DISTINCT purchase_day) AS active_days,
  CAST(COUNT(*) - COUNT(lines) + COALESCE(SUM(lines), 0) AS BIGINT) AS lines,
  CAST(SUM(amount) AS DOUBLE PRECISION) AS amount,
  CAST(SUM(amount) + COALESCE(SUM(CASE WHEN amount < 0 THEN -amount END), 0) AS DOUBLE PRECISION)
    AS purchases_amount,
  COUNT(CASE WHEN amount < 0 THEN 1 END) AS cancellations,
  CAST(COALESCE(SUM(CASE WHEN amount < 0 THEN -amount END), 0 * SUM(amount)) AS DOUBLE PRECISION)
    AS cancelled_amount,
  CAST(SUM(list_price) AS DOUBLE PRECISION) AS list_price,
  CAST(SUM(discount) AS DOUBLE PRECISION) AS discount,
  CAST(SUM(cost) AS DOUBLE PRECISION) AS cost,
  CAST(SUM(amount - cost) AS DOUBLE PRECISION) AS margin,
  COUNT(*) - COUNT(amount) AS amount_missing,
  COUNT(*) - COUNT(cost) AS cost_missing,
  COUNT(CASE WHEN promise_kept THEN 1 END) AS on_time,
  COUNT(promise_kept) - COUNT(CASE WHEN promise_kept THEN 1 END) AS late,
  COUNT(promise_kept) AS on_time_known,
  COUNT(CASE WHEN purchase = 1 AND damaged THEN 1 END) AS damaged,
  COUNT(CASE WHEN purchase = 1 THEN damaged END) AS damaged_known,
  COUNT(CASE WHEN purchase = 1 AND NOT documents_ok THEN 1 END) AS documents_wrong,
  COUNT(CASE WHEN purchase = 1 THEN promotion END) AS promotions,
  CAST(SUM(quantity_ordered) AS DOUBLE PRECISION) AS quantity_ordered,
  CAST(SUM(quantity_delivered) AS DOUBLE PRECISION) AS quantity_delivered,
  CAST(SUM(points_earned) AS DOUBLE PRECISION) AS points_earned,
  CAST(SUM(points_redeemed) AS DOUBLE PRECISION) AS points_redeemed
FROM (
  SELECT
    *,
    CASE WHEN amount < 0 THEN 0 ELSE 1 END AS purchase,
    CASE WHEN amount < 0 THEN NULL ELSE CAST(ordered_at AS DATE) END AS purchase_day,
    CASE
      WHEN amount < 0 THEN NULL
      WHEN promised_at >= CAST($as_of_end AS TIMESTAMP) THEN NULL
      WHEN on_time IS NOT NULL THEN on_time
      WHEN delivered_at IS NOT NULL THEN delivered_at <= promised_at
      WHEN $delivery_recorded AND promised_at < CAST($as_of_end AS TIMESTAMP) THEN FALSE
    END AS promise_kept
  FROM orders
  WHERE
    customer_id IS NOT NULL
    AND (
      CAST($period_from AS DATE) IS NULL
      OR CAST(ordered_at AS DATE) >= CAST($period_from AS DATE)
    )
    AND (
      CAST($period_to AS DATE) IS NULL
      OR CAST(ordered_at AS DATE) <= CAST($period_to AS DATE)
    )
) AS judged
GROUP BY
  customer_id
