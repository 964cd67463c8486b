-- Statements that the gate refuses, one in each block. The line before a statement begins with the words that its refusal must
-- hold. `[reader]` marks what a reader role without rights must stop too, on a server and without the gate, in a database where
-- `orders (id int)` and `metricd.queries` exist.

-- function set_config() can never
SELECT set_config('role','none',true) AS a;

-- function current_setting() can never
SELECT current_setting('data_directory') AS a;

-- function query_to_xml() can never
SELECT query_to_xml('select 1',true,true,'') AS a;

-- function query_to_xmlschema() can never
SELECT query_to_xmlschema('select 1',true,true,'') AS a;

-- function query_to_xml_and_xmlschema() can never
SELECT query_to_xml_and_xmlschema('select 1',true,true,'') AS a;

-- function table_to_xml() can never
SELECT table_to_xml('pg_authid',true,true,'') AS a;

-- function table_to_xmlschema() can never
SELECT table_to_xmlschema('orders',true,true,'') AS a;

-- function schema_to_xml() can never
SELECT schema_to_xml('metricd',true,true,'') AS a;

-- function schema_to_xmlschema() can never
SELECT schema_to_xmlschema('public',true,true,'') AS a;

-- function database_to_xml() can never
SELECT database_to_xml(true,true,'') AS a;

-- function database_to_xmlschema() can never
SELECT database_to_xmlschema(true,true,'') AS a;

-- function cursor_to_xml() can never
SELECT cursor_to_xml('c',1,true,true,'') AS a;

-- function cursor_to_xmlschema() can never
SELECT cursor_to_xmlschema('c',true,true,'') AS a;

-- function ts_rewrite() can never
SELECT ts_rewrite('a'::tsquery,'select t,s from aliases') AS a;

-- function lo_create() can never
SELECT lo_create(0) AS a;

-- function lo_creat() can never
SELECT lo_creat(-1) AS a;

-- function lo_from_bytea() can never
SELECT lo_from_bytea(0,'x') AS a;

-- function lo_import() can never [reader]
SELECT lo_import('/etc/passwd') AS a;

-- function lo_export() can never [reader]
SELECT lo_export(1,'/tmp/x') AS a;

-- function lo_get() can never
SELECT lo_get(1) AS a;

-- function lo_put() can never
SELECT lo_put(1,0,'x') AS a;

-- function lo_unlink() can never
SELECT lo_unlink(1) AS a;

-- function lo_open() can never
SELECT lo_open(1,131072) AS a;

-- function loread() can never
SELECT loread(0,10) AS a;

-- function lowrite() can never
SELECT lowrite(0,'x') AS a;

-- function pg_read_file() can never [reader]
SELECT pg_read_file('/etc/passwd') AS a;

-- function pg_read_binary_file() can never [reader]
SELECT pg_read_binary_file('/etc/passwd') AS a;

-- function pg_ls_dir() can never [reader]
SELECT pg_ls_dir('/') AS a;

-- function pg_ls_logdir() can never [reader]
SELECT pg_ls_logdir() AS a;

-- function pg_ls_waldir() can never
SELECT pg_ls_waldir() AS a;

-- function pg_stat_file() can never [reader]
SELECT pg_stat_file('/etc/passwd') AS a;

-- function dblink() can never
SELECT dblink('host=1.2.3.4','select 1') AS a;

-- function dblink_exec() can never
SELECT dblink_exec('x','drop table t') AS a;

-- function dblink_connect() can never
SELECT dblink_connect('x') AS a;

-- function postgres_fdw_get_connections() can never
SELECT postgres_fdw_get_connections() AS a;

-- function postgres_fdw_disconnect_all() can never
SELECT postgres_fdw_disconnect_all() AS a;

-- function pg_sleep() can never
SELECT pg_sleep(10) AS a;

-- function pg_sleep_for() can never
SELECT pg_sleep_for('5 minutes') AS a;

-- function pg_sleep_until() can never
SELECT pg_sleep_until('tomorrow 03:00') AS a;

-- function pg_notify() can never
SELECT pg_notify('a','b') AS a;

-- function pg_advisory_lock() can never
SELECT pg_advisory_lock(1) AS a;

-- function pg_advisory_xact_lock() can never
SELECT pg_advisory_xact_lock(1) AS a;

-- function pg_try_advisory_lock() can never
SELECT pg_try_advisory_lock(1,2) AS a;

-- function pg_advisory_unlock_all() can never
SELECT pg_advisory_unlock_all() AS a;

-- function pg_cancel_backend() can never
SELECT pg_cancel_backend(1) AS a;

-- function pg_terminate_backend() can never
SELECT pg_terminate_backend(1) AS a;

-- function pg_export_snapshot() can never
SELECT pg_export_snapshot() AS a;

-- function pg_logical_emit_message() can never
SELECT pg_logical_emit_message(true,'a','b') AS a;

-- function pg_current_xact_id() can never
SELECT pg_current_xact_id() AS a;

-- function pg_backend_pid() can never
SELECT pg_backend_pid() AS a;

-- function pg_reload_conf() can never [reader]
SELECT pg_reload_conf() AS a;

-- function pg_rotate_logfile() can never
SELECT pg_rotate_logfile() AS a;

-- function pg_switch_wal() can never
SELECT pg_switch_wal() AS a;

-- function pg_create_restore_point() can never [reader]
SELECT pg_create_restore_point('x') AS a;

-- function pg_stat_reset() can never
SELECT pg_stat_reset() AS a;

-- function pg_stat_get_activity() can never
SELECT pg_stat_get_activity(NULL) AS a;

-- function pg_get_viewdef() can never
SELECT pg_get_viewdef(1) AS a;

-- function pg_get_functiondef() can never
SELECT pg_get_functiondef(1) AS a;

-- function pg_relation_filepath() can never
SELECT pg_relation_filepath('orders') AS a;

-- function pg_total_relation_size() can never
SELECT pg_total_relation_size('orders') AS a;

-- function pg_database_size() can never
SELECT pg_database_size('postgres') AS a;

-- function pg_column_size() can never
SELECT pg_column_size(1) AS a;

-- function pg_conf_load_time() can never
SELECT pg_conf_load_time() AS a;

