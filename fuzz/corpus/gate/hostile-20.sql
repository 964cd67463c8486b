SELECT q.txid_status AS a FROM abs(1) AS q;
