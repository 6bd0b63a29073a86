//! The tantivy index: one document for each unit (one phrasing, heading or passage). Phrasings and passages are indexed
//! into fields of their own, because term statistics of questions and of running text must not be mixed; all phrasings
//! (question, similar questions, titles) share their fields, because a rare word is rare in all of them together.

use std::path::Path;

use tantivy::schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{DocId, Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term};

use super::best::best;
use super::peaks::Peaks;
use crate::error::{Error, Result};
use crate::text::Tokens;

/// Memory for building, in bytes; tantivy writes a segment whenever it is used up.
const WRITER_BYTES: usize = 200_000_000;

/// Which group of fields a unit belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Questions, similar questions, titles and headings.
    Phrase,
    /// Answers and passages.
    Body,
}

/// A query's tokens with their weights, for one search.
pub struct LexicalQuery<'a> {
    /// The query's tokens.
    pub tokens: &'a Tokens,
    /// Further words (synonyms, homophones) with weights below one.
    pub expansions: &'a [(String, f32)],
}

#[derive(Clone, Copy)]
struct Fields {
    unit: Field,
    phrase: [Field; 3],
    body: [Field; 3],
    tags: Field,
}

/// Weights of words, characters and bigrams within one group of fields.
const CHANNEL_WEIGHTS: [f32; 3] = [0.6, 1.0, 0.5];
/// Weight of a query word that is one of the entry's tags.
const TAG_WEIGHT: f32 = 0.2;

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let text = || {
        let indexing = TextFieldIndexing::default().set_fieldnorms(true).set_index_option(IndexRecordOption::WithFreqsAndPositions);
        TextOptions::default().set_indexing_options(indexing)
    };
    let mut group = |name: &str| {
        [
            builder.add_text_field(&format!("{name}_words"), text()),
            builder.add_text_field(&format!("{name}_chars"), text()),
            builder.add_text_field(&format!("{name}_bigrams"), text()),
        ]
    };
    let (phrase, body) = (group("phrase"), group("body"));
    let tags = builder.add_text_field("tags", text());
    let unit = builder.add_u64_field("unit", FAST);
    (builder.build(), Fields { unit, phrase, body, tags })
}

/// Writes a new index.
pub struct LexicalBuilder {
    writer: IndexWriter,
    fields: Fields,
}

impl LexicalBuilder {
    /// Begins an index in the empty folder `folder`.
    pub fn create(folder: &Path) -> Result<Self> {
        let (schema, fields) = schema();
        let index = Index::create_in_dir(folder, schema).map_err(failed("create the lexical index"))?;
        // One thread: documents keep the order of their units, so equal inputs give equal indexes.
        let writer = index.writer_with_num_threads(1, WRITER_BYTES).map_err(failed("create the lexical index"))?;
        Ok(LexicalBuilder { writer, fields })
    }

    /// Adds the unit numbered `unit`, with its entry's tags where it is the unit that stands for the entry.
    pub fn add(&mut self, unit: u32, part: Part, tokens: &Tokens, tags: Option<&Tokens>) -> Result<()> {
        let mut document = TantivyDocument::new();
        document.add_u64(self.fields.unit, u64::from(unit));
        let lists = [&tokens.words, &tokens.chars, &tokens.bigrams];
        let fields = if part == Part::Phrase { self.fields.phrase } else { self.fields.body };
        for (field, list) in fields.into_iter().zip(lists) {
            document.add_pre_tokenized_text(field, pre_tokenized(list));
        }
        if let Some(tags) = tags {
            document.add_pre_tokenized_text(self.fields.tags, pre_tokenized(&tags.words));
        }
        self.writer.add_document(document).map_err(failed("write the lexical index"))?;
        Ok(())
    }

    /// Writes everything, merged into one segment.
    pub fn finish(mut self) -> Result<()> {
        self.writer.commit().map_err(failed("write the lexical index"))?;
        let index = self.writer.index().clone();
        let segments = index.searchable_segment_ids().map_err(failed("write the lexical index"))?;
        if segments.len() > 1 {
            self.writer.merge(&segments).wait().map_err(failed("merge the lexical index"))?;
        }
        self.writer.wait_merging_threads().map_err(failed("merge the lexical index"))
    }
}

/// Tokens with ordinal positions and character offsets into nothing: the text itself is not stored.
fn pre_tokenized(list: &[String]) -> PreTokenizedString {
    let tokens =
        list.iter().enumerate().map(|(position, text)| Token { position, text: text.clone(), ..Token::default() }).collect();
    PreTokenizedString { text: String::new(), tokens }
}

