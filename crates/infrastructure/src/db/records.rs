//! Records, inside a unit of work. A file's records pass through a temporary table, so that equal
//! ones are counted by the database and memory stays constant.

use std::collections::BTreeSet;

use async_trait::async_trait;
use metricd_application::{
    catalog::Findings,
    ports::{
        DuplicateRecord, Records, RowSink as _, StagedRecord, StagingOutcome, StoreError,
        UnknownQuery,
    },
};
use metricd_core::{
    changes::Changed,
    ids::{QueryId, RecordId},
    record::MetricRecord,
};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, QueryResult, Statement, Value};
use uuid::Uuid;

use super::{
    changes::{MAX_IDS, records_table},
    copying::{self, Lines},
    corrupt_row::CorruptRow,
    entities::records,
    errors::{corrupt, store_error},
    unit_of_work::PgUnitOfWork,
};

/// How many duplicates get their keys at a time.
const BATCH: i64 = 10_000;

/// The key of the record that has `ordinal` equal ones before it.
fn record_key(content_key: Uuid, ordinal: u64) -> Uuid {
    Uuid::new_v5(&content_key, ordinal.to_string().as_bytes())
}

const COLUMNS: &str = "id, date, obsolescence_val, obsolescence, parts_flagged, alert_type, \
                       alert_category";

impl PgUnitOfWork {
    async fn run(&self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let done = self.tx.execute_raw(statement).await.map_err(store_error)?;
        Ok(done.rows_affected())
    }

