Feature: Rights
  Policies grant permissions. A metric that a caller may not read does not exist for that caller.

  Rule: Every operation of the API

    # A metric of the table is its owner's alone: own, foreign and unknown in this order.
    Scenario: What each role may do to what it may see, to what it may not see, and to what is not there
      Given beside the usual policies there is
        """
        forbid (principal, action, resource is Metric)
        when { resource.tags.contains("secret") }
        unless { resource has owner && resource.owner == principal.subject };
        """
      And metricd is running
      Then every operation of the API answers as follows, and names its security
        | operation                    | body                                                                | anonymous | viewer      | editor      | admin       |
        | get_health                   |                                                                     | 200       | 200         | 200         | 200         |
        | get_health_live              |                                                                     | 200       | 200         | 200         | 200         |
        | get_health_ready             |                                                                     | 200       | 200         | 200         | 200         |
        | get_auth_config              |                                                                     | 200       | 200         | 200         | 200         |
        | get_development_keys         |                                                                     | 200       | 200         | 200         | 200         |
        | list_metrics                 |                                                                     | 401       | 200         | 200         | 200         |
        | create_metrics_configuration | {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}      | 401       | 403         | 201         | 201         |
        | get_metrics                  |                                                                     | 401       | 200 404 404 | 200 404 404 | 200 404 404 |
        | preview_metric               | {"query": "SELECT 1 AS x"}                                          | 401       | 403         | 200         | 200         |
        | approve_metric               |                                                                     | 401       | 403         | 200 404 404 | 200 404 404 |
        | rollback_metric              | {"version": 1}                                                      | 401       | 403         | 200 404 404 | 200 404 404 |
        | list_metric_versions         |                                                                     | 401       | 403         | 200 404 404 | 200 404 404 |
        | update_metrics_configuration | {"name": "Changed", "query": "SELECT 2 AS y", "is_editable": false} | 401       | 403         | 200 404 404 | 200 404 404 |
        | delete_metrics_configuration |                                                                     | 401       | 403         | 204 404 404 | 204 404 404 |
        | get_metric_query             |                                                                     | 401       | 403         | 200 404 404 | 200 404 404 |
        | replace_metric_layouts       | [{"breakpoint": "lg", "x": 0, "y": 0, "w": 1, "h": 1}]              | 401       | 403         | 200 404 404 | 200 404 404 |
        | create_metric_record         | {"parts_flagged": 1}                                                | 401       | 403         | 201 404 404 | 201 404 404 |
        | list_tables                  |                                                                     | 401       | 403         | 200         | 200         |
        | announce_table_change        |                                                                     | 401       | 403         | 204         | 204         |
        | list_audit_events            |                                                                     | 401       | 403         | 403         | 200         |

    # What a role has no right to on anything at all is refused before anything is looked up.
    @native
    Scenario: A caller without any permission
      Given the policies are
        """
        permit (principal in Role::"admin", action, resource);
        permit (principal in Role::"editor", action == Action::"record", resource is Metric);
        """
      And metricd is running
      Then every operation of the API answers as follows, and names its security
        | operation                    | body                                                           | anonymous | viewer | editor      | admin       |
        | get_health                   |                                                                | 200       | 200    | 200         | 200         |
        | get_health_live              |                                                                | 200       | 200    | 200         | 200         |
        | get_health_ready             |                                                                | 200       | 200    | 200         | 200         |
        | get_auth_config              |                                                                | 200       | 200    | 200         | 200         |
        | get_development_keys         |                                                                | 200       | 200    | 200         | 200         |
        | list_metrics                 |                                                                | 401       | 403    | 403         | 200         |
        | create_metrics_configuration | {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"} | 401       | 403    | 403         | 201         |
        | get_metrics                  |                                                                | 401       | 403    | 403         | 200 200 404 |
        | preview_metric               | {"query": "SELECT 1 AS x"}                                     | 401       | 403    | 403         | 200         |
        | approve_metric               |                                                                | 401       | 403    | 403         | 200 200 404 |
        | rollback_metric              | {"version": 1}                                                 | 401       | 403    | 403         | 200 200 404 |
        | list_metric_versions         |                                                                | 401       | 403    | 403         | 200 200 404 |
        | update_metrics_configuration | {"name": "Changed"}                                            | 401       | 403    | 403         | 200 200 404 |
        | delete_metrics_configuration |                                                                | 401       | 403    | 403         | 204 204 404 |
        | get_metric_query             |                                                                | 401       | 403    | 403         | 200 200 404 |
        | replace_metric_layouts       | []                                                             | 401       | 403    | 403         | 200 200 404 |
        | create_metric_record         | {}                                                             | 401       | 403    | 404 404 404 | 201 201 404 |
        | list_tables                  |                                                                | 401       | 403    | 403         | 200         |
        | announce_table_change        |                                                                | 401       | 403    | 403         | 204         |
        | list_audit_events            |                                                                | 401       | 403    | 403         | 200         |

    @idp @native
    Scenario: A good token that gives no role
      Given the clock is the machine's own
      And metricd trusts the OpenID provider
      And the setting "METRICD_ROLES__VIEWER" is "groups=readers"
      And metricd is running
      And I have a token of the OpenID client "machine"
      When I ask for "/metrics"
      Then the answer is 403
      And the answer has no header "WWW-Authenticate"
      When I ask for the metric "00000000-0000-4000-8000-000000000000"
      Then the answer is 403
      When I POST to "/metrics"
        """
        {"is_editable": "perhaps"}
        """
      Then the answer is 403

    Scenario Outline: Rights come before faults: <fault>
      Given metricd is running
      And I am a viewer
      When I POST to "/metrics" as "<type>"
        """
        <body>
        """
      Then the answer is 403
      And it is a problem: "Permission denied"
      And its type is "about:blank"
      And the body does not mention "layouts"

      Examples:
        | fault          | type             | body                                                                |
        | a missing name | application/json | {"is_editable": true}                                               |
        | no JSON        | application/json | {                                                                   |
        | another format | text/csv         | is_editable,query                                                   |
        | bad SQL        | application/json | {"is_editable": true, "layouts": [], "query": "DROP TABLE metrics"} |

    Scenario: Rights come before faults: a body that is too large
      Given the setting "METRICD_LIMITS__MAX_BODY_BYTES" is "1024"
      And metricd is running
      And I am a viewer
      When I POST 16 KiB to "/metrics"
      Then the answer is 403
      Given I am an editor
      When I POST 16 KiB to "/metrics"
      Then the answer is 413

  Rule: SQL and the values of rows

    Scenario: Who may read the SQL, but write none over its tables, is told no value of a row
      Given beside the usual policies there is
        """
        permit (principal in Role::"viewer", action == Action::"readSql", resource is Metric);
        """
      And "ann" is a viewer
      And "bob" is an editor
      And metricd is running
      And a metric with the query
        """
        SELECT (alert_type || '000000')::int AS x FROM metrics
        """
      And the metric has the record
        """
        {"alert_type": "4000"}
        """
      When "bob" asks for the metric "{id}"
      Then the answer is 422
      And it is a problem: "4000000000"
      When "ann" asks for the metric "{id}"
      Then the answer is 422
      And it is a problem: "The metric's query failed: value (SQLSTATE 22003)"
      And the body does not mention "4000000000"

  Rule: What one may not read

    Background:
      Given beside the usual policies there is
        """
        forbid (principal, action, resource is Metric)
        when { resource.tags.contains("secret") }
        unless {
          principal in Role::"admin" ||
          (resource has owner && resource.owner == principal.subject)
        };
        """
      And "ann" is a viewer
      And "bob" is an editor
      And metricd is running

    Scenario: A list goes on although most of what comes between may not be read
      Given 24 metrics tagged "secret" and 6 tagged "open"
      Then "ann" sees exactly the 6 metrics tagged "open" in pages of 5
      And "ann" sees exactly the 6 metrics tagged "open" in pages of 1
      And "bob" sees exactly the 6 metrics tagged "open" in pages of 3
      And "ann" sees exactly the 6 metrics tagged "open" in pages of 4 of the search for "One of them"
      And "ann" sees exactly the 6 metrics tagged "open" in pages of 6 of the search for "open"
      When "ann" asks for "/metrics?q=secret"
      Then the answer is 200
      And the body is
        """
        {"items": [], "next_cursor": null}
        """
      When "ann" asks for "/metrics?q=secret&limit=1"
      Then the body is
        """
        {"items": [], "next_cursor": null}
        """

    # More than metricd reads for one page. Only the database creates so many so quickly.
    @native
    Scenario: Very many metrics that may not be read
      Given 4 metrics tagged "secret" and 2 tagged "open"
      And this SQL was run in the database
        """
        CREATE TEMPORARY TABLE more AS
          SELECT m.* FROM metricd.metric_configurations m, generate_series(1, 2000)
          WHERE 'secret' = ANY (m.tags);
        UPDATE more SET id = gen_random_uuid();
        INSERT INTO metricd.metric_configurations SELECT * FROM more
        """
      Then "ann" sees exactly the 2 metrics tagged "open" in pages of 5

    Scenario: A metric comes and goes with its tags and its owner
      Given I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "tags": ["open"]}
        """
      When "ann" asks for the metric "{id}"
      Then the answer is 200
      When I PATCH to "/metrics/{id}"
        """
        {"tags": ["secret"]}
        """
      And "ann" asks for the metric "{id}"
      Then the answer is 404
      When "ann" asks for "/metrics"
      Then its items are []
      When I PATCH to "/metrics/{id}"
        """
        {"owner": "ann"}
        """
      And "ann" asks for the metric "{id}"
      Then the answer is 200
      And its owner is "ann"
      When "bob" asks for the metric "{id}"
      Then the answer is 404
      When "bob" asks for "/metrics/{id}/query"
      Then the answer is 404
      When I PATCH to "/metrics/{id}"
        """
        {"owner": "bob"}
        """
      And "ann" asks for the metric "{id}"
      Then the answer is 404
      When "bob" asks for "/metrics/{id}/query"
      Then the answer is 200
      When I PATCH to "/metrics/{id}"
        """
        {"tags": [], "owner": null}
        """
      And "ann" asks for the metric "{id}"
      Then the answer is 200
      When "ann" asks for "/metrics"
      Then its items has 1 item

    Scenario: A caller who gives a metric away loses its permissions
      Given I am "bob"
      And I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      When I PATCH to "/metrics/{id}"
        """
        {"tags": ["secret"], "owner": "ann"}
        """
      Then the answer is 200
      When I PATCH to "/metrics/{id}"
        """
        {"tags": []}
        """
      Then the answer is 404
      When "ann" asks for the metric "{id}"
      Then its tags are ["secret"]

    # The lock is known to those alone who may know of the metric.
    Scenario: A locked metric that may not be read
      Given I have made the metric
        """
        {"is_editable": false, "layouts": [], "query": "SELECT 1 AS x", "tags": ["secret"]}
        """
      And I am "bob"
      When I PATCH to "/metrics/{id}"
        """
        {"name": "Mine"}
        """
      Then the answer is 404
      When I send DELETE to "/metrics/{id}"
      Then the answer is 404
      When I PUT to "/metrics/{id}/layouts"
        """
        []
        """
      Then the answer is 404

    Scenario: An editor may lock a metric and not unlock it
      Given I am "bob"
      And I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "name": "One"}
        """
      When I PATCH to "/metrics/{id}"
        """
        {"is_editable": false}
        """
      Then the answer is 200
      When I PATCH to "/metrics/{id}"
        """
        {"is_editable": true, "name": "Two"}
        """
      Then the answer is 403
      When I ask for the metric "{id}"
      Then the body contains
        """
        {"is_editable": false, "name": "One"}
        """
      Given I am an admin
      When I PATCH to "/metrics/{id}"
        """
        {"is_editable": true, "name": "Two"}
        """
      Then the answer is 200

    Scenario: A metric that may be read and not changed, locked or not
      When the policies become the usual ones and
        """
        forbid (
          principal,
          action in [Action::"edit", Action::"arrange", Action::"delete"],
          resource is Metric
        )
        when { resource.tags.contains("fixed") && !(principal in Role::"admin") };
        """
      Given I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "tags": ["fixed"]}
        """
      And I remember its id as "open"
      And I have made the metric
        """
        {"is_editable": false, "layouts": [], "query": "SELECT 1 AS x", "tags": ["fixed"]}
        """
      And I am "bob"
      When I PATCH to "/metrics/{open}"
        """
        {"name": "Mine"}
        """
      Then the answer is 403
      When I PATCH to "/metrics/{id}"
        """
        {"name": "Mine"}
        """
      Then the answer is 403
      When I PUT to "/metrics/{id}/layouts"
        """
        []
        """
      Then the answer is 403
      When I send DELETE to "/metrics/{id}"
      Then the answer is 403

  Rule: Writing SQL is a right over whole tables

    Background:
      Given beside the usual policies there is
        """
        forbid (principal, action == Action::"writeSql", resource == Table::"public.metrics")
        unless { principal in Role::"admin" };
        forbid (principal, action == Action::"edit", resource is Metric)
        when { resource has owner && resource.owner != principal.subject }
        unless { principal in Role::"admin" };
        """
      And "ann" is an editor
      And metricd is running

    Scenario Outline: SQL that reads a forbidden table: <how>
      Given I am "ann"
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "<sql>"}
        """
      Then the answer is 403
      And the body does not mention "metrics"
      When I ask for "/metrics"
      Then its items are []

      Examples:
        | how         | sql                                                                       |
        | plainly     | SELECT count(*) AS n FROM metrics                                         |
        | by schema   | SELECT count(*) AS n FROM public.metrics                                  |
        | quoted      | SELECT count(*) AS n FROM \\"metrics\\"                                   |
        | in a join   | SELECT 1 AS n FROM generate_series(1, 2) g JOIN metrics m ON true         |
        | in a CTE    | WITH m AS (SELECT * FROM metrics) SELECT count(*) AS n FROM m             |
        | in a filter | SELECT 1 AS n WHERE EXISTS (SELECT FROM metrics)                          |
        | in a union  | SELECT 1 AS n UNION ALL SELECT count(*) FROM metrics                      |
        | in a column | SELECT (SELECT max(parts_flagged) FROM metrics) AS n                      |
        | in a window | SELECT n FROM (SELECT row_number() OVER () AS n FROM metrics) AS metric   |
        | shadowed    | WITH metrics AS (SELECT * FROM metrics) SELECT count(*) AS n FROM metrics |

    Scenario: A sentence becomes SQL, which needs the same right
      Given I am "ann"
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query_generation_prompt": "colourless green ideas"}
        """
      Then the answer is 403
      When I ask for "/metrics"
      Then its items are []

    Scenario: Other SQL may be written, and not be changed into such
      Given I am "ann"
      And I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "name": "One"}
        """
      When I PATCH to "/metrics/{id}"
        """
        {"query": "SELECT count(*) AS n FROM metrics", "name": "Two"}
        """
      Then the answer is 403
      When I ask for the metric "{id}"
      Then the body contains
        """
        {"name": "One", "records": [{"x": 1}], "columns": [{"name": "x", "type": "int4"}]}
        """
      Given I am an admin
      When I PATCH to "/metrics/{id}"
        """
        {"query": "SELECT count(*) AS n FROM metrics"}
        """
      Then the answer is 200
      # A caller who could not write the SQL may still show and rename the metric.
      Given I am "ann"
      When I ask for the metric "{id}"
      Then its records are [{"n": 0}]
      When I PATCH to "/metrics/{id}"
        """
        {"name": "Three"}
        """
      Then the answer is 200

    Scenario: SQL that also answers another owner's metric
      Given the file "metrics.json" is
        """
        {
          "items": [
            {"id": "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6", "queryId": "shared", "isEditable": true},
            {"id": "c797b618-df12-45f7-bbb2-cc6695a48e46", "queryId": "shared", "isEditable": true}
          ],
          "layouts": {}
        }
        """
      And the file "queries.csv" is
        """
        id,query
        shared,SELECT 1 AS x
        """
      And the file "metric_records.json" is
        """
        []
        """
      When metricd stops
      And I import the catalog
      Then it succeeds
      When metricd starts again
      And I PATCH to "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
        """
        {"owner": "ann"}
        """
      And I PATCH to "/metrics/c797b618-df12-45f7-bbb2-cc6695a48e46"
        """
        {"owner": "bob"}
        """
      Then the answer is 200
      Given I am "ann"
      When I PATCH to "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
        """
        {"query": "SELECT 2 AS y", "name": "Changed"}
        """
      Then the answer is 403
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then its records are [{"x": 1}]
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46"
      Then its records are [{"x": 1}]
      When I PATCH to "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
        """
        {"name": "Changed"}
        """
      Then the answer is 200

  Rule: A query that answers several metrics

    Background:
      Given beside the usual policies there is
        """
        forbid (principal, action == Action::"read", resource is Metric)
        when { resource.tags.contains("secret") }
        unless { principal in Role::"admin" };
        """
      And an empty catalog
      And the file "metrics.json" is
        """
        {
          "items": [
            {"id": "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6", "queryId": "shared", "isEditable": true},
            {"id": "c797b618-df12-45f7-bbb2-cc6695a48e46", "queryId": "shared", "isEditable": true}
          ],
          "layouts": {}
        }
        """
      And the file "queries.csv" is
        """
        id,query
        shared,SELECT 1 AS x
        """
      And the file "metric_records.json" is
        """
        []
        """
      When I import the catalog
      Then it succeeds
      When metricd starts

    Scenario: The SQL of a metric cannot be changed through another one
      When I PATCH to "/metrics/c797b618-df12-45f7-bbb2-cc6695a48e46"
        """
        {"tags": ["secret"], "is_editable": false}
        """
      And I ask as an editor named "ann"
      When I PATCH to "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
        """
        {"query": "SELECT 2 AS y"}
        """
      Then the answer is 403
      And the body does not mention "editable"
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then its records are [{"x": 1}]

    Scenario: The audit tells of each metric that changed
      When I PATCH to "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
        """
        {"query": "SELECT 2 AS y"}
        """
      Then the answer is 200
      And the audit of "metric_id=def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6&action=edit" has 1 event
      And the audit of "metric_id=c797b618-df12-45f7-bbb2-cc6695a48e46&action=edit" has 1 event
      When I PATCH to "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
        """
        {"query": "SELECT 2 AS y", "name": "Two"}
        """
      Then the audit of "metric_id=def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6" has 2 events
      And the audit of "metric_id=c797b618-df12-45f7-bbb2-cc6695a48e46" has 1 event

  # Policies are read without a database.
  @native
  Rule: A file of policies of the operator's own

    Scenario Outline: A bad file stops the start: <fault>
      Given the file "rights.cedar" is
        """
        // Who may do what
        permit (principal, action == Action::"read", resource is Metric);
        <policy>
        """
      And the setting "METRICD_POLICY__FILE" is "{folder}/rights.cedar"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "rights.cedar:3:"
      And it says "<what>"

      Examples:
        | fault                | policy                                                                             | what       |
        | no end               | permit (principal, action, resource)                                               | 3:         |
        | an unknown action    | permit (principal, action == Action::"reed", resource is Metric);                  | reed       |
        | an unknown role      | permit (principal in Role::"owner", action == Action::"read", resource is Metric); | owner      |
        | an unknown attribute | forbid (principal, action, resource is Metric) when { resource.secret };           | secret     |
        | an attribute not had | forbid (principal, action, resource is Metric) when { resource.owner == "x" };     | owner      |
        | a claim never read   | forbid (principal, action, resource) when { principal.claims has tenant_id };      | impossible |
        | the wrong kind       | permit (principal, action == Action::"audit", resource is Metric);                 | applicable |

    Scenario: A file that permits nothing, or is not there, stops the start
      Given the file "rights.cedar" is
        """
        // Nothing yet
        """
      And the setting "METRICD_POLICY__FILE" is "{folder}/rights.cedar"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "permit"
      Given the setting "METRICD_POLICY__FILE" is "{folder}/wrongs.cedar"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "wrongs.cedar"

    Scenario: New policies rule from the moment they are read
      Given the policies are
        """
        permit (principal in Role::"viewer", action == Action::"read", resource is Metric);
        permit (principal in Role::"admin", action, resource);
        """
      And "ann" is a viewer
      And metricd is running
      And a metric with the query
        """
        SELECT 1 AS x
        """
      When "ann" asks for the metric "{id}"
      Then the answer is 200
      When the policies become
        """
        permit (principal in Role::"admin", action, resource);
        """
      And "ann" asks for the metric "{id}"
      Then the answer is 403
      When the policies become the usual ones and
        """
        forbid (principal, action, resource is Metric) when { principal.subject == "ann" };
        """
      And "ann" asks for the metric "{id}"
      Then the answer is 404
      When "ann" asks for "/metrics"
      Then its items are []
      When the policies become the usual ones and
        """
        permit (principal, action == Action::"audit", resource) when { principal.subject == "ann" };
        """
      And "ann" asks for the metric "{id}"
      Then the answer is 200
      When "ann" asks for "/audit"
      Then the answer is 200
      And no ERROR line is logged

    Scenario: Bad policies are refused while it runs, and the old ones stay
      Given the policies are
        """
        permit (principal in Role::"viewer", action == Action::"read", resource is Metric);
        permit (principal in Role::"admin", action, resource);
        """
      And "ann" is a viewer
      And metricd is running
      And a metric with the query
        """
        SELECT 1 AS x
        """
      When the policies become
        """
        permit (principal, action, resource);
        permit (principal, action == Action::"reed", resource is Metric);
        """
      Then one ERROR line mentions "rights.cedar:2:"
      When "ann" asks for the metric "{id}"
      Then the answer is 200
      When "ann" asks for "/audit"
      Then the answer is 403
      When the file of policies is gone
      And "ann" asks for the metric "{id}"
      Then the answer is 200
      When "ann" asks for "/audit"
      Then the answer is 403
      When the policies become
        """
        permit (principal in Role::"viewer", action == Action::"audit", resource);
        """
      And "ann" asks for "/audit"
      Then the answer is 200
      When "ann" asks for the metric "{id}"
      Then the answer is 403

    Scenario: A decision is explained
      Given beside the usual policies there is
        """
        @id("secret-for-owner")
        forbid (principal, action, resource is Metric)
        when { resource.tags.contains("secret") }
        unless { resource has owner && resource.owner == principal.subject };
        """
      When I run "metricd policy check"
      Then it succeeds
      And it prints "no faults"
      When I run "metricd policy check --action read --role viewer"
      Then it succeeds
      And it prints "Allow: permitted by viewers-read"
      When I run "metricd policy check --action edit --role editor --subject ann --tag secret --metric-owner bob"
      Then it succeeds
      And it prints "Deny: forbidden by secret-for-owner"
      And it prints "404"
      When I run "metricd policy check --action edit --role viewer"
      Then it succeeds
      And it prints "Deny: no policy permits it"
      When I run "metricd policy check --action writeSql --role editor --table metrics --format json"
      Then it succeeds
      And it prints
        """
        {"decision": "allow", "policies": [{"id": "editors-write-sql"}]}
        """

    Scenario: A file is checked before it is used
      Given metricd is running
      And the file "new.cedar" is
        """
        permit (principal, action == Action::"read", resource is Metric);
        permit (principal, action == Action::"reed", resource is Metric);
        """
      When I run "metricd policy check --policy new.cedar"
      Then it exits with 2
      And it says "new.cedar:2:"
      When I run "metricd policy check --policy new.cedar --format json"
      Then it exits with 2
      And it prints
        """
        {"faults": [{"line": 2, "message": "<text>"}]}
        """