fn failed(what: &'static str) -> impl Fn(tantivy::TantivyError) -> Error {
    move |error| Error::internal(&format!("cannot {what}"), error)
}

/// An opened, immutable index.
pub struct LexicalIndex {
    reader: IndexReader,
    fields: Fields,
    /// The unit of each document, by segment.
    units: Vec<Vec<u32>>,
    /// What frequent tokens add at most, by segment.
    peaks: Vec<Peaks>,
}

impl LexicalIndex {
    /// Opens the index in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let index = Index::open_in_dir(folder).map_err(failed("open the lexical index"))?;
        let (expected, fields) = schema();
        if index.schema() != expected {
            return Err(Error::Internal("the lexical index has another layout; run `yingda index`".into()));
        }
        let reader =
            index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed("open the lexical index"))?;
        let units = reader
            .searcher()
            .segment_readers()
            .iter()
            .map(|segment| {
                let column = segment.fast_fields().u64("unit").map_err(failed("read the lexical index"))?;
                let unit = |doc| column.first(doc).and_then(|unit| u32::try_from(unit).ok());
                let damaged = || Error::Internal("a text of the lexical index has no number; run `yingda index`".into());
                (0..segment.max_doc()).map(|doc| unit(doc).ok_or_else(damaged)).collect()
            })
            .collect::<Result<_>>()?;
        let searcher = reader.searcher();
        let all = [fields.phrase.as_slice(), &fields.body, &[fields.tags]].concat();
        let peaks = searcher.segment_readers().iter().map(|segment| Peaks::of(&searcher, segment, &all));
        let peaks = peaks.collect::<tantivy::Result<_>>().map_err(failed("read the lexical index"))?;
        Ok(LexicalIndex { reader, fields, units, peaks })
    }

    /// Number of units in the index.
    pub fn len(&self) -> usize {
        self.reader.searcher().num_docs() as usize
    }

    /// True if there is no unit in the index.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The best `limit` units of `part` with their BM25 scores, best first, ties by unit number. Only
    /// units that `allowed` accepts are counted.
    pub fn search(
        &self,
        query: &LexicalQuery,
        part: Part,
        limit: usize,
        allowed: &(dyn Fn(u32) -> bool + Sync),
    ) -> Result<Vec<(u32, f32)>> {
        let clauses = self.clauses(query, part);
        if clauses.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let searcher = self.reader.searcher();
        let mut out: Vec<(u32, f32)> = Vec::new();
        for ((segment, units), peaks) in searcher.segment_readers().iter().zip(&self.units).zip(&self.peaks) {
            let accept = |doc: DocId| allowed(units[doc as usize]);
            let found = best(&searcher, segment, peaks, &clauses, limit, &accept).map_err(failed("search the lexical index"))?;
            out.extend(found.into_iter().map(|(doc, score)| (units[doc as usize], score)));
        }
        out.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        out.truncate(limit);
        Ok(out)
    }

    /// The terms of a query with their weights.
    fn clauses(&self, query: &LexicalQuery, part: Part) -> Vec<(Term, f32)> {
        let mut clauses = Vec::new();
        let mut push = |field: Field, token: &str, weight: f32| clauses.push((Term::from_field_text(field, token), weight));
        let tokens = query.tokens;
        let fields = if part == Part::Phrase { self.fields.phrase } else { self.fields.body };
        let lists = [&tokens.words, &tokens.chars, &tokens.bigrams];
        for ((field, list), weight) in fields.into_iter().zip(lists).zip(CHANNEL_WEIGHTS) {
            weighted(list).for_each(|(token, count)| push(field, token, weight * count));
        }
        for (word, weight) in query.expansions {
            push(fields[0], word, weight * CHANNEL_WEIGHTS[0]);
        }
        if part == Part::Phrase {
            weighted(&tokens.words).for_each(|(token, count)| push(self.fields.tags, token, TAG_WEIGHT * count));
        }
        clauses
    }
}

/// Each distinct token with the number of times it occurs, in order of first appearance.
fn weighted(list: &[String]) -> impl Iterator<Item = (&str, f32)> {
    let mut seen: Vec<(&str, f32)> = Vec::new();
    for token in list {
        match seen.iter_mut().find(|(other, _)| other == token) {
            Some((_, count)) => *count += 1.0,
            None => seen.push((token, 1.0)),
        }
    }
    seen.into_iter()
}
