-- One row of the result is one customer who has orders, up to as_of or within the period asked for.
-- A purchase is an order whose amount is zero, positive or unknown. An order with a negative amount is a
-- cancellation or refund: it reduces the money, is not a purchase, and has no delivery to be judged.
-- amount = purchases_amount - cancelled_amount. Late includes what is undelivered after its promise.
-- Orders without a customer are left out here; the query orders_accounting counts them.
-- $period_from, $period_to: first and last day that count, both included; NULL for no bound.
-- Ordered by: customer_id
WITH purchases AS (
  SELECT
    *,
    CAST(ordered_at AS DATE) AS day,
    CASE WHEN amount < 0 THEN 0 ELSE 1 END AS purchase,
    CASE
      WHEN amount < 0 THEN NULL
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
),
days AS (
  SELECT
    customer_id,
    CASE WHEN purchase = 1 THEN day END AS purchase_day,
    SUM(purchase) AS orders,
    SUM(COALESCE(lines, 1)) AS lines,
    SUM(amount) AS amount,
    SUM(CASE WHEN amount >= 0 THEN amount WHEN amount < 0 THEN 0 END) AS purchases_amount,
    SUM(1 - purchase) AS cancellations,
    SUM(CASE WHEN amount < 0 THEN -amount WHEN amount >= 0 THEN 0 END) AS cancelled_amount,
    SUM(list_price) AS list_price,
    SUM(discount) AS discount,
    SUM(cost) AS cost,
    SUM(amount - cost) AS margin,
    SUM(CASE WHEN promise_kept THEN 1 ELSE 0 END) AS on_time,
    SUM(CASE WHEN NOT promise_kept THEN 1 ELSE 0 END) AS late,
    SUM(CASE WHEN purchase = 1 AND damaged THEN 1 ELSE 0 END) AS damaged,
    SUM(CASE WHEN purchase = 1 AND damaged IS NOT NULL THEN 1 ELSE 0 END) AS damaged_known,
    SUM(CASE WHEN purchase = 1 AND NOT documents_ok THEN 1 ELSE 0 END) AS documents_wrong,
    SUM(CASE WHEN purchase = 1 AND promotion IS NOT NULL THEN 1 ELSE 0 END) AS promotions,
    SUM(quantity_ordered) AS quantity_ordered,
    SUM(quantity_delivered) AS quantity_delivered,
    SUM(points_earned) AS points_earned,
    SUM(points_redeemed) AS points_redeemed
  FROM purchases
  GROUP BY
    customer_id,
    CASE WHEN purchase = 1 THEN day END
)
SELECT
  customer_id,
  MIN(purchase_day) AS first_day,
  MAX(purchase_day) AS last_day,
  CAST(SUM(orders) AS BIGINT) AS orders,
  COUNT(purchase_day) AS active_days,
  CAST(SUM(lines) AS BIGINT) AS lines,
  CAST(SUM(amount) AS DOUBLE PRECISION) AS amount,
  CAST(SUM(purchases_amount) AS DOUBLE PRECISION) AS purchases_amount,
  CAST(SUM(cancellations) AS BIGINT) AS cancellations,
  CAST(SUM(cancelled_amount) AS DOUBLE PRECISION) AS cancelled_amount,
  CAST(SUM(list_price) AS DOUBLE PRECISION) AS list_price,
  CAST(SUM(discount) AS DOUBLE PRECISION) AS discount,
  CAST(SUM(cost) AS DOUBLE PRECISION) AS cost,
  CAST(SUM(margin) AS DOUBLE PRECISION) AS margin,
  CAST(SUM(on_time) AS BIGINT) AS on_time,
  CAST(SUM(late) AS BIGINT) AS late,
  CAST(SUM(on_time) + SUM(late) AS BIGINT) AS on_time_known,
  CAST(SUM(damaged) AS BIGINT) AS damaged,
  CAST(SUM(damaged_known) AS BIGINT) AS damaged_known,
  CAST(SUM(documents_wrong) AS BIGINT) AS documents_wrong,
  CAST(SUM(promotions) AS BIGINT) AS promotions,
  CAST(SUM(quantity_ordered) AS DOUBLE PRECISION) AS quantity_ordered,
  CAST(SUM(quantity_delivered) AS DOUBLE PRECISION) AS quantity_delivered,
  CAST(SUM(points_earned) AS DOUBLE PRECISION) AS points_earned,
  CAST(SUM(points_redeemed) AS DOUBLE PRECISION) AS points_redeemed
FROM days
GROUP BY
  customer_id
