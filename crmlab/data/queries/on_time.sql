-- One row of the result is one group of {by}; one row in all where no column is asked for.
-- orders are purchases (amount zero, positive or unknown) = on_time + late + unknown. on_time as given in the
-- data wins; else delivered_at is compared with promised_at. An order promised for after as_of is unknown even
-- if it came early: its late siblings are not known yet. An order that is undelivered though its promise
-- lies before the end of as_of is late; overdue says how many of the late ones are of this kind.
-- cancellations (negative amount) are counted beside and belong to none of the others.
-- $period_from, $period_to: first and last day of ordering that count, both included; NULL for no bound.
-- Ordered by: {by}
WITH judged AS (
  SELECT
    {by},
    CASE WHEN orders.amount < 0 THEN 0 ELSE 1 END AS purchase,
    orders.on_time IS NULL AND orders.delivered_at IS NULL AS unseen,
    CASE
      WHEN orders.promised_at >= CAST($as_of_end AS TIMESTAMP) THEN NULL
      WHEN orders.on_time IS NOT NULL THEN orders.on_time
      WHEN orders.delivered_at IS NOT NULL THEN orders.delivered_at <= orders.promised_at
      WHEN $delivery_recorded AND orders.promised_at < CAST($as_of_end AS TIMESTAMP) THEN FALSE
    END AS promise_kept
  FROM orders
  {join_customers}
  WHERE
    (
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
  CAST(COALESCE(SUM(purchase), 0) AS BIGINT) AS orders,
  COUNT(CASE WHEN purchase = 1 AND promise_kept THEN 1 END) AS on_time,
  COUNT(CASE WHEN purchase = 1 AND NOT promise_kept THEN 1 END) AS late,
  COUNT(CASE WHEN purchase = 1 AND promise_kept IS NULL THEN 1 END) AS unknown,
  COUNT(CASE WHEN purchase = 1 AND unseen AND NOT promise_kept THEN 1 END) AS overdue,
  COUNT(CASE WHEN purchase = 0 THEN 1 END) AS cancellations
FROM judged
GROUP BY {by_names}
