Feature: Changing metrics
  A caller with the permission changes the named fields of a metric and nothing else. A locked metric
  is not changed at all.

  Rule: One metric

    Background:
      Given metricd is running

    Scenario: Changing a metric
      Given I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "name": "One"}
        """
      When I PATCH to "/metrics/{id}"
        """
        {"name": "Two", "description": "More than one", "query": "SELECT 2 AS x", "tags": ["even"]}
        """
      Then the answer is a success
      And one INFO line says "Endpoint called" with operation "update_metrics_configuration"
      When I ask for the metric "{id}"
      Then the body contains
        """
        {"name": "Two", "description": "More than one", "tags": ["even"], "records": [{"x": 2}]}
        """

    Scenario: A change leaves alone what it does not name
      Given I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "name": "One", "tags": ["odd"]}
        """
      When I PATCH to "/metrics/{id}"
        """
        {"name": "Uno"}
        """
      Then the answer is a success
      When I ask for the metric "{id}"
      Then the body contains
        """
        {"name": "Uno", "tags": ["odd"], "records": [{"x": 1}]}
        """

    Scenario: Removing a metric
      Given I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      When I send DELETE to "/metrics/{id}"
      Then the answer is 204
      And the body is empty
      And one INFO line says "Endpoint called" with operation "delete_metrics_configuration"
      When I ask for the metric "{id}"
      Then the answer is 404
      When I send DELETE to "/metrics/{id}"
      Then the answer is 404

    Scenario: Replacing layouts, unless they were modified concurrently
      Given I have made the metric
        """
        {
          "is_editable": true, "query": "SELECT 1 AS x",
          "layouts": [{"breakpoint": "lg", "x": 0, "y": 0, "w": 1, "h": 1}]
        }
        """
      When I ask for the metric "{id}"
      And I remember its layout_version as "version"
      And the next request has the header "If-Match" '"{version}"'
      And I PUT to "/metrics/{id}/layouts"
        """
        [{"breakpoint": "lg", "x": 5, "y": 9999999, "w": 2, "h": 2, "static": true}]
        """
      Then the answer is a success
      And one INFO line says "Endpoint called" with operation "replace_metric_layouts"
      When I ask for the metric "{id}"
      Then its layouts are
        """
        [{"breakpoint": "lg", "x": 5, "y": 9999999, "w": 2, "h": 2, "static": true}]
        """
      When the next request has the header "If-Match" '"{version}"'
      And I PUT to "/metrics/{id}/layouts"
        """
        []
        """
      Then the answer is 412
      And it is a problem: "modified concurrently"
      And its type is "urn:metricd:problem:layouts-modified"
      When I ask for the metric "{id}"
      Then its layouts has 1 item

    Scenario: A locked metric is not changed until it is unlocked
      Given I have made the metric
        """
        {"is_editable": false, "layouts": [], "query": "SELECT 1 AS x", "name": "Fixed"}
        """
      When I PATCH to "/metrics/{id}"
        """
        {"name": "Broken"}
        """
      Then the answer is 409
      And it is a problem: "locked"
      And its type is "urn:metricd:problem:metric-locked"
      When I send DELETE to "/metrics/{id}"
      Then the answer is 409
      When I ask for the metric "{id}"
      Then its name is "Fixed"
      When I PATCH to "/metrics/{id}"
        """
        {"is_editable": true}
        """
      Then the answer is a success
      When I PATCH to "/metrics/{id}"
        """
        {"name": "Mended"}
        """
      Then the answer is a success
      When I ask for the metric "{id}"
      Then its name is "Mended"

    Scenario: How a metric is drawn, and who answers for it
      Given I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "tags": ["odd", "small"]}
        """
      When I PATCH to "/metrics/{id}"
        """
        {"display": {"chart": "bar", "unit": "€"}, "owner": "Ann", "tags": ["one"]}
        """
      Then the answer is 200
      And the body contains
        """
        {"display": {"chart": "bar", "unit": "€"}, "owner": "Ann", "tags": ["one"]}
        """
      When I ask for the metric "{id}"
      Then the body contains
        """
        {"display": {"chart": "bar", "unit": "€"}, "owner": "Ann", "tags": ["one"]}
        """
      When I PATCH to "/metrics/{id}"
        """
        {"owner": null}
        """
      Then the answer is 200
      When I ask for the metric "{id}"
      Then the body contains
        """
        {"display": {"chart": "bar", "unit": "€"}, "owner": null, "tags": ["one"]}
        """

    Scenario: A chart without a known kind
      Given I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "name": "One"}
        """
      When I PATCH to "/metrics/{id}"
        """
        {"display": {"chart": "hologram"}, "name": "Two"}
        """
      Then the answer is 422
      And it is a problem: "1 error"
      And its errors has 1 item
      And its errors.0.loc is ["body", "display", "chart"]
      When I ask for the metric "{id}"
      Then its name is "One"

    Scenario: The tiles of a locked metric stay where they are
      Given I have made the metric
        """
        {
          "is_editable": false, "query": "SELECT 1 AS x",
          "layouts": [{"breakpoint": "lg", "x": 0, "y": 0, "w": 1, "h": 1}]
        }
        """
      When I PUT to "/metrics/{id}/layouts"
        """
        []
        """
      Then the answer is 409
      And it is a problem: "locked"
      And its type is "urn:metricd:problem:metric-locked"
      When I send DELETE to "/metrics/{id}"
      Then the answer is 409
      And it is a problem: "locked"
      And its type is "urn:metricd:problem:metric-locked"
      When I ask for the metric "{id}"
      Then the answer is 200
      And its layouts has 1 item

  Rule: Two metrics of one query

    Background:
      Given an empty catalog
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

    Scenario: New SQL changes both answers
      When I import the catalog
      Then it succeeds
      When metricd starts
      And I PATCH to "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
        """
        {"query": "SELECT 2 AS y"}
        """
      Then the answer is 200
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then its records are [{"y": 2}]
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46"
      Then its records are [{"y": 2}]
      And its columns are [{"name": "y", "type": "int4"}]

    Scenario: New SQL is refused when the other metric is locked
      Given in the file "metrics.json" '"c797b618-df12-45f7-bbb2-cc6695a48e46", "queryId": "shared", "isEditable": true' becomes '"c797b618-df12-45f7-bbb2-cc6695a48e46", "queryId": "shared", "isEditable": false'
      When I import the catalog
      Then it succeeds
      When metricd starts
      And I PATCH to "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
        """
        {"query": "SELECT 2 AS y", "name": "Changed"}
        """
      Then the answer is 409
      And it is a problem: "locked"
      And its type is "urn:metricd:problem:query-locked"
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then its records are [{"x": 1}]
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46"
      Then its records are [{"x": 1}]
      When I PATCH to "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
        """
        {"name": "Changed"}
        """
      Then the answer is 200
      And its name is "Changed"
