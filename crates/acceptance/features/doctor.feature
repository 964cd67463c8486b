Feature: Doctor
  `metricd doctor` says of each thing that metricd needs whether it is well, and what to do where it is not. It changes
  nothing.

  Background:
    Given the clock is the machine's own

  Scenario: All is well
    Given metricd trusts the OpenID provider
    When I run "metricd migrate"
    And I run "metricd doctor --format json"
    Then it succeeds
    And the doctor finds
      | check    | status | message         |
      | settings | ok     | every setting   |
      | policies | ok     | valid           |
      | issuer   | ok     | 1 keys          |
      | schema   | ok     | up to date      |
      | clock    | ok     | of the database |
    And it prints
      """
      {"faults": 0}
      """

  Scenario: Nothing is there yet, and nothing is made
    Given a database that metricd has never seen
    When I run "metricd doctor"
    Then it succeeds
    And it prints "warning issuer"
    And it prints "→ before others may call, configure [cognito] or auth.issuers"
    And it prints "0 faults"
    And there is no folder "data"

  Scenario: All faulty settings are listed
    Given the setting "METRICD_LIMITS__MAX_ROWS" is "many"
    And the setting "METRICD_NO_SUCH_SETTING" is "1"
    When I run "metricd doctor --format json"
    Then it exits with 2
    And the doctor finds
      | check    | status | message                 |
      | settings | fault  | limits.max_rows         |
      | settings | fault  | METRICD_NO_SUCH_SETTING |
    And it prints
      """
      {"faults": 2, "warnings": 0}
      """

  Scenario: What is broken on this machine
    Given the clock says "2025-08-05T12:00:00Z"
    And the file "metricd.toml" is
      """
      [policy]
      file = "no-such-file.cedar"
      [[auth.issuers]]
      issuer = "https://issuer.example"
      jwks_uri = "http://127.0.0.1:1/keys"
      audience = "metricd"
      """
    When I run "metricd doctor --format json"
    Then it exits with 2
    And the doctor finds
      | check    | status | message                                   |
      | policies | fault  | no-such-file.cedar                        |
      | issuer   | fault  | https://issuer.example: the issuer cannot |
      | clock    | fault  | behind the database's clock               |

  # Beside a server and an issuer, it keeps nothing.
  @native
  Scenario: The data folder cannot be made and is not needed
    Given metricd trusts the OpenID provider
    And the setting "METRICD_DATA_DIR" is "/proc/metricd"
    When I run "metricd migrate"
    And I run "metricd doctor"
    Then it succeeds
    And it does not say "/proc"

  # The engine of a server is others' folder.
  @embedded
  Scenario: The data folder may be written by others
    Given I run "metricd migrate"
    And its group may write the folder "data"
    When I run "metricd doctor --format json"
    Then it exits with 2
    And the doctor finds
      | check  | status | message                       |
      | folder | fault  | may be written by other users |

  @embedded
  Scenario: The embedded engine is at work
    Given metricd is running
    When I run "metricd doctor --format json"
    Then it succeeds
    And the doctor finds
      | check    | status  | message                   |
      | database | warning | in use by another process |

  Scenario: A server that is not there
    Given the setting "DATABASE_URL" is "postgres://metricd:s3cr3t-w0rd@127.0.0.1:1/shop"
    And the setting "METRICD_DATABASE__ACQUIRE_TIMEOUT" is "1s"
    When I run "metricd doctor"
    Then it exits with 2
    And it prints "fault   database"
    And it prints "127.0.0.1:1/shop"
    And it does not say "s3cr3t-w0rd"

  @native
  Scenario: A server that was not migrated
    Given a database that metricd has never seen
    When I run "metricd doctor --format json"
    Then it succeeds
    And the doctor finds
      | check  | status  | message          |
      | schema | warning | no migration     |
      | reader | warning | is not there yet |
    And in the database, "SELECT count(*) AS n FROM pg_namespace WHERE nspname = 'metricd'" gives
      """
      [{"n": 0}]
      """

  @native
  Scenario: Fewer connections than metricd may take
    Given a database that metricd has never seen
    And I run "metricd migrate"
    And this SQL was run in the database
      """
      DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 12', current_database()); END $$
      """
    When I run "metricd doctor --format json"
    Then it exits with 2
    And the doctor finds
      | check    | status | message              |
      | sessions | fault  | gives 12 connections |

  @native
  Scenario: A reader that may write, and a schema of a version to come
    Given a database that metricd has never seen
    And I run "metricd migrate"
    And the reader of the database may write "metrics"
    And this SQL was run in the database
      """
      INSERT INTO metricd.migrations VALUES ('m29990101_000001_later', 0);
      UPDATE metricd.compatibility SET oldest = 'm29990101_000001_later'
      """
    When I run "metricd doctor --format json"
    Then it exits with 2
    And the doctor finds
      | check  | status | message                   |
      | reader | fault  | may INSERT public.metrics |
      | schema | fault  | m29990101_000001_later    |
