//! The lists in CHECK constraints are the lists of the vocabulary, and the transition functions are
//! those of `trades::state`, pair by pair.

use std::collections::BTreeSet;

use blotter_daemon::trades::state::{IntentMove, TradeMove, intent_move, trade_move};
use blotter_shared::domain::{
    AlarmKind, BrokerMode, CloseReason, Desired, IntentOp, IntentRole, IntentState, OptionType, Protection, Statistics,
    Step, TradeStatus, Turn,
};

use blotter_shared::protocol::prices::{Bookend, MarkKind, QuoteQuality, QuoteSource};

use crate::support::TestDb;

/// Reads the quoted words of a CHECK constraint out of the catalog.
async fn words_of(db: &TestDb, constraint: &str) -> BTreeSet<String> {
    let admin = db.admin().await;
    let sql = "SELECT DISTINCT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1 AND contype = 'c'";
    let definition: String = admin.query_one(sql, &[&constraint]).await.unwrap().get(0);
    definition.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

fn all<T: Copy + ToString>(values: &[T]) -> BTreeSet<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Each column of closed words, with the words of the vocabulary.
fn vocabulary() -> [(&'static str, BTreeSet<String>); 17] {
    [
        ("paper_trades.broker_mode", all(BrokerMode::ALL)),
        ("user_settings.broker_mode", all(BrokerMode::ALL)),
        ("paper_trades.option_type", [OptionType::Call, OptionType::Put].map(|t| t.as_str().to_owned()).into()),
        ("paper_trades.desired", all(Desired::ALL)),
        ("paper_trades.status", all(TradeStatus::ALL)),
        ("paper_trades.protection", all(Protection::ALL)),
        ("paper_trades.close_reason", all(CloseReason::ALL)),
        ("paper_trades.step", all(Step::ALL)),
        ("intents.op", all(IntentOp::ALL)),
        ("intents.role", all(IntentRole::ALL)),
        ("intents.state", all(IntentState::ALL)),
        ("alarms.kind", all(AlarmKind::ALL)),
        ("price_snapshots.mark_kind", all(MarkKind::ALL)),
        ("price_snapshots.source", all(QuoteSource::ALL)),
        ("price_snapshots.quality", all(QuoteQuality::ALL)),
        ("price_snapshots.bookend", all(Bookend::ALL)),
        ("closed_trades.turn", all(Turn::ALL)),
    ]
}

#[tokio::test]
async fn checks_list_the_words_of_the_vocabulary() {
    let db = TestDb::start().await;
    for (column, expected) in vocabulary() {
        let constraint = format!("{}_known", column.replace('.', "_"));
        assert_eq!(words_of(&db, &constraint).await, expected, "{constraint}");
    }
}

/// What no figure counts is no result behind a trader either.
#[tokio::test]
async fn a_turn_goes_by_the_results_that_count() {
    let db = TestDb::start().await;
    let sql = "SELECT prosrc FROM pg_proc WHERE proname = 'trade_turn'";
    let source: String = db.admin().await.query_one(sql, &[]).await.unwrap().get(0);
    for reason in CloseReason::ALL {
        let left_out = reason.statistics() == Statistics::Excluded;
        assert_eq!(source.contains(&format!("'{reason}'")), left_out, "{reason}");
    }
}

#[test]
fn the_documentation_lists_the_words_of_the_vocabulary() {
    let page = include_str!("../../../../docs/DATABASE.md");
    for (column, expected) in vocabulary() {
        let row = page.lines().find_map(|line| line.strip_prefix(&format!("| `{column}` | ")));
        let row = row.unwrap_or_else(|| panic!("docs/DATABASE.md has no row for {column}"));
        let listed: BTreeSet<String> = row.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(listed, expected, "{column}");
    }
}

/// Every table of the catalog is on the page, and every rule that the page names exists.
#[tokio::test]
async fn the_documentation_knows_every_table_and_rule() {
    let page = include_str!("../../../../docs/DATABASE.md");
    let db = TestDb::start().await;
    let admin = db.admin().await;
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'blotter'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition";
    for row in admin.query(tables, &[]).await.unwrap() {
        let table: &str = row.get(0);
        assert!(page.contains(&format!("`{table}`")), "{table}");
    }
    let rules = "SELECT coalesce(string_agg(text, ' '), '') FROM (
        SELECT conname::text FROM pg_constraint UNION ALL SELECT relname::text FROM pg_class WHERE relkind = 'i'
        UNION ALL SELECT prosrc || proname FROM pg_proc WHERE pronamespace = 'blotter'::regnamespace) AS all_of_it (text)";
    let known: String = admin.query_one(rules, &[]).await.unwrap().get(0);
    let refusals = page.split("## What the database refuses by itself").nth(1).unwrap().split("\n\n").nth(1).unwrap();
    let named = refusals.lines().filter_map(|line| line.trim_end_matches(" |").rsplit("| ").next());
    let named: Vec<&str> = named.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 20, "{named:?}");
    for rule in named {
        assert!(known.contains(rule), "{rule}");
    }
}

#[tokio::test]
async fn every_pair_of_trade_states_is_judged_alike() {
    let db = TestDb::start().await;
    let admin = db.admin().await;
    let mut allowed = 0;
    for from in TradeStatus::ALL {
        for to in TradeStatus::ALL {
            let row = admin.query_one("SELECT trade_move($1, $2)", &[&from.as_str(), &to.as_str()]).await.unwrap();
            let expected = trade_move(*from, *to).map(TradeMove::as_str);
            assert_eq!(row.get::<_, Option<&str>>(0), expected, "{from} -> {to}");
            allowed += usize::from(expected.is_some());
        }
    }
    assert_eq!(allowed, 9 + 22 + 4, "stays, steps and re-openings");
}

#[tokio::test]
async fn every_triple_of_intent_states_is_judged_alike() {
    let db = TestDb::start().await;
    let admin = db.admin().await;
    for op in IntentOp::ALL {
        for from in IntentState::ALL {
            for to in IntentState::ALL {
                let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                    [&op.as_str(), &from.as_str(), &to.as_str()];
                let row = admin.query_one("SELECT intent_move($1, $2, $3)", &params).await.unwrap();
                let expected = intent_move(*op, *from, *to).map(IntentMove::as_str);
                assert_eq!(row.get::<_, Option<&str>>(0), expected, "{op}: {from} -> {to}");
            }
        }
    }
}
