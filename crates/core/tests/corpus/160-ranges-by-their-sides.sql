-- Ranges by their sides
SELECT int4range(1, 3) -|- int4range(3, 5) AS a, int4range(1, 4) << int4range(5, 6) AS b, int8range(1, 4) &< int8range(2, 6) AS c, range_merge(int4range(1, 2), int4range(5, 6)) AS d, lower_inf(int4range(NULL, 3)) AS e, numrange(1, 5) - numrange(3, 7) AS f
ORDER BY 1;
