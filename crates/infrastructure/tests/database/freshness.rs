//! Two servers on one database, held against a model that only counts: whatever happens in whatever
//! order, no answer is older than what its server must know of, and what nothing has touched is
//! answered from memory.
//!
//! Nothing follows the log in the background here: a server knows what it wrote itself, and what it has
//! looked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use metricd_application::{
    admission::Admission,
    bind::ReadError,
    context::Context,
    freshness::{AnswerCacheSettings, AnswerSource, SourcedAnswer},
    metrics::{
        AnswerRequest, CreateMetric, Patch, QuerySource, create_metric, get_metric, update_metric,
    },
    ports::{
        Description, QueryRunner, RowStream, Rows, RunError, SessionNeeds, TemplateDescription,
        UnitOfWork,
    },
    records::{RecordTarget, create_record},
    tables::announce_change,
};
use metricd_core::{
    actor::Actor,
    ids::{MetricId, QueryId, RecordId},
    record::RecordValues,
    sql::{BoundValue, Callable, FieldName, ForeignOperator, OperatorUse, TableName, Template},
};
use metricd_infrastructure::db::{Database, Target};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use proptest_state_machine::ReferenceStateMachine;
use tokio::{runtime::Runtime, sync::Notify, task::JoinHandle};
use uuid::Uuid;

use crate::support::*;

const SERVERS: usize = 2;

/// Metrics 0 and 1 count the records of a query of their own, 2 all records, 3 the rows of a table that
/// others write. Each adds a thousand for every time that it was edited.
const METRICS: usize = 4;
const ALL_RECORDS: usize = 2;
const ORDERS: usize = 3;
const EDIT: u64 = 1_000;

/// Longer than anything here takes, so that a test fails rather than hangs.
const BOUND: Duration = Duration::from_mins(2);

#[derive(Debug, Clone)]
enum Step {
    /// A record is added through a server to the data of one of the first two metrics.
    Record { server: usize, metric: usize },
    /// The same, by a writer that does not announce it.
    Untold { metric: usize },
    /// Another writer inserts a row into its table, without announcing it.
    Order,
    /// A server is told that the table of others has changed.
    Announce { server: usize },
    /// A metric gets other SQL.
    Edit { server: usize, metric: usize },
    /// A transaction writes a record and stays open.
    Open { server: usize, metric: usize },
    /// That transaction is committed.
    Commit,
    /// A server looks at the log of changes.
    Look { server: usize },
    /// A metric is asked for.
    Ask { server: usize, metric: usize },
    /// A new answer is asked for.
    AskNew { server: usize, metric: usize },
    /// A metric is asked for; its rows are read and then held back.
    AskSlowly { server: usize, metric: usize },
    /// The rows that are held back arrive.
    Arrive,
}

/// A metric's rows, and how often it was edited: both only grow, so that a count is a point in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    rows: u64,
    edits: u64,
}

impl Counts {
    fn is_as_new_as(self, other: Self) -> bool {
        self.rows >= other.rows && self.edits >= other.edits
    }
}

/// What is held back.
#[derive(Debug, Clone)]
struct Slow {
    server: usize,
    metric: usize,
    /// What it must be as new as.
    least: Counts,
    /// Whether its server has heard of a change since it was begun.
    touched: bool,
}

/// The model.
#[derive(Debug, Clone, Default)]
struct World {
    now: [Counts; METRICS],
    /// The latest state that was announced.
    told: [Counts; METRICS],
    /// By server and metric: what an answer must be as new as.
    known: [[Counts; METRICS]; SERVERS],
    /// By server and metric: whether an announcement has yet to be heard of, be it of nothing new.
    unheard: [[bool; METRICS]; SERVERS],
    /// By server and metric: whether an answer is kept that nothing has touched.
    kept: [[bool; METRICS]; SERVERS],
    open: Option<(usize, usize)>,
    slow: Option<Slow>,
}

impl World {
    fn touch(&mut self, metric: usize) {
        for kept in &mut self.kept {
            kept[metric] = false;
        }
    }

