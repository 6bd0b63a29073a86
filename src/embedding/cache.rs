//! A small memory of query vectors, since customers of one shop ask the same things in the same words, and of the places of short texts,
//! since the phrasings of its corpus are compared with one question after another. Texts of the corpus are embedded many at a time and
//! pass by it: each is computed once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Description, Embedder, Places, Role};
use crate::error::Result;

/// Queries that are remembered at least; twice as many at most.
const REMEMBERED: usize = 1_024;
/// Short texts whose places are remembered at least; twice as many at most, some kilobytes each. The phrasings of a shop's corpus
/// are compared again and again.
const REMEMBERED_PLACES: usize = 4_096;
/// Longer queries, in bytes, are not remembered; this bounds the memory's size.
const LONGEST: usize = 2_048;

/// An embedder that remembers the vectors of the latest queries, by both readings, and the places of the latest short texts.
pub struct Cached<E> {
    inner: E,
    memory: Mutex<Memory<Vec<f32>>>,
    contexts: Mutex<Memory<Vec<f32>>>,
    places: Mutex<Memory<Arc<Places>>>,
}

/// Two halves: what was used lately, and what was used before. A full half becomes the older one, and the older is forgotten.
struct Memory<V> {
    limit: usize,
    recent: HashMap<String, V>,
    older: HashMap<String, V>,
}

impl<V: Clone> Memory<V> {
    fn new(limit: usize) -> Self {
        Memory { limit, recent: HashMap::new(), older: HashMap::new() }
    }

    fn get(&mut self, text: &str) -> Option<V> {
        if let Some(vector) = self.recent.get(text) {
            return Some(vector.clone());
        }
        let (text, vector) = self.older.remove_entry(text)?;
        self.put(text, vector.clone());
        Some(vector)
    }

    fn put(&mut self, text: String, vector: V) {
        if self.recent.len() >= self.limit {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(text, vector);
    }
}

impl<E: Embedder> Cached<E> {
    /// `inner`, with an empty memory.
    pub fn new(inner: E) -> Self {
        Cached {
            inner,
            memory: Mutex::new(Memory::new(REMEMBERED)),
            contexts: Mutex::new(Memory::new(REMEMBERED)),
            places: Mutex::new(Memory::new(REMEMBERED_PLACES)),
        }
    }
}

/// The vector of `text` out of `memory`, or computed and put there.
fn remembered(memory: &Mutex<Memory<Vec<f32>>>, text: &str, compute: impl Fn() -> Result<Vec<Vec<f32>>>) -> Result<Vec<Vec<f32>>> {
    if text.len() > LONGEST {
        return compute();
    }
    // A panic elsewhere cannot leave the memory half changed in a way that gives a wrong vector.
    let memory = || memory.lock().unwrap_or_else(PoisonError::into_inner);
    let known = memory().get(text);
    if let Some(vector) = known {
        return Ok(vec![vector]);
    }
    let vectors = compute()?;
    if let [vector] = vectors.as_slice() {
        memory().put(text.to_owned(), vector.clone());
    }
    Ok(vectors)
}

impl<E: Embedder> Embedder for Cached<E> {
    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }

    fn fingerprint(&self) -> &str {
        self.inner.fingerprint()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>> {
        let &[text] = texts else { return self.inner.embed(texts, role) };
        if role != Role::Query {
            return self.inner.embed(texts, role);
        }
        remembered(&self.memory, text, || self.inner.embed(texts, role))
    }

    fn places(&self, text: &str, limit: usize) -> Arc<Places> {
        // A text of no more bytes than places are asked for has them all, whatever the limit.
        if text.len() > limit {
            return self.inner.places(text, limit);
        }
        let memory = || self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memory().get(text);
        known.unwrap_or_else(|| {
            let places = self.inner.places(text, limit);
            memory().put(text.to_owned(), places.clone());
            places
        })
    }

    fn context_dimensions(&self) -> usize {
        self.inner.context_dimensions()
    }

    fn embed_context(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let &[text] = texts else { return self.inner.embed_context(texts) };
        remembered(&self.contexts, text, || self.inner.embed_context(texts))
    }

    fn description(&self) -> Description {
        self.inner.description()
    }
}

impl Embedder for Box<dyn Embedder> {
    fn dimensions(&self) -> usize {
        self.as_ref().dimensions()
    }

    fn fingerprint(&self) -> &str {
        self.as_ref().fingerprint()
    }

    fn name(&self) -> &str {
        self.as_ref().name()
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>> {
        self.as_ref().embed(texts, role)
    }

    fn places(&self, text: &str, limit: usize) -> Arc<Places> {
        self.as_ref().places(text, limit)
    }

    fn context_dimensions(&self) -> usize {
        self.as_ref().context_dimensions()
    }

    fn embed_context(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        self.as_ref().embed_context(texts)
    }

    fn description(&self) -> Description {
        self.as_ref().description()
    }
}
