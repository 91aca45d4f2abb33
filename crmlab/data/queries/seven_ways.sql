-- One row of the result is one answered questionnaire with overall satisfaction: what had happened to its customer in
-- the 365 days before the answer.
-- executive_visits are contacts whose purpose is an executive visit. Of the complaints opened in these days promises_kept
-- and promises_broken are those that were due before the answer, resolved in time or not; complaints those whose cause
-- is known, and repeated those of them whose cause the customer had complained of in the 180 days before.
-- record_gaps counts what is missing of the customer's telephone, e-mail, industry, size and region; NULL where the
-- customer is not known.
-- Ordered by: response_id
WITH answers AS (
  SELECT
    response_id,
    customer_id,
    answered_at
  FROM surveys
  WHERE
    overall IS NOT NULL
    AND answered_at IS NOT NULL
),

visits AS (
  SELECT
    answers.response_id,
    COUNT(*) AS executive_visits
  FROM answers
  JOIN contacts
    ON contacts.customer_id = answers.customer_id
    AND contacts.contacted_at < answers.answered_at
    AND contacts.contacted_at >= answers.answered_at - INTERVAL '365' DAY
  WHERE
    contacts.purpose = 'executive_visit'
  GROUP BY
    answers.response_id
),

judged AS (
  SELECT
    customer_id,
    opened_at,
    due_at,
    cause,
    COALESCE(resolved_at <= due_at, FALSE) AS kept,
    opened_at < LAG(opened_at) OVER (PARTITION BY customer_id, cause ORDER BY opened_at) + INTERVAL '180' DAY AS again
  FROM complaints
),

complained AS (
  SELECT
    answers.response_id,
    COUNT(CASE WHEN judged.due_at < answers.answered_at AND judged.kept THEN 1 END) AS promises_kept,
    COUNT(CASE WHEN judged.due_at < answers.answered_at AND NOT judged.kept THEN 1 END) AS promises_broken,
    COUNT(judged.cause) AS complaints,
    COUNT(CASE WHEN judged.again AND judged.cause IS NOT NULL THEN 1 END) AS repeated
  FROM answers
  JOIN judged
    ON judged.customer_id = answers.customer_id
    AND judged.opened_at < answers.answered_at
    AND judged.opened_at >= answers.answered_at - INTERVAL '365' DAY
  GROUP BY
    answers.response_id
)

SELECT
  answers.response_id,
  COALESCE(visits.executive_visits, 0) AS executive_visits,
  COALESCE(complained.promises_kept, 0) AS promises_kept,
  COALESCE(complained.promises_broken, 0) AS promises_broken,
  COALESCE(complained.complaints, 0) AS complaints,
  COALESCE(complained.repeated, 0) AS repeated,
  CASE WHEN customers.customer_id IS NOT NULL THEN
    CASE WHEN customers.phone IS NULL THEN 1 ELSE 0 END
    + CASE WHEN customers.email IS NULL THEN 1 ELSE 0 END
    + CASE WHEN customers.industry IS NULL THEN 1 ELSE 0 END
    + CASE WHEN customers.size IS NULL THEN 1 ELSE 0 END
    + CASE WHEN customers.region IS NULL THEN 1 ELSE 0 END
  END AS record_gaps
FROM answers
LEFT JOIN customers ON answers.customer_id = customers.customer_id
LEFT JOIN visits ON answers.response_id = visits.response_id
LEFT JOIN complained ON answers.response_id = complained.response_id
