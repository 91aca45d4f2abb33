-- One row of the result is one customer, kind and severity of complaint, up to as_of or within the period asked
-- for. What is not given in the data makes a group of its own. Suggestions are the rows of kind 'suggestion'.
-- answered_within_4h are the complaints first answered within 4 hours, of answered_known whose 4 hours were over by the
-- end of as_of; one that is unanswered then counts against us. complaints = sla_kept + sla_missed + sla_unknown:
-- kept is resolved by due_at; unknown is what has no due_at or is due after as_of, even if it is resolved.
-- Without the column first_response_at or resolved_at nothing is known of the answer or of the promise.
-- handling_minutes, handling_cost and compensation add up what is given; *_known says for how many complaints.
-- $period_from, $period_to: first and last day of opening that count, both included; NULL for no bound.
-- Ordered by: customer_id, kind, severity
SELECT
  customer_id,
  kind,
  severity,
  COUNT(*) AS complaints,
  COUNT(CASE WHEN resolved_at IS NOT NULL THEN 1 END) AS resolved,
  COUNT(CASE WHEN reopened_at IS NOT NULL THEN 1 END) AS reopened,
  COUNT(CASE WHEN quick THEN 1 END) AS answered_within_4h,
  COUNT(quick) AS answered_known,
  COUNT(CASE WHEN kept THEN 1 END) AS sla_kept,
  COUNT(CASE WHEN NOT kept THEN 1 END) AS sla_missed,
  COUNT(CASE WHEN kept IS NULL THEN 1 END) AS sla_unknown,
  CAST(SUM(handling_minutes) AS DOUBLE PRECISION) AS handling_minutes,
  COUNT(handling_minutes) AS handling_minutes_known,
  CAST(SUM(handling_cost) AS DOUBLE PRECISION) AS handling_cost,
  COUNT(handling_cost) AS handling_cost_known,
  CAST(SUM(compensation) AS DOUBLE PRECISION) AS compensation,
  COUNT(compensation) AS compensation_known
FROM (
  SELECT
    *,
    CASE
      WHEN NOT $first_answers_recorded THEN NULL
      WHEN opened_at + INTERVAL '4' HOUR >= CAST($as_of_end AS TIMESTAMP) THEN NULL
      WHEN opened_at IS NULL THEN NULL
      WHEN first_response_at IS NULL THEN FALSE
      ELSE first_response_at <= opened_at + INTERVAL '4' HOUR
    END AS quick,
    CASE
      WHEN NOT $resolution_recorded THEN NULL
      WHEN due_at >= CAST($as_of_end AS TIMESTAMP) THEN NULL
      WHEN due_at IS NULL THEN NULL
      WHEN resolved_at IS NULL THEN FALSE
      ELSE resolved_at <= due_at
    END AS kept
  FROM complaints
  WHERE
    (
      CAST($period_from AS DATE) IS NULL
      OR CAST(opened_at AS DATE) >= CAST($period_from AS DATE)
    )
    AND (
      CAST($period_to AS DATE) IS NULL
      OR CAST(opened_at AS DATE) <= CAST($period_to AS DATE)
    )
) AS judged
GROUP BY
  customer_id,
  kind,
  severity
