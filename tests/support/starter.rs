//! The starter corpus as one generation, built once for the whole process with the shipped model.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

use yingda::config::Config;
use yingda::embedding::Embedder;
use yingda::service::Service;

use super::server::Server;
use super::{config, corpora, model_folder, starter_corpus};

/// The shipped model, loaded once.
pub fn model() -> Arc<dyn Embedder> {
    static MODEL: OnceLock<Arc<dyn Embedder>> = OnceLock::new();
    let load = || {
        let folder = model_folder();
        yingda::embedding::load(&folder).map(Arc::from).unwrap_or_else(|error| panic!("the shipped model: {error}"))
    };
    Arc::clone(MODEL.get_or_init(load))
}

/// Settings over the starter corpus and its generation. Tests read that data folder and never write into it.
pub fn starter_config() -> &'static Config {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        let data = process_folder();
        corpora::publish(&starter_corpus(), &data);
        config(&starter_corpus(), &data)
    });
    &CONFIG
}

/// A service over the starter corpus.
pub fn starter() -> Arc<Service> {
    static SERVICE: OnceLock<Arc<Service>> = OnceLock::new();
    let open = || {
        let service = Service::new(starter_config(), model()).expect("a service");
        service.live().refresh().expect("the starter generation opens");
        Arc::new(service)
    };
    Arc::clone(SERVICE.get_or_init(open))
}

/// A server over the starter corpus, one for all tests.
pub fn starter_server() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| Server::serve(starter()));
    &SERVER
}

/// A folder of this process in the target folder. Statics are never dropped, so a later process removes what is left of
/// earlier ones: a folder whose `alive` file nobody locks any more.
fn process_folder() -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("starter");
    fs::create_dir_all(&base).expect("the folder for temporary files");
    for item in fs::read_dir(&base).expect("the folder for temporary files").flatten() {
        if let Ok(alive) = File::open(item.path().join("alive"))
            && alive.try_lock().is_ok()
        {
            // Another process may remove it at the same time; then there is nothing left to do.
            let _ = fs::remove_dir_all(item.path());
        }
    }
    let folder = base.join(std::process::id().to_string());
    // Named before it is filled, so that it is never taken for a leftover.
    let alive = File::create(base.join(format!("{}.alive", std::process::id()))).expect("a lock file");
    alive.lock().expect("a lock");
    fs::create_dir_all(&folder).expect("a folder for the starter generation");
    fs::rename(base.join(format!("{}.alive", std::process::id())), folder.join("alive")).expect("a lock file");
    static ALIVE: OnceLock<File> = OnceLock::new();
    let _ = ALIVE.set(alive);
    folder.join("data")
}
