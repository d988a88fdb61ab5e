//! Each row of the table of errors: what the user sees, and that nothing was sent twice.

use blotter_daemon::broker::{
    AccountStatus, AuthTrouble, Broker, OrderScope, OrderStatus, Priority, ReadError, Refusal, WriteOutcome,
};
use blotter_daemon::clock::Clock;

use super::loopback::{Reply, Server};
use super::support::{ACK, entry, fixture, id, patience, send, tradier, tradier_at};

/// What one read and one write see of a server that always answers alike.
struct Row {
    read: ReadError,
    read_requests: usize,
    status: AccountStatus,
    write: WriteOutcome,
    write_requests: usize,
}

async fn row(reply: Reply) -> Row {
    let server = Server::always(reply.clone()).await;
    let reader = tradier(&server.url()).await;
    let read = reader.orders(OrderScope::Session, Priority::Read).await.unwrap_err();
    let status = reader.status().borrow().clone();
    let read_requests = server.requests().len();
    let server = Server::always(reply).await;
    let writer = tradier(&server.url()).await;
    let write = writer.place(&entry(), send()).await;
    Row { read, read_requests, status, write, write_requests: server.requests().len() }
}

#[tokio::test]
async fn status_400_is_said_in_plain_words() {
    let row = row(Reply::new(400, "Invalid parameter, tag: contains invalid characters.")).await;
    assert_eq!(
        row.read.to_string(),
        "the broker refused the request: Invalid parameter, tag: contains invalid characters."
    );
    assert_eq!(row.write.to_string(), "the broker refused it: Invalid parameter, tag: contains invalid characters.");
    assert!(matches!(row.write, WriteOutcome::Refused { proof: Refusal::Validation, .. }));
    assert_eq!(row.status.banner(), None, "the account is well");
    assert_eq!((row.read_requests, row.write_requests), (1, 1));
}

#[tokio::test]
async fn status_401_asks_for_another_token() {
    for (reply, why) in [
        (Reply::new(401, fixture!("fault_token.json")), AuthTrouble::Invalid),
        (Reply::new(401, ""), AuthTrouble::Invalid),
        (Reply::new(401, fixture!("wrong_environment.txt")), AuthTrouble::WrongEnvironment),
        (
            Reply::new(401, "")
                .with("WWW-Authenticate", "Bearer error=\"Invalid API call as no apiproduct match found\""),
            AuthTrouble::WrongEnvironment,
        ),
        (Reply::new(401, "Unauthorized Account: VA00000001"), AuthTrouble::WrongAccount),
    ] {
        let row = row(reply).await;
        assert_eq!(row.read, ReadError::Reauthenticate { why });
        assert!(row.status.banner().unwrap().starts_with("Re-authenticate"), "{:?}", row.status);
        assert!(!row.status.may_send());
        assert!(matches!(row.write, WriteOutcome::Refused { proof: Refusal::Token(seen), .. } if seen == why));
        assert_eq!((row.read_requests, row.write_requests), (1, 1));
    }
}

#[tokio::test]
async fn status_403_blocks_the_account() {
    let row = row(Reply::new(403, "Account is restricted to closing orders.")).await;
    assert!(matches!(&row.read, ReadError::Blocked { reason } if reason.contains("closing orders")));
    assert_eq!(
        row.status.banner().unwrap(),
        "The broker blocked this account: Account is restricted to closing orders."
    );
    assert!(matches!(row.write, WriteOutcome::Refused { proof: Refusal::Forbidden, .. }));
    assert_eq!((row.read_requests, row.write_requests), (1, 1));
}

