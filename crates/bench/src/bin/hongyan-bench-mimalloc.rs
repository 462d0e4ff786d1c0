//! The same program on the gateway's allocator: what the relay floor is with it.
#![forbid(unsafe_code)]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> hongyan_bench::Result<()> {
    hongyan_bench::main()
}
