//! A scenario's own copy of the sample catalog, which steps change and damage.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

const SAMPLE: [(&str, &str); 3] = [
    ("metrics.json", include_str!("../sample/metrics.json")),
    ("queries.csv", include_str!("../sample/queries.csv")),
    ("metric_records.json", include_str!("../sample/metric_records.json")),
];

/// Three files in a folder: `metrics.json`, `queries.csv` and `metric_records.json`.
#[derive(Debug, Clone)]
pub struct TestCatalog {
    folder: PathBuf,
}

impl TestCatalog {
    /// Writes the sample into a folder.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn sample(folder: &Path) -> Result<Self> {
        for (name, content) in SAMPLE {
            fs::write(folder.join(name), content)?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Returns the arguments of `metricd import` for the three files.
    #[must_use]
    pub fn arguments(&self) -> String {
        let path = |name| self.folder.join(name).display().to_string();
        format!(
            "--metrics {} --queries {} --records {}",
            path("metrics.json"),
            path("queries.csv"),
            path("metric_records.json"),
        )
    }

    /// Replaces a whole file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) -> Result<()> {
        Ok(fs::write(self.folder.join(file), content)?)
    }

    /// Replaces the first `old` in a file.
    ///
    /// # Errors
    /// When the file does not hold it.
    pub fn replace_first(&self, file: &str, old: &str, new: &str) -> Result<()> {
        let text = self.read_with(file, old)?;
        self.write(file, text.replacen(old, new, 1))
    }

    /// Replaces every `old` in a file.
    ///
    /// # Errors
    /// When the file does not hold it.
    pub fn replace_all(&self, file: &str, old: &str, new: &str) -> Result<()> {
        let text = self.read_with(file, old)?;
        self.write(file, text.replace(old, new))
    }

    fn read_with(&self, file: &str, part: &str) -> Result<String> {
        let text = fs::read_to_string(self.folder.join(file)).with_context(|| file.to_owned())?;
        ensure!(text.contains(part), "{file} does not hold {part:?}");
        Ok(text)
    }

    /// Returns the text of a query of `queries.csv`.
    ///
    /// # Errors
    /// When the query is not in the file.
    pub fn query(&self, id: &str) -> Result<String> {
        let start = format!("{id},\"");
        let text = self.read_with("queries.csv", &start)?;
        let (_, rest) = text.split_once(&start).context("no such query")?;
        let (sql, _) = rest.split_once("\"\n").context("the query does not end")?;
        Ok(sql.replace("\"\"", "\""))
    }

    /// Replaces the text of a query of `queries.csv`.
    ///
    /// # Errors
    /// When the query is not in the file.
    pub fn set_query(&self, id: &str, sql: &str) -> Result<()> {
        let start = format!("{id},\"");
        let text = self.read_with("queries.csv", &start)?;
        let (before, rest) = text.split_once(&start).context("no such query")?;
        let (_, after) = rest.split_once("\"\n").context("the query does not end")?;
        let sql = sql.replace('"', "\"\"");
        self.write("queries.csv", format!("{before}{start}{sql}\"\n{after}"))
    }

    /// Inserts a byte that is not valid UTF-8 after the first `part` of a file.
    ///
    /// # Errors
    /// When the file does not hold it.
    pub fn corrupt_after(&self, file: &str, part: &str) -> Result<()> {
        let text = self.read_with(file, part)?;
        let (before, after) = text.split_once(part).context("no such text")?;
        self.write(file, [before.as_bytes(), part.as_bytes(), &[0xff], after.as_bytes()].concat())
    }

    /// Removes a metric and its layouts from `metrics.json`.
    ///
    /// # Errors
    /// When the metric is not in the file.
    pub fn remove_metric(&self, id: &str) -> Result<()> {
        let text = self.read_with("metrics.json", id)?;
        let mut catalog: Value = serde_json::from_str(&text)?;
        let keep = |list: &mut Value, key: &str| {
            if let Some(items) = list.as_array_mut() {
                items.retain(|item| item[key] != json!(id));
            }
        };
        keep(&mut catalog["items"], "id");
        for layouts in
            catalog["layouts"].as_object_mut().into_iter().flat_map(|all| all.values_mut())
        {
            keep(layouts, "i");
        }
        self.write("metrics.json", serde_json::to_string_pretty(&catalog)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_changed_and_the_sample_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = TestCatalog::sample(folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();

        catalog.set_query("cmcw3crxh0001poqkt5ctjjb0", "SELECT \"a\"").unwrap();
        assert!(
            read("queries.csv").contains("cmcw3crxh0001poqkt5ctjjb0,\"SELECT \"\"a\"\"\"\ncmcw3e")
        );

        assert_eq!(catalog.query("cmcw3crxh0001poqkt5ctjjb0").unwrap(), "SELECT \"a\"");
        assert!(catalog.query("cmcxhohny0001ykqk3fnzs1qy").unwrap().ends_with("ORDER BY day;"));

        catalog.remove_metric("c797b618-df12-45f7-bbb2-cc6695a48e46").unwrap();
        assert!(!read("metrics.json").contains("c797b618"));

        assert!(catalog.replace_first("metrics.json", "no such text", "").is_err());
    }
}
