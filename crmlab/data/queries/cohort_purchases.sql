-- One row of the result is one cohort of customers, won in the same period, and one period of time: how many of them
-- bought in it, up to as_of.
-- A period is so many whole calendar months as $months says (1, 3 or 12), counted from January. cohort is the first
-- month of the period, as year * 12 + month - 1; -1 where the day is not known. age is the number of months from
-- the cohort's period to the period of the purchases; a row of age -1 counts the customers of the cohort.
-- A customer is won on the day of the first purchase, and who has none is in no row; where $by_acquired is true, on
-- the day acquired_on, or on the day of the first purchase if that is earlier, and those who never bought count too.
-- A purchase is an order whose amount is zero, positive or unknown.
-- known is 1 where the customer was acquired before the day $opening, so that the first purchase may not be in the
-- data; 2 for the others who first bought before the day $lead_until; 0 for the rest.
-- Orders without a customer or without a day are left out here; the query orders_accounting counts them.
-- Ordered by: known, cohort, age
WITH dated AS (
  SELECT
    customer_id,
    CAST(ordered_at AS DATE) AS purchase_day
  FROM orders
  WHERE
    customer_id IS NOT NULL
    AND ordered_at IS NOT NULL
    AND (amount IS NULL OR amount >= 0)
),
months AS (
  SELECT DISTINCT
    customer_id,
    CAST(EXTRACT(YEAR FROM purchase_day) * 12 + EXTRACT(MONTH FROM purchase_day) - 1 AS BIGINT) AS month
  FROM dated
),
bought AS (
  SELECT DISTINCT
    customer_id,
    month - MOD(month, CAST($months AS BIGINT)) AS period
  FROM months
),
seen AS (
  SELECT
    customer_id,
    MIN(purchase_day) AS first_day,
    CAST(NULL AS DATE) AS acquired_on
  FROM dated
  GROUP BY customer_id
  UNION ALL
  SELECT
    customer_id,
    CAST(NULL AS DATE) AS first_day,
    CAST(acquired_on AS DATE) AS acquired_on
  FROM customers
  WHERE customer_id IS NOT NULL
),
people AS (
  SELECT
    customer_id,
    MIN(first_day) AS first_day,
    MIN(acquired_on) AS acquired_on
  FROM seen
  GROUP BY customer_id
),
won AS (
  SELECT
    customer_id,
    CASE
      WHEN acquired_on < CAST($opening AS DATE) THEN 1
      WHEN first_day < CAST($lead_until AS DATE) THEN 2
      ELSE 0
    END AS known,
    CASE
      WHEN NOT $by_acquired THEN first_day
      WHEN first_day < acquired_on THEN first_day
      ELSE acquired_on
    END AS start_day
  FROM people
  WHERE $by_acquired OR first_day IS NOT NULL
),
starts AS (
  SELECT
    customer_id,
    known,
    CAST(EXTRACT(YEAR FROM start_day) * 12 + EXTRACT(MONTH FROM start_day) - 1 AS BIGINT) AS month
  FROM won
),
cohorts AS (
  SELECT
    customer_id,
    known,
    COALESCE(month - MOD(month, CAST($months AS BIGINT)), -1) AS cohort
  FROM starts
)
SELECT
  CAST(known AS BIGINT) AS known,
  CAST(cohort AS BIGINT) AS cohort,
  CAST(-1 AS BIGINT) AS age,
  COUNT(*) AS customers
FROM cohorts
GROUP BY
  known,
  cohort
UNION ALL
SELECT
  CAST(cohorts.known AS BIGINT) AS known,
  CAST(cohorts.cohort AS BIGINT) AS cohort,
  CAST(bought.period - cohorts.cohort AS BIGINT) AS age,
  COUNT(*) AS customers
FROM cohorts
INNER JOIN bought
  ON cohorts.customer_id = bought.customer_id
WHERE cohorts.cohort >= 0
GROUP BY
  cohorts.known,
  cohorts.cohort,
  bought.period - cohorts.cohort
