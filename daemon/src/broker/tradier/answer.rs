//! What an answer proves. Pure: status, two headers and a body in, a verdict out.
//!
//! Order of looking, because the broker says the same thing in several ways: the status, the first
//! byte of the body (a page of HTML is no answer, whatever its status), a gateway's `fault`, the
//! order system's `errors`, the `order`, and at last plain text.
//!
//! For a write the rule is: only what is listed here as proof is `Refused`; only an id without
//! errors is `Accepted`; all the rest is `Unknown`. For a read every doubt is an error.

use blotter_shared::domain::text::is_dangerous;
use bytes::Bytes;

use super::convert;
use super::wire::{AckEnvelope, WireAck, WireErrors, WireFault};
use crate::broker::tradier::shape::Maybe;
use crate::broker::{AckStatus, AuthTrouble, Doubt, OrderId, OrderStatus, ReadError, Refusal, WriteOutcome};

/// Longest sentence of the broker's that is passed on.
const LONGEST_REASON: usize = 240;

/// An answer with all of its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where a gateway may hide the reason of a 401.
    pub(crate) www_authenticate: Option<String>,
    pub(crate) body: Bytes,
}

/// What was asked, as far as it changes what a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// One order: 401 means that there is none of this number in this account.
    OneOrder,
    Anything,
}

/// What was to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Place,
    Change(OrderId),
    Cancel(OrderId),
}

/// The body at first sight.
enum Body {
    Empty,
    Page,
    Json(Box<AckEnvelope>),
    BrokenJson,
    Text(String),
}

impl Answer {
    fn body(&self) -> Body {
        let text = String::from_utf8_lossy(&self.body);
        let text = text.trim();
        match text.as_bytes().first() {
            None => Body::Empty,
            Some(b'<') => Body::Page,
            Some(b'{') => match serde_json::from_str(text) {
                Ok(envelope) => Body::Json(Box::new(envelope)),
                Err(_) => Body::BrokenJson,
            },
            Some(b'[') => Body::BrokenJson,
            Some(_) => Body::Text(sentence(text)),
        }
    }

    /// Body and header together in small letters, for the substrings that tell refusals apart.
    fn told(&self) -> String {
        let start = self.body.get(..self.body.len().min(4096)).unwrap_or_default();
        let header = self.www_authenticate.as_deref().unwrap_or_default();
        format!("{} {header}", String::from_utf8_lossy(start)).to_lowercase()
    }

    /// Whether the broker refused for the rate. Some gateways say so with another status.
    pub(crate) fn is_throttle(&self) -> bool {
        self.status == 429 || (self.status >= 400 && self.told().contains("quota"))
    }

    fn auth_trouble(&self) -> AuthTrouble {
        let told = self.told();
        if told.contains("apiproduct") {
            AuthTrouble::WrongEnvironment
        } else if told.contains("unauthorized account") {
            AuthTrouble::WrongAccount
        } else {
            AuthTrouble::Invalid
        }
    }

    /// A gateway that lost its own database turns good tokens away for a moment.
    fn is_passing_fault(&self) -> bool {
        self.told().contains("datastore error")
    }

    /// The broker's reason in one line.
    pub(crate) fn reason(&self) -> String {
        match self.body() {
            Body::Empty => "no reason given".to_owned(),
            Body::Page => "a web page instead of an answer".to_owned(),
            Body::BrokenJson => "an answer that is cut off".to_owned(),
            Body::Text(text) => text,
            Body::Json(envelope) => envelope_reason(*envelope),
        }
    }
}

fn envelope_reason(envelope: AckEnvelope) -> String {
    let errors = convert::errors(envelope.errors);
    if !errors.is_empty() {
        return sentence(&errors.join(" "));
    }
    envelope.fault.0.and_then(|fault| fault.faultstring.0).map_or("no reason given".to_owned(), |text| sentence(&text))
}

/// One line, printable, not too long.
fn sentence(text: &str) -> String {
    let printable = text.chars().map(|c| if is_dangerous(c) { ' ' } else { c });
    printable.take(LONGEST_REASON).collect::<String>().trim().to_owned()
}

