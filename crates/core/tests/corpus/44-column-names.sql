-- Unnamed columns keep PostgreSQL's names
SELECT CURRENT_DATE, now()::date, date(now()), 'yesterday'::timestamp, COALESCE(NULL, CURRENT_DATE),
  CASE WHEN true THEN 1 END, extract(year FROM CURRENT_DATE), greatest(CURRENT_DATE, '2000-01-01'),
  ARRAY[CURRENT_DATE], age('2020-01-01'::timestamp)
ORDER BY 1;
