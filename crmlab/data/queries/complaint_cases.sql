-- One row of the result is one complaint or suggestion, up to as_of, with what is known of its handling; its text is
-- left in the table. {by} are further columns of the complaint, its order, its customer or its owner.
-- customer_id is the complaint's own, else that of its order. A complaint that was opened again is closed by the last
-- resolution after that in complaint_events (closed_at is then that time, NULL if there is none); else closed_at is
-- resolved_at. tier is the customer's.
-- Grouped by columns of: complaints, orders, customers, staff
-- Ordered by: opened_at, complaint_id
SELECT
  complaints.complaint_id,
  COALESCE(complaints.customer_id, orders.customer_id) AS customer_id,
  complaints.order_id,
  complaints.opened_at,
  complaints.due_at,
  complaints.first_response_at,
  complaints.accepted_at,
  complaints.investigated_at,
  complaints.negotiated_at,
  complaints.resolved_at,
  complaints.followed_up_at,
  complaints.reopened_at,
  CASE
    WHEN complaints.reopened_at IS NULL THEN complaints.resolved_at
    WHEN last_resolution.resolved_again_at >= complaints.reopened_at THEN last_resolution.resolved_again_at
  END AS closed_at,
  complaints.kind,
  complaints.cause,
  complaints.severity,
  complaints.channel,
  complaints.owner,
  complaints.reassignments,
  complaints.first_contact_resolution,
  complaints.handling_minutes,
  complaints.handling_cost,
  complaints.remedy,
  complaints.compensation,
  complaints.satisfaction_after,
  complaints.told_of_improvement,
  {by},
  customers.tier
FROM complaints
LEFT JOIN orders
  ON complaints.order_id = orders.order_id
LEFT JOIN customers
  ON COALESCE(complaints.customer_id, orders.customer_id) = customers.customer_id
LEFT JOIN staff
  ON complaints.owner = staff.staff_id
LEFT JOIN (
  SELECT
    complaint_id,
    MAX("at") AS resolved_again_at
  FROM complaint_events
  WHERE stage = 'resolve'
  GROUP BY complaint_id
) AS last_resolution
  ON complaints.complaint_id = last_resolution.complaint_id