/// Why this answer to a read is none, if it is none.
pub(crate) fn read_error(answer: &Answer, asked: Asked) -> Option<ReadError> {
    let unavailable = || Some(ReadError::Unavailable { status: answer.status, reason: answer.reason() });
    match answer.status {
        _ if answer.is_passing_fault() && answer.status >= 400 => unavailable(),
        200..=299 => success_without_answer(answer),
        400 if is_server_trouble(answer) => unavailable(),
        400 => Some(ReadError::BadRequest { reason: answer.reason() }),
        401 => Some(match (answer.auth_trouble(), asked) {
            (AuthTrouble::WrongAccount, Asked::OneOrder) => ReadError::NotThere,
            (why, _) => ReadError::Reauthenticate { why },
        }),
        403 => Some(ReadError::Blocked { reason: answer.reason() }),
        404 if asked == Asked::OneOrder => Some(ReadError::NotThere),
        _ => unavailable(),
    }
}

/// A success that is none: nothing, a page, a fault or errors.
fn success_without_answer(answer: &Answer) -> Option<ReadError> {
    let status = answer.status;
    let first = answer.body.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => Some(ReadError::Unavailable { status, reason: "an empty answer".to_owned() }),
        Some(b'<') => Some(ReadError::Unavailable { status, reason: answer.reason() }),
        Some(b'{') => odd_envelope(answer),
        Some(_) => Some(ReadError::Undecodable { what: "the request", why: "it is not JSON".to_owned() }),
    }
}

/// A fault or errors in a success. Looked for only where they can be: at the very start, so that a
/// chain of megabytes is not read twice.
fn odd_envelope(answer: &Answer) -> Option<ReadError> {
    let start = answer.body.get(..answer.body.len().min(64)).unwrap_or_default();
    let start = String::from_utf8_lossy(start);
    if !start.contains("\"fault\"") && !start.contains("\"errors\"") {
        return None;
    }
    let Body::Json(envelope) = answer.body() else { return None };
    if envelope.order.0.is_some() {
        return None;
    }
    if envelope.fault.0.is_some() {
        let why = answer.auth_trouble();
        return Some(if is_token_fault(answer) {
            ReadError::Reauthenticate { why }
        } else {
            ReadError::Unavailable { status: answer.status, reason: answer.reason() }
        });
    }
    Some(ReadError::BadRequest { reason: envelope_reason(*envelope) })
}

fn is_token_fault(answer: &Answer) -> bool {
    let told = answer.told();
    told.contains("access token") || told.contains("access_token") || told.contains("apiproduct")
}

/// A 400 that is the broker's own trouble and proves nothing.
fn is_server_trouble(answer: &Answer) -> bool {
    let told = answer.told();
    told.contains("unexpected server error") || told.contains("communicating with the backend")
}

/// What became of a write, as far as this answer proves it.
pub(crate) fn write_outcome(answer: &Answer, deed: Deed) -> WriteOutcome {
    let doubt = || WriteOutcome::Unknown { why: Doubt::Status { status: answer.status, reason: answer.reason() } };
    if answer.is_throttle() {
        return doubt();
    }
    match answer.status {
        200..=299 => success_outcome(answer, deed),
        400 => refusal_by_400(answer).unwrap_or_else(doubt),
        401 if answer.is_passing_fault() => doubt(),
        401 => {
            let proof = match (answer.auth_trouble(), deed) {
                (AuthTrouble::WrongAccount, Deed::Change(_) | Deed::Cancel(_)) => Refusal::NotYours,
                (why, _) => Refusal::Token(why),
            };
            WriteOutcome::Refused { proof, code: None, reason: answer.reason() }
        }
        403 => WriteOutcome::Refused { proof: Refusal::Forbidden, code: None, reason: answer.reason() },
        _ => doubt(),
    }
}

fn success_outcome(answer: &Answer, deed: Deed) -> WriteOutcome {
    let unreadable =
        |why: &str| WriteOutcome::Unknown { why: Doubt::Unreadable { status: answer.status, why: why.to_owned() } };
    let envelope = match answer.body() {
        Body::Json(envelope) => *envelope,
        Body::Empty => return unreadable("it is empty"),
        Body::Page => return unreadable("it is a web page"),
        Body::BrokenJson => return unreadable("it is no complete JSON object"),
        Body::Text(_) => return unreadable("it is plain text"),
    };
    if let Maybe(Some(fault)) = envelope.fault {
        return unreadable(&fault_text(fault));
    }
    acknowledged(envelope.order, envelope.errors, deed).unwrap_or_else(|| unreadable("it has neither order nor errors"))
}

