SELECT ts_token_type('default') AS a;
