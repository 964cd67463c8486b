-- A dealer of cars and a bank beside it: words for money, for a channel and for a place are the same.
select setseed(0.39);
create table branches (branch_id int primary key, name text, city text, opened_on date);
create table accounts (account_id int primary key, branch_id int not null references branches, account_type text, balance numeric(10,2), opened_on date, closed_on date);
create table transactions (transaction_id int primary key, account_id int not null references accounts, transaction_type text, channel text, amount numeric(9,2), transaction_date date);
create table cars (car_id int primary key, make text, color text, price numeric(9,2), year int);
create table inventory (inventory_id int primary key, car_id int not null references cars, quantity int, lot text, arrived_on date);
create table sales (sale_id int primary key, car_id int not null references cars, sale_date date, sale_price numeric(9,2), status text, payment_method text);
insert into branches select i, (array['Central','Harbor','Airport','Tower'])[i], (array['Oslo','Bergen','Oslo','Molde'])[i], date '2024-10-01'+i*70 from generate_series(1,4) i;
insert into accounts select i, 1+floor(random()*3)::int, (array['savings','checking'])[1+i%2], round((random()*9000)::numeric,2), date '2024-01-01'+(random()*560)::int, case when i%8=0 then date '2025-06-15' end from generate_series(1,70) i;
insert into transactions select i, 1+floor(random()*70)::int, (array['deposit','withdrawal','fee'])[1+floor(random()*3)::int], (array['online','branch','atm'])[1+floor(random()*3)::int], 5+round((random()*900)::numeric,2), date '2025-02-01'+(random()*180)::int from generate_series(1,300) i;
insert into cars select i, (array['Toyota','Ford','Tesla'])[1+floor(random()*3)::int], (array['red','blue','white'])[1+floor(random()*3)::int], 9000+i*130, 2018+i%7 from generate_series(1,60) i;
insert into inventory select i, 1+floor(random()*60)::int, 1+floor(random()*4)::int, (array['North','East'])[1+i%2], date '2025-04-01'+(random()*120)::int from generate_series(1,90) i;
insert into sales select i, 1+floor(random()*60)::int, date '2024-09-01'+(random()*330)::int, 8000+round((random()*40000)::numeric,2), (array['paid','cancelled','pending'])[1+floor(random()*3)::int], (array['cash','card','lease'])[1+floor(random()*3)::int] from generate_series(1,140) i;
