//! The supervisor with stand-ins for the programs: scripts that wait for their lifeline, and a socket
//! of the test's own that gives the daemon's answers. The real programs are in `tests/e2e`.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// Waits for its lifeline to close, or for a signal.
const PATIENT: &str = "#!/bin/sh\necho \"$@\" >>\"$HOME/$(basename \"$0\").calls\"\nread forever\n";

struct Bench {
    /// Where the programs lie, and their home.
    bin: TempDir,
    temp: TempDir,
}

impl Bench {
    fn new(daemon: &str, simulator: Option<&str>) -> Self {
        let bench = Self { bin: tempfile::tempdir().unwrap(), temp: tempfile::tempdir().unwrap() };
        bench.program("blotterd", daemon);
        if let Some(text) = simulator {
            bench.program("tradier-sim", text);
        }
        bench
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.bin.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            programs: Programs::beside(&self.bin.path().join("blotter")),
            temp: self.temp.path().to_owned(),
            path: Some("/usr/bin:/bin".to_owned()),
            home: Some(self.bin.path().to_owned()),
        }
    }

    fn start(&self) -> Demo {
        Demo::start(self.surroundings()).unwrap()
    }

    /// The socket of the demo that is about to start.
    fn coming_socket(&self) -> PathBuf {
        let is_demo = |path: &PathBuf| path.to_string_lossy().contains("/blotter-demo.");
        let folder = || fs::read_dir(self.temp.path()).unwrap().map(|entry| entry.unwrap().path()).find(is_demo);
        wait_for(|| folder().is_some_and(|folder| folder.join("own/config.toml").exists()));
        folder().unwrap().join("own/blotterd.sock")
    }

    fn calls(&self, program: &str) -> Vec<String> {
        let text = fs::read_to_string(self.bin.path().join(format!("{program}.calls"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.temp.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        assert_eq!(processes::inside(self.temp.path()), [], "processes left behind");
    }
}

/// Answers as a healthy daemon would, in the place of the stand-in.
fn answer_on(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let part = r#"{"state":"ok","since":"2026-01-02T03:04:05Z","checked_at":"2026-01-02T03:04:05Z","age_s":0}"#;
            let body = format!(
                r#"{{"status":"ok","version":"0","now":"2026-01-02T03:04:05Z","started_at":"2026-01-02T03:04:05Z","database":{part},"broker":{part},"scheduler":{part}}}"#
            );
            let mut request = [0; 1024];
            if stream.read(&mut request).is_ok() {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                // A probe that gave up has closed its end.
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        }
    });
}

/// Everything that is told until the wanted news, or what was told instead within the deadline.
#[track_caller]
fn until(demo: &Demo, wanted: impl Fn(&News) -> bool) -> Vec<News> {
    let mut told = Vec::new();
    loop {
        match demo.news.recv_timeout(Duration::from_secs(20)) {
            Ok(news) => {
                told.push(news);
                if told.last().is_some_and(&wanted) {
                    return told;
                }
            }
            Err(error) => panic!("{error}; told so far: {told:?}"),
        }
    }
}

#[test]
fn a_demo_comes_up_and_leaves_nothing() {
    let bench = Bench::new(PATIENT, None);
    let mut demo = bench.start();
    answer_on(demo.socket());
    let mut told = Vec::new();
    demo.wait_ready(|news| told.push(news.clone())).unwrap();
    assert_eq!(told.last(), Some(&News::Ready));
    let config = demo.socket().with_file_name("config.toml");
    let around = config.parent().and_then(Path::parent).unwrap();
    let call = format!("run --lifeline --ephemeral --around {} --config {}", around.display(), config.display());
    assert_eq!(bench.calls("blotterd"), [call]);
    let config: toml::Table = fs::read_to_string(config).unwrap().parse().unwrap();
    assert_eq!(config["daemon"]["socket"].as_str(), demo.socket().to_str());
    demo.stop().unwrap();
    bench.nothing_is_left();
}

