//! Stores of 50,000 vectors and more are searched by lists of neighbouring rows: nearly all of the nearest are found, what is
//! found is exact, filters are filled, and files do not depend on how work was cut into threads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rayon::ThreadPoolBuilder;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tempfile::TempDir;
use yingda::embedding::VectorStore;

const ROWS: u32 = 50_000;
const WIDTH: usize = 32;
/// Groups of rows that point nearly the same way.
const GROUPS: u64 = 700;

/// A store with lists, in memory, where it is searched whole, and as a file.
struct Large {
    whole: VectorStore,
    opened: VectorStore,
    path: PathBuf,
    folder: TempDir,
}

static LARGE: LazyLock<Large> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("vectors.safetensors");
    let whole = on(1, || store(ROWS, &path));
    let opened = VectorStore::load(&path).expect("opened");
    Large { whole, opened, path, folder }
});

/// A number between -1 and 1 that stands for `n`.
fn noise(n: u64) -> f32 {
    let bits = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}

/// Row `n`: one of the groups, which are of very different sizes, and something of its own.
fn row(n: u64) -> Vec<f32> {
    let group = (noise(n + (1 << 40)).powi(2) * GROUPS as f32) as u64;
    let value = |at: u64| noise((group << 24) + at) + 0.6 * noise((n << 8) + at + (1 << 50));
    let values: Vec<f32> = (0..WIDTH as u64).map(value).collect();
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.iter().map(|value| value / length).collect()
}

fn store(rows: u32, path: &Path) -> VectorStore {
    let mut store = VectorStore::new(WIDTH);
    (0..u64::from(rows)).for_each(|n| store.push(&row(n)));
    store.save(path).expect("saved");
    store
}

fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads").install(work)
}

/// What nobody has asked for before: rows that the store has not, of its groups.
fn questions() -> impl Iterator<Item = Vec<f32>> {
    (0..40).map(|n| row(u64::from(ROWS) + n))
}

#[test]
fn nearly_all_of_the_nearest_are_found_and_what_is_found_is_exact() {
    let Large { whole, opened, .. } = &*LARGE;
    for (name, step) in [("all", 1), ("every third", 3), ("every fiftieth", 50)] {
        let allowed = |unit: u32| unit.is_multiple_of(step);
        let (mut found, mut wanted) = (0, 0);
        for question in questions() {
            let near = opened.search(&question, 50, allowed);
            let nearest: BTreeSet<u32> = whole.search(&question, 50, allowed).into_iter().map(|(unit, _)| unit).collect();
            assert_eq!(near.len(), 50, "{name}");
            assert!(near.is_sorted_by(|a, b| (b.1, a.0) < (a.1, b.0)), "{name}: in order");
            for (unit, cosine) in &near {
                assert!(allowed(*unit) && cosine.to_bits() == whole.cosine(&question, *unit).to_bits(), "{name}");
            }
            wanted += nearest.len();
            found += near.iter().filter(|(unit, _)| nearest.contains(unit)).count();
            for limit in [1, 3, 10] {
                assert_eq!(opened.search(&question, limit, allowed), near[..limit], "{name}: the head of a longer search");
            }
        }
        assert!(found * 100 >= wanted * 99, "{name}: {found} of {wanted}");
    }
}

#[test]
fn a_filter_is_filled_from_the_whole_store() {
    let Large { whole, opened, .. } = &*LARGE;
    let question = row(7);
    // The farthest rows of all, a handful wherever they are, and nothing.
    let far = whole.search(&question.iter().map(|value| -value).collect::<Vec<f32>>(), 200, |_| true);
    let far: BTreeSet<u32> = far.into_iter().map(|(unit, _)| unit).collect();
    for some in [far, BTreeSet::from([3, 20_000, 49_999]), BTreeSet::new()] {
        let allowed = |unit: u32| some.contains(&unit);
        assert_eq!(opened.search(&question, 50, allowed), whole.search(&question, 50, allowed));
        assert_eq!(opened.search(&question, 50, allowed).len(), some.len().min(50));
    }
    // Beyond what lists are for, all rows are compared.
    for limit in [1_001, ROWS as usize, 2 * ROWS as usize] {
        assert_eq!(opened.search(&question, limit, |_| true), whole.search(&question, limit, |_| true));
    }
}

