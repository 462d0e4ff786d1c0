//! How long the store takes, for whoever measures. Nothing here decides anything.

use std::time::Duration;

/// Somebody who measures; must return at once.
pub trait Watch: Send + Sync {
    /// An operation or a query took so long, from the call to the answer.
    fn query(&self, name: &'static str, took: Duration);
    /// A transaction of so many operations took so long, fsync included.
    fn commit(&self, operations: usize, took: Duration);
}

/// Nobody measures.
impl Watch for () {
    fn query(&self, _name: &'static str, _took: Duration) {}
    fn commit(&self, _operations: usize, _took: Duration) {}
}
