-- One row of the result is one customer who has purchases up to period_to: what the customer did in the months before
-- that day, counted back from it. A month is a twelfth of 365 days: month 0 ends on period_to, month 1 before it.
-- A purchase is an order whose amount is zero, positive or unknown. An order with a negative amount is a
-- cancellation or refund: it is no purchase, and reduces the money.
-- first_day is the day of the first purchase of all, first_month its month; months_bought are those among the last
-- months asked for that have a purchase, that of the first one too if it is among them. purchases, promoted (those
-- that name a promotion), priced (those whose amount is known), amount and refunded are of these months;
-- list_price adds up the purchases whose amount is known as well, and listed_amount what was paid for them.
-- $period_to: last day that counts; as_of where it is NULL. $months: how many months back; 12 where it is NULL.
-- Ordered by: customer_id
WITH dated AS (
  SELECT
    customer_id,
    CAST(ordered_at AS DATE) AS purchase_day,
    DATE_DIFF(
      'day',
      CAST(ordered_at AS DATE),
      CAST(
        COALESCE(CAST($period_to AS DATE), CAST(CAST($as_of_end AS TIMESTAMP) - INTERVAL '1' DAY AS DATE)) AS DATE
      )
    ) AS days_back,
    CASE WHEN amount < 0 THEN 0 ELSE 1 END AS purchase,
    amount,
    list_price,
    promotion
  FROM orders
  WHERE
    customer_id IS NOT NULL
    AND ordered_at IS NOT NULL
),
placed AS (
  SELECT
    *,
    CAST(FLOOR(CAST(12 * days_back AS DOUBLE) / CAST(365 AS DOUBLE)) AS BIGINT) AS month_back,
    CASE WHEN 12 * days_back < 365 * COALESCE(CAST($months AS BIGINT), 12) THEN 1 ELSE 0 END AS lately
  FROM dated
  WHERE
    days_back >= 0
)
SELECT
  customer_id,
  MIN(CASE WHEN purchase = 1 THEN purchase_day END) AS first_day,
  MAX(CASE WHEN purchase = 1 THEN month_back END) AS first_month,
  COUNT(DISTINCT CASE WHEN purchase = 1 AND lately = 1 THEN month_back END) AS months_bought,
  COUNT(CASE WHEN purchase = 1 AND lately = 1 THEN 1 END) AS purchases,
  COUNT(CASE WHEN purchase = 1 AND lately = 1 THEN promotion END) AS promoted,
  COUNT(CASE WHEN purchase = 1 AND lately = 1 THEN amount END) AS priced,
  CAST(SUM(CASE WHEN purchase = 1 AND lately = 1 THEN amount END) AS DOUBLE PRECISION) AS amount,
  CAST(COALESCE(SUM(CASE WHEN purchase = 0 AND lately = 1 THEN -amount END), 0) AS DOUBLE PRECISION) AS refunded,
  CAST(SUM(CASE WHEN amount >= 0 AND lately = 1 THEN list_price END) AS DOUBLE PRECISION) AS list_price,
  CAST(SUM(CASE WHEN amount >= 0 AND lately = 1 AND NOT list_price IS NULL THEN amount END) AS DOUBLE PRECISION)
    AS listed_amount
FROM placed
GROUP BY customer_id
HAVING
  MAX(purchase) = 1
