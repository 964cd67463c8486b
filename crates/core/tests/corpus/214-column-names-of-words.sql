-- Unnamed columns of words for days
SELECT 'today'::date, (SELECT CURRENT_DATE), least('tomorrow'::date, CURRENT_DATE), NULLIF('yesterday'::timestamp, now()),
  (SELECT now() IS NOT NULL) AS there, ROW(CURRENT_DATE)
ORDER BY 1;