    async fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.tx.query_all_raw(statement).await.map_err(store_error)
    }

    async fn create_stage(&mut self) -> Result<(), StoreError> {
        if self.staged.is_none() {
            self.run(
                "CREATE TEMPORARY TABLE metricd_stage ( \
                     index int8 NOT NULL, line int8 NOT NULL, content_key uuid NOT NULL, \
                     metric_id uuid NOT NULL, id text NOT NULL, date timestamp NOT NULL, \
                     obsolescence_val float8, obsolescence float8, parts_flagged int4, \
                     alert_type text, alert_category text) ON COMMIT DROP",
                Vec::new(),
            )
            .await?;
            self.staged = Some(0);
        }
        Ok(())
    }

    /// Finds the records that equal an earlier one, stores each with its ordinal in a table of their own, and counts
    /// them. Looks for none where it is known that there is none.
    async fn find_duplicates(&mut self, are_distinct: bool) -> Result<u64, StoreError> {
        let mut sql = String::from(
            "CREATE TEMPORARY TABLE metricd_duplicates ON COMMIT DROP AS \
             SELECT index, line, content_key, ordinal, equals FROM ( \
                 SELECT index, line, content_key, row_number() OVER equal - 1 AS ordinal, \
                     first_value(index) OVER equal AS equals \
                 FROM pg_temp.metricd_stage \
                 WHERE content_key IN (SELECT content_key FROM pg_temp.metricd_stage \
                     GROUP BY content_key HAVING count(*) > 1) \
                 WINDOW equal AS (PARTITION BY content_key ORDER BY index)) AS counted \
             WHERE ordinal > 0",
        );
        if are_distinct {
            sql.push_str(" WITH NO DATA");
        }
        self.run(&sql, Vec::new()).await
    }

    /// Takes the distinct records that are there already out of the stage. Only loads make such keys, one
    /// load at a time, so that no other transaction stores one meanwhile.
    async fn drop_present(&mut self) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM pg_temp.metricd_stage AS stage USING public.metrics AS present \
             WHERE present.id = stage.id AND present.metric_id = stage.metric_id \
                 AND NOT EXISTS (SELECT FROM pg_temp.metricd_duplicates AS duplicates \
                     WHERE duplicates.index = stage.index)",
            Vec::new(),
        )
        .await?;
        Ok(())
    }

    /// Stores every distinct record that is left. Nothing here may look into the table that it fills: a
    /// plan that was made for an empty one would go over all of it for each record.
    async fn store_distinct(&mut self, duplicates: u64) -> Result<u64, StoreError> {
        let left = match duplicates {
            0 => "",
            _ => {
                "WHERE NOT EXISTS (SELECT FROM pg_temp.metricd_duplicates AS duplicates \
                     WHERE duplicates.index = stage.index)"
            }
        };
        // Beforehand: with RETURNING the insert takes a quarter longer.
        let owners = format!(
            "SELECT id FROM pg_temp.metricd_stage AS stage {left} GROUP BY id LIMIT {MAX_IDS} + 1"
        );
        let owners = self.rows(&owners, Vec::new()).await?;
        let ids = owners.iter().map(|row| row.try_get("", "id").map_err(store_error));
        let ids: BTreeSet<String> = ids.collect::<Result<_, _>>()?;
        let insert = format!(
            "INSERT INTO public.metrics (metric_id, {COLUMNS}) \
             SELECT metric_id, {COLUMNS} FROM pg_temp.metricd_stage AS stage {left}"
        );
        let created = self.run(&insert, Vec::new()).await?;
        if created > 0 {
            let ids = (ids.len() <= MAX_IDS).then_some(ids);
            self.touched.add(Changed::Table { table: records_table(), ids });
        }
        Ok(created)
    }

    /// Runs an insert that is [`counting`], and takes down whose records it stored.
    async fn store(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        let rows = self.rows(sql, values).await?;
        let Some(row) = rows.first() else {
            return Ok(0);
        };
        let created = count(row, "created")?;
        let ids: Option<Vec<String>> = row.try_get("", "ids").map_err(store_error)?;
        if created > 0 {
            let ids = ids.map(BTreeSet::from_iter);
            self.touched.add(Changed::Table { table: records_table(), ids });
        }
        Ok(created)
    }

    /// Stores the records that equal earlier ones, each under the key of its ordinal.
    async fn store_duplicates(&mut self) -> Result<u64, StoreError> {
        self.run("CREATE UNIQUE INDEX ON pg_temp.metricd_duplicates (index)", Vec::new()).await?;
        self.run("CREATE UNIQUE INDEX ON pg_temp.metricd_stage (index)", Vec::new()).await?;
        let insert = counting(&format!(
            "INSERT INTO public.metrics (metric_id, {COLUMNS}) \
             SELECT duplicates.key, {COLUMNS} \
             FROM unnest($1::int8[], $2::uuid[]) AS duplicates (index, key) \
             JOIN pg_temp.metricd_stage AS stage ON stage.index = duplicates.index \
             ON CONFLICT (id, metric_id) DO NOTHING"
        ));
        let mut created = 0;
        let mut after = -1_i64;
        loop {
            let rows = self
                .rows(
                    "SELECT index, content_key, ordinal FROM pg_temp.metricd_duplicates \
                     WHERE index > $1 ORDER BY index LIMIT $2",
                    vec![after.into(), BATCH.into()],
                )
                .await?;
            let mut indexes = Vec::with_capacity(rows.len());
            let mut keys = Vec::with_capacity(rows.len());
            for row in &rows {
                let content_key = row.try_get("", "content_key").map_err(store_error)?;
                indexes.push(row.try_get::<i64>("", "index").map_err(store_error)?);
                keys.push(record_key(content_key, count(row, "ordinal")?));
            }
            let Some(last) = indexes.last() else {
                return Ok(created);
            };
            after = *last;
            created += self.store(&insert, vec![indexes.into(), keys.into()]).await?;
        }
    }

    async fn first_duplicates(&mut self) -> Result<Vec<DuplicateRecord>, StoreError> {
        let rows = self
            .rows(
                "SELECT index, line, equals FROM pg_temp.metricd_duplicates ORDER BY index LIMIT $1",
                vec![listed()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(DuplicateRecord {
                    index: count(row, "index")?,
                    line: count(row, "line")?,
                    equals: count(row, "equals")?,
                })
            })
            .collect()
    }

    async fn unknown_queries(&mut self) -> Result<Vec<UnknownQuery>, StoreError> {
        let rows = self
            .rows(
                "SELECT stage.id AS id, count(*) AS records, min(stage.index) AS first_index, \
                     min(stage.line) AS first_line \
                 FROM pg_temp.metricd_stage AS stage \
                 WHERE NOT EXISTS (SELECT FROM metricd.queries AS query WHERE query.id = stage.id) \
                 GROUP BY stage.id ORDER BY first_index LIMIT $1",
                vec![listed()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("", "id").map_err(store_error)?;
                Ok(UnknownQuery {
                    query_id: QueryId::parse(id.clone())
                        .map_err(|fault| corrupt("query", &id)(CorruptRow::of("id", fault)))?,
                    records: count(row, "records")?,
                    first_index: count(row, "first_index")?,
                    first_line: count(row, "first_line")?,
                })
            })
            .collect()
    }
}