-- function pg_postmaster_start_time() can never
SELECT pg_postmaster_start_time() AS a;

-- function pg_my_temp_schema() can never
SELECT pg_my_temp_schema() AS a;

-- function pg_has_role() can never
SELECT pg_has_role('postgres','member') AS a;

-- function pg_drop_replication_slot() can never
SELECT pg_drop_replication_slot('x') AS a;

-- function pg_create_physical_replication_slot() can never
SELECT pg_create_physical_replication_slot('x') AS a;

-- function pg_create_logical_replication_slot() can never
SELECT pg_create_logical_replication_slot('x','pgoutput') AS a;

-- function pg_logical_slot_get_changes() can never
SELECT pg_logical_slot_get_changes('x',NULL,NULL) AS a;

-- function pg_replication_origin_create() can never
SELECT pg_replication_origin_create('x') AS a;

-- function pg_import_system_collations() can never
SELECT pg_import_system_collations('public') AS a;

-- function pg_blocking_pids() can never
SELECT pg_blocking_pids(1) AS a;

-- function pg_lock_status() can never
SELECT pg_lock_status() AS a;

-- function pg_prepared_statement() can never
SELECT pg_prepared_statement() AS a;

-- function pg_show_all_settings() can never
SELECT pg_show_all_settings() AS a;

-- function pg_file_settings() can never
SELECT pg_file_settings() AS a;

-- function pg_hba_file_rules() can never
SELECT pg_hba_file_rules() AS a;

-- function pg_get_keywords() can never
SELECT pg_get_keywords() AS a;

-- function pg_input_is_valid() can never
SELECT pg_input_is_valid('x','regclass') AS a;

-- function txid_current() can never
SELECT txid_current() AS a;

-- function txid_status() can never
SELECT txid_status(1) AS a;

-- function txid_current_snapshot() can never
SELECT txid_current_snapshot() AS a;

-- function nextval() can never
SELECT nextval('s') AS a;

-- function setval() can never
SELECT setval('s',1) AS a;

-- function currval() can never
SELECT currval('s') AS a;

-- function lastval() can never
SELECT lastval() AS a;

-- function version() can never
SELECT version() AS a;

-- function inet_client_addr() can never
SELECT inet_client_addr() AS a;

-- function inet_server_addr() can never
SELECT inet_server_addr() AS a;

-- function inet_server_port() can never
SELECT inet_server_port() AS a;

-- function current_database() can never
SELECT current_database() AS a;

-- function current_schemas() can never
SELECT current_schemas(true) AS a;

-- function current_query() can never
SELECT current_query() AS a;

-- function getdatabaseencoding() can never
SELECT getdatabaseencoding() AS a;

-- function has_table_privilege() can never
SELECT has_table_privilege('orders','select') AS a;

-- function has_any_column_privilege() can never
SELECT has_any_column_privilege('orders','select') AS a;

-- function to_regclass() can never
SELECT to_regclass('pg_authid') AS a;

-- function to_regtype() can never
SELECT to_regtype('text') AS a;

-- function to_regrole() can never
SELECT to_regrole('postgres') AS a;

-- function col_description() can never
SELECT col_description(1,1) AS a;

-- function obj_description() can never
SELECT obj_description(1,'pg_class') AS a;

-- function shobj_description() can never
SELECT shobj_description(1,'pg_database') AS a;

-- function format_type() can never
SELECT format_type(23,NULL) AS a;

-- function aclexplode() can never
SELECT aclexplode(NULL) AS a;

-- function row_security_active() can never
SELECT row_security_active('orders') AS a;

-- function ts_debug() can never
SELECT ts_debug('a b') AS a;

-- function ts_parse() can never
SELECT ts_parse('default','a b') AS a;

-- function ts_token_type() can never
SELECT ts_token_type('default') AS a;

-- function ts_lexize() can never
SELECT ts_lexize('english_stem','a') AS a;

-- function binary_upgrade_set_next_pg_type_oid() can never
SELECT binary_upgrade_set_next_pg_type_oid(1) AS a;

-- function brin_summarize_new_values() can never
SELECT brin_summarize_new_values('i') AS a;

-- function gin_clean_pending_list() can never
SELECT gin_clean_pending_list('i') AS a;

-- function amvalidate() can never
SELECT amvalidate(1) AS a;

-- function setseed() can never
SELECT setseed(0.5) AS a;

-- function xpath() can never
SELECT xpath('//a','<a/>') AS a;

-- function xpath_exists() can never
SELECT xpath_exists('//a','<a/>') AS a;

-- function xmlcomment() can never
SELECT xmlcomment('a') AS a;

-- function xmlagg() can never
SELECT xmlagg(NULL) AS a;

-- function xml_is_well_formed() can never
SELECT xml_is_well_formed('<a/>') AS a;

-- function array_fill() can never
SELECT array_fill(0,ARRAY[10000,10000]) AS a;

-- function factorial() can never
SELECT factorial(30000) AS a;

-- function crosstab() can never
SELECT crosstab('select 1') AS a;

-- function connectby() can never
SELECT connectby('t','a','b','c',0) AS a;

-- function plpgsql_call_handler() can never
SELECT plpgsql_call_handler() AS a;

-- function suppress_redundant_updates_trigger() can never
SELECT suppress_redundant_updates_trigger() AS a;

-- function mxid_age() can never
SELECT mxid_age('1') AS a;

-- function ts_stat() can never
SELECT word FROM ts_stat('select body from mails');

-- pg_sleep() can never
SELECT "pg_sleep"(1);

-- pg_sleep() can never
SELECT PG_SLEEP(1);

-- pg_sleep() can never
SELECT pg_catalog.pg_sleep(1);

-- pg_sleep() can never
SELECT "pg_catalog"."pg_sleep"(1);

-- pg_sleep() can never
SELECT U&"pg\005Fsleep"(1);

-- pg_sleep() can never
SELECT U&"\0070g_sleep"(1);

-- pg_sleep() can never
SELECT U&"pg!005Fsleep" UESCAPE '!' (1);

-- syntax error
SELECT pg_/**/sleep(1);

-- pg_sleep() can never
SELECT pg_sleep /* x */ (1);

