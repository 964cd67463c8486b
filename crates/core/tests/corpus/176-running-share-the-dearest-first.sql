-- Running share, the dearest first
SELECT id, amount, round(sum(amount) OVER (ORDER BY amount DESC, id) / sum(amount) OVER (), 4) AS upto
FROM orders
WHERE customer_id = 8
ORDER BY amount DESC, id;
