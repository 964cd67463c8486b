-- Strings, comments and quoted names hold what looks like placeholders
SELECT ':start_date' AS a, 'it''s :end_date' AS b, E'\t:x' AS c, $$ :day_range $$ AS d, -- :timezone
  U&'\0041' AS e, /* :nope /* :nested */ */ "Event Day" AS ":start_date"
FROM events
WHERE "Event Day" BETWEEN '2025-06-01' AND '2025-06-03' AND kind <> ':start_date'
ORDER BY id;