fn fault_text(fault: WireFault) -> String {
    let code = fault.detail.0.and_then(|detail| detail.errorcode.0);
    sentence(&fault.faultstring.0.or(code).unwrap_or_else(|| "a gateway fault".to_owned()))
}

/// An id without errors is an acceptance, errors without an id are a refusal, both are a
/// contradiction, neither is nothing.
fn acknowledged(order: Maybe<WireAck>, outside: Maybe<WireErrors>, deed: Deed) -> Option<WriteOutcome> {
    let (id, status, inside) = match order.0 {
        Some(ack) => (ack.id.0, ack.status.0, ack.errors),
        None => (None, None, Maybe(None)),
    };
    let errors: Vec<_> = convert::errors(outside).into_iter().chain(convert::errors(inside)).collect();
    let contradiction = |id, reason: String| WriteOutcome::Unknown { why: Doubt::Contradiction { id, reason } };
    let Some(number) = id else {
        return (!errors.is_empty()).then(|| refused(Refusal::ErrorsInAnswer, &errors));
    };
    let Ok(id) = convert::order_id(number) else {
        return Some(contradiction(None, "the id is no order number".to_owned()));
    };
    if !errors.is_empty() {
        return Some(contradiction(Some(id), sentence(&format!("an id and errors: {}", errors.join(" ")))));
    }
    let wanted = match deed {
        Deed::Place => id,
        Deed::Change(wanted) | Deed::Cancel(wanted) => wanted,
    };
    if id != wanted {
        return Some(contradiction(Some(id), format!("asked about order {wanted}, answered about {id}")));
    }
    let status = status.as_deref().map(AckStatus::from_wire)?;
    Some(WriteOutcome::Accepted { id, status })
}

fn refusal_by_400(answer: &Answer) -> Option<WriteOutcome> {
    if is_server_trouble(answer) {
        return None;
    }
    match answer.body() {
        Body::Empty | Body::Page | Body::BrokenJson => None,
        Body::Text(text) => {
            let proof = final_state(&text).map_or(Refusal::Validation, Refusal::AlreadyFinal);
            Some(WriteOutcome::Refused { proof, code: None, reason: text })
        }
        Body::Json(envelope) => match (envelope.order.0, convert::errors(envelope.errors)) {
            (None, errors) if !errors.is_empty() => {
                let joined = errors.join(" ");
                let proof = final_state(&joined).map_or(Refusal::Validation, Refusal::AlreadyFinal);
                Some(refused(proof, &errors))
            }
            (Some(_) | None, _) => None,
        },
    }
}

/// `order already in finalized state: filled` → filled.
fn final_state(text: &str) -> Option<OrderStatus> {
    let (_, state) = text.split_once("already in finalized state")?;
    let word = state.trim_start_matches([':', ' ']).trim_end_matches(['.', ' ']);
    Some(OrderStatus::from_wire(word))
}

fn refused(proof: Refusal, errors: &[String]) -> WriteOutcome {
    let code = errors.iter().find(|error| is_code(error)).cloned();
    WriteOutcome::Refused { proof, code, reason: sentence(&errors.join(" ")) }
}

