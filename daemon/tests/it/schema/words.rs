//! The lists in CHECK constraints are the lists of the vocabulary, and the transition functions are
//! those of `trades::state`, pair by pair.

use std::collections::BTreeSet;

use blotter_daemon::trades::state::{IntentMove, TradeMove, intent_move, trade_move};
use blotter_shared::domain::{
    AlarmKind, BrokerMode, CloseReason, Desired, IntentOp, IntentRole, IntentState, OptionType, Protection, TradeStatus,
};

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

#[tokio::test]
async fn checks_list_the_words_of_the_vocabulary() {
    let db = TestDb::start().await;
    let option_types: BTreeSet<String> = [OptionType::Call, OptionType::Put].map(|t| t.as_str().to_owned()).into();
    for (constraint, expected) in [
        ("paper_trades_broker_mode_known", all(BrokerMode::ALL)),
        ("user_settings_broker_mode_known", all(BrokerMode::ALL)),
        ("paper_trades_option_type_known", option_types),
        ("paper_trades_desired_known", all(Desired::ALL)),
        ("paper_trades_status_known", all(TradeStatus::ALL)),
        ("paper_trades_protection_known", all(Protection::ALL)),
        ("paper_trades_close_reason_known", all(CloseReason::ALL)),
        ("intents_op_known", all(IntentOp::ALL)),
        ("intents_role_known", all(IntentRole::ALL)),
        ("intents_state_known", all(IntentState::ALL)),
        ("alarms_kind_known", all(AlarmKind::ALL)),
    ] {
        assert_eq!(words_of(&db, constraint).await, expected, "{constraint}");
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
