-- One row of the result is one customer who has orders, up to as_of or within the period asked for.
-- A purchase is an order whose amount is zero, positive or unknown. An order with a negative amount is a
-- cancellation or refund: it reduces the money, is not a purchase, and has no delivery to be judged.
-- amount = purchases_amount - cancelled_amount. amount_missing and cost_missing count the orders whose money
-- or cost is not known, which the sums leave out. An order is judged when its promise is due: late includes
-- what is undelivered then; what is promised for after as_of is not known yet, even if it came early.
-- Orders without a customer are left out here; the query orders_accounting counts them.
-- The days are counted apart, from orders read once more: together with the sums, or from rows read once for
-- both, they would take far more memory. What follows from two sums is not summed again.
-- $period_from, $period_to: first and last day that count, both included; NULL for no bound.
-- Ordered by: customer_id
WITH days AS (
  SELECT
    customer_id,
    MIN(purchase_day) AS first_day,
    MAX(purchase_day) AS last_day,
    COUNT(purchase_day) AS active_days
  FROM (
    SELECT DISTINCT
      customer_id,
      CASE WHEN amount < 0 THEN NULL ELSE CAST(ordered_at AS DATE) END AS purchase_day
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
  ) AS seen
  GROUP BY customer_id
),
sums AS (
  SELECT
    customer_id,
    COUNT(*) AS placed,
    COUNT(lines) AS lines_known,
    SUM(lines) AS lines,
    COUNT(amount) AS amount_known,
    SUM(amount) AS amount,
    COUNT(CASE WHEN amount < 0 THEN 1 END) AS cancellations,
    SUM(CASE WHEN amount < 0 THEN -amount END) AS cancelled_amount,
    SUM(list_price) AS list_price,
    SUM(discount) AS discount,
    COUNT(cost) AS cost_known,
    SUM(cost) AS cost,
    SUM(amount - cost) AS margin,
    COUNT(CASE WHEN promise_kept THEN 1 END) AS on_time,
    COUNT(promise_kept) AS on_time_known,
    COUNT(CASE WHEN purchase = 1 AND damaged THEN 1 END) AS damaged,
    COUNT(CASE WHEN purchase = 1 THEN damaged END) AS damaged_known,
    COUNT(CASE WHEN purchase = 1 AND NOT documents_ok THEN 1 END) AS documents_wrong,
    COUNT(CASE WHEN purchase = 1 THEN promotion END) AS promotions,
    SUM(quantity_ordered) AS quantity_ordered,
    SUM(quantity_delivered) AS quantity_delivered,
    SUM(points_earned) AS points_earned,
    SUM(points_redeemed) AS points_redeemed
  FROM (
    SELECT
      *,
      CASE WHEN amount < 0 THEN 0 ELSE 1 END AS purchase,
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
  GROUP BY customer_id
)
SELECT
  sums.customer_id,
  first_day,
  last_day,
  placed - cancellations AS orders,
  active_days,
  CAST(placed - lines_known + COALESCE(lines, 0) AS BIGINT) AS lines,
  CAST(amount AS DOUBLE PRECISION) AS amount,
  CAST(amount + COALESCE(cancelled_amount, 0) AS DOUBLE PRECISION) AS purchases_amount,
  cancellations,
  CAST(COALESCE(cancelled_amount, 0 * amount) AS DOUBLE PRECISION) AS cancelled_amount,
  CAST(list_price AS DOUBLE PRECISION) AS list_price,
  CAST(discount AS DOUBLE PRECISION) AS discount,
  CAST(cost AS DOUBLE PRECISION) AS cost,
  CAST(margin AS DOUBLE PRECISION) AS margin,
  placed - amount_known AS amount_missing,
  placed - cost_known AS cost_missing,
  on_time,
  on_time_known - on_time AS late,
  on_time_known,
  damaged,
  damaged_known,
  documents_wrong,
  promotions,
  CAST(quantity_ordered AS DOUBLE PRECISION) AS quantity_ordered,
  CAST(quantity_delivered AS DOUBLE PRECISION) AS quantity_delivered,
  CAST(points_earned AS DOUBLE PRECISION) AS points_earned,
  CAST(points_redeemed AS DOUBLE PRECISION) AS points_redeemed
FROM sums
INNER JOIN days
  ON sums.customer_id = days.customer_id
