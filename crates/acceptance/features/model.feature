# What is behind the gate is the same for every engine, and a model reaches neither: one is enough.
@native
Feature: A model that writes queries
  When one is configured, a model is called first. Its SQL is checked as all SQL is, and when it fails,
  metricd answers without it.

  Scenario: A model's query becomes a metric
    Given a model that writes
      """
      -- Alerts per day
      SELECT date_trunc('day', date)::date AS day, count(*) AS alerts
      FROM metrics WHERE date >= '2025-06-01' AND date < '2025-07-01'
      GROUP BY 1 ORDER BY 1
      """
    And metricd is running
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "Alerts of June, day by day"}
      """
    Then the answer is 201
    And the body contains
      """
      {
        "generation": {
          "source": "model", "grounded": true, "explanation": "As the model understands it."
        }
      }
      """
    And I remember its id as "id"
    And the model was asked 1 time
    And the model was told "Alerts of June, day by day"
    And one INFO line says "Model called" with
      | field       | value       |
      | model       | tiny        |
      | outcome     | answered    |
      | status      | 200         |
      | duration_ms | <something> |
    And no log line contains "day by day"
    When I add to the metric "{id}" the record
      """
      {"date": "2025-06-03T04:05:06"}
      """
    And I ask for the metric "{id}"
    Then its name is "Alerts per day"
    And its params.start_date is "2025-06-01"
    And its params.end_date is "2025-06-30"
    And its records are [{"day": "2025-06-03", "alerts": 1}]

  Scenario: What is wrong with a query is told to the model, which writes a better one
    Given a model that writes
      """
      SELECT colour AS c FROM metrics
      """
    And then it writes
      """
      SELECT count(*) AS alerts FROM metrics
      """
    And metricd is running
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "How many alerts?"}
      """
    Then the answer is 201
    And its generation.source is "model"
    And the model was asked 2 times
    And the model was told "does not exist"

  Scenario Outline: A model that <does> costs nothing
    Given a model that writes
      """
      <sql>
      """
    And metricd is running
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "colourless green ideas sleep"}
      """
    Then the answer is 201
    And its generation.source is "fallback"
    And its generation.grounded is false
    And I remember its id as "id"
    And the model was asked 3 times
    When I ask for "/metrics/{id}/query"
    Then the body does not mention "<trace>"
    When I add to the metric "{id}" the record
      """
      {"parts_flagged": 7}
      """
    And I ask for the metric "{id}"
    Then its records has 1 item

    Examples:
      | does                      | sql                                       | trace     |
      | drops the records         | DROP TABLE metrics                        | DROP      |
      | writes two statements     | SELECT 1 AS a; DROP TABLE metrics         | DROP      |
      | changes rows in a WITH    | WITH d AS (DELETE FROM metrics RETURNING date) SELECT date FROM d | DELETE |
      | reads metricd's own       | SELECT sql FROM metricd.queries           | queries   |
      | reads what is not there   | SELECT pay FROM salaries                  | salaries  |
      | sleeps                    | SELECT pg_sleep(100) AS n                 | pg_sleep  |
      | becomes another role      | SELECT set_config('role', 'none', true) AS n | set_config |

  Scenario: A slow model does not hold up its caller
    Given a model that never answers
    And the setting "METRICD_GENERATION__TIMEOUT" is "500ms"
    And metricd is running
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "colourless green ideas sleep"}
      """
    Then the answer is 201
    And its generation.source is "fallback"
    And one INFO line says "Model called" with outcome "abandoned"

  Scenario Outline: A server that answers <status> is not asked again
    Given a model whose server answers <status>
    And metricd is running
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "colourless green ideas sleep"}
      """
    Then the answer is 201
    And its generation.source is "fallback"
    And the model was asked 1 time
    And one WARN line says "Generator unavailable" with source "model"

    Examples:
      | status |
      | 401    |
      | 429    |
      | 500    |

  Scenario: What the model does not understand is said
    Given a model that understands nothing and says "There are no ideas in the tables."
    And metricd is running
    When I POST to "/metrics"
      """
      {
        "is_editable": true, "layouts": [], "strict": true,
        "query_generation_prompt": "colourless green ideas sleep"
      }
      """
    Then the answer is 422

  Scenario: Not even the most talkative log holds the key
    Given the setting "METRICD_LOG" is "trace"
    And a model that writes
      """
      SELECT count(*) AS alerts FROM metrics
      """
    And metricd is running
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "How many alerts?"}
      """
    Then its generation.source is "model"
    And the model's server was shown the key, and no log line holds it

  Scenario Outline: Values of rows are sent only when the operator says so: <switch>
    Given the sample catalog
    And a model that writes
      """
      SELECT count(*) AS alerts FROM metrics
      """
    And the setting "METRICD_GENERATION__SEND_SAMPLES" is "<switch>"
    And metricd is running
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "How many alerts?"}
      """
    Then its generation.source is "model"
    And the model was told "alert_category"
    And the model was <told> "Need approval"

    Examples:
      | switch | told     |
      | false  | not told |
      | true   | told     |

  Scenario Outline: A model that is configured badly stops the start: <fault>
    Given the setting "METRICD_GENERATION__MODEL" is "<model>"
    And the setting "METRICD_GENERATION__BASE_URL" is "<base_url>"
    And the setting "METRICD_GENERATION__API_KEY" is "sk-hunter2"
    When I run "metricd serve --listen 127.0.0.1:0"
    Then it fails
    And it says "<fault>"
    And it does not say "hunter2"

    Examples:
      | model | base_url                    | fault                          |
      | tiny  |                             | generation.base_url: is missing |
      |       | https://models.example/v1   | generation.model: is missing   |
      | tiny  | http://models.example/v1    | an API key is sent only over https |
      | tiny  | https://x:y@models.example  | neither user nor password      |
