-- One row of the result is one customer in one campaign: the arm drawn, the day it was drawn, and what was known
-- of the customer. assigned_day is missing where no time is given; joined is the day the relationship began.
-- on_first is 1 where every assignment of the campaign that has a time falls on the first day of a month, else 0.
-- Assignments of nobody, or to no campaign, make rows of their own.
-- Ordered by: campaign, customer_id
WITH drawn AS (
  SELECT
    customer_id,
    campaign,
    arm,
    CAST(assigned_at AS DATE) AS assigned_day
  FROM assignments
),
campaigns AS (
  SELECT
    campaign,
    MIN(CASE WHEN EXTRACT(DAY FROM assigned_day) = 1 THEN 1 ELSE 0 END) AS on_first
  FROM drawn
  WHERE assigned_day IS NOT NULL
  GROUP BY
    campaign
)
SELECT
  drawn.customer_id,
  drawn.campaign,
  drawn.arm,
  drawn.assigned_day,
  CAST(COALESCE(campaigns.on_first, 0) AS BIGINT) AS on_first,
  CAST(customers.acquired_on AS DATE) AS joined,
  customers.tier,
  customers.region
FROM drawn
LEFT JOIN campaigns
  ON campaigns.campaign = drawn.campaign
LEFT JOIN customers
  ON customers.customer_id = drawn.customer_id
