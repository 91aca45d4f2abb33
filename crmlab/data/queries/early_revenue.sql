-- One row of the result is one customer who has purchases up to as_of: what came of the first $days days.
-- A purchase is an order whose amount is zero, positive or unknown; first_day is the day of the first one. amount is
-- all money of the days from it on that are fewer than $days away, refunds subtracted; 0 where none is known.
-- Orders without a customer or without a day are left out here; the query orders_accounting counts them.
-- $days: days.
-- Ordered by: customer_id
WITH dated AS (
  SELECT
    customer_id,
    CAST(ordered_at AS DATE) AS order_day,
    amount,
    MIN(
      CASE
        WHEN amount IS NULL OR amount >= 0 THEN CAST(ordered_at AS DATE)
      END
    ) OVER (PARTITION BY customer_id) AS first_day
  FROM orders
  WHERE
    customer_id IS NOT NULL
    AND ordered_at IS NOT NULL
)
SELECT
  customer_id,
  MIN(first_day) AS first_day,
  CAST(
    COALESCE(
      SUM(
        CASE
          WHEN
            order_day >= first_day
            AND DATE_DIFF('day', CAST(first_day AS DATE), CAST(order_day AS DATE)) < $days
            THEN amount
        END
      ),
      0
    ) AS DOUBLE PRECISION
  ) AS amount
FROM dated
WHERE
  first_day IS NOT NULL
GROUP BY
  customer_id
