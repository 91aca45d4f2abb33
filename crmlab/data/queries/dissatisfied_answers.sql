-- One row of the result is one answered questionnaire with overall satisfaction 1 or 2: when we first got back to the
-- customer about it.
-- told_at is the first contact of ours with the customer within 90 days after the answer whose purpose is recovery or
-- follow_up. A contact about a complaint, or in answer to a question, would have been made in any case and does
-- not count; nor does one about another order than the questionnaire's. NULL where there is none.
-- Ordered by: response_id
SELECT
  surveys.response_id,
  surveys.customer_id,
  surveys.answered_at,
  MIN(contacts.contacted_at) AS told_at
FROM surveys
LEFT JOIN contacts
  ON contacts.customer_id = surveys.customer_id
  AND contacts.contacted_at >= surveys.answered_at
  AND contacts.contacted_at < surveys.answered_at + INTERVAL '90' DAY
  AND contacts.direction = 'outbound'
  AND contacts.purpose IN ('recovery', 'follow_up')
  AND contacts.complaint_id IS NULL
  AND contacts.in_reply_to IS NULL
  AND (contacts.order_id IS NULL OR surveys.order_id IS NULL OR contacts.order_id = surveys.order_id)
WHERE
  surveys.overall <= 2
  AND surveys.answered_at IS NOT NULL
GROUP BY
  surveys.response_id,
  surveys.customer_id,
  surveys.answered_at
