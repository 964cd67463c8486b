//! A query runner without a database.

use std::future::pending;

use async_trait::async_trait;
use bytes::Bytes;
use metricd_application::ports::{
    Description, QueryRunner, RowStream, Rows, RunError, SessionNeeds, TemplateDescription,
};
use metricd_core::{
    metric::Column,
    sql::{BoundValue, Callable, FieldName, ForeignOperator, OperatorUse, TableName, Template},
};
use tokio::sync::mpsc;

/// How queries run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// They return one row with the column `n`.
    OneRow,
    /// They never end.
    Hangs,
    /// They panic.
    Panics,
    /// The database rejects them.
    Rejects,
    /// The database does not know their time zone.
    UnknownTimezone,
    /// They return one row, and two earlier ones go on although they were told to end.
    Survives,
}

/// Describes each query as one that takes nothing and has the column `n`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FakeRunner(pub(crate) Run);

#[async_trait]
impl QueryRunner for FakeRunner {
    async fn describe(&self, _: &str) -> Result<Description, RunError> {
        if self.0 == Run::Rejects {
            let message = "column \"n\" does not exist".into();
            return Err(RunError::Rejected { message, offset: None });
        }
        let columns = vec![Column { name: "n".into(), ty: "int8".into() }];
        Ok(Description { parameters: Vec::new(), columns })
    }

    async fn describe_template(&self, _: &Template) -> Result<TemplateDescription, RunError> {
        let Description { columns, .. } = self.describe("").await?;
        Ok(TemplateDescription { columns, ..TemplateDescription::default() })
    }

    async fn unreadable(&self, _: &[TableName]) -> Result<Vec<TableName>, RunError> {
        Ok(Vec::new())
    }

    async fn callable(&self, fields: &[FieldName]) -> Result<Vec<Vec<Callable>>, RunError> {
        Ok(fields.iter().map(|_| Vec::new()).collect())
    }

    async fn cost(&self, _: &Template, _: &[BoundValue]) -> Result<f64, RunError> {
        Ok(1.0)
    }

    async fn run(&self, _: &Template, _: &[BoundValue], _: u32) -> Result<Rows, RunError> {
        match self.0 {
            Run::Hangs => pending().await,
            Run::Panics => panic!("the fake runner panics"),
            Run::UnknownTimezone => Err(RunError::UnknownTimezone),
            Run::OneRow | Run::Rejects | Run::Survives => Ok(Rows {
                json: "[{\"n\":1}]".into(),
                truncated: false,
                snapshot: "1:1:".parse().expect("it is a snapshot"),
                behind: None,
            }),
        }
    }

    fn unended_runs(&self) -> u32 {
        if self.0 == Run::Survives { 2 } else { 0 }
    }

    async fn stream(&self, _: &Template, _: &[BoundValue]) -> Result<RowStream, RunError> {
        let (sender, receiver) = mpsc::channel(2);
        for piece in [Some(Bytes::from_static(b"1\r\n")), None] {
            sender.try_send(Ok(piece)).expect("there is room");
        }
        RowStream::begun(receiver).await
    }

    async fn foreign_operators(
        &self,
        _: &[OperatorUse],
        _: &[TableName],
        _: &[String],
    ) -> Result<Vec<ForeignOperator>, RunError> {
        Ok(Vec::new())
    }

    async fn session(&self, _: SessionNeeds) -> Result<Box<dyn QueryRunner>, RunError> {
        Ok(Box::new(*self))
    }
}
