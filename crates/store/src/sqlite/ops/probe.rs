//! Whether what is written becomes durable: asked by writing, the way every message goes, and by no message at all.

use hongyan_courier::UnixMs;

use super::Op;
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) struct ProbeOp;

impl Op for ProbeOp {
    type Answer = ();
    const NAME: &'static str = "probe";

    fn now(&self) -> Option<UnixMs> {
        None
    }

    fn run(&mut self, base: &mut Base) -> Result<(), Fault> {
        base.probe()
    }
}
