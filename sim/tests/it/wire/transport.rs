//! Sections 2 and 7: tokens, languages, bodies of errors, rate limits.

use blotter_sim::config::Config;
use serde_json::json;

use crate::client::{LIVE_ORDERS, SANDBOX_ORDERS, morning, with, with_sim};

const BEARER: &str = "Authorization: Bearer live-token\r\n";

#[tokio::test]
async fn s2_json_only_when_accepted_and_xml_otherwise() {
    with_sim(async |sim| {
        let json = sim.get("/v1/markets/clock").await;
        assert!(json.header("content-type").unwrap().starts_with("application/json"), "{json:?}");
        for accept in ["", "Accept: */*\r\n", "Accept: application/xml\r\n"] {
            let xml = sim.raw("GET", "/v1/markets/clock", (&format!("{BEARER}{accept}"), "")).await.unwrap();
            assert!(xml.header("content-type").unwrap().starts_with("application/xml"), "{accept}: {xml:?}");
            assert!(xml.body.starts_with("<?xml") && xml.body.contains("<state>open</state>"), "{xml:?}");
        }
        let empty = sim.raw("GET", LIVE_ORDERS, (BEARER, "")).await.unwrap();
        assert!(empty.body.ends_with("<orders>null</orders>"), "{empty:?}");
    })
    .await;
}

#[tokio::test]
async fn s2_a_token_that_nobody_knows_is_the_gateways_fault() {
    with_sim(async |sim| {
        let accept = "Accept: application/json\r\n";
        let strange = ["", "Authorization: Bearer who\r\n", "Authorization: Basic live-token\r\n"];
        for auth in strange {
            let reply = sim.raw("GET", "/v1/user/profile", (&format!("{accept}{auth}"), "")).await.unwrap();
            assert_eq!(reply.status, 401, "{reply:?}");
            assert_eq!(
                reply.json(),
                json!({"fault": {"faultstring": "Invalid Access Token", "detail": {"errorcode": "keymanagement.service.invalid_access_token"}}})
            );
        }
    })
    .await;
}

