Feature: Running it
  What the operator of an installation meets before, between and after requests.

  Rule: Each command says which database it used

    @embedded
    Scenario: A folder
      When I run "metricd migrate"
      Then it succeeds
      And it says "database: the embedded engine in {folder}/data"

    @native
    Scenario: A server and the role there, without its password
      When I run "metricd validate --database --format json"
      Then it succeeds
      And it says "database: postgresql:///"
      And it says " as postgres"
      And it prints
        """
        {"checked": 0}
        """

    Scenario: A server in its log
      Given metricd trusts some issuer
      And metricd is running
      Then one INFO line says "Database connected" with database "<something>"

  Rule: The embedded engine needs no home

    # A server has a home of its own.
    @embedded
    Scenario: The home cannot be written
      Given a database that metricd has never seen
      And the setting "HOME" is "/dev/null"
      And the setting "XDG_CACHE_HOME" is ""
      When I run "metricd migrate"
      Then it succeeds
      And only its owner may look into the folder "data/cache"