/// An insert of records that tells how many it stored, and whose unless they are too many to tell.
fn counting(insert: &str) -> String {
    format!(
        "WITH stored AS ({insert} RETURNING id), \
         owners AS (SELECT id, count(*) AS records FROM stored GROUP BY id) \
         SELECT coalesce(sum(records), 0)::int8 AS created, \
             CASE WHEN count(*) <= {MAX_IDS} THEN pg_catalog.array_agg(id) END AS ids FROM owners"
    )
}

/// The [`COLUMNS`] of a record, which end a line of a `COPY`.
fn write_record(record: &MetricRecord, line: &mut Lines) {
    // The shortest form that reads back as the same number.
    let exact = |number: Option<f64>| number.map(|number| format!("{number:e}"));
    let values = &record.values;
    line.cell(Some(record.query_id.as_str()));
    line.plain(Some(record.date));
    line.plain(exact(values.obsolescence_val));
    line.plain(exact(values.obsolescence));
    line.plain(values.parts_flagged);
    line.cell(values.alert_type.as_deref());
    line.cell(values.alert_category.as_deref());
    line.end();
}

fn count(row: &QueryResult, column: &str) -> Result<u64, StoreError> {
    Ok(row.try_get::<i64>("", column).map_err(store_error)?.cast_unsigned())
}

fn listed() -> Value {
    Findings::LISTED.cast_signed().into()
}

#[async_trait]
impl Records for PgUnitOfWork {
    async fn insert_record(
        &mut self,
        id: RecordId,
        record: &MetricRecord,
    ) -> Result<(), StoreError> {
        let ids = BTreeSet::from([record.query_id.as_str().to_owned()]);
        self.touched.add(Changed::Table { table: records_table(), ids: Some(ids) });
        records::Entity::insert(records::ActiveModel::from((id, record)))
            .exec_without_returning(&self.tx)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn insert_records(
        &mut self,
        batch: &[(RecordId, MetricRecord)],
    ) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let ids = batch.iter().map(|(_, record)| record.query_id.as_str().to_owned()).collect();
        self.touched.add(Changed::Table { table: records_table(), ids: Some(ids) });
        self.permit.is_upload();
        let copy = format!("COPY public.metrics (metric_id, {COLUMNS}) FROM STDIN");
        let mut records = batch.iter();
        let chunks = || {
            copying::chunk(|lines| {
                let Some((id, record)) = records.next() else { return false };
                lines.plain(Some(id.0));
                write_record(record, lines);
                true
            })
        };
        self.tx.copy_in(&copy, chunks).await.map_err(store_error)?;
        Ok(())
    }

    async fn stage_records(&mut self, batch: &[StagedRecord]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.permit.is_upload();
        self.create_stage().await?;
        let copy = format!(
            "COPY pg_temp.metricd_stage (index, line, content_key, metric_id, {COLUMNS}) FROM STDIN"
        );
        let mut records = batch.iter();
        let chunks = || {
            copying::chunk(|lines| {
                let Some(staged) = records.next() else { return false };
                let StagedRecord { index, line, content_key, record } = staged;
                lines.plain(Some(index));
                lines.plain(Some(line));
                lines.plain(Some(content_key));
                lines.plain(Some(record_key(*content_key, 0)));
                write_record(record, lines);
                true
            })
        };
        self.tx.copy_in(&copy, chunks).await.map_err(store_error)?;
        self.staged = self.staged.map(|staged| staged + batch.len() as u64);
        Ok(())
    }

    async fn merge_staged(&mut self, are_distinct: bool) -> Result<StagingOutcome, StoreError> {
        let Some(total) = self.staged else {
            return Ok(StagingOutcome::default());
        };
        // How many there are decides how they are compared; the statistics may be old.
        let order = "ANALYZE pg_temp.metricd_stage (content_key, metric_id, id), \
                     public.metrics (metric_id, id)";
        self.run(order, Vec::new()).await?;
        let duplicates = self.find_duplicates(are_distinct).await?;
        self.run("ANALYZE pg_temp.metricd_duplicates", Vec::new()).await?;
        let unknown_queries = self.unknown_queries().await?;
        self.drop_present().await?;
        let mut created = self.store_distinct(duplicates).await?;
        let mut first_duplicates = Vec::new();
        if duplicates > 0 {
            created += self.store_duplicates().await?;
            first_duplicates = self.first_duplicates().await?;
        }
        self.run("DROP TABLE pg_temp.metricd_stage, pg_temp.metricd_duplicates", Vec::new())
            .await?;
        self.staged = None;
        Ok(StagingOutcome {
            created,
            unchanged: total - created,
            duplicates,
            first_duplicates,
            unknown_queries,
        })
    }
}
