Feature: Metrics of sentences
  A sentence becomes a query over the tables that are there, without a network. Its dates are the
  defaults of the metric's window. What it does not understand it says, and guesses nothing.

  Background:
    Given the clock says "2025-08-02T12:00:00Z"
    And metricd is running
    And a metric with the query
      """
      SELECT count(*) AS n FROM metrics
      """
    And the metric has the record
      """
      {"date": "2025-02-28T23:59:00", "alert_type": "Warning", "alert_category": "Need approval"}
      """
    And the metric has the record
      """
      {"date": "2025-03-01T00:00:00", "alert_type": "Critical", "alert_category": "Need approval"}
      """
    And the metric has the record
      """
      {"date": "2025-03-01T18:30:00", "alert_type": "Warning", "alert_category": "Need approval"}
      """
    And the metric has the record
      """
      {"date": "2025-03-01T19:00:00", "alert_type": "Warning", "alert_category": "Price change"}
      """
    And the metric has the record
      """
      {"date": "2025-04-30T23:59:00", "alert_type": "Info", "alert_category": "Need approval"}
      """
    And the metric has the record
      """
      {"date": "2025-05-01T00:00:00", "alert_type": "Info", "alert_category": "Need approval"}
      """

  Scenario: A daily count between the days that the sentence names
    When I POST to "/metrics"
      """
      {
        "is_editable": true, "layouts": [],
        "query_generation_prompt": "Metrics needing approval from March 2025 to April 2025"
      }
      """
    Then the answer is 201
    And its generation.source is "offline"
    And its generation.grounded is true
    And its generation.explanation is "The number of rows of metrics where alert_category is “Need approval”, for each day, from 2025-03-01 to 2025-04-30 by date."
    And I remember its id as "sentence"
    When I ask for the metric "{sentence}"
    Then its records are [{"day": "2025-03-01", "count": 2}, {"day": "2025-04-30", "count": 1}]
    And its params.start_date is "2025-03-01"
    And its params.end_date is "2025-04-30"
    When I ask for the metric "{sentence}" from "2025-02-01" to "2025-02-28"
    Then its records are [{"day": "2025-02-28", "count": 1}]
    When I ask for the metric "{sentence}" with "end_date=2025-05-01"
    Then its records has 3 items

  Scenario: One number, when one is asked for
    When I POST to "/metrics"
      """
      {
        "is_editable": true, "layouts": [], "strict": true,
        "query_generation_prompt": "How many critical or warning alerts in March 2025?"
      }
      """
    Then the answer is 201
    And its generation.grounded is true
    And I remember its id as "sentence"
    When I ask for the metric "{sentence}"
    Then its records are [{"count": 3}]

  Scenario: Days back from today are the metric's number of days
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "info alerts in the last 90 days"}
      """
    Then the answer is 201
    And I remember its id as "sentence"
    When I ask for the metric "{sentence}"
    Then its params.day_range is 90
    And its records are []
    When I ask for the metric "{sentence}" with "day_range=120"
    Then its records are [{"day": "2025-04-30", "count": 1}, {"day": "2025-05-01", "count": 1}]

  Scenario: A period told from today is the default of a window that callers can change
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "alerts needing approval this quarter"}
      """
    Then the answer is 201
    And its generation.explanation is "The number of rows of metrics where alert_category is “Need approval”, for each day, this quarter by date."
    And I remember its id as "sentence"
    When I ask for the metric "{sentence}"
    Then its params.start_date is "2025-07-01"
    And its params.end_date is "2025-09-30"
    And its records are []
    When I ask for the metric "{sentence}" from "2025-04-30" to "2025-05-01"
    Then its records are [{"day": "2025-04-30", "count": 1}, {"day": "2025-05-01", "count": 1}]
    When metricd stops
    Given the clock says "2025-10-01T00:00:00Z"
    When metricd starts again
    And I ask for the metric "{sentence}"
    Then its params.start_date is "2025-10-01"
    And its params.end_date is "2025-12-31"

  Scenario: From a day on, until today unless the caller says otherwise
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "alerts needing approval since 2025-03-01"}
      """
    Then the answer is 201
    And I remember its id as "sentence"
    When I ask for the metric "{sentence}"
    Then its params.start_date is "2025-03-01"
    And its params.end_date is "2025-08-02"
    And its records has 3 items
    When I ask for the metric "{sentence}" with "end_date=2025-03-31"
    Then its records are [{"day": "2025-03-01", "count": 2}]
    When I ask for the metric "{sentence}" with "start_date=2025-02-01"
    Then its records has 4 items

  Scenario Outline: Another question than the one that was asked is not answered
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "<sentence>"}
      """
    Then the answer is 201
    And its generation.source is "fallback"
    And its generation.grounded is false
    And the body mentions "<word>"
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "<sentence>", "strict": true}
      """
    Then the answer is 422
    And the body mentions "<word>"

    Examples:
      | sentence                                  | word        |
      | critical alerts by supplier               | supplier    |
      | urgent alerts in March 2025               | urgent      |
      | alerts in March 2025 and in May 2025      | two periods |
      | '; DROP TABLE metrics; -- critical alerts | DROP        |

  Scenario: What a sentence says never becomes a placeholder
    When I POST to "/metrics"
      """
      {
        "is_editable": true, "layouts": [],
        "query_generation_prompt": "critical alerts in March 2025\n :claim_tenant_id :nonsense"
      }
      """
    Then the answer is 201
    And its generation.grounded is false

  # The harness looks into the database while metricd runs: the embedded engine has one connection.
  @native
  Rule: Related tables

    Background:
      Given this SQL was run in the database
        """
        CREATE TABLE customers (id int PRIMARY KEY, name text, country text, signed_up_at timestamptz);
        CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, ordered_at timestamptz,
          shipped_at timestamptz, status text, total_amount numeric);
        CREATE TABLE order_items (id int PRIMARY KEY, order_id int REFERENCES orders, quantity int);
        INSERT INTO customers VALUES (1, 'Ada', 'Germany', '2020-01-01'), (2, 'Bo', 'Germany', '2020-01-01'), (3, 'Cy', 'France', '2020-01-01');
        INSERT INTO orders VALUES
          (1, 1, '2025-06-01 10:00Z', '2025-07-03 10:00Z', 'shipped', 10), (2, 1, '2025-06-02 10:00Z', NULL, 'cancelled', 20),
          (3, 3, '2025-06-02 10:00Z', NULL, 'cancelled', 40), (4, 1, '2025-06-03 10:00Z', '2025-06-04 10:00Z', 'delivered', 80);
        INSERT INTO order_items VALUES (1, 1, 1), (2, 1, 1), (3, 2, 5);
        CREATE TABLE clerks (id int PRIMARY KEY, first_name text, last_name text, sex text, birth_date date, salary numeric);
        CREATE TABLE fines (id int PRIMARY KEY, clerk_id int REFERENCES clerks, amount numeric, renewals int, issued_on date, paid boolean, paid_on date);
        INSERT INTO clerks VALUES (1, 'Ann', 'Lee', 'F', '1960-05-01', 100), (2, 'Bob', 'Ray', 'M', '1980-05-01', 300);
        INSERT INTO fines VALUES (1, 1, 5, 0, '2025-06-01', true, '2025-07-01'), (2, 1, 7, 2, '2025-06-02', true, '2025-06-09'),
          (3, 2, 9, 0, '2025-05-02', false, NULL);
        GRANT SELECT ON customers, orders, order_items, clerks, fines TO PUBLIC
        """

    Scenario Outline: What is said of related rows is joined, and nothing is counted twice
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query_generation_prompt": "<sentence>", "strict": true}
        """
      Then the answer is 201
      And I remember its id as "sentence"
      When I ask for the metric "{sentence}"
      Then its records are <records>

      Examples:
        | sentence                                               | records                                                                                |
        | cancelled orders of German customers in June 2025      | [{"day": "2025-06-02", "count": 1}]                                                    |
        | number of orders by customer country in June 2025      | [{"country": "Germany", "count": 3}, {"country": "France", "count": 1}]                |
        | how many customers had more than 2 orders in June 2025 | [{"count": 1}]                                                                         |
        | customers without orders                               | [{"count": 1}]                                                                         |
        | how many customers are there                           | [{"count": 3}]                                                                         |
        | how many clerks are there                              | [{"count": 2}]                                                                         |
        | how many female clerks were born before 1970           | [{"count": 1}]                                                                         |
        | names of clerks with a salary above the average        | [{"first_name": "Bob", "last_name": "Ray"}]                                            |
        | clerks without fines in June 2025                      | [{"count": 1}]                                                                         |
        | fines paid in June 2025                                | [{"day": "2025-06-09", "count": 1}]                                                    |
        | how many fines without renewals in June 2025           | [{"count": 1}]                                                                         |
        | total fines in June 2025                               | [{"total_amount": 12}]                                                                 |
        | orders shipped in June 2025                            | [{"day": "2025-06-04", "count": 1}]                                                    |
        | total quantity by order status                         | [{"status": "cancelled", "total_quantity": 5}, {"status": "shipped", "total_quantity": 2}] |

    Scenario Outline: What would count a row twice, or compare an id, is refused
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query_generation_prompt": "<sentence>", "strict": true}
        """
      Then the answer is 422
      And the body mentions "<word>"

      Examples:
        | sentence                                | word     |
        | total order amount by item quantity     | amount   |
        | customers with customer id above 1      | no size  |
        | worst customers                         | ranked   |
        | fines per payer                         | payer    |
        | fines not paid in June 2025             | paid     |
        | paid and unpaid fines in June 2025      | understood |
