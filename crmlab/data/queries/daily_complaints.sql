-- One row of the result is one day on which complaints (suggestions too) were opened, up to as_of; the last row,
-- without a day, is those whose day is not known.
-- Ordered by: day
SELECT
  CAST(opened_at AS DATE) AS day,
  COUNT(*) AS complaints
FROM complaints
GROUP BY CAST(opened_at AS DATE)
