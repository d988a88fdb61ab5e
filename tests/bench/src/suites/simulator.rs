//! The simulator as a process: how soon it is ready, what a request costs beside a bare handler that answers the same
//! bytes, how long a day takes, what it weighs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use blotter_testkit::process::usage;
use blotter_testkit::programs;

use crate::report::Report;
use crate::stats::Sample;

/// Where time begins in every run.
pub(super) const START: &str = "2026-09-10T09:30";
const SIMULATOR: [&str; 6] = ["--clock", "manual", "--start", START, "--no-limits", "--lifeline"];
const ORDERS: &str = "/v1/accounts/6YA00001/orders";
const FORM: &str = "class=equity&symbol=AAPL&side=buy&quantity=1&type=limit&price=10&duration=gtc";
const QUOTES: &str = "/v1/markets/quotes?symbols=SPY,QQQ,AAPL";

pub(crate) fn run(report: &mut Report) -> Result<()> {
    ready(report)?;
    costs(report)?;
    day(report)
}

/// From the start of the process to the line that says where it listens.
fn ready(report: &mut Report) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..10 {
        let began = Instant::now();
        drop(Program::simulator()?);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let times = Sample::new(times);
    report.set("simulator.ready", times.median().context("no starts")?, &times)
}

/// What happens between two requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    /// Nothing: quotes are sent again as they were written.
    Nothing,
    /// A step of the clock, so that every price is new. Its own cost is taken off.
    Step,
}

/// What is asked for.
struct Ask<'a> {
    goal: &'static str,
    method: &'a str,
    path: &'a str,
    form: &'a str,
    between: Between,
}

fn costs(report: &mut Report) -> Result<()> {
    let symbols = contracts(&mut Program::simulator()?.connect()?)?.join(",");
    let many = format!("/v1/markets/quotes?symbols={symbols}");
    let quotes = |goal, path, between| Ask { goal, method: "GET", path, form: "", between };
    compare(report, &quotes("simulator.quotes", QUOTES, Between::Nothing))?;
    compare(report, &quotes("simulator.quotes_of_100", &many, Between::Nothing))?;
    compare(report, &quotes("simulator.quotes.moving", QUOTES, Between::Step))?;
    compare(report, &quotes("simulator.quotes_of_100.moving", &many, Between::Step))?;
    let between = Between::Nothing;
    compare(report, &Ask { goal: "simulator.orders", method: "POST", path: ORDERS, form: FORM, between })
}

/// Processor time of a request on one core beside that of a bare handler with the same answer: the inverse of how many
/// requests the core serves, whatever the client costs.
fn compare(report: &mut Report, ask: &Ask<'_>) -> Result<()> {
    let simulator = Program::on_one_core("tradier-sim", &SIMULATOR)?;
    let mut line = simulator.connect()?;
    let answer = line.ask(ask.method, ask.path, ask.form)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("answer");
    std::fs::write(&file, answer)?;
    let bare = Program::on_one_core("bare-handler", &[file.to_str().context("a path in text")?])?;
    let mut floor = bare.connect()?;
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let theirs = cost(&bare, || floor.ask(ask.method, ask.path, ask.form).map(drop))?;
        let step = |line: &mut Line| line.ask("POST", "/__sim/clock", r#"{"step_ms":250}"#).map(drop);
        let ours = match ask.between {
            Between::Nothing => cost(&simulator, || line.ask(ask.method, ask.path, ask.form).map(drop))?,
            Between::Step => {
                let both = cost(&simulator, || {
                    step(&mut line)?;
                    line.ask(ask.method, ask.path, ask.form).map(drop)
                })?;
                both - cost(&simulator, || step(&mut line))?
            }
        };
        ratios.push(ours / theirs);
    }
    let ratios = Sample::new(ratios);
    report.set(ask.goal, ratios.median().context("no rounds")?, &ratios)
}

/// Seconds of processor time for doing a thing a thousand times.
fn cost(program: &Program, mut deed: impl FnMut() -> Result<()>) -> Result<f64> {
    let before = usage(program.child.id())?.cpu;
    for _ in 0..1_000 {
        deed()?;
    }
    Ok(usage(program.child.id())?.cpu.saturating_sub(before).as_secs_f64())
}

