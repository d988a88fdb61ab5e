//! Section 3 over the wire: what is acknowledged, how orders are shown, what a 400 says.

use serde_json::Value;

use crate::client::{Client, LIVE_ORDERS, SANDBOX_ORDERS, with_sim};

const CALL: &str = "SPY260918C00600000";

fn buy(quantity: i64) -> String {
    format!(
        "class=option&symbol=SPY&option_symbol={CALL}&side=buy_to_open&quantity={quantity}&type=market&duration=day&tag=e1-7f3a"
    )
}

fn oco(target: &str, stop: &str) -> String {
    format!(
        "class=oco&duration=gtc&tag=x-1&option_symbol[0]={CALL}&side[0]=sell_to_close&quantity[0]=1&type[0]=limit&price[0]={target}\
         &option_symbol[1]={CALL}&side[1]=sell_to_close&quantity[1]=1&type[1]=stop&stop[1]={stop}"
    )
}

/// Buys one contract at 1.00 in a market of 0.98 by 1.00.
async fn own(sim: &Client) -> i64 {
    sim.pin(CALL, "0.98", "1.00").await;
    let id = sim.place(LIVE_ORDERS, &buy(1)).await;
    sim.step(3_000).await;
    id
}

#[tokio::test]
async fn s3_1_an_acknowledgement_has_an_integer_a_word_and_a_partner() {
    with_sim(async |sim| {
        let order = sim.post(LIVE_ORDERS, &buy(1)).await.json()["order"].clone();
        assert!(order["id"].as_i64().unwrap() > 10_000_000, "{order}");
        assert_eq!(order["status"], "ok");
        assert_eq!(order["partner_id"].as_str().unwrap().len(), 36);
    })
    .await;
}