/// `LongPositionCrossZero` is a code; a sentence is not.
fn is_code(text: &str) -> bool {
    text.len() > 3
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, www_authenticate: None, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn id(number: i64) -> OrderId {
        OrderId::new(number).unwrap()
    }

    fn place(status: u16, body: &str) -> WriteOutcome {
        write_outcome(&answer(status, body), Deed::Place)
    }

    const OK: &str = r#"{"order":{"id":38467959,"status":"ok","partner_id":"3a8bbee1"}}"#;

    #[test]
    fn a_reason_cannot_write_on_a_terminal() {
        let body = "no \u{1b}[2J\u{9b}31m\u{202e}cilbup\u{2069} text\n\u{200b}";
        assert_eq!(answer(400, body).reason(), "no  [2J 31m cilbup  text");
    }

    #[test]
    fn an_id_without_errors_is_accepted_and_nothing_else_is() {
        assert_eq!(place(200, OK), WriteOutcome::Accepted { id: id(38_467_959), status: AckStatus::Ok });
        for (status, body) in [
            (200, ""),
            (200, "   "),
            (200, "<html>maintenance</html>"),
            (200, r#"{"order":{"id":384"#),
            (200, "null"),
            (200, "ok"),
            (200, "[]"),
            (200, "{}"),
            (200, r#"{"order":"null"}"#),
            (200, r#"{"order":{"status":"ok"}}"#),
            (200, r#"{"order":{"id":0,"status":"ok"}}"#),
            (200, r#"{"order":{"id":-5,"status":"ok"}}"#),
            (200, r#"{"order":{"id":1.5,"status":"ok"}}"#),
            (200, r#"{"order":{"id":7}}"#),
            (200, r#"{"order":{"id":7,"status":"ok"},"errors":{"error":"InitialMargin"}}"#),
            (200, r#"{"order":{"id":7,"status":"ok","errors":{"error":["InitialMargin"]}}}"#),
            (200, r#"{"fault":{"faultstring":"Datastore Error"}}"#),
            (302, ""),
            (307, ""),
            (400, ""),
            (400, "<html></html>"),
            (400, "Unexpected server error"),
            (404, "Not Found"),
            (408, ""),
            (409, "Conflict"),
            (421, ""),
            (429, "Too many"),
            (403, "Quota Violation"),
            (500, "An error occurred while communicating with the backend."),
            (500, OK),
            (502, ""),
            (503, "<html>"),
            (520, ""),
        ] {
            assert!(matches!(place(status, body), WriteOutcome::Unknown { .. }), "{status} {body}");
        }
    }

    #[test]
    fn errors_without_an_order_are_a_refusal_with_code_and_reason() {
        let many = r#"{"errors":{"error":["Backoffice rejected override of the order.","InitialMargin"]}}"#;
        assert_eq!(
            place(200, many),
            WriteOutcome::Refused {
                proof: Refusal::ErrorsInAnswer,
                code: Some("InitialMargin".to_owned()),
                reason: "Backoffice rejected override of the order. InitialMargin".to_owned(),
            }
        );
        let one = r#"{"errors":{"error":"Sell order is for more shares than your current long position. "}}"#;
        let WriteOutcome::Refused { code: None, reason, .. } = place(200, one) else { panic!("{:?}", place(200, one)) };
        assert!(reason.ends_with("position."), "trailing blank is gone: {reason}");
        let inside = r#"{"order":{"errors":{"error":"OmsUnavailable"}}}"#;
        assert!(matches!(place(200, inside), WriteOutcome::Refused { proof: Refusal::ErrorsInAnswer, .. }));
    }

    #[test]
    fn a_400_with_a_sentence_is_a_refusal() {
        let text = "Invalid parameter, tag: contains invalid characters.";
        assert_eq!(
            place(400, text),
            WriteOutcome::Refused { proof: Refusal::Validation, code: None, reason: text.to_owned() }
        );
    }

    #[test]
    fn a_cancel_that_came_too_late_says_what_the_order_became() {
        for (word, state) in [("filled", OrderStatus::Filled), ("canceled", OrderStatus::Canceled)] {
            let answer = answer(400, &format!("order already in finalized state: {word}"));
            let WriteOutcome::Refused { proof, .. } = write_outcome(&answer, Deed::Cancel(id(1))) else {
                panic!("{answer:?}")
            };
            assert_eq!(proof, Refusal::AlreadyFinal(state));
        }
    }

    #[test]
    fn an_answer_about_another_order_is_a_contradiction() {
        let outcome = write_outcome(&answer(200, OK), Deed::Cancel(id(5)));
        assert!(matches!(outcome, WriteOutcome::Unknown { why: Doubt::Contradiction { .. } }), "{outcome:?}");
        let own = write_outcome(&answer(200, r#"{"order":{"id":5,"status":"pending_cancel"}}"#), Deed::Cancel(id(5)));
        assert_eq!(own, WriteOutcome::Accepted { id: id(5), status: AckStatus::PendingCancel });
    }

    #[test]
    fn a_401_is_one_of_four_things() {
        let text = "Unauthorized Account: VA1";
        let refusal = |answer: &Answer, deed| match write_outcome(answer, deed) {
            WriteOutcome::Refused { proof, .. } => Some(proof),
            WriteOutcome::Accepted { .. } | WriteOutcome::NotSent { .. } | WriteOutcome::Unknown { .. } => None,
        };
        assert_eq!(refusal(&answer(401, text), Deed::Cancel(id(1))), Some(Refusal::NotYours));
        assert_eq!(refusal(&answer(401, text), Deed::Place), Some(Refusal::Token(AuthTrouble::WrongAccount)));
        let product = "Invalid API call as no apiproduct match found";
        assert_eq!(refusal(&answer(401, product), Deed::Place), Some(Refusal::Token(AuthTrouble::WrongEnvironment)));
        let in_header = Answer { www_authenticate: Some(product.to_owned()), ..answer(401, "") };
        assert_eq!(refusal(&in_header, Deed::Place), Some(Refusal::Token(AuthTrouble::WrongEnvironment)));
        let fault = r#"{"fault":{"faultstring":"Access Token expired","detail":{"errorcode":"keymanagement.service.access_token_expired"}}}"#;
        assert_eq!(refusal(&answer(401, fault), Deed::Place), Some(Refusal::Token(AuthTrouble::Invalid)));
        let passing = r#"{"fault":{"faultstring":"Datastore Error"}}"#;
        assert_eq!(refusal(&answer(401, passing), Deed::Place), None, "a passing gateway fault proves nothing");
    }

    #[test]
    fn a_read_that_is_no_answer_says_why() {
        let read = |status, body, asked| read_error(&answer(status, body), asked);
        let any = Asked::Anything;
        assert_eq!(read(200, r#"{"orders":"null"}"#, any), None);
        assert!(matches!(read(200, "", any), Some(ReadError::Unavailable { status: 200, .. })));
        assert!(matches!(read(200, "<html>", any), Some(ReadError::Unavailable { status: 200, .. })));
        assert!(matches!(read(200, "soon", any), Some(ReadError::Undecodable { .. })));
        assert!(matches!(read(400, "Invalid parameter, start: no.", any), Some(ReadError::BadRequest { .. })));
        assert!(matches!(read(400, "Unexpected server error", any), Some(ReadError::Unavailable { .. })));
        assert_eq!(read(401, "Unauthorized Account: X", Asked::OneOrder), Some(ReadError::NotThere));
        assert_eq!(
            read(401, "Unauthorized Account: X", any),
            Some(ReadError::Reauthenticate { why: AuthTrouble::WrongAccount })
        );
        assert_eq!(read(401, "", any), Some(ReadError::Reauthenticate { why: AuthTrouble::Invalid }));
        assert!(matches!(
            read(401, r#"{"fault":{"faultstring":"Datastore Error"}}"#, any),
            Some(ReadError::Unavailable { .. })
        ));
        assert!(matches!(read(403, "no", any), Some(ReadError::Blocked { .. })));
        assert!(matches!(read(404, "", any), Some(ReadError::Unavailable { .. })), "404 passes on lists");
        assert_eq!(read(404, "", Asked::OneOrder), Some(ReadError::NotThere));
        for status in [301, 307, 408, 409, 421, 500, 502, 503, 504, 520, 530] {
            assert!(matches!(read(status, "", any), Some(ReadError::Unavailable { .. })), "{status}");
        }
        let fault = r#"{"fault":{"faultstring":"Invalid Access Token"}}"#;
        assert_eq!(read(200, fault, any), Some(ReadError::Reauthenticate { why: AuthTrouble::Invalid }));
        assert!(matches!(read(200, r#"{"errors":{"error":"no"}}"#, any), Some(ReadError::BadRequest { .. })));
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_only_an_id_is_an_acceptance(status in 100_u16..600, body in "\\PC{0,200}", number: i64) {
            for deed in [Deed::Place, Deed::Change(id(7)), Deed::Cancel(id(7))] {
                if let WriteOutcome::Accepted { id, .. } = write_outcome(&answer(status, &body), deed) {
                    prop_assert!((200..300).contains(&status) && body.contains(&id.to_string()));
                }
            }
            let ack = format!(r#"{{"order":{{"id":{number},"status":"ok"}}}}"#);
            let accepted = matches!(place(status, &ack), WriteOutcome::Accepted { .. });
            prop_assert_eq!(accepted, (200..300).contains(&status) && number > 0);
            let _ = read_error(&answer(status, &body), Asked::Anything);
        }

        #[test]
        fn cutting_an_acceptance_short_never_leaves_one(cut in 0_usize..OK.len()) {
            let outcome = place(200, &OK[..cut]);
            let is_unknown = matches!(outcome, WriteOutcome::Unknown { .. });
            prop_assert!(is_unknown, "{:?}", outcome);
        }
    }
}
