//! Power lost: a process that writes blocks is killed at random points; whatever it had acknowledged must be there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::embedded::EmbeddedChain;

use super::embedded::{clock, genesis};
use super::story::coordinator;

const FOLDER: &str = "XFL_TEST_CHAIN_FOLDER";

/// The child: sends coins for ever and prints each acknowledged block. Does nothing unless the parent test starts it.
#[test]
#[ignore = "run as a child process by the test below"]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let chain = EmbeddedChain::open(folder.as_ref(), genesis(), clock().0).unwrap();
        let connection = Connection::embedded(&chain, Some(&coordinator()));
        loop {
            connection.send_coin(&[7; 20], 1).await.unwrap();
            let mut out = std::io::stdout();
            writeln!(out, "\nblock {}", chain.head().0).unwrap();
            out.flush().unwrap();
        }
    });
}

#[test]
fn a_writer_killed_at_any_point_loses_no_acknowledged_block() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for run in 0..6u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::writer", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, receiver) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(block) = line
                    .strip_prefix("block ")
                    .and_then(|number| number.parse::<u64>().ok())
                {
                    let _ = sender.send(block);
                }
            }
        });
        // After the first acknowledged block of this run, at a point that differs from run to run.
        let first = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(first > acknowledged);
        std::thread::sleep(Duration::from_micros(1_700 * run + 300));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        acknowledged = receiver.try_iter().last().unwrap_or(first);

        let chain = EmbeddedChain::open(folder.path(), genesis(), clock().0).unwrap();
        let head = chain.head().0;
        assert!(
            head == acknowledged || head == acknowledged + 1,
            "{head} blocks, {acknowledged} acknowledged"
        );
        acknowledged = head;
    }
}