#[tokio::test]
async fn s3_1_a_preview_says_the_costs_and_places_nothing() {
    with_sim(async |sim| {
        sim.pin(CALL, "0.54", "0.55").await;
        let form = format!("class=option&symbol=SPY&option_symbol={CALL}&side=buy_to_open&quantity=1&type=limit&duration=day&price=0.55&preview=true");
        let order = sim.post(LIVE_ORDERS, &form).await.json()["order"].clone();
        let seen = ["status", "result", "class", "side", "type", "duration", "commission", "fees", "cost", "order_cost"]
            .map(|k| order[k].to_string());
        let expected =
            ["\"ok\"", "true", "\"option\"", "\"buy_to_open\"", "\"limit\"", "\"day\"", "0.35", "0", "55.35", "55.0"];
        assert_eq!(seen, expected, "{order}");
        assert_eq!(order["request_date"], "2026-09-10T14:15:00.000", "UTC without a zone");
        assert_eq!(sim.get(LIVE_ORDERS).await.body, r#"{"orders":"null"}"#);
    })
    .await;
}

#[tokio::test]
async fn s3_2_legs_are_named_by_a_suffix_and_never_by_a_prefix() {
    with_sim(async |sim| {
        let form =
            format!("class=oco&duration=gtc&legs[0][option_symbol]={CALL}&legs[0][type]=limit&legs[1][type]=stop");
        assert_eq!(sim.post(LIVE_ORDERS, &form).await.told(), (400, "Invalid parameter, type: is not valid."));
    })
    .await;
}

#[tokio::test]
async fn s3_2_option_legs_take_the_symbol_three_ways_and_shares_only_per_leg() {
    with_sim(async |sim| {
        own(&sim).await;
        for extra in ["", "&symbol=SPY", "&symbol[0]=SPY&symbol[1]=SPY"] {
            let id = sim.place(LIVE_ORDERS, &(oco("1.50", "0.50") + extra)).await;
            sim.step(1_000).await;
            assert_eq!(sim.order(LIVE_ORDERS, id).await["status"], "open", "{extra:?}");
            assert_eq!(sim.send("DELETE", &format!("{LIVE_ORDERS}/{id}"), "").await.status, 200);
            sim.step(1_000).await;
        }
        let shares = "class=oco&duration=gtc&symbol=AAPL&side[0]=sell&quantity[0]=1&type[0]=limit&price[0]=900&side[1]=sell&quantity[1]=1&type[1]=stop&stop[1]=1";
        assert_eq!(sim.post(LIVE_ORDERS, shares).await.told(), (400, "Invalid parameter, symbol: is not valid."));
    })
    .await;
}

#[tokio::test]
async fn s3_2_the_duration_stands_at_the_top_or_at_each_leg() {
    with_sim(async |sim| {
        own(&sim).await;
        let per_leg = oco("1.50", "0.50").replace("duration=gtc", "duration[0]=gtc&duration[1]=gtc");
        let id = sim.place(LIVE_ORDERS, &per_leg).await;
        sim.step(1_000).await;
        let order = sim.order(LIVE_ORDERS, id).await;
        assert_eq!(order["leg"][1]["duration"], "gtc", "{order}");
        let none = oco("1.50", "0.50").replace("duration=gtc&", "");
        assert_eq!(sim.post(LIVE_ORDERS, &none).await.status, 400);
        let mixed = oco("1.50", "0.50").replace("duration=gtc", "duration[0]=gtc&duration[1]=day");
        refused(&sim, &mixed, "OcoExpirationTypeNotTheSame").await;
    })
    .await;
}

/// The order is acknowledged and then found rejected for a reason, or refused in the answer.
async fn refused(sim: &Client, form: &str, reason: &str) {
    let reply = sim.post(LIVE_ORDERS, form).await.json();
    let told = match reply["order"]["id"].as_i64() {
        Some(id) => {
            sim.step(3_000).await;
            sim.order(LIVE_ORDERS, id).await
        }
        None => reply,
    };
    let whole = told.to_string();
    assert!(whole.contains(reason), "{whole} does not say {reason}");
    assert!(whole.contains("\"rejected\"") || whole.contains("\"errors\""), "{whole}");
}

#[tokio::test]
async fn s3_2_a_stop_limit_leg_is_triggered_by_its_stop_and_waits_for_its_limit() {
    with_sim(async |sim| {
        own(&sim).await;
        let form = oco("1.50", "0.50").replace("type[1]=stop", "type[1]=stop_limit&price[1]=0.45");
        let id = sim.place(LIVE_ORDERS, &form).await;
        sim.step(1_000).await;
        let stop = sim.order(LIVE_ORDERS, id).await["leg"][1].clone();
        assert_eq!(
            (stop["type"].as_str(), stop["price"].as_f64(), stop["stop_price"].as_f64()),
            (Some("stop_limit"), Some(0.45), Some(0.5))
        );
        sim.pin(CALL, "0.40", "0.42").await;
        sim.step(2_000).await;
        let gapped = sim.order(LIVE_ORDERS, id).await;
        assert_eq!(gapped["leg"][1]["status"], "open", "the market is below the limit: {gapped}");
        sim.pin(CALL, "0.46", "0.48").await;
        sim.step(2_000).await;
        let done = sim.order(LIVE_ORDERS, id).await;
        let seen = ["/status", "/leg/0/status", "/leg/1/status"].map(|k| done.pointer(k).and_then(Value::as_str));
        assert_eq!(seen, [Some("filled"), Some("canceled"), Some("filled")], "{done}");
        assert!(done["leg"][1]["avg_fill_price"].as_f64().unwrap() >= 0.45, "{done}");
    })
    .await;
}

#[tokio::test]
async fn s3_2_a_parent_has_no_terms_and_its_legs_have_all() {
    with_sim(async |sim| {
        own(&sim).await;
        let id = sim.place(LIVE_ORDERS, &oco("3.34", "0.50")).await;
        sim.step(1_000).await;
        let order = sim.order(LIVE_ORDERS, id).await;
        let keys: Vec<&str> = order.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["class", "create_date", "id", "leg", "status", "tag", "transaction_date"], "{order}");
        assert_eq!(order["leg"][0]["id"].as_i64(), Some(id + 1));
        assert_eq!(order["leg"][1]["id"].as_i64(), Some(id + 2));
        let (target, stop) = (&order["leg"][0], &order["leg"][1]);
        assert_eq!(
            (target["type"].as_str(), target["price"].as_f64(), target.get("stop_price")),
            (Some("limit"), Some(3.34), None)
        );
        assert_eq!(
            (stop["type"].as_str(), stop["stop_price"].as_f64(), stop.get("price")),
            (Some("stop"), Some(0.5), None)
        );
        for leg in [target, stop] {
            assert_eq!(leg["class"], "option");
            assert_eq!(leg["option_symbol"], CALL);
            assert_eq!(leg["avg_fill_price"].as_f64(), Some(0.0));
            assert!(leg.get("tag").is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn s3_2_the_sibling_is_cancelled_after_a_lag_and_the_parent_filled_after_that() {
    with_sim(async |sim| {
        own(&sim).await;
        let id = sim.place(LIVE_ORDERS, &oco("1.50", "0.50")).await;
        sim.step(1_000).await;
        sim.pin(CALL, "1.60", "1.62").await;
        let (mut window, mut last) = (false, Value::Null);
        for _ in 0..400 {
            sim.step(10).await;
            last = sim.order(LIVE_ORDERS, id).await;
            let word = |v: &Value| v["status"].as_str().unwrap().to_owned();
            let seen = (word(&last["leg"][0]), word(&last["leg"][1]), word(&last));
            window |= seen == ("filled".to_owned(), "open".to_owned(), "open".to_owned());
            if seen == ("filled".to_owned(), "canceled".to_owned(), "filled".to_owned()) {
                assert!(window, "the window in which one leg is filled and the other open was never seen");
                return;
            }
        }
        panic!("the bracket did not end: {last}");
    })
    .await;
}

#[tokio::test]
async fn s3_3_the_sandbox_drops_the_tag_of_an_otoco() {
    with_sim(async |sim| {
        let form = "class=otoco&duration=day&tag=ot-1&symbol[0]=AAPL&side[0]=buy&quantity[0]=1&type[0]=market\
                    &symbol[1]=AAPL&side[1]=sell&quantity[1]=1&type[1]=limit&price[1]=900\
                    &symbol[2]=AAPL&side[2]=sell&quantity[2]=1&type[2]=stop&stop[2]=10";
        let sandbox = sim.sandbox();
        let id = sandbox.place(SANDBOX_ORDERS, form).await;
        sim.step(5_000).await;
        let order = sandbox.order(SANDBOX_ORDERS, id).await;
        let words: Vec<&str> = (0..3).map(|i| order["leg"][i]["status"].as_str().unwrap()).collect();
        assert_eq!((order["class"].as_str(), words), (Some("otoco"), vec!["filled", "open", "open"]), "{order}");
        assert!(order.get("tag").is_none(), "{order}");
    })
    .await;
}

#[tokio::test]
async fn s3_4_a_change_keeps_the_number_and_takes_four_fields() {
    with_sim(async |sim| {
        own(&sim).await;
        let id = sim.place(LIVE_ORDERS, &oco("1.50", "0.50")).await;
        sim.step(1_000).await;
        let path = format!("{LIVE_ORDERS}/{}", id + 2);
        let reply = sim.send("PUT", &path, "type=stop&stop=0.60").await.json();
        assert_eq!((reply["order"]["id"].as_i64(), reply["order"]["status"].as_str()), (Some(id + 2), Some("ok")));
        sim.step(1_000).await;
        let order = sim.order(LIVE_ORDERS, id).await;
        assert_eq!(order["leg"][1]["stop_price"].as_f64(), Some(0.6), "{order}");
        assert_eq!(order["status"], "open", "the pair lives on: {order}");
        assert_eq!(sim.send("PUT", &path, "type=debit").await.status, 400);
        assert_eq!(sim.send("PUT", &path, "stop=-1").await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn s3_5_a_cancel_of_what_ended_is_a_400_with_the_state() {
    with_sim(async |sim| {
        let bought = own(&sim).await;
        let path = |id: i64| format!("{LIVE_ORDERS}/{id}");
        let told = (400, "order already in finalized state: filled");
        assert_eq!(sim.send("DELETE", &path(bought), "").await.told(), told);
        let id = sim.place(LIVE_ORDERS, &oco("1.50", "0.50")).await;
        sim.step(1_000).await;
        assert_eq!(sim.send("DELETE", &path(id), "").await.body, format!(r#"{{"order":{{"id":{id},"status":"ok"}}}}"#));
        sim.step(1_000).await;
        let told = (400, "order already in finalized state: canceled");
        assert_eq!(sim.send("DELETE", &path(id), "").await.told(), told);
    })
    .await;
}

#[tokio::test]
async fn s3_6_a_list_is_a_word_an_object_or_an_array() {
    with_sim(async |sim| {
        assert_eq!(sim.get(LIVE_ORDERS).await.body, r#"{"orders":"null"}"#);
        own(&sim).await;
        assert!(sim.get(LIVE_ORDERS).await.json()["orders"]["order"].is_object());
        sim.place(LIVE_ORDERS, &oco("1.50", "0.50")).await;
        let both = sim.get(LIVE_ORDERS).await.json();
        assert_eq!(both["orders"]["order"].as_array().map(Vec::len), Some(2));
        assert!(both["orders"].get("page").is_none(), "pages are told only to those who ask");
    })
    .await;
}

#[tokio::test]
async fn s3_6_pages_are_honoured_past_the_end() {
    with_sim(async |sim| {
        for n in 0..5 {
            let form = format!("class=equity&symbol=AAPL&side=buy&quantity=1&type=limit&price={}&duration=gtc", 10 + n);
            sim.place(LIVE_ORDERS, &form).await;
        }
        let page = async |n: i64| sim.get(&format!("{LIVE_ORDERS}?page={n}&limit=2")).await.json()["orders"].clone();
        assert_eq!(page(1).await["order"].as_array().map(Vec::len), Some(2));
        assert!(page(3).await["order"].is_object(), "the last page has one");
        let counts = page(1).await;
        assert_eq!((counts["total_pages"].as_i64(), counts["total_orders"].as_i64()), (Some(3), Some(5)));
        assert_eq!(page(4).await, "null");
    })
    .await;
}

#[tokio::test]
async fn s3_6_tags_come_only_when_asked_for_and_as_they_were_sent() {
    with_sim(async |sim| {
        let id = own(&sim).await;
        let bare = sim.get(&format!("{LIVE_ORDERS}/{id}")).await.json();
        assert!(bare["order"].get("tag").is_none(), "{bare}");
        assert_eq!(sim.order(LIVE_ORDERS, id).await["tag"], "e1-7f3a");
        let list = sim.get(&format!("{LIVE_ORDERS}?includeTags=true")).await.json();
        assert_eq!(list["orders"]["order"]["tag"], "e1-7f3a");
    })
    .await;
}

#[tokio::test]
async fn s8_2_a_tag_is_refused_and_never_shortened() {
    with_sim(async |sim| {
        let with_tag = |tag: &str| buy(1).replace("e1-7f3a", tag);
        for bad in ["a_b", "a.b", "a%20b", "%C3%A9"] {
            let reply = sim.post(LIVE_ORDERS, &with_tag(bad)).await;
            assert_eq!(reply.told(), (400, "Invalid parameter, tag: contains invalid characters."), "{bad}");
        }
        let reply = sim.post(LIVE_ORDERS, &with_tag(&"a".repeat(256))).await;
        assert_eq!(reply.told(), (400, "Invalid parameter, tag: contains more than 255 characters."));
        let id = sim.place(LIVE_ORDERS, &with_tag(&"a".repeat(255))).await;
        assert_eq!(sim.order(LIVE_ORDERS, id).await["tag"], "a".repeat(255));
    })
    .await;
}

#[tokio::test]
async fn s8_1_the_same_order_twice_is_two_orders() {
    with_sim(async |sim| {
        let first = sim.place(LIVE_ORDERS, &buy(1)).await;
        let second = sim.place(LIVE_ORDERS, &buy(1)).await;
        assert!(second > first);
    })
    .await;
}

#[tokio::test]
async fn s8_16_a_multileg_is_priced_by_its_net_and_needs_two_legs() {
    with_sim(async |sim| {
        let legs = format!("&option_symbol[0]={CALL}&side[0]=buy_to_open&quantity[0]=1&option_symbol[1]=SPY260918C00605000&side[1]=sell_to_open&quantity[1]=1");
        let form = |kind: &str| format!("class=multileg&symbol=SPY&duration=day&type={kind}&price=9{legs}");
        assert_eq!(sim.post(LIVE_ORDERS, &form("limit")).await.told(), (400, "Invalid parameter, type: is not valid."));
        let one = format!("class=multileg&symbol=SPY&duration=day&type=market&option_symbol[0]={CALL}&side[0]=buy_to_open&quantity[0]=1");
        assert!(sim.post(LIVE_ORDERS, &one).await.body.contains("number of legs must be > 1"));
        let id = sim.place(LIVE_ORDERS, &form("debit")).await;
        sim.step(3_000).await;
        let order = sim.order(LIVE_ORDERS, id).await;
        assert_eq!((order["num_legs"].as_i64(), order["status"].as_str()), (Some(2), Some("filled")), "{order}");
        assert_eq!(order["leg"].as_array().map(Vec::len), Some(2));
    })
    .await;
}

#[tokio::test]
async fn s3_6_a_combo_buys_shares_and_sells_a_call_against_them_at_one_net_price() {
    with_sim(async |sim| {
        sim.pin(CALL, "2.00", "2.04").await;
        sim.pin("SPY", "600.00", "600.02").await;
        let form = |shares: &str, net: &str| {
            format!(
                "class=combo&symbol=SPY&duration=day&type=debit&price={net}&side[0]={shares}&quantity[0]=100\
                 &option_symbol[1]={CALL}&side[1]=sell_to_open&quantity[1]=1"
            )
        };
        let refusal = (400, "Invalid parameter, side[0]: is not valid.");
        assert_eq!(sim.post(LIVE_ORDERS, &form("buy_to_open", "599")).await.told(), refusal, "shares are bought");
        let waits = sim.place(LIVE_ORDERS, &form("buy", "597.90")).await;
        sim.step(3_000).await;
        assert_eq!(sim.order(LIVE_ORDERS, waits).await["status"], "open", "600.02 less 2.00 is more than 597.90");
        let preview = sim.post(LIVE_ORDERS, &(form("buy", "599") + "&preview=true")).await.json();
        assert_eq!(
            (&preview["order"]["class"], &preview["order"]["strategy"]),
            (&"combo".into(), &"covered call".into())
        );
        let id = sim.place(LIVE_ORDERS, &form("buy", "599")).await;
        sim.step(3_000).await;
        let order = sim.order(LIVE_ORDERS, id).await;
        let word = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_else(|| panic!("no word: {order}"));
        assert_eq!(["class", "strategy", "status"].map(|k| word(&order[k])), ["combo", "covered call", "filled"]);
        let legs = [0, 1].map(|i| order["leg"][i].clone());
        assert_eq!(legs.each_ref().map(|l| word(&l["class"])), ["equity", "option"]);
        assert_eq!(legs.each_ref().map(|l| l["exec_quantity"].as_f64()), [Some(100.0), Some(1.0)]);
        let held = sim.get("/v1/accounts/6YA00001/positions").await.json()["positions"]["position"].clone();
        let held: Vec<_> =
            held.as_array().into_iter().flatten().map(|p| (p["symbol"].clone(), p["quantity"].as_f64())).collect();
        assert_eq!(held, [("SPY".into(), Some(100.0)), (CALL.into(), Some(-1.0))]);
    })
    .await;
}

#[tokio::test]
async fn s4_the_whole_size_cannot_be_sold_while_a_bracket_works() {
    with_sim(async |sim| {
        own(&sim).await;
        let id = sim.place(LIVE_ORDERS, &oco("1.50", "0.50")).await;
        sim.step(1_000).await;
        let sell = format!(
            "class=option&symbol=SPY&option_symbol={CALL}&side=sell_to_close&quantity=1&type=market&duration=day"
        );
        refused(&sim, &sell, "Sell order is for more shares than your current long position").await;
        assert_eq!(sim.send("DELETE", &format!("{LIVE_ORDERS}/{id}"), "").await.status, 200);
        sim.step(1_000).await;
        let sold = sim.place(LIVE_ORDERS, &sell).await;
        sim.step(3_000).await;
        assert_eq!(sim.order(LIVE_ORDERS, sold).await["status"], "filled");
    })
    .await;
}

#[tokio::test]
async fn s3_2_the_legs_keep_their_distance_and_the_stop_its_side() {
    with_sim(async |sim| {
        own(&sim).await;
        refused(&sim, &oco("1.05", "0.96"), "0.1").await;
        refused(&sim, &oco("1.50", "0.99"), "SellStopOrderStopPriceGreaterBid").await;
        let opposite = oco("1.50", "0.50").replace("side[0]=sell_to_close", "side[0]=buy_to_open");
        refused(&sim, &opposite, "OcoOrderWithOppositeLegs").await;
        let same = oco("1.50", "0.50").replace("type[1]=stop&stop[1]=0.50", "type[1]=limit&price[1]=0.50");
        assert_eq!(sim.post(LIVE_ORDERS, &same).await.told(), (400, "Invalid parameter, type: is not valid."));
    })
    .await;
}
