//! Tells whoever asked what became of it. The writer hands over each batch as a whole, and one task of the callers' own
//! runtime does the telling: to wake a hundred tasks from a foreign thread costs more than to write their rows.

use hongyan_courier::port::StoreError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::ops::Job;

/// A batch that is durable or was rolled back.
pub(super) struct Batch {
    pub(super) jobs: Vec<Box<dyn Job>>,
    /// For each operation, why it alone was refused; or why all were.
    pub(super) result: Result<Vec<Option<StoreError>>, StoreError>,
}

impl Batch {
    fn tell(self) {
        match self.result {
            Ok(refused) => {
                for (job, refused) in self.jobs.into_iter().zip(refused) {
                    match refused {
                        None => job.committed(),
                        Some(error) => job.failed(error),
                    }
                }
            }
            Err(error) => {
                for job in self.jobs {
                    job.failed(error.clone());
                }
            }
        }
    }
}

/// Where the writer hands over its batches.
pub(super) type Answers = mpsc::UnboundedSender<Batch>;

/// Begins to tell, until the writer is gone and everybody was told.
pub(super) fn start(runtime: &Handle) -> (Answers, JoinHandle<()>) {
    let (answers, mut batches) = mpsc::unbounded_channel::<Batch>();
    let telling = runtime.spawn(async move {
        while let Some(batch) = batches.recv().await {
            batch.tell();
        }
    });
    (answers, telling)
}
