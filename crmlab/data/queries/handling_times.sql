-- One row of the result is one customer and handling time of complaints (suggestions too) whose day of opening is
-- known, up to as_of: how many took so many minutes of work. Complaints whose minutes are not known, and those
-- that name no customer, make rows of their own.
-- Ordered by: customer_id, handling_minutes
SELECT
  customer_id,
  handling_minutes,
  COUNT(*) AS complaints
FROM complaints
WHERE opened_at IS NOT NULL
GROUP BY
  customer_id,
  handling_minutes
