-- Music that is listened to: artists are two keys away from what is played.
select setseed(0.61);
create table artists (id int primary key, name text, country text, formed_year int);
create table albums (id int primary key, artist_id int not null references artists, title text, release_date date, genre text, label text);
create table tracks (id int primary key, album_id int not null references albums, title text, duration_seconds int, price numeric(5,2), explicit boolean);
create table users (id int primary key, full_name text, country text, plan text, signed_up_at timestamptz, cancelled_at timestamptz);
create table plays (id int primary key, user_id int not null references users, track_id int not null references tracks, played_at timestamptz, device text, seconds_played int, completed boolean);
create table payments (id int primary key, user_id int not null references users, amount numeric(8,2), method text, status text, created_at timestamptz);
insert into artists select i, (array['Hollow','Crimson','Neon','Velvet','Glass'])[1+i%5]||' '||(array['Foxes','Parade','Choir'])[1+i%3]||' '||i, (array['Germany','France','Japan','Canada',null])[1+i%5], 1970+i from generate_series(1,40) i;
insert into albums select i, 1+floor(random()*30)::int, 'Album '||i, case when i%9<>0 then date '2015-01-01'+(random()*3800)::int end, (array['Rock','Jazz','Folk','Pop'])[1+floor(random()*4)::int], (array['Blue Door','Atlas Music','Sub Harbor',null])[1+floor(random()*4)::int] from generate_series(1,90) i;
insert into tracks select i, 1+floor(random()*80)::int, 'Track '||i, 100+floor(random()*420)::int, (array[0.69,0.99,1.29,null])[1+floor(random()*4)::int], random()<0.3 from generate_series(1,300) i;
insert into users select i, 'User '||i, (array['Germany','Spain','Japan',null])[1+floor(random()*4)::int], (array['free','student','premium'])[1+floor(random()*3)::int], t, case when random()<0.2 then t+interval '40 days' end from (select i, timestamptz '2023-01-01 00:00+00'+random()*interval '900 days' t from generate_series(1,110) i) x;
insert into plays select i, 1+floor(random()*90)::int, 1+floor(random()*300)::int, timestamptz '2025-05-01 00:00+00'+random()*interval '93 days', (array['phone','desktop','tv'])[1+floor(random()*3)::int], 5+floor(random()*400)::int, random()<0.6 from generate_series(1,500) i;
insert into payments select i, 1+floor(random()*80)::int, (array[4.99,9.99,14.99])[1+floor(random()*3)::int], (array['card','paypal','gift_card'])[1+floor(random()*3)::int], (array['paid','failed','refunded'])[1+floor(random()*3)::int], timestamptz '2024-08-01 00:00+00'+random()*interval '365 days' from generate_series(1,260) i;