#[test]
fn a_dropped_demo_leaves_nothing() {
    let bench = Bench::new(PATIENT, Some("#!/bin/sh\necho listening on 127.0.0.1:4000\nread forever\n"));
    let demo = bench.start();
    until(&demo, |news| *news == News::Starting { program: "blotterd" });
    drop(demo);
    bench.nothing_is_left();
}

#[test]
fn a_killed_program_is_started_again() {
    let simulator = format!("{}\n", PATIENT.replace("read forever", "echo listening on 127.0.0.1:4000\nread forever"));
    let bench = Bench::new(PATIENT, Some(&simulator));
    let mut demo = bench.start();
    answer_on(demo.socket());
    demo.wait_ready(|_| ()).unwrap();
    for program in ["blotterd", "tradier-sim"] {
        let found = processes::inside(bench.temp.path()).into_iter().find(|found| found.name == program).unwrap();
        processes::kill_now(std::slice::from_ref(&found));
        let told = until(&demo, |news| matches!(news, News::Restarting { .. }));
        assert_eq!(told, [News::Restarting { program, how: "signal 9 ended it".to_owned() }]);
        wait_for(|| {
            processes::inside(bench.temp.path()).iter().any(|other| other.name == program && other.pid != found.pid)
        });
    }
    wait_for(|| bench.calls("tradier-sim").len() == 2);
    let again = &bench.calls("tradier-sim")[1];
    assert!(again.contains("--listen 127.0.0.1:4000"), "the simulator moved: {again}");
    demo.stop().unwrap();
    bench.nothing_is_left();
}

#[test]
fn a_daemon_that_does_not_stay_up_is_given_up_with_its_log() {
    let bench = Bench::new("#!/bin/sh\necho the port is taken >&2\nexit 3\n", None);
    let mut demo = bench.start();
    let error = demo.wait_ready(|_| ()).unwrap_err().to_string();
    assert!(error.contains("blotterd does not stay up (it ended 3 times)"), "{error}");
    assert!(error.contains("\n  the port is taken"), "{error}");
    drop(demo);
    bench.nothing_is_left();
}

#[test]
fn a_demo_without_a_working_simulator_goes_on() {
    let bench = Bench::new(PATIENT, Some("#!/bin/sh\nexit 1\n"));
    let demo = bench.start();
    let told = until(&demo, |news| *news == News::Starting { program: "blotterd" });
    assert!(told.contains(&News::NoSimulator { reason: "it ended with code 1".to_owned() }), "{told:?}");
    demo.stop().unwrap();
    bench.nothing_is_left();
}

#[test]
fn a_missing_program_is_a_sentence() {
    let nowhere = tempfile::tempdir().unwrap();
    let surroundings = Surroundings {
        programs: Programs::beside(&nowhere.path().join("blotter")),
        temp: nowhere.path().to_owned(),
        path: None,
        home: None,
    };
    assert!(matches!(Demo::start(surroundings).unwrap_err(), DemoError::NoProgram(_)));
    assert_eq!(fs::read_dir(nowhere.path()).unwrap().count(), 0);
}

#[test]
fn the_client_runs_on_the_socket_and_its_code_is_the_commands() {
    let bench = Bench::new(PATIENT, None);
    let mut said = Vec::new();
    let code = std::thread::scope(|scope| {
        scope.spawn(|| answer_on(&bench.coming_socket()));
        with_client(bench.surroundings(), &mut said, |socket| {
            assert!(socket.exists());
            ExitCode::from(7)
        })
    });
    assert_eq!(format!("{:?}", code.unwrap()), format!("{:?}", ExitCode::from(7)));
    let said = String::from_utf8(said).unwrap();
    assert_eq!(
        said,
        "demo: without a simulated broker: tradier-sim was not built\ndemo: starting blotterd\ndemo: ready\n"
    );
    bench.nothing_is_left();
}

#[track_caller]
fn wait_for(condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it did not happen within 20 s");
        std::thread::yield_now();
    }
}
