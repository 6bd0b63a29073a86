//! What `yingda tune` makes of a labelled set: the same file from the same set, thresholds that rise with the promise, and small parts
//! of the set besides.

use std::fs;
use std::path::Path;

use yingda::corpus::{Corpus, EntryBody};
use yingda::eval::EvalSet;
use yingda::query::Ranker;

use crate::support::{TempCorpus, starter_corpus, yingda};

/// Writes entries of the starter corpus as a set: questions are the documents, similar questions ask for them.
fn write_set(folder: &Path, entries: usize) {
    let corpus = Corpus::load(&starter_corpus()).expect("the starter corpus");
    let faqs = corpus.entries.iter().filter_map(|entry| match &entry.body {
        EntryBody::Faq(faq) if faq.similar.len() >= 3 => Some((&entry.id, faq)),
        _ => None,
    });
    let (mut documents, mut queries, mut right) = (String::new(), String::new(), String::new());
    for (id, faq) in faqs.take(entries) {
        documents += &format!("{id}\t{}\n", faq.question);
        for (at, text) in faq.similar.iter().take(3).enumerate() {
            queries += &format!("{id}-{at}\t{text}\n");
            right += &format!("{id}-{at}\t{id}\t1\n");
        }
    }
    fs::create_dir_all(folder).expect("a folder");
    for (name, text) in [("corpus.tsv", documents), ("queries.tsv", queries), ("qrels.tsv", right)] {
        fs::write(folder.join(name), text).expect("a file");
    }
}

#[test]
fn small_parts_are_small_corpora_with_as_many_questions_that_they_do_not_answer() {
    let corpus = TempCorpus::empty();
    let folder = corpus.beside("set");
    write_set(&folder, 100);
    let set = EvalSet::load(&folder).expect("a set");
    let parts = set.small_parts();
    let sizes: Vec<usize> = parts.iter().map(|part| part.documents.len()).collect();
    // 4 documents have 12 questions, which with 12 others are enough; 120 documents there are not.
    assert_eq!(sizes, [[4; 4].as_slice(), &[12, 11, 11, 11], &[34, 33, 33]].concat());
    for part in &parts {
        let answered = part.queries.iter().filter(|(id, _)| part.relevant.contains_key(id)).count();
        assert_eq!((answered, part.queries.len()), (3 * part.documents.len(), 6 * part.documents.len()), "{}", part.name);
        assert!(part.documents.keys().all(|id| set.documents.contains_key(id)));
        assert!(part.relevant.values().flatten().all(|id| part.documents.contains_key(id)), "{}", part.name);
    }
    assert!(parts.windows(2).all(|pair| pair[0].documents != pair[1].documents));
}

#[test]
fn a_ranker_learnt_from_a_set_is_the_same_each_time_and_asks_more_for_a_higher_promise() {
    let corpus = TempCorpus::small();
    let folder = corpus.beside("set");
    write_set(&folder, 30);
    let tuned = |name: &str| {
        let out = corpus.beside(name);
        let ran =
            yingda(["tune", "--without", "context_around"]).flag("--set", &folder).corpus(corpus.path()).flag("--out", &out).run();
        assert_eq!(ran.code, 0, "{ran:?}");
        (fs::read(&out).expect("a file"), Ranker::load(&out).expect("a ranker"))
    };
    let ((first, ranker), (second, _)) = (tuned("first.json"), tuned("second.json"));
    assert_eq!(first, second);
    assert!(!ranker.weights.contains_key("context_around") && ranker.weights["cosine"] > 0.0, "{:?}", ranker.weights);
    let calibration = &ranker.calibration;
    let surroundings: Vec<&str> = calibration.surroundings.keys().map(String::as_str).collect();
    assert_eq!(surroundings, ["context_around", "crowding"]);
    assert!(calibration.thresholds.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{calibration:?}");

    let text = String::from_utf8(first).expect("UTF-8").replace("\"crowding\": {", "\"crowd\": {");
    let wrong = corpus.beside("wrong.json");
    fs::write(&wrong, text).expect("a file");
    let refused = Ranker::load(&wrong).expect_err("no such feature").to_string();
    assert!(refused.contains("wrong.json: `crowd` is not a feature; known ones: "), "{refused}");
}