    /// A record of `metric` is there, and `teller` has told of it.
    fn add_record(&mut self, metric: usize, teller: Option<usize>) {
        for counting in [metric, ALL_RECORDS] {
            self.now[counting].rows += 1;
            self.touch(counting);
            if let Some(server) = teller {
                self.tell_of_rows(server, counting);
            }
        }
    }

    /// An announcement of rows makes everything stale that was read before, of these and all other rows of
    /// the metric.
    fn tell_of_rows(&mut self, server: usize, metric: usize) {
        self.told[metric].rows = self.now[metric].rows;
        self.touch(metric);
        for (other, unheard) in self.unheard.iter_mut().enumerate() {
            unheard[metric] |= other != server;
        }
        let rows = self.told[metric].rows;
        self.learn(server, metric, Counts { rows, ..self.known[server][metric] });
    }

    fn edit(&mut self, server: usize, metric: usize) {
        self.now[metric].edits += 1;
        self.told[metric].edits = self.now[metric].edits;
        self.touch(metric);
        let edits = self.told[metric].edits;
        self.learn(server, metric, Counts { edits, ..self.known[server][metric] });
    }

    fn learn(&mut self, server: usize, metric: usize, known: Counts) {
        if self.known[server][metric] == known {
            return;
        }
        self.known[server][metric] = known;
        self.hear(server, metric);
    }

    /// What was read before is stale, and so is what is being read.
    fn hear(&mut self, server: usize, metric: usize) {
        self.kept[server][metric] = false;
        if let Some(slow) = &mut self.slow
            && (slow.server, slow.metric) == (server, metric)
        {
            slow.touched = true;
        }
    }
}

impl ReferenceStateMachine for World {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        let one = || (0..SERVERS, 0..METRICS);
        let counted = || (0..SERVERS, 0..ALL_RECORDS);
        prop_oneof![
            2 => counted().prop_map(|(server, metric)| Step::Record { server, metric }),
            1 => (0..ALL_RECORDS).prop_map(|metric| Step::Untold { metric }),
            1 => Just(Step::Order),
            1 => (0..SERVERS).prop_map(|server| Step::Announce { server }),
            1 => one().prop_map(|(server, metric)| Step::Edit { server, metric }),
            1 => counted().prop_map(|(server, metric)| Step::Open { server, metric }),
            2 => Just(Step::Commit),
            3 => (0..SERVERS).prop_map(|server| Step::Look { server }),
            8 => one().prop_map(|(server, metric)| Step::Ask { server, metric }),
            1 => one().prop_map(|(server, metric)| Step::AskNew { server, metric }),
            2 => one().prop_map(|(server, metric)| Step::AskSlowly { server, metric }),
            2 => Just(Step::Arrive),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match *step {
            Step::Open { .. } => state.open.is_none(),
            Step::Commit => state.open.is_some(),
            Step::AskSlowly { .. } => state.slow.is_none(),
            Step::Arrive => state.slow.is_some(),
            // It would wait for what is held back.
            Step::Ask { server, metric } => !state.slow.as_ref().is_some_and(|slow| {
                (slow.server, slow.metric) == (server, metric) && !slow.touched
            }),
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match *step {
            Step::Record { server, metric } => state.add_record(metric, Some(server)),
            Step::Untold { metric } => state.add_record(metric, None),
            Step::Order => {
                state.now[ORDERS].rows += 1;
                state.touch(ORDERS);
            }
            Step::Announce { server } => state.tell_of_rows(server, ORDERS),
            Step::Edit { server, metric } => state.edit(server, metric),
            Step::Open { server, metric } => state.open = Some((server, metric)),
            Step::Commit => {
                if let Some((server, metric)) = state.open.take() {
                    state.add_record(metric, Some(server));
                }
            }
            Step::Look { server } => {
                for metric in 0..METRICS {
                    let told = state.told[metric];
                    state.learn(server, metric, told);
                    if std::mem::take(&mut state.unheard[server][metric]) {
                        state.hear(server, metric);
                    }
                }
            }
            Step::Ask { server, metric } | Step::AskNew { server, metric } => {
                // What its server has yet to hear of will touch it.
                let is_known = state.known[server][metric] == state.told[metric];
                state.kept[server][metric] = is_known && !state.unheard[server][metric];
            }
            Step::AskSlowly { server, metric } => {
                let least = state.known[server][metric];
                state.slow = Some(Slow { server, metric, least, touched: false });
            }
            Step::Arrive => state.slow = None,
        }
        state
    }
}

/// Runs queries, and holds the rows of the next one back when it is told to.
#[derive(Clone)]
struct Gated {
    runner: Arc<dyn QueryRunner>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_armed: AtomicBool,
    go: Notify,
}

#[async_trait]
impl QueryRunner for Gated {
    async fn describe(&self, sql: &str) -> Result<Description, RunError> {
        self.runner.describe(sql).await
    }