-- pg_sleep() can never
SELECT pg_sleep
(1);

-- pg_sleep() can never
SELECT 1 AS a FROM pg_sleep(1);

-- pg_sleep() can never
SELECT 1 AS a FROM orders, LATERAL pg_sleep(1);

-- pg_sleep() can never
SELECT 1 AS a FROM ROWS FROM (pg_sleep(1), generate_series(1, 2)) AS r;

-- pg_sleep() can never
SELECT 1 AS a FROM orders JOIN pg_sleep(1) AS s ON true;

-- pg_sleep() can never
SELECT 1 AS a FROM orders JOIN customers ON pg_sleep(1) IS NULL;

-- pg_sleep() can never
SELECT 1 AS a FROM orders WHERE pg_sleep(1) IS NOT NULL;

-- pg_sleep() can never
SELECT 1 AS a FROM orders GROUP BY pg_sleep(1);

-- pg_sleep() can never
SELECT 1 AS a FROM orders HAVING pg_sleep(1) IS NULL;

-- pg_sleep() can never
SELECT 1 AS a ORDER BY pg_sleep(1);

-- pg_sleep() can never
SELECT 1 AS a LIMIT (SELECT 1 FROM pg_sleep(1));

-- pg_sleep() can never
SELECT 1 AS a OFFSET (SELECT 1 FROM pg_sleep(1));

-- pg_sleep() can never
SELECT 1 AS a FETCH FIRST (SELECT 1 FROM pg_sleep(1)) ROWS ONLY;

-- pg_sleep() can never
SELECT DISTINCT ON (pg_sleep(1)) 1 AS a;

-- pg_sleep() can never
WITH w AS (SELECT pg_sleep(1)) SELECT 1 AS a;

-- pg_sleep() can never
WITH w AS MATERIALIZED (SELECT * FROM pg_sleep(1)) SELECT 1 AS a;

-- pg_sleep() can never
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE pg_sleep(1) IS NULL) SELECT n FROM r;

-- syntax error
WITH RECURSIVE r (n) AS (SELECT 1) CYCLE n SET c TO pg_sleep(1) DEFAULT false USING p SELECT n FROM r;

-- pg_sleep() can never
VALUES (1), (pg_sleep(1));

-- pg_sleep() can never
SELECT 1 AS a UNION ALL SELECT pg_sleep(1);

-- pg_sleep() can never
SELECT 1 AS a EXCEPT (SELECT pg_sleep(1));

