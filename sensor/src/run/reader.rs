//! The thread that reads the running processes. It may read what the loop may not.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use tokio::sync::mpsc;

use super::Message;
use super::source::Snapshot;
use crate::snapshot::{SnapshotSettings, TaskStarts};

/// Snapshots that wait for another: the loop asks for one at a time.
const ORDERS_MAX: usize = 1;

#[derive(Debug)]
pub(super) struct Reader {
    orders: SyncSender<Order>,
}

/// A snapshot that is wanted.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) starts: TaskStarts,
    pub(super) settings: SnapshotSettings,
    /// What has happened since then is in the ring, or has been.
    pub(super) began_ns: u64,
}

impl Reader {
    /// Starts the thread, with the rights of the calling one. It ends with this.
    pub(super) fn start(answers: mpsc::Sender<Message>) -> io::Result<Reader> {
        let (orders, ordered) = sync_channel::<Order>(ORDERS_MAX);
        let builder = thread::Builder::new().name("ocellus-reader".to_owned());
        builder.spawn(move || {
            for Order { starts, settings, began_ns } in ordered {
                let snapshot = Snapshot::take(&starts, settings, began_ns);
                if answers.blocking_send(Message::Snapshot(snapshot)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Reader { orders })
    }

    /// Orders a snapshot, which comes as a message. False when the thread is not there to take it.
    pub(super) fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }
}
