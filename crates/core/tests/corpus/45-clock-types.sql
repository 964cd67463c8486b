-- The clock's functions keep their types
SELECT pg_typeof(CURRENT_DATE)::text AS a, pg_typeof(now())::text AS b, pg_typeof(CURRENT_TIME)::text AS c,
  pg_typeof(LOCALTIME(2))::text AS d, pg_typeof(LOCALTIMESTAMP)::text AS e, pg_typeof(CURRENT_TIMESTAMP(3))::text AS f,
  pg_typeof('now'::timestamp)::text AS g, pg_typeof('tomorrow'::timestamptz)::text AS h,
  pg_typeof(CURRENT_DATE - INTERVAL '1 day')::text AS i, pg_typeof(CURRENT_DATE - 1)::text AS j,
  pg_typeof('yesterday'::date)::text AS k, pg_typeof(clock_timestamp())::text AS l
ORDER BY 1;
