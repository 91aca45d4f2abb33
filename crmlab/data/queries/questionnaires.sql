-- One row of the result is one questionnaire that was sent: what is known of its customer and of its order. What is not
-- known is NULL; so is everything of an order that is not in the data.
-- on_time as in the query on_time: as given in the data, else delivered_at against promised_at; an order promised for
-- after as_of is unknown even if it came early, and one that is undelivered past its promise is late.
-- region is the order's; customer_region the customer's.
-- Ordered by: response_id
SELECT
  surveys.response_id,
  customers.tier,
  customers.region AS customer_region,
  customers.industry,
  customers.size,
  customers.scope,
  customers.customer_type,
  customers.account_manager,
  orders.ordered_at,
  orders.region,
  orders.service_line,
  orders.route,
  orders.amount,
  orders.damaged,
  CASE
    WHEN orders.promised_at >= CAST($as_of_end AS TIMESTAMP) THEN NULL
    WHEN orders.on_time IS NOT NULL THEN orders.on_time
    WHEN orders.delivered_at IS NOT NULL THEN orders.delivered_at <= orders.promised_at
    WHEN $delivery_recorded AND orders.promised_at < CAST($as_of_end AS TIMESTAMP) THEN FALSE
  END AS on_time
FROM surveys
LEFT JOIN customers ON surveys.customer_id = customers.customer_id
LEFT JOIN orders ON surveys.order_id = orders.order_id
