Feature: Time zones
  A day begins at midnight of the zone that was asked for, in every expression of a query, as it would in psql
  with that `TimeZone`. Columns of type `timestamp` are wall time of one zone, and stay so.

  Background:
    Given "ann" is an admin
    And I am "ann"
    And the clock says "2025-06-30T20:30:00Z"
    And the file "visits.csv" is
      """
      at,edited
      2025-06-29T14:30:00Z,2025-06-29 14:30:00
      2025-06-29T15:30:00Z,2025-06-29 15:30:00
      2025-06-30T14:30:00Z,2025-06-30 14:30:00
      2025-06-30T15:30:00Z,2025-06-30 15:30:00
      2025-06-30T20:00:00Z,2025-06-30 20:00:00
      """
    And I run "metricd load {folder}/visits.csv --table visits --type at=timestamptz --type edited=timestamp"

  Rule: Instants

    Scenario Outline: <expression>
      Given metricd is running
      And a metric with the query
        """
        SELECT <expression> AS x FROM visits <rest>
        """
      When I ask for the metric "{id}"
      Then its records are <utc>
      And its params.timezone is "UTC"
      When I ask for the metric "{id}" with "timezone=Asia/Tokyo"
      Then its records are <tokyo>
      And its params.timezone is "Asia/Tokyo"
      And its params.ignored is []

      Examples:
        | expression                             | rest                                                        | utc                                                      | tokyo                                                    |
        | count(*)                               | WHERE at >= CURRENT_DATE                                    | [{"x": 3}]                                               | [{"x": 2}]                                               |
        | count(*)                               | WHERE at >= date_trunc('day', now())                        | [{"x": 3}]                                               | [{"x": 2}]                                               |
        | count(*)                               | WHERE at >= '2025-06-30'                                    | [{"x": 3}]                                               | [{"x": 4}]                                               |
        | count(*)                               | WHERE at >= :start_date AND at < :end_date + 1              | [{"x": 5}]                                               | [{"x": 5}]                                               |
        | at::date                               | GROUP BY 1 ORDER BY 1                                       | [{"x": "2025-06-29"}, {"x": "2025-06-30"}]               | [{"x": "2025-06-29"}, {"x": "2025-06-30"}, {"x": "2025-07-01"}] |
        | extract(hour FROM max(at))::int        |                                                             | [{"x": 20}]                                              | [{"x": 5}]                                               |
        | max(at)                                |                                                             | [{"x": "2025-06-30T20:00:00+00:00"}]                     | [{"x": "2025-07-01T05:00:00+09:00"}]                     |
        | to_char(date_trunc('day', max(at)), 'YYYY-MM-DD HH24:MI') | | [{"x": "2025-06-30 00:00"}]                              | [{"x": "2025-07-01 00:00"}]                              |

    Scenario: A window's days are those of the zone
      Given metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM visits WHERE at >= '2025-06-30' AND at < '2025-07-01'
        """
      When I ask for the metric "{id}" with "start_date=2025-06-30&end_date=2025-06-30"
      Then its records are [{"n": 3}]
      When I ask for the metric "{id}" with "start_date=2025-06-30&end_date=2025-06-30&timezone=Asia/Tokyo"
      Then its records are [{"n": 2}]
      When I ask for the metric "{id}" with "start_date=2025-06-30&end_date=2025-06-30&timezone=America/New_York"
      Then its records are [{"n": 3}]

    Scenario: An export has the zone, too
      Given metricd is running
      And a metric with the query
        """
        SELECT max(at) AS last FROM visits
        """
      When the next request has the header "Accept" "text/csv"
      And I ask for the metric "{id}" with "timezone=Asia/Tokyo"
      Then the body is the CSV
        """
        last
        "2025-07-01 05:00:00+09"
        """

  Rule: What does not depend on a zone

    Scenario: It is ignored, and no part of what is cached
      Given metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM visits
        """
      When I ask for the metric "{id}"
      Then its params.timezone is null
      When I ask for the metric "{id}" with "timezone=Europe/Berlin"
      Then the answer's header "Cache-Status" is "metricd; fwd=uri-miss; stored"
      When I ask for the metric "{id}" with "timezone=Asia/Tokyo"
      Then its params.ignored is ["timezone"]
      And the answer's header "Cache-Status" contains "metricd; hit; ttl="

  Rule: Wall times

    Scenario: A column without a zone is compared in the zone that it is written in
      Given metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM visits WHERE edited >= now() - interval '24 hours'
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 3}]
      When I ask for the metric "{id}" with "timezone=Asia/Tokyo"
      Then its records are [{"n": 3}]

    Scenario: The zone that they are written in is a setting
      Given the setting "METRICD_QUERY__TIMESTAMP_ZONE" is "Asia/Tokyo"
      And metricd is running
      And a metric with the query
        """
        SELECT max(edited)::timestamptz AS last FROM visits
        """
      When I ask for the metric "{id}"
      Then its records are [{"last": "2025-06-30T20:00:00+09:00"}]

    Scenario: The dates of records are UTC, whatever the setting says
      Given the setting "METRICD_QUERY__TIMESTAMP_ZONE" is "Asia/Tokyo"
      And metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM metrics WHERE date >= now() - interval '1 hour'
        """
      And the metric has the record
        """
        {"date": "2025-06-30T20:00:00"}
        """
      And the metric has the record
        """
        {"date": "2025-06-30T19:00:00"}
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 1}]
      When I ask for the metric "{id}" with "timezone=Asia/Tokyo"
      Then its records are [{"n": 1}]

    @native
    Scenario: A view of the records is UTC, too
      Given the setting "METRICD_QUERY__TIMESTAMP_ZONE" is "Asia/Tokyo"
      And metricd is running
      And this SQL was run in the database
        """
        CREATE VIEW lately AS SELECT count(*) AS n FROM metrics WHERE date >= '2025-06-30 19:30:00+00'::timestamptz;
        GRANT SELECT ON lately TO metricd_reader;
        INSERT INTO metrics (metric_id, id, date) VALUES (gen_random_uuid(), 'x', '2025-06-30 20:00:00')
        """
      And a metric with the query
        """
        SELECT n FROM lately
        """
      When I ask for the metric "{id}" with "timezone=Asia/Tokyo"
      Then its records are [{"n": 1}]

    Scenario: The note says how to have the days of the caller's zone
      Given metricd is running
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT edited::date AS day, count(*) AS n FROM visits GROUP BY 1 ORDER BY 1"}
        """
      Then the answer is 200
      And the body mentions "edited AT TIME ZONE 'UTC' AT TIME ZONE :timezone"
      Given a metric with the query
        """
        SELECT (edited AT TIME ZONE 'UTC' AT TIME ZONE :timezone)::date AS day, count(*) AS n
        FROM visits GROUP BY 1 ORDER BY 1
        """
      When I ask for the metric "{id}" with "timezone=Asia/Tokyo"
      Then its records are [{"day": "2025-06-29", "n": 1}, {"day": "2025-06-30", "n": 2}, {"day": "2025-07-01", "n": 2}]

  Rule: The zone of a request that names none

    Scenario: It is a setting
      Given the setting "METRICD_QUERY__TIMEZONE" is "Asia/Tokyo"
      And metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM visits WHERE at >= CURRENT_DATE
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 2}]
      And its params.timezone is "Asia/Tokyo"
      When I ask for the metric "{id}" with "timezone=UTC"
      Then its records are [{"n": 3}]

  Rule: A zone that the database does not know

    # Only the embedded engine's data can be taken away: a server's are the machine's.
    @embedded
    Scenario: It is refused, and others are answered
      Given the embedded engine has no data of the time zone "Asia/Tokyo"
      And metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM visits WHERE at >= CURRENT_DATE
        """
      When I ask for the metric "{id}" with "timezone=Asia/Tokyo"
      Then the faults are
        | place          | type   | message                                     |
        | query.timezone | window | the database does not know this time zone |
      When I ask for the metric "{id}" with "timezone=Europe/Berlin"
      Then its records are [{"n": 3}]

  Rule: Defaults of the database and its roles do not reach stored SQL

    @native
    Scenario Outline: <setting> of a <kind> is told of, and not used
      Given this SQL was run in the database
        """
        CREATE SCHEMA sales;
        CREATE TABLE sales.twins AS SELECT 'sales' AS x;
        CREATE TABLE public.twins AS SELECT 'public' AS x;
        GRANT USAGE ON SCHEMA sales TO metricd_reader;
        GRANT SELECT ON public.twins, sales.twins TO metricd_reader;
        DO $$ BEGIN
          EXECUTE format($f$ALTER <whose> SET <setting> = <value>$f$, current_user, current_database());
        END $$
        """
      When metricd starts
      Then one WARN line says "A default of the database does not apply to stored SQL"
      And one WARN line says "A default of the database does not apply to stored SQL" with
        | field   | value     |
        | setting | <setting> |
        | value   | <told>    |
        | applied | <applied> |
        | hint    | <hint>    |
      And one WARN line mentions "<of>"
      Given a metric with the query
        """
        SELECT <expression> AS x
        """
      When I ask for the metric "{id}"
      Then its records are [{"x": "<x>"}]

      Examples:
        | kind     | of                              | whose                                | setting       | value           | told          | applied  | hint                                                                 | expression                      | x                         |
        | database | database s                      | DATABASE %2$I                        | TimeZone      | 'Europe/Berlin' | Europe/Berlin | UTC      | set query.timezone to have it as the zone of requests that name none | '2025-06-30 12:00'::timestamptz | 2025-06-30T12:00:00+00:00 |
        | database | database s                      | DATABASE %2$I                        | DateStyle     | 'SQL, DMY'      | SQL, DMY      | ISO, MDY | write dates as YYYY-MM-DD                                            | '01/02/2025'::date              | 2025-01-02                |
        | database | database s                      | DATABASE %2$I                        | IntervalStyle | 'iso_8601'      | iso_8601      | postgres | intervals are written as `1 day 02:00:00`                            | interval '26 hours'             | 26:00:00                  |
        | database | database s                      | DATABASE %2$I                        | search_path   | sales, public   | sales, public | public   | name the schema of tables outside of public                          | (SELECT x FROM twins)           | public                    |
        | role     | role postgres in database       | ROLE %1$I IN DATABASE %2$I           | TimeZone      | 'Europe/Berlin' | Europe/Berlin | UTC      | set query.timezone to have it as the zone of requests that name none | '2025-06-30 12:00'::timestamptz | 2025-06-30T12:00:00+00:00 |
        | role     | role postgres in database       | ROLE %1$I IN DATABASE %2$I           | DateStyle     | 'SQL, DMY'      | SQL, DMY      | ISO, MDY | write dates as YYYY-MM-DD                                            | '01/02/2025'::date              | 2025-01-02                |
        | role     | role postgres in database       | ROLE %1$I IN DATABASE %2$I           | IntervalStyle | 'iso_8601'      | iso_8601      | postgres | intervals are written as `1 day 02:00:00`                            | interval '26 hours'             | 26:00:00                  |
        | role     | role postgres in database       | ROLE %1$I IN DATABASE %2$I           | search_path   | sales, public   | sales, public | public   | name the schema of tables outside of public                          | (SELECT x FROM twins)           | public                    |
        | reader   | role metricd_reader in database | ROLE metricd_reader IN DATABASE %2$I | TimeZone      | 'Europe/Berlin' | Europe/Berlin | UTC      | it is the reader role, and metricd has replaced the value            | '2025-06-30 12:00'::timestamptz | 2025-06-30T12:00:00+00:00 |
        | reader   | role metricd_reader in database | ROLE metricd_reader IN DATABASE %2$I | DateStyle     | 'SQL, DMY'      | SQL, DMY      | ISO, MDY | it is the reader role, and metricd has replaced the value            | '01/02/2025'::date              | 2025-01-02                |
        | reader   | role metricd_reader in database | ROLE metricd_reader IN DATABASE %2$I | IntervalStyle | 'iso_8601'      | iso_8601      | postgres | it is the reader role, and metricd has replaced the value            | interval '26 hours'             | 26:00:00                  |
        | reader   | role metricd_reader in database | ROLE metricd_reader IN DATABASE %2$I | search_path   | sales, public   | sales, public | public   | it is the reader role, and metricd has replaced the value            | (SELECT x FROM twins)           | public                    |
