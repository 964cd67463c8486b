-- The ends of each group
SELECT DISTINCT ON (region) region, id, signed_up
FROM customers
ORDER BY region, signed_up DESC, id;