#[tokio::test]
async fn s2_a_token_of_the_other_world_matches_no_product() {
    with_sim(async |sim| {
        for (host, token) in [("api.tradier.com", "sandbox-token"), ("sandbox.tradier.com", "live-token")] {
            let headers = format!("Host: {host}\r\nAuthorization: Bearer {token}\r\n");
            let reply = sim.raw("GET", "/v1/user/profile", (&headers, "")).await.unwrap();
            assert_eq!(reply.status, 401);
            assert!(reply.body.contains("Invalid API call as no apiproduct match found"), "{reply:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn s2_the_overloaded_401_names_the_account() {
    with_sim(async |sim| {
        let other = "Unauthorized Account: VA00000001";
        assert_eq!(sim.get("/v1/accounts/VA00000001/balances").await.told(), (401, other));
        let unknown = (401, "Unauthorized Account: 6YA00001");
        assert_eq!(sim.get(&format!("{LIVE_ORDERS}/99")).await.told(), unknown);
        assert_eq!(sim.get(&format!("{LIVE_ORDERS}/x")).await.told(), unknown);
        assert_eq!(sim.send("DELETE", &format!("{LIVE_ORDERS}/99"), "").await.told(), unknown);
        let there = sim
            .sandbox()
            .place(SANDBOX_ORDERS, "class=equity&symbol=AAPL&side=buy&quantity=1&type=market&duration=day")
            .await;
        assert_eq!(sim.get(&format!("{LIVE_ORDERS}/{there}")).await.told(), unknown, "another user's order");
    })
    .await;
}

#[tokio::test]
async fn s2_a_400_is_plain_text_that_names_the_parameter() {
    with_sim(async |sim| {
        let reply = sim.post(LIVE_ORDERS, "class=option").await;
        assert_eq!(reply.told(), (400, "Invalid parameter, symbol: is not valid."));
        assert!(reply.header("content-type").unwrap().starts_with("text/plain"), "{reply:?}");
        let bodies = ["\u{1}\u{2}", "%%%=%zz", "class=option&class", "{\"class\":\"option\"}", "&&&==="];
        for body in bodies {
            let reply = sim.post(LIVE_ORDERS, body).await;
            assert_eq!(reply.status, 400, "{body:?}: {reply:?}");
            assert!(reply.body.starts_with("Invalid parameter, "), "{body:?}: {reply:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn s2_query_parameters_do_for_posts_and_percent_signs_for_brackets() {
    with_sim(async |sim| {
        let query = format!("{LIVE_ORDERS}?class=equity&symbol=AAPL&side=buy&quantity=1&type=market&duration=day");
        assert_eq!(sim.post(&query, "").await.json()["order"]["status"], "ok");
        let legs = "class=oto&duration=day&symbol%5B0%5D=AAPL&side%5B0%5D=buy&quantity%5B0%5D=1&type%5B0%5D=limit&price%5B0%5D=9\
                    &symbol[1]=AAPL&side[1]=sell&quantity[1]=1&type[1]=limit&price[1]=900";
        assert_eq!(sim.post(LIVE_ORDERS, legs).await.json()["order"]["status"], "ok");
        let quotes = sim.post("/v1/markets/quotes?symbols=SPY", "").await.json();
        assert_eq!(quotes["quotes"]["quote"]["symbol"], "SPY");
    })
    .await;
}

#[tokio::test]
async fn s7_headers_count_each_bucket_down_and_the_next_request_is_429() {
    with_sim(async |sim| {
        let sandbox = sim.sandbox();
        for n in 1..=60 {
            let reply = sandbox.get("/v1/markets/clock").await;
            let seen =
                ["allowed", "used", "available", "expiry"].map(|h| reply.header(&format!("x-ratelimit-{h}")).unwrap());
            let expiry = (morning().0 + 60_000).to_string();
            assert_eq!(seen, ["60", &n.to_string(), &(60 - n).to_string(), &expiry], "{reply:?}");
        }
        let over = sandbox.get("/v1/markets/clock").await;
        for name in ["X-Ratelimit-Allowed", "X-Ratelimit-Used", "X-Ratelimit-Available", "X-Ratelimit-Expiry"] {
            assert!(over.head.contains(&format!("\r\n{name}: ")), "as the documents spell it: {}", over.head);
        }
        assert_eq!((over.status, over.header("x-ratelimit-available")), (429, Some("0")));
        assert_eq!(over.json()["fault"]["detail"]["errorcode"], "policies.ratelimit.QuotaViolation");
        assert_eq!(sandbox.get(SANDBOX_ORDERS).await.status, 200, "another bucket");
        assert_eq!(sim.get("/v1/markets/clock").await.header("x-ratelimit-allowed"), Some("120"), "another world");
        sim.step(60_000).await;
        assert_eq!(sandbox.get("/v1/markets/clock").await.status, 200, "a new window");
    })
    .await;
}

#[tokio::test]
async fn s7_lifted_limits_count_nothing() {
    let limits = blotter_sim::config::RateLimits::Lifted;
    with(Config { limits, ..Config::manual(1, morning()) }, async |sim| {
        for _ in 0..130 {
            let reply = sim.get("/v1/markets/clock").await;
            assert_eq!((reply.status, reply.header("x-ratelimit-used")), (200, None));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_a_404_and_a_wrong_method_a_405() {
    with_sim(async |sim| {
        assert_eq!(sim.get("/v1/nowhere").await.told(), (404, "Not Found"));
        assert_eq!(sim.send("DELETE", "/v1/markets/clock", "").await.status, 405);
        let large = "x".repeat(1_100_000);
        assert_eq!(sim.post(LIVE_ORDERS, &large).await.status, 413);
    })
    .await;
}
