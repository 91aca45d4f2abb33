-- One row of the result is one combination of what is known of customers beforehand: the groups from which a sample can
-- be drawn. What is not given in the data makes a group of its own.
-- customers are the listed customers of the combination.
-- Ordered by: tier, customer_region, industry, size, scope, customer_type
SELECT
  tier,
  region AS customer_region,
  industry,
  size,
  scope,
  customer_type,
  COUNT(*) AS customers
FROM customers
WHERE
  customer_id IS NOT NULL
GROUP BY
  tier,
  region,
  industry,
  size,
  scope,
  customer_type
