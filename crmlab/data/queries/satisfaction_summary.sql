-- One row of the result is one customer and mode of questionnaire, up to as_of or within the period asked for. What
-- is not given in the data makes a group of its own.
-- answered are the questionnaires that give overall satisfaction; satisfied those of them that say 4 or 5.
-- The sums with weight_ in front add up the weight of the answered ones, and the weight times the answer;
-- an answer without a weight is in none of them, and weighted says how many are.
-- $period_from, $period_to: first and last day of sending that count, both included; NULL for no bound.
-- Ordered by: customer_id, mode
SELECT
  customer_id,
  mode,
  COUNT(*) AS sent,
  COUNT(overall) AS answered,
  CAST(SUM(overall) AS DOUBLE PRECISION) AS overall,
  COUNT(CASE WHEN overall >= 4 THEN 1 END) AS satisfied,
  COUNT(CASE WHEN overall IS NOT NULL THEN weight END) AS weighted,
  CAST(SUM(CASE WHEN overall IS NOT NULL THEN weight END) AS DOUBLE PRECISION) AS weight,
  CAST(SUM(weight * overall) AS DOUBLE PRECISION) AS weight_overall,
  CAST(SUM(CASE WHEN overall >= 4 THEN weight WHEN overall < 4 THEN 0 * weight END) AS DOUBLE PRECISION)
    AS weight_satisfied
FROM surveys
WHERE
  (
    CAST($period_from AS DATE) IS NULL
    OR CAST(sent_at AS DATE) >= CAST($period_from AS DATE)
  )
  AND (
    CAST($period_to AS DATE) IS NULL
    OR CAST(sent_at AS DATE) <= CAST($period_to AS DATE)
  )
GROUP BY
  customer_id,
  mode
