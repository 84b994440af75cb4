//! Ctrl-C: once stops cleanly at a stage's end, twice at once.

use std::sync::Arc;

use tokio::sync::watch;

use crate::printer::Printer;

/// A wish to stop, and who may wish it.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    sender: Arc<watch::Sender<bool>>,
    interrupted: Arc<watch::Sender<bool>>,
}

impl Stop {
    /// Listens for Ctrl-C and SIGTERM from now on; must be called within a runtime.
    pub(crate) fn on_interrupt(printer: Printer) -> Self {
        let [sender, interrupted] = [(); 2].map(|()| Arc::new(watch::channel(false).0));
        let stop = Self { sender, interrupted };
        let wished = stop.clone();
        tokio::spawn(async move {
            interrupt().await;
            printer.talk("stopping; press Ctrl-C again to stop at once");
            wished.interrupted.send_replace(true);
            wished.wish();
            interrupt().await;
            std::process::exit(130);
        });
        stop
    }

    /// Stops at the next chance.
    pub(crate) fn wish(&self) {
        self.sender.send_replace(true);
    }

    /// Turns true once somebody wishes it.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.sender.subscribe()
    }

    /// Whether somebody pressed Ctrl-C.
    pub(crate) fn interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }

    /// Waits until somebody presses Ctrl-C.
    pub(crate) async fn interruption(&self) {
        let mut watch = self.interrupted.subscribe();
        // The sender is in `self`, so waiting can't fail.
        let _ = watch.wait_for(|stop| *stop).await;
    }
}

async fn interrupt() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