/// Fifty brackets from the open to the close, a hundred symbols asked for each minute.
fn day(report: &mut Report) -> Result<()> {
    const BRACKETS: usize = 50;
    let simulator = Program::simulator()?;
    let mut line = simulator.connect()?;
    let contracts = contracts(&mut line)?;
    for contract in contracts.iter().take(BRACKETS) {
        let leg = |i: u8, terms: &str| {
            format!("&option_symbol[{i}]={contract}&side[{i}]=sell_to_close&quantity[{i}]=1&{terms}")
        };
        let buy = format!(
            "class=option&symbol=SPY&option_symbol={contract}&side=buy_to_open&quantity=1&type=market&duration=day"
        );
        line.ask("POST", ORDERS, &buy)?;
        line.ask("POST", "/__sim/clock", r#"{"step_ms":1000}"#)?;
        let exits = leg(0, "type[0]=limit&price[0]=900") + &leg(1, "type[1]=stop&stop[1]=0.01");
        line.ask("POST", ORDERS, &format!("class=oco&duration=gtc{exits}"))?;
    }
    let quotes = format!("/v1/markets/quotes?symbols={}", contracts.join(","));
    let began = Instant::now();
    for _ in 0..385 {
        line.ask("POST", "/__sim/clock", r#"{"step_ms":60000}"#)?;
        line.ask("GET", &quotes, "")?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let open = line.ask("GET", "/v1/accounts/6YA00001/orders?status=open&limit=1500", "")?;
    let open = open.matches("\"class\":\"oco\"").count();
    ensure!(open * 10 >= BRACKETS * 9, "only {open} brackets lived through the day");
    report.set("simulator.day", seconds, &Sample::new(vec![seconds]))?;
    #[expect(clippy::cast_precision_loss, reason = "kilobytes of one process")]
    let megabytes = usage(simulator.child.id())?.resident_kib as f64 * 1.024e-3;
    report.set("simulator.resident", megabytes, &Sample::new(vec![megabytes]))
}

/// A hundred contracts around the money that end a week later.
fn contracts(line: &mut Line) -> Result<Vec<String>> {
    let chain = line.ask("GET", "/v1/markets/options/chains?symbol=SPY&expiration=2026-09-18", "")?;
    let chain: serde_json::Value = serde_json::from_str(&chain)?;
    let all = chain.pointer("/options/option").and_then(serde_json::Value::as_array).context("no chain")?;
    let near = all.iter().skip((all.len() / 2).saturating_sub(50)).take(100);
    let names: Vec<String> = near.filter_map(|o| Some(o.get("symbol")?.as_str()?.to_owned())).collect();
    ensure!(names.len() == 100, "{} contracts", names.len());
    Ok(names)
}

/// A program that says where it listens and ends with its standard input.
pub(super) struct Program {
    child: Child,
    pub(super) address: String,
}

impl Program {
    fn simulator() -> Result<Self> {
        Self::start(programs::path("tradier-sim")?, &SIMULATOR)
    }

    /// Threads that wake each other over cores cost one time double what they cost the next; on one core they cannot.
    pub(super) fn on_one_core(program: &str, args: &[&str]) -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let allowed =
            status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).context("no list of cores")?;
        let core = allowed.trim().split([',', '-']).next().context("no core")?;
        let path = programs::path(program)?;
        let path = path.to_str().context("a path in text")?;
        Self::start("taskset".into(), &[&["-c", core, path], args].concat())
    }

    pub(super) fn start(program: PathBuf, args: &[&str]) -> Result<Self> {
        let name = program.display().to_string();
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} did not start"))?;
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().context("no output")?).read_line(&mut said)?;
        let address = said.trim().strip_prefix("listening on ").with_context(|| format!("{name} said {said:?}"))?;
        Ok(Self { child, address: address.to_owned() })
    }

    pub(super) fn connect(&self) -> Result<Line> {
        let socket = TcpStream::connect(&self.address)?;
        socket.set_nodelay(true)?;
        Ok(Line { reader: BufReader::new(socket) })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends with its input; waiting leaves no zombie.
        drop(self.child.wait());
    }
}

/// One connection that is kept.
pub(super) struct Line {
    reader: BufReader<TcpStream>,
}

impl Line {
    pub(super) fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<String> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\nAuthorization: Bearer live-token\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        let mut length = 0;
        let mut first = String::new();
        self.reader.read_line(&mut first)?;
        ensure!(first.contains(" 200 "), "{method} {path} answered {first}");
        loop {
            let mut header = String::new();
            self.reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().context("a length")?;
            }
        }
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes)?;
        Ok(String::from_utf8(bytes)?)
    }
}
