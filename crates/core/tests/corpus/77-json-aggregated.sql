-- JSON aggregated
SELECT region, json_agg(id ORDER BY id) AS a, jsonb_agg("Tier" ORDER BY id) AS b
FROM customers
GROUP BY region
ORDER BY region;
