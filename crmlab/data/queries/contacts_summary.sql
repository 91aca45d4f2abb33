-- One row of the result is one customer, channel, purpose and direction of contact, up to as_of or within the
-- period asked for. What is not given in the data makes a group of its own, so the contacts of no named
-- customer can be counted too.
-- asked are the inbound contacts that need an answer; answered_within_24h those of them answered within 24 hours;
-- answered_known those whose 24 hours were over by the end of as_of, which is what a share is taken of. A
-- contact that is unanswered then counts against us. Without the column responded_at nothing is known.
-- $period_from, $period_to: first and last day of contact that count, both included; NULL for no bound.
-- Ordered by: customer_id, channel, purpose, direction
SELECT
  customer_id,
  channel,
  purpose,
  direction,
  COUNT(*) AS contacts,
  COUNT(CASE WHEN waiting THEN 1 END) AS asked,
  COUNT(CASE WHEN waiting AND quick THEN 1 END) AS answered_within_24h,
  COUNT(CASE WHEN waiting THEN quick END) AS answered_known,
  COUNT(campaign) AS in_campaigns,
  MIN(CAST(contacted_at AS DATE)) AS first_day,
  MAX(CAST(contacted_at AS DATE)) AS last_day
FROM (
  SELECT
    *,
    direction = 'inbound' AND needs_answer AS waiting,
    CASE
      WHEN NOT $answers_recorded THEN NULL
      WHEN contacted_at + INTERVAL '24' HOUR >= CAST($as_of_end AS TIMESTAMP) THEN NULL
      WHEN contacted_at IS NULL THEN NULL
      WHEN responded_at IS NULL THEN FALSE
      ELSE responded_at <= contacted_at + INTERVAL '24' HOUR
    END AS quick
  FROM contacts
  WHERE
    (
      CAST($period_from AS DATE) IS NULL
      OR CAST(contacted_at AS DATE) >= CAST($period_from AS DATE)
    )
    AND (
      CAST($period_to AS DATE) IS NULL
      OR CAST(contacted_at AS DATE) <= CAST($period_to AS DATE)
    )
) AS judged
GROUP BY
  customer_id,
  channel,
  purpose,
  direction
