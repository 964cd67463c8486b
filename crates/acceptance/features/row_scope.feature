Feature: Row scope
  One metric answers each tenant with its own rows, by the claims of the caller's token and by nothing
  else that a caller could send.

  Background:
    Given the setting "METRICD_CLAIMS__TENANT_ID" is "custom:tenant_id"
    And "ann" is a viewer with the claim "custom:tenant_id" "acme"
    And "bob" is a viewer with the claim "custom:tenant_id" "globex"
    And "eve" is a viewer

  Rule: The built-in table

    Background:
      Given metricd is running
      And a metric with the query
        """
        SELECT alert_category AS what, parts_flagged AS n FROM metrics
        WHERE alert_type = :claim_tenant_id AND date >= :start_date ORDER BY date
        """
      And the metric has the record
        """
        {"alert_type": "acme", "alert_category": "of acme", "parts_flagged": 1, "date": "2025-08-01"}
        """
      And the metric has the record
        """
        {"alert_type": "acme", "alert_category": "of acme", "parts_flagged": 2, "date": "2025-08-03"}
        """
      And the metric has the record
        """
        {"alert_type": "globex", "alert_category": "of globex", "parts_flagged": 3, "date": "2025-08-02"}
        """

    Scenario: Each tenant gets its own rows of the window
      When "ann" asks for the metric "{id}" with "start_date=2025-08-01"
      Then its records are [{"what": "of acme", "n": 1}, {"what": "of acme", "n": 2}]
      When "bob" asks for the metric "{id}" with "start_date=2025-08-01"
      Then its records are [{"what": "of globex", "n": 3}]
      When "ann" asks for the metric "{id}" with "start_date=2025-08-02"
      Then its records are [{"what": "of acme", "n": 2}]
      When "bob" asks for the metric "{id}" with "start_date=2025-08-03"
      Then the answer is 200
      And its records are []

    Scenario: A caller without the claim gets no rows, and no reason
      When "eve" asks for the metric "{id}"
      Then the answer is 403
      And it is a problem: "Permission denied"
      And the body does not mention "tenant"
      And the body does not mention "claim"
      And one INFO line mentions "claim_tenant_id"
      # An admin has no tenant either.
      Given I am an admin
      When I ask for the metric "{id}"
      Then the answer is 403

    Scenario: A query whose author has no such claim is stored untried, with a note
      Given I am an admin
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT count(*) AS n FROM metrics WHERE alert_type = :claim_tenant_id"}
        """
      Then the answer is 201
      And the body mentions "it was not tried, because"
      And I remember its id as "counted"
      When "bob" asks for the metric "{counted}"
      Then its records are [{"n": 1}]

    Scenario Outline: A claim that is no single value: <claim>
      Given "eve" is a viewer with the claims
        | claim            | value   |
        | custom:tenant_id | <claim> |
      When "eve" asks for the metric "{id}"
      Then the answer is 403
      And the body does not mention "tenant"

      Examples:
        | claim              |
        | ["acme", "globex"] |
        | ["acme"]           |
        | []                 |
        | {"acme": true}     |

    Scenario: The claim cannot be given with the request
      When "ann" asks for the metric "{id}" with "claim_tenant_id=globex"
      Then the faults are
        | place                 | type  | message |
        | query.claim_tenant_id | claim | token   |
      When "eve" asks for the metric "{id}" with "claim_tenant_id=globex"
      Then the answer is 422
      When "ann" asks for the metric "{id}" with "%63laim_tenant_id=globex&claim_region=x"
      Then the faults are
        | place                 | type  | message |
        | query.claim_tenant_id | claim | token   |
        | query.claim_region    | claim | token   |
      When "ann" asks for the metric "{id}" with "tenant_id=globex&start_date=2025-08-01"
      Then the faults are
        | place           | type    | message |
        | query.tenant_id | unknown |         |
      When the next request has the header "claim_tenant_id" "globex"
      And "ann" asks for the metric "{id}" with "start_date=2025-08-03"
      Then its records are [{"what": "of acme", "n": 2}]

    Scenario Outline: A value is only a value: <value>
      Given "eve" is a viewer with the claim "custom:tenant_id" "<value>"
      When "eve" asks for the metric "{id}" with "start_date=2025-08-01"
      Then the answer is 200
      And its records are []

      Examples:
        | value                                        |
        | acme' OR 'a'='a                              |
        | ' UNION SELECT alert_type, 1 FROM metrics -- |
        | acme'; DROP TABLE metrics; --                |
        | :claim_tenant_id                             |
        | $1                                           |
        | %                                            |
        | ACME                                         |
        | null                                         |

    Scenario: An empty value is a value
      Given "eve" is a viewer with the claim "custom:tenant_id" ""
      When "eve" asks for the metric "{id}" with "start_date=2025-08-01"
      Then the answer is 200
      And its records are []

    Scenario: Those who may see the SQL see what it asks for
      Given I am an editor
      When I ask for "/metrics/{id}/query"
      Then the answer is 200
      And its claims are ["tenant_id"]
      And its slots.start_date is {"default": null}

    Scenario: The operator asks for whose rows it is to be
      When metricd stops
      And I run "metricd query {id} --claim tenant_id=acme --start-date 2025-08-02 --format json"
      Then it succeeds
      And it prints
        """
        [{"what": "of acme", "n": 2}]
        """
      When I run "metricd query {id} --start-date 2025-08-02"
      Then it fails
      And it says "--claim"

    # Any caller who may post records may post any content: the table has no row scope of its own.
    Scenario: Posting records is a right of its own
      When "ann" asks for the metric "{id}"
      And I am "ann"
      And I add to the metric "{id}" the record
        """
        {"alert_type": "globex", "alert_category": "slander"}
        """
      Then the answer is 403
      When "bob" asks for the metric "{id}"
      Then the body does not mention "slander"

  Rule: The SQL decides what the claim does

    Scenario: A claim is text, to be cast
      Given "ann" is a viewer with the claim "custom:tenant_id" "42"
      And metricd is running
      And a metric with the query
        """
        SELECT n FROM generate_series(41, 43) n WHERE n = :claim_tenant_id::int
        """
      When "ann" asks for the metric "{id}"
      Then its records are [{"n": 42}]
      # What cannot be cast is a fault of the query, and tells nothing.
      When "bob" asks for the metric "{id}"
      Then the answer is 422
      And the body does not mention "globex"

    Scenario: One claim in several places, and several claims
      Given the setting "METRICD_CLAIMS__REGION" is "address.region"
      And "ann" is a viewer with the claims
        | claim            | value               |
        | custom:tenant_id | acme                |
        | address          | {"region": "north"} |
      And metricd is running
      And a metric with the query
        """
        SELECT :claim_tenant_id AS tenant, upper(:claim_tenant_id) AS loud, :claim_region AS region,
          :end_date AS until
        """
      When "ann" asks for the metric "{id}" with "end_date=2025-06-30"
      Then its records are
        """
        [{"tenant": "acme", "loud": "ACME", "region": "north", "until": "2025-06-30"}]
        """
      When "bob" asks for the metric "{id}"
      Then the answer is 403

    Scenario: A claim that no setting names
      Given metricd is running
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT :claim_team AS team"}
        """
      Then the faults are
        | place      | type | message     |
        | body.query | sql  | claims.team |
      Given a metric with the query
        """
        SELECT 1 AS x
        """
      When I PATCH to "/metrics/{id}"
        """
        {"query": "SELECT :claim_team AS team"}
        """
      Then the faults are
        | place      | type | message     |
        | body.query | sql  | claims.team |
      When I ask for the metric "{id}"
      Then its records are [{"x": 1}]

    Scenario: A claim in a file that no setting names
      Given the query "cmcw3crxh0001poqkt5ctjjb0" in the file is "SELECT alert_type FROM metrics WHERE alert_type = :claim_team"
      When I validate the catalog
      Then it exits with 2
      And the report finds
        | severity  | file        | place | message     |
        | rejection | queries.csv | ?     | claims.team |
      When I import the catalog
      Then it exits with 2
      And the report finds
        | severity  | file        | place | message     |
        | rejection | queries.csv | ?     | claims.team |
      And the report says that it wrote nothing

    Scenario: A claim in a file that a setting names
      Given the query "cmcw3crxh0001poqkt5ctjjb0" in the file is "SELECT :claim_tenant_id AS tenant"
      When I import the catalog
      Then it succeeds
      When metricd starts
      And "ann" asks for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46"
      Then its records are [{"tenant": "acme"}]

    # A setting was taken away while metrics still ask for it.
    Scenario: A claim that is read no more opens nothing
      Given metricd is running
      And a metric with the query
        """
        SELECT :claim_tenant_id AS tenant
        """
      When metricd stops
      Given the setting "METRICD_CLAIMS__TENANT_ID" is "custom:other"
      When metricd starts again
      And "ann" asks for the metric "{id}"
      Then the answer is 403

  # Only a server has other tables than metricd's own.
  @native
  Rule: Tables of the operator's own

    Scenario: Orders of two tenants
      Given the setting "METRICD_DATABASE__READER_ROLE" is "reader_of_orders"
      And this SQL was run in the database
        """
        CREATE ROLE reader_of_orders;
        CREATE TABLE orders (tenant_id text, item text, day date);
        INSERT INTO orders VALUES
          ('acme', 'anvil', '2025-08-01'), ('acme', 'rocket', '2025-08-04'),
          ('globex', 'laser', '2025-08-02'), ('', 'nothing', '2025-08-03'), (NULL, 'lost', '2025-08-03');
        GRANT SELECT ON orders TO reader_of_orders
        """
      And metricd is running
      And a metric with the query
        """
        SELECT item FROM orders
        WHERE tenant_id = :claim_tenant_id AND day BETWEEN :start_date AND :end_date ORDER BY day
        """
      When "ann" asks for the metric "{id}" with "start_date=2025-08-01&end_date=2025-08-31"
      Then its records are [{"item": "anvil"}, {"item": "rocket"}]
      When "bob" asks for the metric "{id}" with "start_date=2025-08-01&end_date=2025-08-31"
      Then its records are [{"item": "laser"}]
      When "eve" asks for the metric "{id}" with "start_date=2025-08-01&end_date=2025-08-31"
      Then the answer is 403

  Rule: Many tenants at once

    Scenario: No answer holds a byte of another tenant's
      Given the setting "METRICD_CLAIMS__TENANT_ID" is "tenant"
      And the setting "METRICD_CLAIMS__REGION" is "region"
      And metricd is running
      Then callers of 12 tenants who ask 500 times at once get their own rows and no others
