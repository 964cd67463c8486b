-- Constants in every spelling
SELECT 1000 AS a, $$dollar 'quoted'$$ AS b, E'tab\tend' AS c, U&'\0041' AS d, 1.5e3 AS e, X'1F' AS f, .5 AS g, TRUE AS h, NULL AS i
ORDER BY 1;
