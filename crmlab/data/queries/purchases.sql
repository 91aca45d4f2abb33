-- One row of the result is one group of {by}; one row in all where no column is asked for.
-- orders are purchases (amount zero, positive or unknown); an order with a negative amount is a cancellation
-- or refund and is counted in none of the columns, but customers who have nothing else keep their row.
-- priced, priced_amount and priced_list are the number, the amount and the list price of the purchases that
-- have both an amount and a list price above zero.
-- Orders without a customer are left out here; the query orders_accounting counts them.
-- $period_from, $period_to: first and last day of ordering that count, both included; NULL for no bound.
-- Ordered by: {by}
WITH bought AS (
  SELECT
    {by},
    CASE WHEN orders.amount < 0 THEN 0 ELSE 1 END AS purchase,
    CASE WHEN orders.amount >= 0 THEN orders.amount END AS money,
    CASE WHEN orders.amount >= 0 AND orders.list_price > 0 THEN orders.amount END AS priced_money,
    CASE WHEN orders.amount >= 0 AND orders.list_price > 0 THEN orders.list_price END AS list_money
  FROM orders
  {join_customers}
  WHERE
    orders.customer_id IS NOT NULL
    AND (
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
  CAST(SUM(money) AS DOUBLE PRECISION) AS amount,
  COUNT(list_money) AS priced,
  CAST(SUM(priced_money) AS DOUBLE PRECISION) AS priced_amount,
  CAST(SUM(list_money) AS DOUBLE PRECISION) AS priced_list
FROM bought
GROUP BY {by_names}