#[test]
fn the_file_does_not_depend_on_the_number_of_threads() {
    let Large { whole, path, folder, .. } = &*LARGE;
    let again = folder.path().join("again.safetensors");
    on(3, || whole.save(&again)).expect("saved");
    assert!(std::fs::read(&again).expect("read") == std::fs::read(path).expect("read"), "one thread or three");
}

#[test]
fn a_store_without_lists_is_searched_whole() {
    let Large { whole, path, folder, .. } = &*LARGE;
    // As earlier versions wrote it, and one too small for lists.
    let (bare, small) = (folder.path().join("bare.safetensors"), folder.path().join("small.safetensors"));
    rewrite(path, &bare, |name, data| (name == "vectors").then(|| data.to_vec()));
    let few = store(ROWS - 1, &small);
    assert_eq!(names(&bare), ["vectors"]);
    assert_eq!(names(&small), ["vectors"]);
    for (whole, path) in [(whole, &bare), (&few, &small)] {
        let opened = VectorStore::load(path).expect("opened");
        for question in questions().take(5) {
            assert_eq!(opened.search(&question, 50, |_| true), whole.search(&question, 50, |_| true));
        }
    }
}

#[test]
fn vectors_of_other_lengths_have_no_lists() {
    let path = LARGE.folder.path().join("long.safetensors");
    let mut long = VectorStore::new(2);
    (0..ROWS).for_each(|n| long.push(&[noise(u64::from(n)), 2.0]));
    long.save(&path).expect("saved");
    assert_eq!(names(&path), ["vectors"]);
}

#[test]
fn damaged_lists_are_refused_by_name() {
    let Large { path, folder, .. } = &*LARGE;
    let damaged = folder.path().join("damaged.safetensors");
    let no_such_list = |data: &[u8]| [&u32::MAX.to_le_bytes(), &data[4..]].concat();
    let too_few = |data: &[u8]| data[..4].to_vec();
    let changed = |change: &dyn Fn(&[u8]) -> Vec<u8>, what: &str| {
        rewrite(path, &damaged, |name, data| Some(if name == "lists.of" { change(data) } else { data.to_vec() }));
        let error = VectorStore::load(&damaged).err().expect("refused").to_string();
        assert!(error.contains(what) && error.contains("damaged.safetensors"), "{error}");
    };
    changed(&no_such_list, "a list that there is not");
    changed(&too_few, "do not fit together");
    for lost in ["lists.of", "lists.centres"] {
        rewrite(path, &damaged, |name, data| (name != lost).then(|| data.to_vec()));
        let error = VectorStore::load(&damaged).err().expect("refused").to_string();
        assert!(error.contains(lost), "{error}");
    }
}

/// Names of a file's tensors.
fn names(path: &Path) -> Vec<String> {
    let data = std::fs::read(path).expect("read");
    SafeTensors::deserialize(&data).expect("tensors").names().into_iter().map(ToOwned::to_owned).collect()
}

/// Writes the tensors of `from` to `to` as `change` makes them; none leaves one out.
fn rewrite(from: &Path, to: &Path, change: impl Fn(&str, &[u8]) -> Option<Vec<u8>>) {
    let data = std::fs::read(from).expect("read");
    let tensors = SafeTensors::deserialize(&data).expect("tensors");
    let changed: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .filter_map(|(name, view)| {
            let data = change(name, view.data())?;
            let shape = if data.len() == view.data().len() { view.shape().to_vec() } else { vec![data.len() / 4] };
            Some((name.to_owned(), view.dtype(), shape, data))
        })
        .collect();
    let views = changed
        .iter()
        .map(|(name, dtype, shape, data)| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).expect("a tensor")));
    safetensors::serialize_to_file(views, None, to).expect("written");
}
