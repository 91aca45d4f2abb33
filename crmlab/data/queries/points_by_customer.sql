-- One row of the result is one customer with orders that earn or redeem points, up to as_of.
-- earned and redeemed are points; orders are the purchases that say what they earn, 0 too. amount is what these
-- brought, less all refunds of the customer; margin the same less the direct cost, where that is known.
-- last_day is the day of the last purchase of any kind.
-- Orders without a customer or without a day are left out here; the query orders_accounting counts them.
-- Ordered by: customer_id
SELECT
  customer_id,
  CAST(COALESCE(SUM(points_earned), 0) AS DOUBLE PRECISION) AS earned,
  CAST(COALESCE(SUM(points_redeemed), 0) AS DOUBLE PRECISION) AS redeemed,
  COUNT(CASE WHEN amount < 0 THEN NULL ELSE points_earned END) AS orders,
  CAST(COALESCE(SUM(CASE WHEN points_earned IS NOT NULL OR amount < 0 THEN amount END), 0) AS DOUBLE PRECISION) AS amount,
  CAST(
    COALESCE(
      SUM(CASE WHEN points_earned IS NOT NULL OR amount < 0 THEN amount - cost END), 0
    ) AS DOUBLE PRECISION
  ) AS margin,
  COUNT(CASE WHEN points_earned IS NOT NULL AND cost IS NULL THEN 1 END) AS cost_missing,
  MAX(CASE WHEN amount < 0 THEN NULL ELSE CAST(ordered_at AS DATE) END) AS last_day
FROM orders
WHERE
  customer_id IS NOT NULL
  AND ordered_at IS NOT NULL
GROUP BY
  customer_id
HAVING
  COUNT(points_earned) > 0
  OR COUNT(points_redeemed) > 0
