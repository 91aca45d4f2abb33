-- One row of the result is one customer in one campaign and one period about the day of the assignment in which
-- the customer has orders. Period 0 begins with the offer, 1 follows it, -1 comes before.
-- Periods are calendar months where every assignment of the campaign falls on the first day of a month; else they
-- are 30 days, counted from the day of the assignment. What lies further back than $before periods is one period.
-- orders are purchases (amount zero, positive or unknown); promoted are those that name this campaign.
-- amount is what all orders brought less what refunds took back, margin the same less the direct cost, of orders
-- whose cost is known; cost_missing counts those of which it is not. listed is amount at the list price, where
-- one is given.
-- $before, $after: periods before the offer's own, and after it.
-- Ordered by: campaign, customer_id, period
WITH drawn AS (
  SELECT
    customer_id,
    campaign,
    CAST(assigned_at AS DATE) AS assigned_day
  FROM assignments
  WHERE
    customer_id IS NOT NULL
    AND campaign IS NOT NULL
    AND assigned_at IS NOT NULL
),
campaigns AS (
  SELECT
    campaign,
    MIN(CASE WHEN EXTRACT(DAY FROM assigned_day) = 1 THEN 1 ELSE 0 END) AS on_first
  FROM drawn
  GROUP BY
    campaign
),
placed AS (
  SELECT
    drawn.customer_id,
    drawn.campaign,
    CASE
      WHEN campaigns.on_first = 1
        THEN (
          EXTRACT(YEAR FROM orders.ordered_at) - EXTRACT(YEAR FROM drawn.assigned_day)
        ) * 12 + EXTRACT(MONTH FROM orders.ordered_at) - EXTRACT(MONTH FROM drawn.assigned_day)
      ELSE FLOOR(
        CAST(
          DATE_DIFF('day', CAST(drawn.assigned_day AS DATE), CAST(orders.ordered_at AS DATE))
          AS DOUBLE PRECISION
        ) / CAST(30 AS DOUBLE PRECISION)
      )
    END AS passed,
    CASE WHEN orders.promotion = drawn.campaign THEN 1 ELSE 0 END AS promoted,
    CASE WHEN orders.amount < 0 THEN 0 ELSE 1 END AS purchase,
    orders.amount,
    orders.cost,
    orders.list_price,
    orders.points_earned
  FROM drawn
  JOIN campaigns
    ON campaigns.campaign = drawn.campaign
  JOIN orders
    ON orders.customer_id = drawn.customer_id
  WHERE orders.ordered_at IS NOT NULL
)
SELECT
  customer_id,
  campaign,
  period,
  CAST(SUM(purchase) AS BIGINT) AS orders,
  CAST(SUM(purchase * promoted) AS BIGINT) AS promoted,
  CAST(COALESCE(SUM(amount), 0) AS DOUBLE PRECISION) AS amount,
  CAST(COALESCE(SUM(amount - cost), 0) AS DOUBLE PRECISION) AS margin,
  COUNT(CASE WHEN cost IS NULL THEN 1 END) AS cost_missing,
  CAST(COALESCE(SUM(COALESCE(list_price, amount)), 0) AS DOUBLE PRECISION) AS listed,
  CAST(COALESCE(SUM(points_earned), 0) AS DOUBLE PRECISION) AS points
FROM (
  SELECT
    customer_id,
    campaign,
    CAST(
      CASE
        WHEN passed < -CAST($before AS BIGINT) THEN -CAST($before AS BIGINT) - 1
        ELSE passed
      END AS BIGINT
    ) AS period,
    promoted,
    purchase,
    amount,
    cost,
    list_price,
    points_earned
  FROM placed
  WHERE passed <= CAST($after AS BIGINT)
) AS dated
GROUP BY
  customer_id,
  campaign,
  period
