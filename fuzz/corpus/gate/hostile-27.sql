SELECT repeat('a', :day_range * 30000) AS a;