    async fn describe_template(
        &self,
        template: &Template,
    ) -> Result<TemplateDescription, RunError> {
        self.runner.describe_template(template).await
    }

    async fn unreadable(&self, tables: &[TableName]) -> Result<Vec<TableName>, RunError> {
        self.runner.unreadable(tables).await
    }

    async fn callable(&self, fields: &[FieldName]) -> Result<Vec<Vec<Callable>>, RunError> {
        self.runner.callable(fields).await
    }

    async fn foreign_operators(
        &self,
        operators: &[OperatorUse],
        tables: &[TableName],
        called: &[String],
    ) -> Result<Vec<ForeignOperator>, RunError> {
        self.runner.foreign_operators(operators, tables, called).await
    }

    async fn cost(&self, template: &Template, values: &[BoundValue]) -> Result<f64, RunError> {
        self.runner.cost(template, values).await
    }

    async fn run(
        &self,
        template: &Template,
        values: &[BoundValue],
        max_rows: u32,
    ) -> Result<Rows, RunError> {
        let rows = self.runner.run(template, values, max_rows).await;
        if self.gate.is_armed.swap(false, Ordering::SeqCst) {
            self.gate.go.notified().await;
        }
        rows
    }

    async fn stream(
        &self,
        template: &Template,
        values: &[BoundValue],
    ) -> Result<RowStream, RunError> {
        self.runner.stream(template, values).await
    }

    async fn session(&self, needs: SessionNeeds) -> Result<Box<dyn QueryRunner>, RunError> {
        let runner = Arc::from(self.runner.session(needs).await?);
        Ok(Box::new(Self { runner, gate: Arc::clone(&self.gate) }))
    }
}

/// One of two servers on a database.
struct Server {
    context: Context,
    gate: Arc<Gate>,
}

impl Server {
    fn new(database: &Database) -> Self {
        let settings = AnswerCacheSettings {
            ttl: Duration::from_hours(1),
            max_stale: Duration::ZERO,
            max_bytes: 1 << 20,
        };
        let gate = Arc::<Gate>::default();
        let runner = Arc::new(Gated { runner: database.runner(), gate: Arc::clone(&gate) });
        let admission = Admission::new(Arc::default(), f64::INFINITY, 0.0);
        let context = context_caching(database, settings, runner, admission);
        Self { context, gate }
    }
}

type ReadOutcome = Result<SourcedAnswer, ReadError>;

/// Both servers with the metrics of one run.
struct Running<'a> {
    servers: [Server; SERVERS],
    database: &'a Database,
    metrics: Vec<(MetricId, QueryId)>,
    open: Option<Box<dyn UnitOfWork>>,
    slow: Option<(usize, JoinHandle<ReadOutcome>)>,
}

fn sql(metric: usize, query: &QueryId, edits: u64) -> String {
    let edited = edits * EDIT;
    match metric {
        ORDERS => format!("SELECT count(*) + {edited} AS n FROM orders"),
        ALL_RECORDS => format!("SELECT count(*) + {edited} AS n FROM metrics"),
        _ => format!("SELECT count(*) + {edited} AS n FROM metrics WHERE id = '{query}'"),
    }
}