-- pg_sleep() can never
SELECT (SELECT pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT EXISTS (SELECT pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT 1 IN (SELECT 1 FROM pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT ARRAY(SELECT pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) AS a FROM orders;

-- pg_sleep() can never
SELECT count(pg_sleep(1)) AS a FROM orders;

-- pg_sleep() can never
SELECT string_agg('a', 'b' ORDER BY pg_sleep(1)) AS a FROM orders;

-- pg_sleep() can never
SELECT sum(1) OVER (PARTITION BY pg_sleep(1)) AS a FROM orders;

-- pg_sleep() can never
SELECT sum(1) OVER (ORDER BY pg_sleep(1)) AS a FROM orders;

-- pg_sleep() can never
SELECT sum(1) OVER (ORDER BY 1 ROWS BETWEEN (SELECT 1 FROM pg_sleep(1)) PRECEDING AND CURRENT ROW) AS a FROM orders;

-- pg_sleep() can never
SELECT sum(1) OVER w AS a FROM orders WINDOW w AS (ORDER BY pg_sleep(1));

-- pg_sleep() can never
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY pg_sleep(1)) AS a FROM orders;

-- pg_sleep() can never
SELECT CASE WHEN true THEN pg_sleep(1) END AS a;

-- pg_sleep() can never
SELECT CASE pg_sleep(1) WHEN NULL THEN 1 END AS a;

-- pg_sleep() can never
SELECT CASE WHEN false THEN 1 ELSE pg_sleep(1) END AS a;

-- pg_sleep() can never
SELECT coalesce(NULL, pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT nullif(pg_sleep(1), NULL) AS a;

-- pg_sleep() can never
SELECT greatest(1, pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT lower(upper(pg_sleep(1))) AS a;

-- pg_sleep() can never
SELECT ARRAY[pg_sleep(1)] AS a;

-- pg_sleep() can never
SELECT (ARRAY[1])[(SELECT 1 FROM pg_sleep(1))] AS a;

-- pg_sleep() can never
SELECT (ARRAY[1])[1 : length(pg_sleep(1)::text)] AS a;

-- pg_sleep() can never
SELECT ROW(pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT pg_sleep(1)::text AS a;

-- pg_sleep() can never
SELECT CAST(pg_sleep(1) AS text) AS a;

-- pg_sleep() can never
SELECT pg_sleep(1) COLLATE "C" AS a;

-- pg_sleep() can never
SELECT pg_sleep(1) IS NULL AS a;

-- pg_sleep() can never
SELECT (pg_sleep(1) IS NULL) IS TRUE AS a;

-- pg_sleep() can never
SELECT NOT pg_sleep(1) AS a;

-- pg_sleep() can never
SELECT pg_sleep(1) AND true AS a;

-- pg_sleep() can never
SELECT 1 + pg_sleep(1) AS a;

-- pg_sleep() can never
SELECT 1 BETWEEN 0 AND pg_sleep(1) AS a;

-- pg_sleep() can never
SELECT pg_sleep(1) LIKE 'a' AS a;

-- pg_sleep() can never
SELECT 1 IN (2, pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT pg_sleep(1) AT TIME ZONE 'UTC' AS a;

-- pg_sleep() can never
SELECT pg_sleep(1) IS DISTINCT FROM 1 AS a;

-- pg_sleep() can never
SELECT JSON_OBJECT('a': pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT JSON_ARRAY(pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT JSON_ARRAY(SELECT pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT JSON_OBJECTAGG('a': pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT JSON_ARRAYAGG(1 ORDER BY pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT pg_sleep(1) IS JSON AS a;

-- pg_sleep() can never
SELECT make_interval(days => pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT concat(VARIADIC pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT 1 AS a FROM orders TABLESAMPLE bernoulli (pg_sleep(1));

-- pg_sleep() can never
SELECT 1 AS a FROM orders TABLESAMPLE system (1) REPEATABLE (pg_sleep(1));

-- pg_sleep() can never
SELECT GROUPING(pg_sleep(1)) AS a FROM orders GROUP BY CUBE (pg_sleep(1));

-- (…).a is not supported
SELECT (pg_sleep(1)).a AS a;

-- pg_sleep() can never
TABLE orders ORDER BY pg_sleep(1);

-- pg_sleep() can never
SELECT 1 AS a FROM generate_series(1, 2) WHERE EXISTS (VALUES (pg_sleep(1)));

-- pg_sleep() can never
SELECT trim(pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT extract(day FROM pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT substring('a' FROM pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT overlay('a' PLACING 'b' FROM pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT position('a' IN pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT 'a' SIMILAR TO pg_sleep(1) AS a;

-- pg_sleep() can never
SELECT (1, 2) OVERLAPS (3, pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT TREAT(pg_sleep(1) AS int) AS a;

-- CURRENT_USER can never
SELECT current_user AS a;

-- SESSION_USER can never
SELECT session_user AS a;

-- USER can never
SELECT user AS a;

-- CURRENT_ROLE can never
SELECT current_role AS a;

-- CURRENT_CATALOG can never
SELECT current_catalog AS a;

-- CURRENT_SCHEMA can never
SELECT current_schema AS a;

-- function system_user() can never
SELECT system_user AS a;

-- CURRENT_USER can never
SELECT 1 AS a FROM orders WHERE current_user = 'x';

-- CURRENT_USER can never
SELECT * FROM current_user AS t;

-- called pg_sleep
SELECT g.pg_sleep AS a FROM generate_series(1, 10) AS g;

-- called pg_sleep
SELECT (g).pg_sleep AS a FROM generate_series(1, 10) AS g;

-- called pg_column_size
SELECT (orders).pg_column_size AS a FROM orders, generate_series(1, 2) AS g;

-- called pg_read_file
SELECT n."pg_read_file" AS a FROM lower('/etc/passwd') AS n;

-- called pg_read_file
SELECT n.U&"pg\005Fread_file" AS a FROM lower('/etc/passwd') AS n;

-- called ts_stat
SELECT q.ts_stat AS a FROM lower('select 1') AS q;

-- called current_setting
SELECT q.current_setting AS a FROM lower('port') AS q;

-- called nextval
SELECT q.nextval AS a FROM lower('s') AS q;

-- called to_regclass
SELECT q.to_regclass AS a FROM lower('s') AS q;

-- called regclass
SELECT q.regclass AS a FROM lower('pg_authid') AS q;

-- called lo_get
SELECT q.lo_get AS a FROM abs(1) AS q;

-- called lo_import
SELECT q.lo_import AS a FROM lower('/etc/passwd') AS q;

-- called dblink
SELECT q.dblink AS a FROM lower('select 1') AS q;

-- called txid_status
SELECT q.txid_status AS a FROM abs(1) AS q;

-- called factorial
SELECT q.factorial AS a FROM abs(30000) AS q;

-- called pg_advisory_lock
SELECT sum(1) OVER (ORDER BY g.pg_advisory_lock) AS a FROM generate_series(1, 2) AS g;

-- called pg_read_file
SELECT ('/etc/passwd'::text).pg_read_file AS a;

-- (…).sneak is not supported
SELECT ('/etc/passwd'::text).sneak AS a;

-- (…).sneak is not supported
SELECT (lower('x')).sneak AS a;

-- (…).sneak is not supported
SELECT (1 + 1).sneak AS a;

-- (…).sneak is not supported
SELECT (SELECT 1).sneak AS a;

-- (…).sneak is not supported
SELECT (CASE WHEN true THEN 1 END).sneak AS a;

-- (…).sneak is not supported
SELECT (coalesce(a, 1)).sneak AS a FROM orders;

-- (…).sneak is not supported
SELECT (ARRAY[1]).sneak AS a;

-- called pg_sleep
SELECT ((ARRAY[1])[1]).pg_sleep AS a;

-- called pg_column_size
SELECT (ROW(1)).pg_column_size AS a;

-- type regclass can never
SELECT 'orders'::regclass AS a;

-- type regclass can never
SELECT CAST('orders' AS regclass) AS a;

-- type regclass can never
SELECT regclass 'orders' AS a;

-- type regclass can never
SELECT "regclass" 'orders' AS a;

-- type regclass can never
SELECT 'orders'::pg_catalog.regclass AS a;

-- type regclass can never
SELECT '{orders}'::regclass[] AS a;

-- type regproc can never
SELECT 'pg_sleep'::regproc AS a;

-- type regprocedure can never
SELECT 'pg_sleep(int)'::regprocedure AS a;

-- type regrole can never
SELECT 'x'::regrole AS a;

-- type regnamespace can never
SELECT 'x'::regnamespace AS a;

-- type regtype can never
SELECT 'x'::regtype AS a;

-- type regoper can never
SELECT '+'::regoper AS a;

-- type regcollation can never
SELECT 'x'::regcollation AS a;

-- type regdictionary can never
SELECT 'english_stem'::regdictionary AS a;

-- type oid can never
SELECT 1::oid AS a;

-- type xid can never
SELECT '1'::xid AS a;

-- type tid can never
SELECT '(0,1)'::tid AS a;

-- type refcursor can never
SELECT 'c'::refcursor AS a;

-- type pg_lsn can never
SELECT '0/0'::pg_lsn AS a;

-- type xml can never
SELECT '<a/>'::xml AS a;

-- type record can never
SELECT NULL::record AS a;

-- type cstring can never
SELECT 'x'::cstring AS a;

-- type aclitem can never
SELECT NULL::aclitem AS a;

-- type anyelement can never
SELECT NULL::anyelement AS a;

-- type regclass can never
SELECT U&"reg\0063lass" 'orders' AS a;

-- type regclass can never
SELECT a FROM json_to_record('{}') AS t(a regclass);

-- type regclass can never
SELECT a FROM ROWS FROM (json_to_record('{}') AS (a regclass)) AS t;

-- type xml can never
SELECT JSON_OBJECT('a': 1 RETURNING xml) AS a;

-- type regclass can never
SELECT JSON_ARRAY(1 RETURNING regclass) AS a;

-- type pg_class can never
SELECT NULL::pg_class AS a;

-- type pg_authid can never
SELECT NULL::pg_catalog.pg_authid AS a;

-- type xid8 can never
SELECT '1'::xid8 AS a;

-- type trigger can never
SELECT NULL::trigger AS a;

-- function regclass() can never
SELECT regclass('orders') AS a;

-- function pg_lsn() can never
SELECT TREAT('0/0' AS pg_lsn) AS a;

-- type orders is not allowed
SELECT NULL::orders AS a;

-- type public.orders is not allowed
SELECT '(1)'::public.orders AS a;

-- type customers is not allowed
SELECT json_populate_record(NULL::customers, '{}') AS a;

-- type _int4 is not allowed
SELECT '{1}'::_int4 AS a;

-- type app.mood is not allowed
SELECT 'a'::app.mood AS a;

-- type mood is not allowed
SELECT mood 'a' AS a;

-- type information_schema.cardinal_number is not allowed
SELECT 1::information_schema.cardinal_number AS a;

-- type metricd.queries is not allowed
SELECT NULL::metricd.queries AS a;

-- type public.int4 is not allowed
SELECT 1::public.int4 AS a;

-- SETOF is not supported
SELECT CAST(1 AS SETOF int) AS a;

-- a database cannot be named
SELECT 1::db.public.t AS a;

-- length of this type
SELECT 'a'::char(10000000) AS a;

-- length of this type
SELECT bpchar(10000000) 'a' AS a;

-- length of this type
SELECT B'1'::bit(80000000) AS a;

-- operator public.+ is not allowed
SELECT 1 OPERATOR(public.+) 2 AS a;

-- operator app.= is not allowed
SELECT 1 OPERATOR(app.=) 2 AS a;

-- operator === is not allowed
SELECT 1 === 2 AS a;

-- operator !! is not allowed
SELECT !! 100000 AS a;

-- operator @#@ is not allowed
SELECT 1 OPERATOR(@#@) 2 AS a;

-- operator public.= is not allowed
SELECT 1 = ANY (ARRAY[1]) OR 1 OPERATOR(public.=) ANY (ARRAY[1]) AS a;

-- operator public.< is not allowed
SELECT id FROM orders ORDER BY id USING OPERATOR(public.<);

-- operator <<< is not allowed
SELECT id FROM orders ORDER BY id USING <<<;

-- operator public.= is not allowed
SELECT 1 OPERATOR(public.=) ALL (SELECT 1) AS a;

-- operator <%> is not allowed
SELECT 1 <%> ALL (SELECT 1) AS a;

-- operator app.- is not allowed
SELECT - OPERATOR(app.-) 1 AS a;

-- operator ~<~~ is not allowed
SELECT string_agg('a', 'b' ORDER BY 1 USING ~<~~) AS a;

-- a database cannot be named
SELECT 1 OPERATOR(a.b.+) 2 AS a;

-- length argument of repeat()
SELECT repeat('a', 1000000000) AS a;

-- length argument of repeat()
SELECT repeat('a', id) AS a FROM orders;

-- length argument of repeat()
SELECT repeat('a', (SELECT 9)) AS a;

-- length argument of repeat()
SELECT repeat('a', 99999 * 99999) AS a;

-- length argument of repeat()
SELECT repeat('a', '1000000000') AS a;

-- length argument of repeat()
SELECT repeat('a', 1e9::int) AS a;

-- length argument of repeat()
SELECT repeat('a', :day_range) AS a;

-- length argument of repeat()
SELECT repeat('a', :day_range * 30000) AS a;

-- repeat() is called on text that another call has made long
SELECT repeat(repeat('a', 10001), 2) AS a;

-- length argument of repeat()
SELECT pg_catalog.repeat('a', 20000) AS a;

-- length argument of repeat()
SELECT "repeat"('a', 20000) AS a;

-- length argument of repeat()
SELECT repeat('a', length(repeat('a', 100))) AS a;

-- length argument of repeat()
SELECT a FROM repeat('a', 20000) AS a;

-- length argument of repeat()
SELECT repeat(VARIADIC ARRAY['a']) AS a;

-- length argument of lpad()
SELECT lpad('a', 1000000000) AS a;

-- length argument of lpad()
SELECT lpad('a', id, 'b') AS a FROM orders;

-- length argument of rpad()
SELECT rpad('a', 100000, 'b') AS a;

-- length argument of rpad()
SELECT rpad('a', - -100000) AS a;

-- format() is called with widths that are too large together
SELECT format('%1000000000s', 'a') AS a;

-- format() is called with widths that are too large together
SELECT format('%-1000000s', 'a') AS a;

-- format() is called with widths that are too large together
SELECT format('%1$900000s', 'a') AS a;

-- format() is called with a width that is not a constant
SELECT format('%*s', 1000000000, 'a') AS a;

-- format() is called with a text that is not
SELECT format('%' || '1000000000s', 'a') AS a;

-- format() is called with a text that is not
SELECT format(status, 1) AS a FROM orders;

-- format() is called with a text that is not
SELECT format(VARIADIC ARRAY['%1000000000s', 'a']) AS a;

-- generate_series() has too many rows
SELECT n FROM generate_series(1, 1000000000) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(1, 20000) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(-9000, 9000) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(1, 1e9) AS n;

-- bounds of this generate_series() are not constants
SELECT n FROM generate_series(1, 9223372036854775807) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(0, 1, 0.00001) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(100000, 1, -1) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(1, 10, 0) AS n;

-- generate_series() has too many rows
SELECT n FROM pg_catalog.generate_series(1, 20001) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(1, 200 * 200) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(0, :day_range * 2) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(0, :day_range, 0.5) AS n;

-- generate_series() has too many rows
SELECT n FROM generate_series(1, 30000::bigint) AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(1, '1000000000') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series('1', '1000000000') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(1, length('x')) AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(1, (SELECT max(id) FROM orders TABLESAMPLE system (1))) AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(1, (SELECT id FROM orders ORDER BY random() LIMIT 1)) AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(1, (SELECT max(id) FROM orders), (SELECT 1)) AS n;

-- generate_series() are not constants
SELECT n FROM generate_series((SELECT min(created) FROM orders), 'infinity', '1 day') AS n;

-- shorter than an hour
SELECT n FROM generate_series((SELECT min(created) FROM orders), now(), '1 second') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(1, :day_range::text::int) AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(now(), 'infinity', '1 day') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(DATE '0001-01-01', '9999-12-31', '1 hour') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(DATE '2025-01-01', DATE '2025-01-01' + 100000000, '1 hour') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, (SELECT interval '1 day')) AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, '1 mon -29 days') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(CURRENT_DATE - 30, now() * 1, '1 day') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(:start_date, :claim_until::date, '1 day') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(CURRENT_DATE, now() + 1000 * interval '1000 days', '1 day') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(CURRENT_DATE, make_date(9999, 1, 1), '1 day') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(CURRENT_DATE, CURRENT_DATE, 'infinity') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(DATE '4000-01-01 BC', CURRENT_DATE, '1 hour') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(DATE '2000-01-01 BC', CURRENT_DATE, '1 hour') AS n;

-- shorter than an hour
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, '1 second') AS n;

-- generate_series() are not constants
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, '1 microsecond') AS n;

-- shorter than an hour
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, '1 minute') AS n;

-- shorter than an hour
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, INTERVAL '59' MINUTE) AS n;

-- shorter than an hour
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, '00:30') AS n;

-- shorter than an hour
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, make_interval(secs => 1)) AS n;

-- shorter than an hour
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, '0 days') AS n;

-- shorter than an hour
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, 0.001 * interval '1 hour') AS n;

-- takes two or three arguments
SELECT n FROM generate_series(1) AS n;

-- function sneak() is not allowed
SELECT sneak() AS a;

-- function public.sneak() is not allowed
SELECT public.sneak() AS a;

-- function app.sneak() is not allowed
SELECT app.sneak(id) AS a FROM orders;

-- function public.lower() is not allowed
SELECT public.lower('a') AS a;

-- function similarity() is not allowed
SELECT similarity('a', 'b') AS a;

-- function gen_random_bytes() is not allowed
SELECT gen_random_bytes(1000000) AS a;

-- function LOWER() is not allowed
SELECT "LOWER"('a') AS a;

-- function metricd.f() is not allowed
SELECT metricd.f() AS a;

-- function information_schema._pg_truetypid() is not allowed
SELECT information_schema._pg_truetypid(NULL, NULL) AS a;

-- function bpchar() is not allowed
SELECT bpchar('a', 1000, true) AS a;

-- function int4send() is not allowed
SELECT int4send(1) AS a;

-- function textin() is not allowed
SELECT textin('a') AS a;

-- function bit() is not allowed
SELECT "bit"(1, 80000000) AS a;

-- function pglogical_x() is not allowed
SELECT pglogical_x() AS a;

-- a database cannot be named
SELECT db.pg_catalog.lower('a') AS a;

-- a database cannot be named
SELECT a.b.c.d() AS a;

-- TABLESAMPLE system_rows
SELECT id FROM orders TABLESAMPLE system_rows (10);

-- TABLESAMPLE public.bernoulli
SELECT id FROM orders TABLESAMPLE public.bernoulli (10);

-- collation app.mine
SELECT 'a' COLLATE app.mine AS a;

-- collation mine
SELECT 'a' COLLATE mine AS a;

-- pg_stat_activity belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_stat_activity;

-- pg_settings belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_settings;

-- pg_roles belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_roles;

-- pg_proc belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_proc;

-- pg_authid belongs to PostgreSQL's system [reader]
SELECT 1 AS a FROM pg_authid;

-- pg_shadow belongs to PostgreSQL's system [reader]
SELECT 1 AS a FROM pg_shadow;

-- pg_user belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_user;

-- pg_class belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_class;

-- pg_catalog.pg_class belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_catalog.pg_class;

-- information_schema.tables belongs to PostgreSQL's system
SELECT 1 AS a FROM information_schema.tables;

-- pg_hba_file_rules belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_hba_file_rules;

-- pg_file_settings belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_file_settings;

-- pg_stat_ssl belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_stat_ssl;

-- pg_largeobject belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_largeobject;

-- pg_user_mapping belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_user_mapping;

-- pg_subscription belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_subscription;

-- pg_statistic belongs to PostgreSQL's system [reader]
SELECT 1 AS a FROM pg_statistic;

-- pg_toast.pg_toast_1255 belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_toast.pg_toast_1255;

-- pg_temp.t belongs to PostgreSQL's system
SELECT 1 AS a FROM pg_temp.t;

-- pg_authid belongs to PostgreSQL's system
SELECT 1 AS a FROM U&"pg\005Fauthid";

-- metricd.queries belongs to metricd [reader]
SELECT * FROM metricd.queries;

-- metricd.queries belongs to metricd [reader]
SELECT (SELECT count(*) FROM metricd.queries) AS a;

-- metricd.audit_events belongs to metricd
TABLE metricd.audit_events;

-- metricd.queries belongs to metricd [reader]
WITH w AS (SELECT * FROM "metricd".queries) SELECT * FROM w;

-- a database cannot be named
SELECT * FROM postgres.public.orders;

-- INSERT is not supported [reader]
WITH w AS (INSERT INTO orders VALUES (1) RETURNING id) SELECT id FROM w;

-- UPDATE is not supported [reader]
WITH w AS (UPDATE orders SET id = 2 RETURNING id) SELECT id FROM w;

-- DELETE is not supported [reader]
WITH w AS (DELETE FROM orders RETURNING id) SELECT id FROM w;

-- DELETE is not supported
SELECT * FROM (WITH w AS (DELETE FROM orders RETURNING id) SELECT 1) AS t;

-- MERGE is not supported
WITH w AS (MERGE INTO orders USING (SELECT 1 AS x) s ON id = x WHEN MATCHED THEN DELETE RETURNING id) SELECT id FROM w;

-- SELECT INTO is not supported [reader]
SELECT id INTO stolen FROM orders;

-- SELECT INTO is not supported
SELECT id INTO TEMP stolen FROM orders;

-- SELECT INTO is not supported [reader]
SELECT id INTO UNLOGGED stolen FROM orders;

-- FOR UPDATE or FOR SHARE [reader]
SELECT id FROM orders FOR UPDATE;

-- FOR UPDATE or FOR SHARE [reader]
SELECT id FROM orders FOR NO KEY UPDATE;

-- FOR UPDATE or FOR SHARE [reader]
SELECT id FROM orders FOR SHARE;

-- FOR UPDATE or FOR SHARE [reader]
SELECT id FROM orders FOR KEY SHARE;

-- FOR UPDATE or FOR SHARE [reader]
SELECT id FROM orders FOR UPDATE OF orders SKIP LOCKED;

-- FOR UPDATE or FOR SHARE [reader]
SELECT id FROM (SELECT id FROM orders FOR UPDATE) AS t;

-- XMLTABLE is not supported
SELECT a FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS a text);

-- an XML function
SELECT xmlelement(NAME a) AS a;

-- an XML function
SELECT xmlparse(DOCUMENT '<a/>') AS a;

-- XMLSERIALIZE
SELECT xmlserialize(CONTENT '<a/>' AS text) AS a;

-- pg_sleep() can never
SELECT a FROM JSON_TABLE(pg_sleep(1)::text, '$' COLUMNS (a int));

-- pg_sleep() can never
SELECT a FROM JSON_TABLE('{}', '$' PASSING pg_sleep(1) AS x COLUMNS (a int));

-- pg_sleep() can never
SELECT a FROM JSON_TABLE('{}', '$' COLUMNS (a int DEFAULT pg_sleep(1) ON EMPTY));

-- pg_sleep() can never
SELECT a FROM JSON_TABLE('{}', '$' COLUMNS (NESTED PATH '$.b' COLUMNS (a int DEFAULT pg_sleep(1) ON ERROR)));

-- type regclass can never
SELECT a FROM JSON_TABLE('{}', '$' COLUMNS (a regclass PATH '$.a'));

-- called pg_sleep
SELECT j.pg_sleep FROM JSON_TABLE('{}', '$' COLUMNS (a int)) AS j;

-- pg_sleep() can never
SELECT JSON_VALUE('{}', '$' DEFAULT pg_sleep(1) ON EMPTY) AS a;

-- pg_sleep() can never
SELECT JSON_QUERY(pg_sleep(1)::text, '$') AS a;

-- pg_sleep() can never
SELECT JSON_EXISTS('{}', '$' PASSING pg_sleep(1) AS x) AS a;

-- type regclass can never
SELECT JSON_VALUE('{}', '$.a' RETURNING regclass) AS a;

-- pg_sleep() can never
SELECT JSON_SCALAR(pg_sleep(1)) AS a;

-- pg_sleep() can never
SELECT JSON_SERIALIZE(pg_sleep(1)::text) AS a;

-- pg_sleep() can never
SELECT JSON(pg_sleep(1)::text) AS a;

-- called pg_column_size
SELECT q.pg_column_size AS a FROM (SELECT * FROM lower('a') AS b, lower('c') AS d) AS q;

-- a query must be a SELECT, not INSERT [reader]
INSERT INTO orders VALUES (1);

-- a query must be a SELECT, not UPDATE [reader]
UPDATE orders SET id = 2;

-- a query must be a SELECT, not DELETE [reader]
DELETE FROM orders;

-- a query must be a SELECT, not TRUNCATE [reader]
TRUNCATE orders;

-- a query must be a SELECT, not MERGE
MERGE INTO orders USING customers c ON true WHEN MATCHED THEN DELETE;

-- a query must be a SELECT, not CREATE [reader]
CREATE TABLE stolen (id int);

-- a query must be a SELECT, not CREATE [reader]
CREATE TABLE stolen AS SELECT 1 AS a;

-- a query must be a SELECT, not CREATE [reader]
CREATE VIEW v AS SELECT 1 AS a;

-- a query must be a SELECT, not CREATE [reader]
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';

-- a query must be a SELECT, not CREATE [reader]
CREATE SCHEMA s;

-- a query must be a SELECT, not CREATE [reader]
CREATE ROLE r SUPERUSER;

-- a query must be a SELECT, not CREATE [reader]
CREATE DATABASE d;

-- a query must be a SELECT, not CREATE [reader]
CREATE EXTENSION dblink;

-- a query must be a SELECT, not CREATE
CREATE TEMP TABLE t (id int);

-- a query must be a SELECT, not ALTER [reader]
ALTER TABLE orders ADD x int;

-- a query must be a SELECT, not ALTER [reader]
ALTER ROLE postgres NOSUPERUSER;

-- a query must be a SELECT, not ALTER [reader]
ALTER SYSTEM SET fsync = off;

-- a query must be a SELECT, not DROP [reader]
DROP TABLE orders;

-- a query must be a SELECT, not DROP [reader]
DROP SCHEMA metricd CASCADE;

-- a query must be a SELECT, not GRANT
GRANT postgres TO public;

-- a query must be a SELECT, not REVOKE
REVOKE ALL ON orders FROM public;

-- a query must be a SELECT, not COPY
COPY orders TO STDOUT;

-- a query must be a SELECT, not COPY [reader]
COPY orders FROM PROGRAM 'id';

-- a query must be a SELECT, not COPY [reader]
COPY (SELECT 1) TO '/tmp/x';

-- a query must be a SELECT, not DO
DO $$ BEGIN PERFORM 1; END $$;

-- a query must be a SELECT, not CALL
CALL p();

-- a query must be a SELECT, not PREPARE
PREPARE p AS SELECT 1;

-- a query must be a SELECT, not EXECUTE
EXECUTE p;

-- a query must be a SELECT, not DEALLOCATE
DEALLOCATE ALL;

-- a query must be a SELECT, not LISTEN
LISTEN a;

-- a query must be a SELECT, not NOTIFY
NOTIFY a;

-- a query must be a SELECT, not UNLISTEN
UNLISTEN *;

-- a query must be a SELECT, not SET [reader]
SET ROLE postgres;

-- a query must be a SELECT, not SET [reader]
SET SESSION AUTHORIZATION postgres;

-- a query must be a SELECT, not SET
SET statement_timeout = 0;

-- a query must be a SELECT, not RESET
RESET ALL;

-- a query must be a SELECT, not SHOW
SHOW ALL;

-- a query must be a SELECT, not EXPLAIN
EXPLAIN SELECT 1;

-- a query must be a SELECT, not EXPLAIN [reader]
EXPLAIN ANALYZE DELETE FROM orders;

-- a query must be a SELECT, not BEGIN
BEGIN;

-- a query must be a SELECT, not COMMIT
COMMIT;

-- a query must be a SELECT, not ROLLBACK
ROLLBACK;

-- a query must be a SELECT, not LOCK
LOCK TABLE orders;

-- a query must be a SELECT, not VACUUM
VACUUM orders;

-- a query must be a SELECT, not ANALYZE
ANALYZE orders;

-- a query must be a SELECT, not CLUSTER
CLUSTER;

-- a query must be a SELECT, not REINDEX [reader]
REINDEX TABLE orders;

-- a query must be a SELECT, not REFRESH
REFRESH MATERIALIZED VIEW v;

-- a query must be a SELECT, not DECLARE
DECLARE c CURSOR FOR SELECT 1;

-- a query must be a SELECT, not FETCH
FETCH ALL FROM c;

-- a query must be a SELECT, not DISCARD
DISCARD ALL;

-- a query must be a SELECT, not CHECKPOINT
CHECKPOINT;

-- a query must be a SELECT, not LOAD [reader]
LOAD 'x';

-- a query must be a SELECT, not COMMENT [reader]
COMMENT ON TABLE orders IS 'x';

-- a query must be a SELECT, not SECURITY
SECURITY LABEL ON TABLE orders IS 'x';

-- a query must be a SELECT, not REASSIGN
REASSIGN OWNED BY postgres TO public;

-- a query must be a SELECT, not IMPORT
IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c;

-- a second statement begins here
SELECT 1 AS a; DROP TABLE orders;

-- a second statement begins here
SELECT 1 AS a; SELECT 2 AS a;

-- a second statement begins here
SELECT 1 AS a;;COMMIT;

-- $1 is not supported here
SELECT $1 AS a;

-- :tenant is not a placeholder
SELECT :tenant AS a;

-- must not be called crosstab2
SELECT q.crosstab2 AS a FROM (SELECT 'select 1'::text AS s) q;

-- is not a small constant
SELECT repeat('x', (0 * 1e400 + 1000000000)::int) AS a;

-- generate_series
SELECT count(*) AS a FROM generate_series(1, (0 * 1e400 + 2000000000)::int);

-- generate_series
SELECT count(*) AS a FROM generate_series(1e30, 1e30 + 1000000000000);

-- repeat() is called on text that another call has made long
SELECT repeat(repeat('x', 10000), 10000) AS a;

-- generate_series
SELECT count(*) AS a FROM generate_series(to_date('2025-01-01', 'J'), DATE '2025-06-01', '1 hour');

-- of this generate_series()
SELECT n FROM generate_series(DATE '2025-01-01', DATE '2025-01-01' + 40000 + 40000, '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(DATE '2025-01-01' - 30000 - 30000, CURRENT_DATE, '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(DATE '2025-01-01', (DATE '2025-01-01' + 30000)::date + interval '100 years', '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE, greatest(CURRENT_DATE, 30000 + (20000 + CURRENT_DATE)), '1 day') AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE, coalesce(CURRENT_DATE, date(CURRENT_DATE + 39999) + 39999), '1 day') AS n;

-- of this generate_series()
SELECT n FROM generate_series(date_trunc('millennium', DATE '1999-01-01'), CURRENT_DATE, '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(date_trunc('century', CURRENT_DATE) - 10000, CURRENT_DATE, '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(date_trunc(:claim_unit, CURRENT_DATE), CURRENT_DATE, '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, interval '1:00.0') AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, '1:00.0') AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, interval '1:00.') AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, interval '1:00' MINUTE TO SECOND) AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, interval '1:01' MINUTE TO SECOND(3)) AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, interval '1 2' DAY TO HOUR) AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, interval '1 day' SECOND) AS n;

-- of this generate_series()
SELECT n FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, interval 'inf' DAY) AS n;

-- of this generate_series()
SELECT n FROM generate_series(to_date('2025-01-01', 'YYYY-J'), CURRENT_DATE, '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(to_date('2025-01-01', 'YYYY-MM-DD BC'), CURRENT_DATE, '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(DATE '2025-01-0199', CURRENT_DATE, '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(DATE '2025-01-01-5000', CURRENT_DATE, '1 hour') AS n;

-- of this generate_series()
SELECT n FROM generate_series(DATE '+2025-1-1', CURRENT_DATE, '1 hour') AS n;

-- column must not be called regclassin here
SELECT (o).regclassin AS a FROM orders o, generate_series(1, 2) AS g;

-- function regclassin() can never
SELECT regclassin('1') AS a;

-- column must not be called regclassout here
SELECT (o).regclassout AS a FROM orders o, generate_series(1, 2) AS g;

-- function regclassout() can never
SELECT regclassout('1') AS a;

-- column must not be called regprocout here
SELECT (o).regprocout AS a FROM orders o, generate_series(1, 2) AS g;

-- function regprocout() can never
SELECT regprocout('1') AS a;

-- column must not be called regtypein here
SELECT (o).regtypein AS a FROM orders o, generate_series(1, 2) AS g;

-- function regtypein() can never
SELECT regtypein('1') AS a;

-- column must not be called regrolerecv here
SELECT (o).regrolerecv AS a FROM orders o, generate_series(1, 2) AS g;

-- function regrolerecv() can never
SELECT regrolerecv('1') AS a;

-- column must not be called regclasssend here
SELECT (o).regclasssend AS a FROM orders o, generate_series(1, 2) AS g;

-- function regclasssend() can never
SELECT regclasssend('1') AS a;

-- column must not be called regnamespacein here
SELECT (o).regnamespacein AS a FROM orders o, generate_series(1, 2) AS g;

-- function regnamespacein() can never
SELECT regnamespacein('1') AS a;
