-- Software that is rented, with the requests of those who rent it.
CREATE TABLE accounts (id int PRIMARY KEY, name text NOT NULL, plan text, country text, industry text, seats int, created_at timestamptz, cancelled_at timestamptz);
CREATE TABLE agents (id int PRIMARY KEY, name text, team text, hired_on date, is_lead boolean);
CREATE TABLE requests (id int PRIMARY KEY, account_id int REFERENCES accounts, agent_id int REFERENCES agents, opened_at timestamptz NOT NULL,
    resolved_at timestamptz, priority text, status text, channel text, resolution_minutes int, rating int);
CREATE TABLE invoices (id int PRIMARY KEY, account_id int REFERENCES accounts, issued_on date, paid_on date, amount numeric(12, 2), status text);
COMMENT ON COLUMN requests.rating IS 'Satisfaction, from 1 to 5';
COMMENT ON COLUMN invoices.amount IS 'Amount in USD';
INSERT INTO accounts SELECT n, 'Account ' || n, (ARRAY['free', 'team', 'business'])[n * 5 % 7 % 3 + 1], (ARRAY['France', 'Germany', 'Poland', 'Sweden'])[n % 4 + 1],
    (ARRAY['Retail', 'Health', 'Energy'])[n % 3 + 1], n * 11 % 90 + 1, timestamptz '2025-08-02 00:00+00' - n * interval '77 hours',
    CASE WHEN n % 7 = 0 THEN timestamptz '2025-08-01 00:00+00' - n * interval '31 hours' END FROM generate_series(1, 210) n;
INSERT INTO agents SELECT n, 'Agent ' || n, (ARRAY['Billing', 'Platform', 'Mobile'])[n % 3 + 1], DATE '2025-07-30' - n * 41, n % 5 = 0 FROM generate_series(1, 14) n;
INSERT INTO requests SELECT n, n * n % 203 + 1, CASE WHEN n % 11 > 0 THEN n % 13 + 1 END, t, CASE WHEN n % 5 > 1 THEN t + n % 60 * interval '1 hour' END,
    (ARRAY['low', 'high', 'normal', 'urgent'])[n * 3 % 11 % 4 + 1], (ARRAY['open', 'waiting', 'resolved', 'closed', 'resolved'])[n % 5 + 1],
    (ARRAY['email', 'chat', 'phone'])[n * 7 % 10 % 3 + 1], n * 13 % 700, CASE WHEN n % 3 = 0 THEN n % 5 + 1 END
FROM generate_series(1, 1900) n, LATERAL (SELECT timestamptz '2025-08-02 07:00+00' - n * interval '4 hours' AS t) x;
INSERT INTO invoices SELECT n, n % 205 + 1, DATE '2025-08-02' - n / 3, CASE WHEN n % 4 > 0 THEN DATE '2025-08-02' - n / 3 + n % 9 END,
    (n * 29 % 900) + 20, (ARRAY['unpaid', 'paid', 'paid', 'void'])[n % 4 + 1] FROM generate_series(1, 1600) n;
