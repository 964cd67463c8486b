Feature: Monitoring
  An operator sees what the service does: in metrics that Prometheus collects, in traces, and in the log.

  Background:
    Given the clock says "2025-08-05T12:00:00Z"
    And the sample catalog

  Rule: Prometheus

    Background:
      Given the setting "METRICD_TELEMETRY__METRICS_LISTEN" is "127.0.0.1:0"
      And metricd is running

    Scenario: What the service does is counted
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      And I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      And the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      And I ask for the metric "00000000-0000-0000-0000-000000000000"
      And Prometheus collects
      Then it has collected
        | series                                                                              | value       |
        | metricd_http_requests_total{operation="get_metrics",outcome="ok"}                   | 3           |
        | metricd_http_requests_total{operation="get_metrics",outcome="client_error"}         | 1           |
        | metricd_http_request_seconds_total{operation="get_metrics"}                         | <something> |
        | metricd_http_request_duration_seconds_count{cache="hit"}                            | 1           |
        | metricd_http_request_duration_seconds_count{cache="miss"}                           | 2           |
        | metricd_http_requests_in_flight                                                     | 0           |
        | metricd_http_connections                                                            | <something> |
        | metricd_http_overloads_total                                                        | 0           |
        | metricd_queries_total{outcome="ok"}                                                 | 2           |
        | metricd_query_duration_seconds_count                                                | 2           |
        | metricd_query_permits{state="running"}                                              | 0           |
        | metricd_query_permits{state="free"}                                                 | <something> |
        | metricd_query_queue_length                                                          | 0           |
        | metricd_unended_queries                                                             | 0           |
        | metricd_cache_lookups_total{result="hit"}                                           | 1           |
        | metricd_cache_lookups_total{result="miss"}                                          | 1           |
        | metricd_cache_lookups_total{result="bypassed"}                                      | 1           |
        | metricd_cache_entries                                                               | 1           |
        | metricd_cache_bytes                                                                 | <something> |
        | metricd_cache_max_bytes                                                             | <something> |
        | metricd_change_feed_connected                                                       | 1           |
        | metricd_database_connections_max{pool="store"}                                      | <something> |
        | metricd_degraded                                                                    | 0           |
        | metricd_ready                                                                       | 1           |
        | process_resident_memory_bytes                                                       | <something> |
        | process_start_time_seconds                                                          | <something> |
      And the guide names all that it has collected

    Scenario: No metric and no caller has a series of its own
      When I ask for each metric there is
      And Prometheus collects
      Then it has collected no more than 200 series
      And it has collected nothing that contains "def1fdce"

    Scenario: An export is a query too
      Given the next request has the header "Accept" "text/csv"
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then the answer is 200
      When Prometheus collects
      Then it has collected
        | series                               | value |
        | metricd_queries_total{outcome="ok"}  | 1     |
        | metricd_query_duration_seconds_count | 1     |

    # More of them than there may be series, each with a query of its own. SQL is the cheapest way to make them.
    @native
    Scenario: Many metrics bring no series
      Given this SQL was run in the database
        """
        CREATE TEMPORARY TABLE copied AS SELECT * FROM metricd.metric_configurations WHERE id = 'def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6';
        INSERT INTO metricd.queries
          SELECT (jsonb_populate_record(q, jsonb_build_object('id', 'copy-' || n))).*
          FROM metricd.queries q, generate_series(1, 210) n WHERE q.id = (SELECT query_id FROM copied);
        INSERT INTO metricd.metric_configurations
          SELECT (jsonb_populate_record(null::metricd.metric_configurations, to_jsonb(c)
            || jsonb_build_object('id', gen_random_uuid(), 'query_id', 'copy-' || n))).*
          FROM copied c, generate_series(1, 210) n
        """
      When I ask for each metric there is
      And Prometheus collects
      Then it has collected
        | series                                                              | value |
        | metricd_http_requests_total{operation="get_metrics",outcome="ok"}   | 215   |
      And it has collected no more than 200 series

    Scenario: A sentence that is not understood is counted
      When I POST to "/metrics/preview"
        """
        {"query_generation_prompt": "colorless green ideas", "strict": true}
        """
      Then the answer is 422
      When Prometheus collects
      Then it has collected
        | series                                              | value |
        | metricd_generations_total{outcome="not_understood"} | 1     |

    # Only a server outside can go away while metricd stays.
    @native
    Scenario: A database that went away is told
      When the database goes away
      And I ask for "/health/ready"
      Then the answer is 503
      When Prometheus collects
      Then it has collected
        | series        | value |
        | metricd_ready | 0     |

    @embedded
    Scenario: An engine that was started again is counted
      When the embedded engine is killed
      And I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6" until the answer is 200
      When Prometheus collects
      Then it has collected
        | series                        | value |
        | metricd_engine_restarts_total | 1     |

  Rule: Traces

    Background:
      Given a collector of traces
      And metricd is running

    Scenario: A request continues the trace of its caller
      Given the next request has the header "traceparent" "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then the answer is 200
      And one INFO line says "Endpoint called" with trace_id "0af7651916cd43dd8448eb211c80319c"
      And the collector soon has a span "get_metrics" of the trace "0af7651916cd43dd8448eb211c80319c"
      And the collector soon has a span "query" of the trace "0af7651916cd43dd8448eb211c80319c"
      And the collector soon has a span "queue" of the trace "b7ad6b7169203331"

    Scenario: A trace that its caller does not sample is not sent
      Given the next request has the header "traceparent" "00-11111111111111111111111111111111-b7ad6b7169203331-00"
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      And the next request has the header "traceparent" "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      And I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then the collector soon has a span "get_metrics" of the trace "0af7651916cd43dd8448eb211c80319c"
      And the collector has nothing of the trace "11111111111111111111111111111111"

  Rule: The log

    Scenario: Of requests that are answered from memory, some are logged
      Given the setting "METRICD_LOG__SAMPLE_HITS" is "3"
      And metricd is running
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6" 7 times
      And I ask for "/health"
      Then 1 lines say "Endpoint called" with cache "miss"
      And 2 lines say "Endpoint called" with cache "hit"
      And 2 lines say "Endpoint called" with sampled "3"
      And 1 lines say "Endpoint called" with operation "get_health"

    Scenario: Each request is logged unless that is asked for
      Given metricd is running
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6" 2 times
      Then 1 lines say "Endpoint called" with cache "hit"
      And no log line contains "sampled"

    Scenario: What telemetry is told to do is checked
      Given the setting "METRICD_TELEMETRY__METRICS_LISTEN" is "9464"
      And the setting "METRICD_TELEMETRY__TRACES_ENDPOINT" is "collector:4317"
      And the setting "METRICD_TELEMETRY__TRACES_SAMPLE_RATIO" is "2"
      And the setting "METRICD_LOG__SAMPLE_HITS" is "0"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "telemetry.metrics_listen"
      And it says "telemetry.traces_endpoint"
      And it says "telemetry.traces_sample_ratio"
      And it says "log.sample_hits"
