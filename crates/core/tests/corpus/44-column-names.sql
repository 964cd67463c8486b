-- Unnamed columns keep PostgreSQL's names
SELECT CURRENT_DATE, now()::date, date(now()), 'today'::date, 'tomorrow'::date,
  'yesterday'::timestamp, (SELECT CURRENT_DATE), COALESCE(NULL, CURRENT_DATE), CASE WHEN true THEN 1 END,
  extract(year FROM CURRENT_DATE), CURRENT_DATE - 1, greatest(CURRENT_DATE, '2000-01-01'),
  CASE WHEN false THEN NULL ELSE CURRENT_DATE END, ARRAY[CURRENT_DATE], age('2020-01-01'::timestamp) > '1 day'::interval
ORDER BY 1;
