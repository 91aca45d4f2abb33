-- One row of the result is one customer who has purchases up to as_of: when he was first silent for too long.
-- A purchase is an order whose amount is zero, positive or unknown; first_day and last_day are days of purchases.
-- quiet_since is the day of the first purchase that was followed by $silence whole days without another, all of
-- them over by the end of as_of; missing where there is none. The silence is complete $silence days after it.
-- Orders without a customer or without a day are left out here; the query orders_accounting counts them.
-- $silence: days.
-- Ordered by: customer_id
WITH purchase_days AS (
  SELECT
    customer_id,
    CAST(ordered_at AS DATE) AS purchase_day
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
),
followed AS (
  SELECT
    customer_id,
    purchase_day,
    COALESCE(
      LEAD(purchase_day) OVER (PARTITION BY customer_id ORDER BY purchase_day),
      CAST($as_of_end AS DATE)
    ) AS next_day
  FROM purchase_days
)
SELECT
  customer_id,
  MIN(purchase_day) AS first_day,
  MAX(purchase_day) AS last_day,
  MIN(
    CASE
      WHEN DATE_DIFF('day', CAST(purchase_day AS DATE), CAST(next_day AS DATE)) > $silence
        THEN purchase_day
    END
  ) AS quiet_since
FROM followed
GROUP BY
  customer_id
