SELECT format('%-1000000s', 'a') AS a;
