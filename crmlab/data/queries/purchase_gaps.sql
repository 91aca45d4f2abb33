-- One row of the result is one number of days between successive purchases, up to as_of, within {by}: how many
-- such gaps there are.
-- A purchase is an order whose amount is zero, positive or unknown; those of a day are one purchase. closed is 1
-- where the next purchase came, so many days later; 0 for the time from a customer's last purchase to as_of, which
-- is still open. Orders on a day on which the customer had ordered already make closed gaps of 0 days: leave them out
-- where the orders of a day are one purchase. An open gap may have 0 days too.
-- Group by columns of customers only: a customer's gaps are found before they are grouped.
-- Orders without a customer or without a day are left out here; the query orders_accounting counts them.
-- Ordered by: {by}, closed, days
WITH bought AS (
  SELECT
    {by},
    orders.customer_id AS buyer,
    CAST(orders.ordered_at AS DATE) AS purchase_day
  FROM orders
  {join_customers}
  WHERE
    orders.customer_id IS NOT NULL
    AND orders.ordered_at IS NOT NULL
    AND (orders.amount IS NULL OR orders.amount >= 0)
),
by_day AS (
  SELECT
    {by_names},
    buyer,
    purchase_day,
    COUNT(*) AS orders
  FROM bought
  GROUP BY
    {by_names},
    buyer,
    purchase_day
),
followed AS (
  SELECT
    {by_names},
    orders,
    purchase_day,
    LEAD(purchase_day) OVER (PARTITION BY buyer ORDER BY purchase_day) AS next_day
  FROM by_day
),
gaps AS (
  SELECT
    {by_names},
    CASE WHEN next_day IS NULL THEN 0 ELSE 1 END AS closed,
    CASE
      WHEN next_day IS NULL
        THEN DATE_DIFF('day', CAST(purchase_day AS DATE), CAST($as_of_end AS DATE)) - 1
      ELSE DATE_DIFF('day', CAST(purchase_day AS DATE), CAST(next_day AS DATE))
    END AS days,
    1 AS gaps
  FROM followed
  UNION ALL
  SELECT
    {by_names},
    1 AS closed,
    0 AS days,
    orders - 1 AS gaps
  FROM followed
  WHERE orders > 1
)
SELECT
  {by_names},
  CAST(closed AS BIGINT) AS closed,
  CAST(days AS BIGINT) AS days,
  CAST(SUM(gaps) AS BIGINT) AS gaps
FROM gaps
GROUP BY
  {by_names},
  closed,
  days
