Feature: Audit
  The owner of the data can see who has done what, and who was denied what.

  Rule: What it says

    Background:
      Given the clock says "2025-08-05T12:00:00Z"
      And "ann" is an editor
      And "bob" is a viewer
      And metricd is running
      And I am "ann"
      And I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "name": "One"}
        """

    Scenario: Each write is one event
      When the next request has the header "X-Request-Id" "create-1"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then the answer is 201
      Given I remember its id as "id"
      Then the audit of the request "create-1" contains
        """
        {
          "sequence": "<number>", "at": "2025-08-05T12:00:00.000Z",
          "subject": "ann", "issuer": "urn:metricd:development", "action": "create",
          "object": {"kind": "metric", "id": "{id}"}, "version": 1,
          "address": "127.0.0.1", "request_id": "create-1", "outcome": "done"
        }
        """
      When the next request has the header "X-Request-Id" "edit-1"
      And I PATCH to "/metrics/{id}"
        """
        {"query": "SELECT 2 AS x", "name": "Two"}
        """
      Then the audit of the request "edit-1" contains
        """
        {"subject": "ann", "action": "edit", "object": {"kind": "metric", "id": "{id}"}, "version": 2, "outcome": "done"}
        """
      When the next request has the header "X-Request-Id" "arrange-1"
      And I PUT to "/metrics/{id}/layouts"
        """
        [{"breakpoint": "lg", "x": 0, "y": 0, "w": 1, "h": 1}]
        """
      Then the audit of the request "arrange-1" contains
        """
        {"subject": "ann", "action": "arrange", "object": {"kind": "metric", "id": "{id}"}, "version": 2, "outcome": "done"}
        """
      When the next request has the header "X-Request-Id" "record-1"
      And I add to the metric "{id}" the record
        """
        {"alert_type": "private"}
        """
      Then the audit of the request "record-1" contains
        """
        {"subject": "ann", "action": "record", "object": {"kind": "metric", "id": "{id}"}, "version": null, "outcome": "done"}
        """
      When the next request has the header "X-Request-Id" "delete-1"
      And I send DELETE to "/metrics/{id}"
      Then the audit of the request "delete-1" contains
        """
        {"subject": "ann", "action": "delete", "object": {"kind": "metric", "id": "{id}"}, "version": 2, "outcome": "done"}
        """
      And the audit of "metric_id={id}" has 5 events

    Scenario: Reading leaves nothing
      When the next request has the header "X-Request-Id" "read-1"
      And I ask for the metric "{id}"
      And the next request has the header "X-Request-Id" "read-1"
      And I ask for "/metrics"
      And the next request has the header "X-Request-Id" "read-1"
      And I ask for "/metrics/{id}/query"
      Then the answer is 200
      And the audit says nothing of the request "read-1"

    Scenario: Each request that was denied is one event
      Given I am "bob"
      When the next request has the header "X-Request-Id" "denied-1"
      And I POST to "/metrics"
        """
        {}
        """
      Then the answer is 403
      And the audit of the request "denied-1" contains
        """
        {
          "subject": "bob", "action": "create", "object": {"kind": "catalog", "id": null},
          "version": null, "address": "127.0.0.1", "outcome": "denied"
        }
        """
      When the next request has the header "X-Request-Id" "denied-2"
      And I PATCH to "/metrics/{id}"
        """
        {"name": "Mine"}
        """
      Then the audit of the request "denied-2" contains
        """
        {"subject": "bob", "action": "edit", "outcome": "denied"}
        """
      When the next request has the header "X-Request-Id" "denied-3"
      And I ask for "/metrics/{id}/query"
      Then the audit of the request "denied-3" contains
        """
        {"subject": "bob", "action": "readSql", "outcome": "denied"}
        """
      When the next request has the header "X-Request-Id" "denied-4"
      And I ask for "/audit?limit=x"
      Then the audit of the request "denied-4" contains
        """
        {"subject": "bob", "action": "audit", "outcome": "denied"}
        """
      When the next request has the header "X-Request-Id" "denied-5"
      And I send DELETE to "/metrics/no-uuid"
      Then the audit of the request "denied-5" contains
        """
        {"subject": "bob", "action": "delete", "outcome": "denied"}
        """

    Scenario: A write that failed leaves nothing
      When the next request has the header "X-Request-Id" "failed-1"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT nothing FROM nowhere"}
        """
      Then the answer is 422
      When the next request has the header "X-Request-Id" "failed-1"
      And I PATCH to "/metrics/00000000-0000-4000-8000-000000000000"
        """
        {"name": "Nobody's"}
        """
      Then the answer is 404
      When the next request has the header "X-Request-Id" "failed-1"
      And the next request has the header "If-Match" '"77"'
      And I PUT to "/metrics/{id}/layouts"
        """
        []
        """
      Then the answer is 412
      When I PATCH to "/metrics/{id}"
        """
        {"is_editable": false}
        """
      Then the answer is 200
      When the next request has the header "X-Request-Id" "failed-1"
      And I send DELETE to "/metrics/{id}"
      Then the answer is 409
      When the next request has the header "X-Request-Id" "failed-1"
      And I PATCH to "/metrics/{id}"
        """
        {"name": "Two"}
        """
      Then the answer is 409
      And the audit says nothing of the request "failed-1"

    Scenario: A token that is refused is logged and counted, and leaves nothing
      Given I have the token "open-sesame"
      When the next request has the header "X-Request-Id" "refused-1"
      And I ask for "/metrics"
      Then the answer is 401
      And one INFO line says "Token refused" with
        | field      | value       |
        | refused    | 1           |
        | reason     | <something> |
        | address    | 127.0.0.1   |
        | request_id | refused-1   |
      Given I have no token
      When the next request has the header "X-Request-Id" "refused-2"
      And I ask for "/metrics"
      Then one INFO line says "Token refused" with
        | field      | value     |
        | refused    | 2         |
        | request_id | refused-2 |
      And no log line contains "open-sesame"
      And the audit says nothing of the request "refused-1"
      And the audit says nothing of the request "refused-2"

    Scenario: A request without an id gets one, by which it is found
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then I remember the header "X-Request-Id" as "request"
      And I remember its id as "id"
      And the audit of the request "{request}" contains
        """
        {"action": "create", "object": {"id": "{id}"}}
        """

    Scenario: A locked metric that is unlocked
      Given I have made the metric
        """
        {"is_editable": false, "layouts": [], "query": "SELECT 1 AS x"}
        """
      When the next request has the header "X-Request-Id" "unlock-1"
      And I PATCH to "/metrics/{id}"
        """
        {"is_editable": true}
        """
      Then the answer is 403
      And the audit of the request "unlock-1" contains
        """
        {"subject": "ann", "action": "unlock", "object": {"kind": "metric", "id": "{id}"}, "outcome": "denied"}
        """
      Given I am an admin named "eve"
      When the next request has the header "X-Request-Id" "unlock-2"
      And I PATCH to "/metrics/{id}"
        """
        {"is_editable": true}
        """
      Then the audit of the request "unlock-2" contains
        """
        {"subject": "eve", "action": "edit", "object": {"kind": "metric", "id": "{id}"}, "outcome": "done"}
        """

  Rule: What policies and claims deny

    Scenario: Which table, which metric
      Given the setting "METRICD_CLAIMS__TENANT_ID" is "tenant"
      And beside the usual policies there is
        """
        forbid (principal, action == Action::"writeSql", resource == Table::"public.metrics")
        unless { principal in Role::"admin" };
        forbid (principal, action == Action::"read", resource is Metric)
        when { resource.tags.contains("secret") && !(principal in Role::"admin") };
        """
      And metricd is running
      And I am an editor named "ann"
      When the next request has the header "X-Request-Id" "table-1"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT count(*) AS n FROM metrics"}
        """
      Then the answer is 403
      And the audit of the request "table-1" contains
        """
        {"subject": "ann", "action": "writeSql", "object": {"kind": "table", "id": "public.metrics"}, "outcome": "denied"}
        """
      And the audit of "table=public.metrics" has 1 event
      Given a metric with the query
        """
        SELECT :claim_tenant_id AS tenant
        """
      When the next request has the header "X-Request-Id" "claim-1"
      And I ask for the metric "{id}"
      Then the answer is 403
      And the audit of the request "claim-1" contains
        """
        {"subject": "ann", "action": "read", "object": {"kind": "metric", "id": "{id}"}, "outcome": "denied"}
        """
      # What one may not read is not there: a request for it is no more than a wrong address.
      When I PATCH to "/metrics/{id}"
        """
        {"tags": ["secret"]}
        """
      And the next request has the header "X-Request-Id" "hidden-1"
      And I ask for the metric "{id}"
      Then the answer is 404
      And the audit says nothing of the request "hidden-1"

  Rule: Files

    Scenario: An import is one event of the operator's
      When I import the catalog with "--dry-run"
      Then it succeeds
      When I import the catalog
      Then it succeeds
      When metricd starts
      Then the audit of "action=import" has 1 event
      And the audit of "action=import&subject=operator&outcome=done" has 1 event
      When I ask for "/audit"
      Then its items contain
        """
        [{
          "subject": "operator", "issuer": "command line", "action": "import",
          "object": {"kind": "catalog", "id": null}, "version": null,
          "address": null, "request_id": null, "outcome": "done"
        }]
        """

    Scenario: An import that wrote nothing leaves nothing
      Given the query "cmcw3crxh0001poqkt5ctjjb0" in the file is "SELECT nothing FROM nowhere"
      When I import the catalog
      Then it exits with 2
      When metricd starts
      Then the audit of "limit=500" has 0 events

    Scenario: Seeding is one event
      Given metricd seeds itself from the catalog files
      When metricd starts
      Then the audit of "action=import&subject=operator" has 1 event
      When metricd stops
      And metricd starts again
      Then the audit of "action=import" has 1 event

  Rule: Reading it

    Background:
      Given the clock says "2025-08-05T12:00:00Z"
      And "ann" is an editor
      And "bob" is a viewer
      And "eve" is an admin
      And metricd is running
      And I am "ann"
      And I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      And I remember its id as "first"
      And I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      And the metric has the record
        """
        {}
        """
      And the metric has the record
        """
        {}
        """
      And the metric has the record
        """
        {}
        """
      And I am "bob"

    Scenario: Only admins
      When "ann" asks for "/audit"
      Then the answer is 403
      When "bob" asks for "/audit"
      Then the answer is 403
      And the body does not mention "{id}"
      When "eve" asks for "/audit"
      Then the answer is 200
      # Their own denials are the latest.
      And its items.0.subject is "bob"
      And its items.1.subject is "ann"

    Scenario: Filters and pages
      When I send DELETE to "/metrics/{id}"
      Then the answer is 403
      And "eve" reads 6 events of "since=2025-08-05T12:00:00Z" in pages of 2
      And "eve" reads 6 events of "since=2025-08-05T13:00:00%2B01:00" in pages of 5
      And "eve" reads 0 events of "until=2025-08-05T12:00:00Z" in pages of 2
      And "eve" reads 6 events of "until=2025-08-05T12:00:01Z" in pages of 6
      And "eve" reads 0 events of "since=2025-08-05T12:00:01Z" in pages of 2
      And "eve" reads 5 events of "subject=ann" in pages of 2
      And "eve" reads 1 events of "subject=bob" in pages of 2
      And "eve" reads 3 events of "action=record" in pages of 1
      And "eve" reads 2 events of "action=create&outcome=done" in pages of 1
      And "eve" reads 0 events of "action=create&outcome=denied" in pages of 1
      And "eve" reads 1 events of "outcome=denied" in pages of 1
      And "eve" reads 5 events of "metric_id={id}" in pages of 3
      And "eve" reads 1 events of "metric_id={first}" in pages of 3
      And "eve" reads 0 events of "subject=an" in pages of 3
      And "eve" reads 0 events of "subject=ann' OR 'a'='a" in pages of 3

    Scenario: Filters that make no sense
      Given I am "eve"
      When I ask for "/audit?limit=0&cursor=x&action=steal&metric_id=x&outcome=maybe&since=yesterday&until=2025-08-05"
      Then the faults are
        | place           | type         | message |
        | query.limit     | out_of_range | 500     |
        | query.cursor    | value_error  | cursor  |
        | query.action    | value_error  | action  |
        | query.metric_id | uuid_parsing | UUID    |
        | query.outcome   | value_error  | denied  |
        | query.since     | date_parsing | instant |
        | query.until     | date_parsing | instant |
      When I ask for "/audit?limit=501"
      Then the answer is 422
      When I ask for "/audit?metric_id={id}&table=public.metrics"
      Then the answer is 422

    Scenario Outline: There is no way to change it: <method>
      Given I am "eve"
      When I send <method> to "/audit"
      Then the answer is 405
      When I send <method> to "/audit/1"
      Then the answer is 404

      Examples:
        | method |
        | DELETE |
        | PATCH  |
        | PUT    |
        | POST   |

  # The embedded engine accepts no connection but metricd's.
  @native
  Rule: In the database

    Background:
      Given metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM metrics
        """

    Scenario: An event stays as it was written
      Then the database refuses to run "UPDATE metricd.audit_events SET subject = 'somebody'"
      And the database refuses to run "DELETE FROM metricd.audit_events"
      And the database refuses to run "DELETE FROM metricd.audit_events WHERE false"
      And the database refuses to run "TRUNCATE metricd.audit_events"
      And the audit of "action=create" has 1 event

    Scenario: Stored SQL does not read it
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT subject FROM metricd.audit_events"}
        """
      Then the answer is 422

    Scenario: What cannot be written down is not done
      Given this SQL was run in the database
        """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'no room for an event'; END $$;
        CREATE TRIGGER no_room BEFORE INSERT ON metricd.audit_events
          FOR EACH ROW EXECUTE FUNCTION no_room()
        """
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then the answer is 500
      And the body does not mention "no room"
      When I PATCH to "/metrics/{id}"
        """
        {"query": "SELECT 2 AS y", "name": "Changed", "tags": ["changed"]}
        """
      Then the answer is 500
      When I PUT to "/metrics/{id}/layouts"
        """
        [{"breakpoint": "lg", "x": 0, "y": 0, "w": 1, "h": 1}]
        """
      Then the answer is 500
      When I add to the metric "{id}" the record
        """
        {}
        """
      Then the answer is 500
      When I send DELETE to "/metrics/{id}"
      Then the answer is 500
      When I import the catalog
      Then it fails
      When I ask for "/metrics"
      Then its items has 1 item
      When I ask for the metric "{id}"
      Then the body contains
        """
        {"records": [{"n": 0}], "layouts": [], "layout_version": 1, "tags": []}
        """
      And in the database, "SELECT count(*) AS queries FROM metricd.queries" gives
        """
        [{"queries": 1}]
        """

    Scenario: A full disk is told as one that may have room again
      Given this SQL was run in the database
        """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER no_room BEFORE INSERT ON metricd.audit_events
          FOR EACH ROW EXECUTE FUNCTION no_room()
        """
      When I add to the metric "{id}" the record
        """
        {}
        """
      Then the answer is 503
      And its type is "urn:metricd:problem:disk-full"
      And the answer has the header "Retry-After"
      And the body does not mention "extend file"
      And one WARN line mentions "could not extend file"

    # A denial holds whether or not its audit event can be written.
    Scenario: A denial that cannot be audited holds, and the log has the lost event
      Given this SQL was run in the database
        """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'no room for an event'; END $$;
        CREATE TRIGGER no_room BEFORE INSERT ON metricd.audit_events
          FOR EACH ROW EXECUTE FUNCTION no_room()
        """
      And I am a viewer named "bob"
      When I send DELETE to "/metrics/{id}"
      Then the answer is 403
      And one ERROR line says "Audit event lost" with subject "bob"
      Given I am an admin
      When I ask for the metric "{id}"
      Then the answer is 200

    Scenario: What was not done is not written down
      Given this SQL was run in the database
        """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'no room for a metric'; END $$;
        CREATE CONSTRAINT TRIGGER no_room AFTER INSERT OR UPDATE OR DELETE
          ON metricd.metric_configurations
          DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no_room()
        """
      When the next request has the header "X-Request-Id" "undone"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then the answer is 500
      When the next request has the header "X-Request-Id" "undone"
      And I send DELETE to "/metrics/{id}"
      Then the answer is 500
      And the audit says nothing of the request "undone"