async fn ask(context: Context, id: MetricId, max_age: Option<Duration>) -> ReadOutcome {
    let request = AnswerRequest { max_age, ..AnswerRequest::default() };
    tokio::time::timeout(BOUND, get_metric(&Actor::operator(), &context, id, &request))
        .await
        .expect("no answer comes")
}

/// What an answer says.
fn said(served: &SourcedAnswer) -> Counts {
    let rows = served.answer.rows();
    let text = std::str::from_utf8(&rows).unwrap();
    let number: u64 = text
        .strip_prefix(r#"[{"n":"#)
        .and_then(|rest| rest.strip_suffix("}]"))
        .unwrap()
        .parse()
        .unwrap();
    Counts { rows: number % EDIT, edits: number / EDIT }
}

impl<'a> Running<'a> {
    async fn start(databases: &'a [Database; SERVERS]) -> Self {
        let database = &databases[0];
        execute(database.pool(), "TRUNCATE metrics, orders").await;
        let servers = databases.each_ref().map(Server::new);
        let mut metrics = Vec::new();
        for _ in 0..METRICS {
            let metric = CreateMetric::new(QuerySource::Sql("SELECT 0 AS n".into()));
            let made =
                create_metric(&Actor::operator(), &servers[0].context, metric, None).await.unwrap();
            let made = made.executed().unwrap();
            let stored = database.catalog().find(made.id).await.unwrap().unwrap();
            metrics.push((made.id, stored.query.id));
        }
        let running = Self { servers, database, metrics, open: None, slow: None };
        for metric in 0..METRICS {
            running.edit(0, metric, 0).await;
        }
        for server in &running.servers {
            server.context.change_feed.catch_up().await.unwrap();
        }
        running
    }

    async fn edit(&self, server: usize, metric: usize, edits: u64) {
        let (id, query) = &self.metrics[metric];
        let patch = Patch { query: Some(sql(metric, query, edits)), ..Patch::default() };
        let context = &self.servers[server].context;
        update_metric(&Actor::operator(), context, *id, patch, None).await.unwrap();
    }

    /// Does the step, which leads from `before` to `after`.
    async fn take(&mut self, step: &Step, before: &World, after: &World) {
        match *step {
            Step::Record { server, metric } => {
                let (context, id) = (&self.servers[server].context, self.metrics[metric].0);
                let empty = |target: &RecordTarget| target.record(None, RecordValues::default());
                create_record(&Actor::operator(), context, id, empty, None).await.unwrap();
            }
            Step::Untold { metric } => {
                let insert = format!(
                    "INSERT INTO metrics (metric_id, id, date) VALUES (gen_random_uuid(), '{}', now())",
                    self.metrics[metric].1
                );
                execute(self.database.pool(), &insert).await;
            }
            Step::Order => execute(self.database.pool(), "INSERT INTO orders VALUES (1)").await,
            Step::Announce { server } => {
                let table = TableName { schema: None, name: "orders".into() };
                let context = &self.servers[server].context;
                announce_change(&Actor::operator(), context, table).await.unwrap();
            }
            Step::Edit { server, metric } => {
                self.edit(server, metric, after.now[metric].edits).await;
            }
            Step::Open { server, metric } => {
                let mut work = self.servers[server].context.store.begin().await.unwrap();
                let record = record(self.metrics[metric].1.as_str(), 1);
                work.insert_record(RecordId(Uuid::new_v4()), &record).await.unwrap();
                self.open = Some(work);
            }
            Step::Commit => {
                self.open.take().unwrap().commit(&event(), &[]).await.unwrap();
            }
            Step::Look { server } => {
                self.servers[server].context.change_feed.catch_up().await.unwrap();
            }
            Step::Ask { server, metric } => {
                let served = self.ask(server, metric, None).await;
                let said = said(&served);
                assert!(said.is_as_new_as(before.known[server][metric]), "{said:?} is too old");
                assert!(before.now[metric].is_as_new_as(said), "{said:?} never was");
                if before.kept[server][metric] {
                    let is_kept = matches!(served.source, AnswerSource::Hit { .. });
                    assert!(is_kept, "nothing has touched it: {:?}", served.source);
                }
            }
            Step::AskNew { server, metric } => {
                let said = said(&self.ask(server, metric, Some(Duration::ZERO)).await);
                assert_eq!(said.rows, before.now[metric].rows, "it is not new");
                assert!(said.is_as_new_as(before.known[server][metric]), "{said:?} is too old");
            }
            Step::AskSlowly { server, metric } => self.ask_slowly(server, metric).await,
            Step::Arrive => {
                let (server, asked) = self.slow.take().unwrap();
                if !asked.is_finished() {
                    self.servers[server].gate.go.notify_one();
                }
                let said = said(&asked.await.unwrap().unwrap());
                let Slow { metric, least, .. } = *before.slow.as_ref().unwrap();
                assert!(said.is_as_new_as(least), "{said:?} is too old");
                assert!(before.now[metric].is_as_new_as(said), "{said:?} never was");
            }
        }
    }

    async fn ask(&self, server: usize, metric: usize, max_age: Option<Duration>) -> SourcedAnswer {
        let context = self.servers[server].context.clone();
        ask(context, self.metrics[metric].0, max_age).await.unwrap()
    }

    /// Comes back when the rows are held back, or were not needed.
    async fn ask_slowly(&mut self, server: usize, metric: usize) {
        let Server { context, gate } = &self.servers[server];
        gate.is_armed.store(true, Ordering::SeqCst);
        let asked = tokio::spawn(ask(context.clone(), self.metrics[metric].0, None));
        while gate.is_armed.load(Ordering::SeqCst) && !asked.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gate.is_armed.store(false, Ordering::SeqCst);
        self.slow = Some((server, asked));
    }

    async fn stop(mut self) {
        if let Some((_, asked)) = self.slow.take() {
            asked.abort();
            let _ = asked.await;
        }
    }
}

/// Two ways into one database, as two servers have them.
async fn two_databases(native: &NativeServer) -> [Database; SERVERS] {
    let open = async || {
        let database = connect(Target::Url(native.url().into())).await;
        database.migrate().await.unwrap();
        database
    };
    [open().await, open().await]
}

#[test]
fn no_answer_is_older_than_what_its_server_must_know_of() {
    let runtime = Runtime::new().unwrap();
    let native = NativeServer::start();
    let databases = runtime.block_on(two_databases(&native));
    let orders = "CREATE TABLE orders (n int); GRANT SELECT ON orders TO PUBLIC";
    runtime.block_on(execute(databases[0].pool(), orders));
    let config = Config {
        cases: 64,
        source_file: Some(file!()),
        max_shrink_iters: 300,
        ..Config::default()
    };
    let steps = World::sequential_strategy(1..50);
    let outcome = TestRunner::new(config).run(&steps, |(mut world, steps, taken)| {
        runtime.block_on(async {
            let mut running = Running::start(&databases).await;
            for step in steps {
                if let Some(taken) = &taken {
                    taken.fetch_add(1, Ordering::SeqCst);
                }
                let after = World::apply(world.clone(), &step);
                running.take(&step, &world, &after).await;
                world = after;
            }
            running.stop().await;
        });
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_that_one_server_makes_is_found_on_another_at_once() {
    let native = NativeServer::start();
    let databases = two_databases(&native).await;
    let [one, other] = databases.each_ref().map(Server::new);
    let id = metric_id(1);
    for _ in 0..2 {
        let found = ask(other.context.clone(), id, None).await;
        assert!(matches!(found, Err(ReadError::NotFound)), "{found:?}");
    }
    commit(one.context.store.as_ref(), async |work| {
        work.insert_query(&query("q")).await.unwrap();
        work.insert_metric(&metric(id, "q")).await.unwrap();
    })
    .await;
    let fresh = other.context.change_feed.ensure_fresh().await.unwrap();
    assert!(other.context.definitions.find(id, fresh).await.unwrap().0.is_some());
}
