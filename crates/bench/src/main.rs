//! The load bench: see docs/performance.md.
#![forbid(unsafe_code)]

fn main() -> hongyan_bench::Result<()> {
    hongyan_bench::main()
}
