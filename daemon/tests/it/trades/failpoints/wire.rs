//! Two wires that can be cut, from the daemon to its broker and to its database: bytes are passed on as they are, what
//! matters is counted on the way, and at one place of the count one of them or both stand still until the blow has fallen.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What passes a wire and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An order is placed or cancelled.
    Write,
    /// A transaction that wrote facts of a trade is committed.
    Record,
    /// Orders or positions are read.
    Read,
}

/// A place in the count: so many writes and records, and so many reads since the last of them; without
/// reads it is that write or record itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub(super) deeds: usize,
    pub(super) reads: usize,
}

/// What never arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Request,
    Answer,
}

/// What comes down at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// The daemon dies.
    Kill,
    /// The server of the database crashes and comes back; the daemon lives on.
    Crash,
    /// The wire is silent for a while, then its connections end; the daemon lives on.
    Silence,
}

/// Where what comes down, and on which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) point: Point,
    pub(super) loss: Loss,
    pub(super) blow: Blow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Broker,
    Database,
}

impl Step {
    fn wire(self) -> Wire {
        match self {
            Self::Record => Wire::Database,
            Self::Write | Self::Read => Wire::Broker,
        }
    }
}

/// What stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Still {
    Nothing,
    Only(Wire),
    Everything,
}

impl Still {
    fn holds(self, wire: Wire) -> bool {
        self == Self::Everything || self == Self::Only(wire)
    }
}

#[derive(Debug, Default)]
struct State {
    counts: bool,
    steps: Vec<Step>,
    plan: Option<Cut>,
    /// The cut whose place has come, and the wire on which it did.
    met: Option<(Blow, Wire)>,
}

/// What came of a count.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) steps: Vec<Step>,
    /// The wire on which the planned place came; something stands still since.
    pub(super) met: Option<Wire>,
}

/// Both wires and their count.
#[derive(Debug)]
pub(super) struct Wires {
    state: Mutex<State>,
    still: watch::Sender<Still>,
    /// Each grows when the connections of its wire are to end.
    broker: watch::Sender<u64>,
    database: watch::Sender<u64>,
}

impl Wires {
    pub(super) fn new() -> Arc<Self> {
        let (broker, database) = (watch::Sender::new(0), watch::Sender::new(0));
        Arc::new(Self { state: Mutex::default(), still: watch::Sender::new(Still::Nothing), broker, database })
    }

    /// Counts from now on, and stands still at the place that is planned.
    pub(super) fn begin(&self, plan: Option<Cut>) {
        *self.state.lock().unwrap() = State { counts: true, plan, ..State::default() };
    }

    /// Waits until something stands still.
    pub(super) async fn cut(&self) {
        self.until(|still| still != Still::Nothing).await;
    }

    /// What was counted by now.
    pub(super) fn counted(&self) -> Vec<Step> {
        self.state.lock().unwrap().steps.clone()
    }

    /// Counts no more, and what does not stand still by now never will.
    pub(super) fn end(&self) -> Counted {
        let mut state = self.state.lock().unwrap();
        let stands = *self.still.borrow() != Still::Nothing;
        let State { steps, met, .. } = std::mem::take(&mut *state);
        Counted { steps, met: met.filter(|_| stands).map(|(_, wire)| wire) }
    }

    /// Ends the connections of these wires; then everything goes on.
    pub(super) fn go_on(&self, without: &[Wire]) {
        for wire in without {
            self.life(*wire).send_modify(|life| *life += 1);
        }
        self.still.send_replace(Still::Nothing);
    }

    fn life(&self, wire: Wire) -> &watch::Sender<u64> {
        match wire {
            Wire::Broker => &self.broker,
            Wire::Database => &self.database,
        }
    }

    /// Passes on what comes to this port until dropped.
    pub(super) async fn broker(self: Arc<Self>, listener: TcpListener, broker: std::net::SocketAddr) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((client, _)) = listener.accept().await else { return };
            let wires = Arc::clone(&self);
            connections.spawn(async move {
                let mut life = wires.broker.subscribe();
                tokio::select! {
                    biased;
                    _ = life.changed() => {}
                    _ = http(&wires, client, broker) => {}
                }
            });
        }
    }

    /// The same for a database's socket.
    pub(super) async fn database(self: Arc<Self>, listener: UnixListener, database: PathBuf) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((client, _)) = listener.accept().await else { return };
            let (wires, database) = (Arc::clone(&self), database.clone());
            connections.spawn(async move {
                let mut life = wires.database.subscribe();
                tokio::select! {
                    biased;
                    _ = life.changed() => {}
                    _ = sql(&wires, client, &database) => {}
                }
            });
        }
    }

    /// Counts it. At the place that is planned its wire stands still, or will when the answer to it comes: then this
    /// is true.
    fn meets(&self, step: Step) -> bool {
        let mut state = self.state.lock().unwrap();
        if !state.counts {
            return false;
        }
        state.steps.push(step);
        let here = place(&state.steps);
        // Past it counts as well: a pass less is made now and then.
        let Some(cut) = state.plan.take_if(|cut| here >= cut.point) else { return false };
        state.met = Some((cut.blow, step.wire()));
        if cut.loss == Loss::Request {
            self.stand(&state);
        }
        cut.loss == Loss::Answer
    }

    /// The answer has come.
    fn answered(&self) {
        self.stand(&self.state.lock().unwrap());
    }

    fn stand(&self, state: &State) {
        self.still.send_replace(match state.met {
            Some((Blow::Silence, wire)) => Still::Only(wire),
            Some((Blow::Kill | Blow::Crash, _)) => Still::Everything,
            None => Still::Nothing,
        });
    }

    /// Goes on unless its wire stands still.
    async fn goes_on(&self, wire: Wire) {
        self.until(|still| !still.holds(wire)).await;
    }

    async fn until(&self, so: impl Fn(Still) -> bool) {
        let mut still = self.still.subscribe();
        while !so(*still.borrow_and_update()) && still.changed().await.is_ok() {}
    }
}

