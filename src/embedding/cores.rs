//! Where the arithmetic runs: each batch on one core, many batches on all of them. Splitting one small matrix product over
//! cores costs more than it saves, so a single query never wakes a second core: it is worked off where it is asked.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// One pool of one thread for each core: what is started inside such a pool stays on its core.
fn pools() -> Result<&'static [ThreadPool]> {
    static POOLS: OnceLock<std::result::Result<Vec<ThreadPool>, String>> = OnceLock::new();
    let pools = POOLS.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pool = |core| ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("embed-{core}")).build();
        (0..cores).map(|core| pool(core).map_err(|error| error.to_string())).collect()
    });
    pools.as_deref().map_err(|error| Error::internal("cannot start threads for embedding", error))
}

/// Runs `work`, which starts no threads, on every item: on all cores together, a single one where it is asked. Results stand in
/// the order of the items.
pub(super) fn on_all_cores<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> Result<T> + Sync) -> Result<Vec<T>> {
    if let [item] = items {
        return work(item).map(|result| vec![result]);
    }
    let pools = pools()?;
    let next = AtomicUsize::new(0);
    let work_off = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(item)));
        }
    };
    let mut results: Vec<(usize, Result<T>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = pools.iter().take(items.len()).map(|pool| scope.spawn(|| pool.install(work_off))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
