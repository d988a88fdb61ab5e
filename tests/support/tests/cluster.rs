//! The test kit tested: quick, private to its test, and nothing is left behind.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use blotter_testkit::Cluster;
    use tokio::task::JoinSet;
    use tokio_postgres::NoTls;

    async fn answer(url: &str, sql: &str) -> Result<String, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        client.query_one(sql, &[]).await.map(|row| row.get(0))
    }

    #[tokio::test]
    async fn a_server_starts_answers_and_leaves_nothing() {
        // The template may have to be made first.
        drop(Cluster::start().unwrap());
        let begun = Instant::now();
        let cluster = Cluster::start().unwrap();
        println!("cluster start: {} ms", begun.elapsed().as_millis());
        let (url, dir, pid) = (cluster.url(), cluster.socket_dir().to_owned(), cluster.pid().unwrap());
        assert_eq!(answer(&url, "SELECT current_database()::text").await.unwrap(), "blotter");
        drop(cluster);
        assert!(!dir.exists());
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[tokio::test]
    async fn a_stopped_server_comes_back_with_what_was_committed() {
        let mut cluster = Cluster::start().unwrap();
        let url = cluster.url();
        answer(&url, "WITH made AS (SELECT set_config('x.y', 'z', true)) SELECT 'ok'::text FROM made").await.unwrap();
        cluster.stop_server().unwrap();
        assert!(answer(&url, "SELECT 'here'::text").await.is_err());
        cluster.start_server().unwrap();
        assert_eq!(answer(&url, "SELECT 'here'::text").await.unwrap(), "here");
    }

    #[test]
    fn what_a_killed_test_left_is_swept() {
        let left = Cluster::start().unwrap();
        let (dir, pid) = (left.socket_dir().to_owned(), left.pid().unwrap());
        std::mem::forget(left);
        // As if its test had been another process, which is gone.
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        fs::write(dir.join("owner"), format!("{} 1", gone.id())).unwrap();

        let _next = Cluster::start().unwrap();
        assert!(!dir.exists());
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "the server is gone: {state}");
    }

    #[test]
    fn a_running_test_is_left_alone() {
        let mine = Cluster::start().unwrap();
        let _other = Cluster::start().unwrap();
        assert!(mine.socket_dir().exists() && Path::new(&format!("/proc/{}", mine.pid().unwrap())).exists());
    }

    #[test]
    fn a_server_that_cannot_start_says_why() {
        let begun = Instant::now();
        let error = Cluster::builder().setting("shared_buffers", "nonsense").start().unwrap_err();
        assert!(format!("{error:#}").contains("shared_buffers"), "{error:#}");
        assert!(begun.elapsed() < Duration::from_secs(20), "and at once");
    }
}