fn place(steps: &[Step]) -> Point {
    let reads = steps.iter().rev().take_while(|step| **step == Step::Read).count();
    Point { deeds: steps.iter().filter(|step| **step != Step::Read).count(), reads }
}

/// Every place of a run.
pub(super) fn places(steps: &[Step]) -> Vec<(Point, Step)> {
    (1..=steps.len()).map(|count| (place(&steps[..count]), steps[count - 1])).collect()
}

/// One connection to the broker. Whoever asks waits for the answer before asking again, so the first bytes
/// after an answer begin a request.
async fn http(wires: &Wires, mut client: TcpStream, broker: std::net::SocketAddr) -> std::io::Result<()> {
    let mut broker = TcpStream::connect(broker).await?;
    let (mut asked, mut answered) = (vec![0; 1 << 14], vec![0; 1 << 14]);
    let (mut idle, mut unanswered) = (true, false);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let bytes = &asked[..count?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if std::mem::take(&mut idle) {
                    unanswered = step_of(bytes).is_some_and(|step| wires.meets(step));
                }
                wires.goes_on(Wire::Broker).await;
                broker.write_all(bytes).await?;
            }
            count = broker.read(&mut answered) => {
                let bytes = &answered[..count?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if std::mem::take(&mut unanswered) {
                    wires.answered();
                }
                wires.goes_on(Wire::Broker).await;
                idle = true;
                client.write_all(bytes).await?;
            }
        }
    }
}

fn step_of(request: &[u8]) -> Option<Step> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, path) = (words.next()?, words.next()?.split('?').next()?);
    let (is_orders, is_positions) = (path.contains("/orders"), path.ends_with("/positions"));
    match method {
        "POST" | "PUT" | "DELETE" if is_orders => Some(Step::Write),
        "GET" if is_orders || is_positions => Some(Step::Read),
        _ => None,
    }
}

/// One connection to the database. What the server says is passed on as it comes; what the daemon says,
/// message by message.
async fn sql(wires: &Wires, client: UnixStream, database: &Path) -> std::io::Result<()> {
    let server = UnixStream::connect(database).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let unanswered = watch::Sender::new(false);
    let asks = async {
        let mut transaction = Transaction::default();
        let mut greeted = false;
        loop {
            let message = read_message(&mut from_client, greeted).await?;
            greeted = true;
            if transaction.commits(&message) && wires.meets(Step::Record) {
                unanswered.send_replace(true);
            }
            wires.goes_on(Wire::Database).await;
            to_server.write_all(&message).await?;
        }
    };
    let answers = async {
        let mut bytes = vec![0; 1 << 14];
        loop {
            let count = from_server.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            // Everything before it was answered before it was sent.
            if unanswered.send_replace(false) {
                wires.answered();
            }
            wires.goes_on(Wire::Database).await;
            to_client.write_all(&bytes[..count]).await?;
        }
    };
    tokio::select! {
        ended = asks => ended,
        ended = answers => ended,
    }
}

/// A message as it came: a kind and a length that counts itself; the first one has no kind.
async fn read_message(from: &mut (impl AsyncReadExt + Unpin), has_kind: bool) -> std::io::Result<Vec<u8>> {
    let head = if has_kind { 5 } else { 4 };
    let mut message = vec![0; head];
    from.read_exact(&mut message).await?;
    let length: [u8; 4] = message[head - 4..].try_into().unwrap();
    message.resize(head - 4 + usize::try_from(u32::from_be_bytes(length)).unwrap(), 0);
    from.read_exact(&mut message[head..]).await?;
    Ok(message)
}

/// What one connection's transaction has done so far.
#[derive(Debug, Default)]
struct Transaction {
    /// Names of statements that write facts.
    records: std::collections::HashSet<Vec<u8>>,
    recorded: bool,
}

/// Statements that write what the engine decides by about a trade.
const FACTS: [&str; 5] =
    ["INSERT INTO intents", "UPDATE intents", "INSERT INTO trade_facts", "UPDATE trade_facts", "INSERT INTO fills"];

impl Transaction {
    /// Whether this message commits something that counts.
    fn commits(&mut self, message: &[u8]) -> bool {
        let mut words = message[5.min(message.len())..].split(|byte| *byte == 0);
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match message.first() {
            Some(b'P') => {
                let statement = String::from_utf8_lossy(second);
                let counts = FACTS.iter().any(|fact| statement.contains(fact));
                if counts {
                    self.records.insert(first.to_vec());
                } else {
                    self.records.remove(first);
                }
                false
            }
            Some(b'B') => {
                self.recorded |= self.records.contains(second);
                false
            }
            Some(b'Q') if first.starts_with(b"COMMIT") => std::mem::take(&mut self.recorded),
            Some(b'Q') => {
                self.recorded = false;
                false
            }
            _ => false,
        }
    }
}
