//! Questions about several schemas, each asked of a filled database: what is claimed to be understood
//! must be right, and what cannot be answered must be said not to be understood.
//!
//! The tables and questions stand in `tests/generation/questions/`.

use std::{fmt::Write as _, fs, path::Path};

use metricd_application::context::Context;
use metricd_core::schema::SampledSchema;
use metricd_grammar::{Interpretation, interpret};
use metricd_infrastructure::db::Database;

use crate::{
    generation::{rows, today},
    support::*,
};

const QUESTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generation/questions");

/// The schemas, each with a file of tables and one of questions.
const SCHEMAS: [&str; 20] = [
    "shop",
    "school",
    "concerts",
    "airline",
    "support",
    "sensors",
    "world",
    "staff",
    "league",
    "clinic",
    "lodging",
    "library",
    "lyceum",
    "airport",
    "registers",
    "resort",
    "streaming",
    "energy",
    "dealer",
    "factory",
];

/// The tables that a domain's own are beside.
const TABLES: &str = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";

/// A sentence with the queries that answer it; none answers it if there are none.
struct Question {
    sentence: String,
    answers: Vec<String>,
}

/// How often what was expected came to pass.
#[derive(Default)]
struct Score {
    right: usize,
    wrong: usize,
    /// Of questions about one table: those that are understood, and all.
    single: (usize, usize),
    /// Of questions about several tables: those that are understood, and all.
    joined: (usize, usize),
    /// Of questions without an answer: those that are refused, and all.
    refused: (usize, usize),
    faults: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_to_be_understood_is_right() {
    on_each_engine_migrated(async |db, engine| {
        let mut score = Score::default();
        for schema in SCHEMAS {
            ask_all(db, engine, schema, &mut score).await;
        }
        let claimed = score.right + score.wrong;
        let text = format!(
            "questions: of {claimed} claimed to be understood {} are right; understood are {} of {} about \
             one table, {} of {} about several; refused are {} of {} without an answer",
            score.right,
            score.single.0,
            score.single.1,
            score.joined.0,
            score.joined.1,
            score.refused.0,
            score.refused.1
        );
        // `scripts/test` shows it.
        let name = format!("generation-questions-{engine:?}");
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(place, format!("{text} ({engine:?})\n")).unwrap();
        let percent = |(part, all): (usize, usize)| 100 * part / all.max(1);
        let said = format!("{text}\n{}", score.faults);
        assert!(score.single.1 + score.joined.1 + score.refused.1 >= 900, "{said}");
        // Of questions that are not known here fewer are right.
        assert_eq!((score.right, score.wrong), (claimed, 0), "{said}");
        assert!(percent(score.single) >= 85, "{said}");
        assert!(percent(score.joined) >= 80, "{said}");
        assert!(percent(score.refused) >= 99, "{said}");
    })
    .await;
}

/// Asks the questions about one schema, whose tables are there meanwhile.
async fn ask_all(db: &Database, engine: Engine, schema: &str, score: &mut Score) {
    let file = |ending: &str| {
        fs::read_to_string(Path::new(QUESTIONS).join(format!("{schema}.{ending}"))).unwrap()
    };
    let before = texts(db.pool(), TABLES).await;
    execute(db.pool(), &file("sql")).await;
    if engine == Engine::Native {
        let grants = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO metricd_reader";
        execute(db.pool(), grants).await;
    }
    let context = context(db);
    let sampled = context.schema.sampled().await.unwrap();
    for question in questions(&file("txt")) {
        ask(&context, &sampled, &question, score).await;
    }
    let own = texts(db.pool(), TABLES).await.into_iter().filter(|name| !before.contains(name));
    let drop = format!("DROP TABLE {} CASCADE", own.collect::<Vec<_>>().join(", "));
    execute(db.pool(), &drop).await;
}

fn questions(text: &str) -> Vec<Question> {
    let blocks = text.split("\n> ").skip(1);
    let question = |block: &str| {
        let (sentence, answers) = block.split_once('\n').unwrap();
        let answers = answers.split("\nOR ").map(str::trim);
        let answers = answers.filter(|sql| *sql != "none").map(str::to_owned).collect();
        Question { sentence: sentence.to_owned(), answers }
    };
    blocks.map(question).collect()
}

async fn ask(context: &Context, schema: &SampledSchema, question: &Question, score: &mut Score) {
    let Question { sentence, answers } = question;
    let sql = match interpret(sentence, schema, today(context)) {
        Interpretation::Query { sql, .. } => Some(sql),
        Interpretation::NotUnderstood { explanation } => {
            assert!(explanation.contains("not understood"), "{explanation}");
            None
        }
    };
    let Some(first) = answers.first() else {
        score.refused.1 += 1;
        match sql {
            None => score.refused.0 += 1,
            Some(sql) => {
                score.wrong += 1;
                writeln!(score.faults, "> {sentence}\nhas no answer, but became\n{sql}").unwrap();
            }
        }
        return;
    };
    let is_joined = ["join", "exists"].iter().any(|word| first.to_lowercase().contains(word));
    let counted = if is_joined { &mut score.joined } else { &mut score.single };
    counted.1 += 1;
    let Some(sql) = sql else {
        return;
    };
    let given = sorted(rows(context, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")));
    let mut is_right = false;
    for answer in answers {
        let by_hand = rows(context, answer).await;
        is_right |= given == sorted(by_hand.unwrap_or_else(|error| panic!("{answer}: {error}")));
    }
    if is_right {
        counted.0 += 1;
        score.right += 1;
    } else {
        score.wrong += 1;
        let shown = given.iter().take(3).cloned().collect::<Vec<_>>().join("\n  ");
        writeln!(score.faults, "> {sentence}\n{sql}\ngave\n  {shown}").unwrap();
    }
}

fn sorted((mut rows, _): (Vec<String>, bool)) -> Vec<String> {
    rows.sort();
    rows
}
