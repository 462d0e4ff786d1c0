//! More callers than the process may have files open.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{address, configured, line_with};
use crate::harness::get;

/// Ticks of the CPU that a process has used, in user and kernel mode.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = after_name.split(' ').collect();
    [11, 12]
        .map(|at| fields[at].parse::<u64>().unwrap())
        .iter()
        .sum()
}

#[tokio::test]
async fn more_callers_than_files_are_waited_out_without_spinning() {
    const FILES: usize = 64;
    let (folder, _) = configured("127.0.0.1:0");
    let script = format!("ulimit -n {FILES} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_hongyan")]);
    command.args(["serve", "--log-format", "text"]);
    command
        .current_dir(folder.path())
        .env_clear()
        .kill_on_drop(true);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let pid = child.id().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let listening = line_with("listening", &mut lines).await;
    let address = address(&listening);

    let mut crowd = Vec::new();
    for _ in 0..2 * FILES {
        crowd.push(TcpStream::connect(&address).await.unwrap());
    }
    line_with("no connection can be taken in", &mut lines).await;
    let before = ticks(pid);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let used = ticks(pid) - before;
    assert!(used < 50, "of the 100 ticks of a second it used {used}");

    drop(crowd);
    let ask = get("/health/ready").unsigned().make(&address);
    let reply = tokio::time::timeout(Duration::from_secs(20), ask).await;
    assert_eq!(reply.expect("it takes callers in again").status, 200);
}
