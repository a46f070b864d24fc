//! The program: the command line of the library, with the allocator that a long-lived server wants.

/// The memory of a replaced model goes back to the system, which glibc's allocator does only now and then: most of it
/// is ONNX Runtime's, which the symbol `malloc` of this program serves as well. Measured in docs/RELIABILITY.md.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    fishid::run_command_line()
}
