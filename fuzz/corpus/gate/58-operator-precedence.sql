-- Parentheses that matter
SELECT (1 + 2) * 3 AS a, 1 - (2 - 3) AS b, 2 ^ (3 ^ 2) AS c, NOT (true AND false) AS d, (1 < 2) = (2 < 3) AS e,
  - (2 ^ 2) AS f, (- 2) ^ 2 AS g, (SELECT 1) + 1 AS h, ('a' || 'b') || 'c' AS i, (5 & 3) | 8 AS j, 7 % 4 * 2 AS k, @ -5 AS l
ORDER BY 1;