#[tokio::test]
async fn status_429_waits_and_goes_on_by_itself() {
    let in_a_second = (Clock::system().now() + chrono::TimeDelta::seconds(1)).timestamp_millis().to_string();
    let throttled = Reply::new(429, fixture!("fault_quota.json")).with("X-Ratelimit-Expiry", &in_a_second);
    let server = Server::in_order(vec![throttled, Reply::ok(fixture!("orders_none_string.json"))]).await;
    let tradier = tradier(&server.url()).await;
    let first = tradier.orders(OrderScope::Session, Priority::Read).await;
    assert!(matches!(first, Err(ReadError::RateLimited { .. })), "{first:?}");
    assert!(tradier.status().borrow().banner().unwrap().starts_with("Rate limit reached"));
    let second = tradier.orders(OrderScope::Session, Priority::Read).await;
    assert_eq!(second.unwrap().orders.len(), 0, "the second waited for the broker's minute to end");
    assert_eq!(*tradier.status().borrow(), AccountStatus::Ok);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn status_429_on_a_write_is_unknown_and_pauses_trading() {
    let row = row(Reply::new(429, fixture!("fault_quota.json"))).await;
    assert!(matches!(row.write, WriteOutcome::Unknown { .. }), "a gateway's refusal is likely, not proven");
    assert_eq!((row.read_requests, row.write_requests), (1, 1));
}

#[tokio::test]
async fn status_500_is_tried_twice_more_for_reads_and_never_for_writes() {
    let row = row(Reply::new(500, "An error occurred while communicating with the backend.")).await;
    assert!(matches!(row.read, ReadError::Unavailable { status: 500, .. }));
    assert!(row.status.banner().unwrap().starts_with("Broker unavailable since"), "{:?}", row.status);
    assert!(matches!(row.write, WriteOutcome::Unknown { .. }));
    assert_eq!((row.read_requests, row.write_requests), (3, 1));
}

#[tokio::test]
async fn status_503_and_pages_of_html_show_the_banner() {
    for status in [503, 200, 502] {
        let row = row(Reply::new(status, fixture!("maintenance.html"))).await;
        let banner = row.status.banner().unwrap();
        assert!(banner.starts_with("Broker unavailable") && banner.contains("a web page"), "{banner}");
        assert!(!banner.contains('<'), "no raw body: {banner}");
        assert!(row.status.may_send(), "a broker that is down does not block cancels");
        assert!(matches!(row.write, WriteOutcome::Unknown { .. }));
        assert_eq!((row.read_requests, row.write_requests), (3, 1));
    }
}

#[tokio::test]
async fn status_200_that_failed_is_a_refusal_and_a_later_rejection_is_seen() {
    let server = Server::always(Reply::ok(fixture!("errors_array.json"))).await;
    let outcome = tradier(&server.url()).await.place(&entry(), send()).await;
    assert_eq!(outcome.to_string(), "the broker refused it: Backoffice rejected override of the order. InitialMargin");
    let rejected = fixture!("order_rejected.json");
    let server =
        Server::start(move |_, request| if request.method == "POST" { Reply::ok(ACK) } else { Reply::ok(rejected) })
            .await;
    let tradier = tradier(&server.url()).await;
    assert!(matches!(tradier.place(&entry(), send()).await, WriteOutcome::Accepted { .. }));
    let order = tradier.order(id(38_467_818), Priority::Read).await.unwrap();
    assert_eq!(order.status, OrderStatus::Rejected);
}

/// The broker's own codes, as its documents list them.
const CODES: &[&str] = &[
    "AccountDisabled",
    "UserDisabled",
    "AccountIsNotApproved",
    "AccountMarginRuleViolation",
    "AssetTradingNotConfiguredForAccount",
    "BuyStopOrderStopPriceLessAsk",
    "SellStopOrderStopPriceGreaterBid",
    "ContingentOrderExecution",
    "OrderContingentChangeNotAllowed",
    "DayTraderPatternRestriction",
    "TooSmallEquityForDayTrading",
    "DayTradingBuyingPowerExceeded",
    "InitialMargin",
    "MaintenanceMargin",
    "TotalInitialMargin",
    "ExpirationDateUndefined",
    "StrikePriceUndefined",
    "OptionTypeUndefined",
    "SecurityUndefined",
    "IncorrectOrderQuantity",
    "OrderQuantity",
    "IncorrectTimeInForce",
    "InvalidOrderExpiration",
    "MarketOrderIsGtc",
    "ShortOrderIsGtc",
    "IndexOptionsOneExparyDate",
    "LimitPriceUndefined",
    "StopPriceUndefined",
    "OrderPriceIsInvalid",
    "QuotePriceIsInvalid",
    "LongOptionTradingDeniedForAccount",
    "ShortOptionTradingDeniedForAccount",
    "ShortStockTradingDeniedForAccount",
    "SpreadTradingDeniedForAccount",
    "OptionLevelRestriction",
    "LongPositionCrossZero",
    "ShortPositionCrossZero",
    "OcoExpirationTypeNotTheSame",
    "OcoOrderWithOppositeLegs",
    "OcoPriceDifferenceIsLessThanDelta",
    "OtoFirstLesIsMarketNotAllowed",
    "OtoOcoMarketNotAllowed",
    "OtoOcoTrailingNotAllowed",
    "OmsInternalError",
    "OmsUnavailable",
    "OrderIsNotAllowedForAccount",
    "OrderWithDifferentSide",
    "WashTradeAttempt",
    "SellShortOrderLastPriceBelow5",
    "ShortTradingDeniedForSecurity",
    "TradeNonStandartOptions",
    "TradingDeniedForAccount",
    "TradingDeniedForSecurity",
    "UnexpectedBuyOrder",
    "UnexpectedBuyOrderOption",
    "UnexpectedBuyToCoverOrder",
    "UnexpectedBuyToCoverOrderOption",
    "UnexpectedSellOrder",
    "UnexpectedSellOrderOption",
    "UnexpectedSellShortOrder",
    "UnexpectedSellShortOrderOption",
    "AonOrderQuantity",
    "FatFingersOrderQuantity",
    "SnapQuoteIsInvalid",
    "TickSizePilotPrice",
    "PennyPilotDivisionPrice",
    "PositionLocked",
    "PriceOutOfMarket",
    "PricePrecisionIsOutOfRange",
    "TradeOptionAfter1pmAtExpirationDay",
    "UnsupportedOrderSide",
    "ACodeThatNobodyHasSeen",
];

#[tokio::test]
async fn each_code_of_the_broker_is_a_refusal_that_names_it_and_the_account_stays_well() {
    for code in CODES {
        let body = format!(r#"{{"errors":{{"error":["Backoffice rejected override of the order.","{code}"]}}}}"#);
        let server = Server::always(Reply::ok(body)).await;
        let tradier = tradier(&server.url()).await;
        let outcome = tradier.place(&entry(), send()).await;
        let WriteOutcome::Refused { proof: Refusal::ErrorsInAnswer, reason, .. } = &outcome else {
            panic!("{code}: {outcome}");
        };
        assert!(reason.contains(code), "{code}: {reason}");
        assert_eq!((tradier.status().borrow().banner(), server.requests().len()), (None, 1), "{code}");
    }
}

#[tokio::test]
async fn a_broker_that_comes_back_is_well_again() {
    let server = Server::in_order(vec![Reply::new(503, ""), Reply::ok(fixture!("orders_none_string.json"))]).await;
    let patience = blotter_daemon::broker::tradier::Patience { repeats: 0, ..patience() };
    let tradier = tradier_at(&server.url(), Clock::system(), patience).await;
    let mut status = tradier.status();
    assert!(tradier.orders(OrderScope::Session, Priority::Read).await.is_err());
    assert!(matches!(*status.borrow_and_update(), AccountStatus::Unavailable { .. }));
    assert!(tradier.orders(OrderScope::Session, Priority::Read).await.is_ok());
    assert!(status.has_changed().unwrap());
    assert_eq!(*status.borrow_and_update(), AccountStatus::Ok);
}
