-- One row of the result is one customer and activity of serving them, up to as_of or within the period asked for.
-- The activities: 'contact.' and the channel (nothing after the point where none is given), 'survey.sent',
-- 'complaint.minute' (the minutes of complaints that give no cost), 'complaint.handling' (the cost they give),
-- 'complaint.compensation', and 'complaint.unrecorded' (complaints that give neither minutes nor a cost).
-- units are what a stated cost is multiplied by; recorded is money that stands in the data; records counts rows.
-- A contact that was planned and did not take place is no activity. A complaint belongs to the day it was opened.
-- What has no customer makes a group of its own. The lines and points of orders are in customer_summary.
-- $period_from, $period_to: first and last day that count, both included; NULL for no bound.
-- Ordered by: customer_id, activity
SELECT
  customer_id,
  activity,
  CAST(SUM(units) AS DOUBLE PRECISION) AS units,
  CAST(SUM(recorded) AS DOUBLE PRECISION) AS recorded,
  COUNT(*) AS records
FROM (
  SELECT
    customer_id,
    'contact.' || COALESCE(channel, '') AS activity,
    CAST(1 AS DOUBLE PRECISION) AS units,
    CAST(NULL AS DOUBLE PRECISION) AS recorded,
    CAST(contacted_at AS DATE) AS happened
  FROM contacts
  WHERE
    contacted_at IS NOT NULL
    OR planned_for IS NULL
  UNION ALL
  SELECT
    customer_id,
    'survey.sent' AS activity,
    CAST(1 AS DOUBLE PRECISION) AS units,
    CAST(NULL AS DOUBLE PRECISION) AS recorded,
    CAST(sent_at AS DATE) AS happened
  FROM surveys
  UNION ALL
  SELECT
    customer_id,
    CASE
      WHEN handling_cost IS NOT NULL THEN 'complaint.handling'
      WHEN handling_minutes IS NOT NULL THEN 'complaint.minute'
      ELSE 'complaint.unrecorded'
    END AS activity,
    CASE
      WHEN handling_cost IS NULL AND handling_minutes IS NOT NULL
        THEN CAST(handling_minutes AS DOUBLE PRECISION)
      ELSE CAST(1 AS DOUBLE PRECISION)
    END AS units,
    CAST(handling_cost AS DOUBLE PRECISION) AS recorded,
    CAST(opened_at AS DATE) AS happened
  FROM complaints
  UNION ALL
  SELECT
    customer_id,
    'complaint.compensation' AS activity,
    CAST(1 AS DOUBLE PRECISION) AS units,
    CAST(compensation AS DOUBLE PRECISION) AS recorded,
    CAST(opened_at AS DATE) AS happened
  FROM complaints
  WHERE compensation IS NOT NULL
) AS done
WHERE
  (
    CAST($period_from AS DATE) IS NULL
    OR happened >= CAST($period_from AS DATE)
  )
  AND (
    CAST($period_to AS DATE) IS NULL
    OR happened <= CAST($period_to AS DATE)
  )
GROUP BY
  customer_id,
  activity
