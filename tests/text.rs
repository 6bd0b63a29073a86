//! The analyser's laws: different writings of one text are equal, tokens keep their order, model numbers stay whole and are
//! split as well, and the shop's own words are words.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use yingda::lexical::{LexicalBuilder, Part};
use yingda::query::highlights;
use yingda::text::{Analyzer, Dictionaries, Form, Tokens, is_cjk, normalise, normalise_with_map, units};

/// The same cases in every run.
const SEED: u64 = 1;

/// Words as they are written in traditional and in simplified characters.
const PAIRS: &[(&str, &str)] = &[
    ("退款未到賬", "退款未到账"),
    ("運費", "运费"),
    ("發票", "发票"),
    ("頭髮", "头发"),
    ("訂單", "订单"),
    ("優惠券", "优惠券"),
    ("電視機", "电视机"),
    ("客服電話", "客服电话"),
    ("買錯了", "买错了"),
    ("沒收到貨", "没收到货"),
    ("什麼時候", "什么时候"),
    ("這個", "这个"),
    ("乾淨", "干净"),
    ("面板", "面板"),
    ("裡面", "里面"),
    ("與", "与"),
    ("，", "，"),
    ("？", "？"),
    ("AP300", "AP300"),
    (" ", " "),
];

/// Phrases in which OpenCC replaces a character that it leaves alone elsewhere, and some in which it does not.
const PHRASES: &[&str] = &["回覆", "沈默", "明瞭", "找藉口", "牴牾", "衹是", "沈先生", "怎麼么", "退款", "頭髮", ""];

fn plain_analyzer() -> Analyzer {
    Analyzer::new(Dictionaries::default())
}

/// Text as customers type it: Chinese, latin, digits, full width, punctuation, emoji, blanks, invisible characters.
fn typed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::char::range('\u{4E00}', '\u{9FA5}').prop_map(String::from),
        2 => prop::sample::select(PAIRS).prop_map(|(traditional, _)| traditional.to_owned()),
        2 => "[a-zA-Z0-9 ._/+-]{1,6}",
        1 => "[！-～]{1,4}",
        1 => prop::sample::select(&["！！！", "。。。", "哈哈哈哈哈", "😭😭", "👨‍👩‍👧", "\u{200B}", "\u{3000}", "㎡", "①", "ﬁ", "İ", "ß", "㈱", "½"])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, rng_seed: RngSeed::Fixed(SEED), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn normalising_twice_changes_nothing_more(text in typed()) {
        let once = normalise(&text);
        prop_assert_eq!(normalise(&once), once);
    }

    /// “㈱” is “(株)”, but it is not one of the characters that texts mostly consist of, which take a shorter way.
    #[test]
    fn a_rare_character_changes_nothing_else(text in typed(), phrase in prop::sample::select(PHRASES)) {
        prop_assert_eq!(normalise(&format!("{text}{phrase}㈱")), normalise(&format!("{text}{phrase}(株)")));
    }

    #[test]
    fn a_normalised_text_is_tidy(text in typed()) {
        let text = normalise(&text);
        prop_assert_eq!(text.trim(), text.as_str());
        prop_assert!(!text.contains("  "), "two blanks in {:?}", text);
        prop_assert!(!text.chars().any(|c| c.is_ascii_uppercase()), "upper case in {:?}", text);
        prop_assert!(!text.chars().any(char::is_control), "control characters in {:?}", text);
    }

    #[test]
    fn traditional_and_simplified_are_one(words in prop::collection::vec(prop::sample::select(PAIRS), 1..8)) {
        let traditional: String = words.iter().map(|(traditional, _)| *traditional).collect();
        let simplified: String = words.iter().map(|(_, simplified)| *simplified).collect();
        prop_assert_eq!(normalise(&traditional), normalise(&simplified));
    }

    #[test]
    fn full_width_and_half_width_are_one(text in "[ -~]{0,30}") {
        let full: String = text
            .chars()
            .map(|c| if c == ' ' { '\u{3000}' } else { char::from_u32(c as u32 + 0xFEE0).expect("a full-width form") })
            .collect();
        prop_assert_eq!(normalise(&full), normalise(&text));
    }

    #[test]
    fn the_map_points_at_existing_characters_in_order(text in typed()) {
        let mapped = normalise_with_map(&text);
        let length = text.chars().count() as u32;
        prop_assert_eq!(mapped.origin.len(), mapped.text.chars().count());
        prop_assert!(mapped.origin.is_sorted());
        prop_assert!(mapped.origin.iter().all(|at| *at < length));
    }

    #[test]
    fn tokens_stand_in_the_order_of_the_text(text in typed()) {
        let tokens = plain_analyzer_shared().analyze(&text);
        let units = units(&tokens.text);
        prop_assert!(units.is_sorted_by_key(|(at, _)| *at));
        prop_assert_eq!(tokens.chars.iter().map(String::as_str).collect::<Vec<_>>(), units.iter().map(|(_, unit)| *unit).collect::<Vec<_>>());
        let neighbours: Vec<String> = units
            .windows(2)
            .filter(|pair| pair[0].0 + pair[0].1.len() == pair[1].0)
            .map(|pair| format!("{}{}", pair[0].1, pair[1].1))
            .collect();
        prop_assert_eq!(&tokens.bigrams, &neighbours);
        for (at, unit) in units {
            prop_assert_eq!(&tokens.text[at..at + unit.len()], unit);
        }
        for word in &tokens.words {
            prop_assert!(tokens.text.contains(word.as_str()), "{} is not in {}", word, tokens.text);
        }
    }

    #[test]
    fn analysing_the_normalised_text_gives_the_same_tokens(text in typed()) {
        let analyzer = plain_analyzer_shared();
        prop_assert_eq!(analyzer.analyze(&normalise(&text)), analyzer.analyze(&text));
    }

    #[test]
    fn highlights_are_ordered_spans_of_characters(text in typed(), query in typed()) {
        let tokens = plain_analyzer_shared().analyze(&query);
        let length = text.chars().count() as u32;
        let spans = highlights(&text, &tokens);
        for (start, end) in &spans {
            prop_assert!(start < end && *end <= length, "{}..{} of {}", start, end, length);
        }
        prop_assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", spans);
    }
}

fn plain_analyzer_shared() -> &'static Analyzer {
    static ANALYZER: std::sync::LazyLock<Analyzer> = std::sync::LazyLock::new(plain_analyzer);
    &ANALYZER
}

#[test]
fn writings_that_mean_the_same_are_equal() {
    let same = [
        ("退款未到賬！！！", "退款未到账!"),
        ("ＡＰ３００　滤芯", "ap300 滤芯"),
        ("好慢好慢啊啊啊啊啊", "好慢好慢啊啊"),
        ("钱呢😡😡😡", "钱呢"),
        ("退\u{200B}款\u{FEFF}", "退款"),
        ("  退款\t\n未到账  ", "退款 未到账"),
        ("ｗｉｆｉ连不上。。。。", "WIFI连不上。"),
        ("麵條", "面条"),
        ("①②③", "123"),
        ("2000000", "2000000"),
    ];
    for (left, right) in same {
        assert_eq!(normalise(left), normalise(right), "{left} and {right}");
    }
}

/// Also for the rare characters that random texts seldom hold.
#[test]
fn every_chinese_character_is_normal_after_one_pass() {
    let all = ('\u{4E00}'..='\u{9FFF}').chain('\u{3400}'..='\u{4DBF}').chain('\u{F900}'..='\u{FAFF}').filter(|c| is_cjk(*c));
    for c in all {
        let once = normalise(&c.to_string());
        assert_eq!(normalise(&once), once, "{c}");
        assert_eq!(normalise_with_map(&c.to_string()).text, once, "{c}");
    }
}

#[test]
fn model_numbers_stay_whole_and_are_split() {
    let cases: &[(&str, &[&str])] = &[
        ("AP300-X的滤芯", &["ap300-x", "ap", "300", "x", "滤芯"]),
        ("WM10-X2洗衣机", &["wm10-x2", "wm", "10", "x", "2", "洗衣机"]),
        ("2.4GHz频段", &["2.4ghz", "2", "4", "ghz", "频段"]),
        ("错误代码E08", &["e08", "e", "08"]),
        ("R6 Pro", &["r6", "r", "6", "pro"]),
        ("TL-WR841N/V14", &["tl-wr841n/v14", "tl", "wr", "841", "n", "v", "14"]),
    ];
    for (text, expected) in cases {
        let tokens = plain_analyzer_shared().analyze(text);
        for word in *expected {
            assert!(tokens.words.iter().any(|found| found == word), "{word} of {text} in {:?}", tokens.words);
        }
        let parts: Vec<&String> = tokens.chars.iter().filter(|unit| !unit.chars().any(is_cjk)).collect();
        assert!(parts.iter().all(|part| part.chars().all(char::is_numeric) || !part.chars().any(char::is_numeric)), "{parts:?}");
    }
}

#[test]
fn two_questions_are_compared_by_what_they_ask_deny_and_mean() {
    // one, other: whether one of them speaks of what fails or is undone, opposites between them, what the first asks beyond the second
    const CASES: &[(&str, &str, bool, u32, u32)] = &[
        ("怎么开通自动续费？", "怎么取消自动续费？", true, 1, 0),
        ("为什么没到账", "多久到账", true, 0, 1),
        ("為什麼沒到賬", "多久到账", true, 0, 1),
        ("怎么转入", "怎么转出", false, 1, 0),
        ("转入和转出有什么区别", "怎么转出", false, 0, 0),
        ("能不能退货", "可以退货吗", false, 0, 0),
        ("能不能退货", "怎么退货", false, 0, 1),
        ("有没有发票", "没有发票", true, 0, 1),
        ("能退不？", "可以退吗", false, 0, 0),
        ("到了没", "没到", true, 0, 1),
        ("不，谢谢", "谢谢", true, 0, 0),
        ("不知道怎么退款", "怎么退款", false, 0, 0),
        ("退款要多少天", "退款多久到", false, 0, 0),
        ("多少钱，什么时候发货？", "发货", false, 0, 2),
        ("还没收到货", "退款失败了", false, 0, 0),
        ("", "不能退吗", true, 0, 0),
    ];
    for &(one, other, differs, opposed, beyond) in CASES {
        let (a, b) = (Form::of(&normalise(one)), Form::of(&normalise(other)));
        assert_eq!(a.differs_in_adversity(&b), differs, "{one} | {other}");
        assert_eq!(a.opposed(&b), opposed, "{one} | {other}");
        assert_eq!(a.asks_beyond(&b), beyond, "{one} | {other}");
        assert_eq!((b.differs_in_adversity(&a), b.opposed(&a)), (differs, opposed), "{other} | {one}");
        assert_eq!((a.differs_in_adversity(&a), a.opposed(&a), a.asks_beyond(&a)), (false, 0, 0), "{one} | itself");
    }
}

#[test]
fn the_shops_words_are_words() {
    let mut dictionaries = Dictionaries::default();
    assert!(dictionaries.add_words("# 词\n到账\n价保 30000\n极速退款\n").is_empty());
    let shop = Analyzer::new(dictionaries);
    for (text, word) in [("退款未到账", "到账"), ("能价保吗", "价保"), ("开通极速退款", "极速退款")] {
        assert!(!plain_analyzer_shared().analyze(text).words.contains(&word.to_owned()), "{word} was known before");
        assert!(shop.analyze(text).words.contains(&word.to_owned()), "{word} in {:?}", shop.analyze(text).words);
    }
}

#[test]
fn the_shops_dictionaries_are_normalised_like_texts() {
    let mut dictionaries = Dictionaries::default();
    assert!(dictionaries.add_words("極速退款\n").is_empty());
    assert!(dictionaries.add_synonyms("退款，退錢,ＲＥＦＵＮＤ\n").is_empty());
    assert!(dictionaries.add_stop_words("請問\n的\n").is_empty());
    let shop = Analyzer::new(dictionaries);
    assert!(shop.analyze("极速退款").words.contains(&"极速退款".to_owned()));
    assert_eq!(shop.synonyms("退款"), ["退钱", "refund"]);
    assert_eq!(shop.synonyms("refund"), ["退款", "退钱"]);
    assert_eq!(shop.synonyms("发票"), Vec::<String>::new());
    assert!(!shop.analyze("请问我的退款").words.iter().any(|word| word == "请问" || word == "的"));
}

#[test]
fn bad_dictionary_lines_are_named() {
    let mut dictionaries = Dictionaries::default();
    let lines = |problems: Vec<yingda::text::DictionaryProblem>| problems.iter().map(|p| p.line).collect::<Vec<_>>();
    assert_eq!(lines(dictionaries.add_words("到账\n# 注释\n\n账\n价保 很多\n")), [4, 5]);
    assert_eq!(lines(dictionaries.add_synonyms("退款,退钱\n发票\n运费,運費\n")), [2, 3]);
    assert_eq!(lines(dictionaries.add_stop_words("的\n了 吗\n")), [2]);
}

/// Positions count tokens: a phrase query finds neighbours, and only neighbours.
#[test]
fn token_positions_are_ordinal() {
    use tantivy::query::{PhraseQuery, Query};
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let tokens: Tokens = plain_analyzer_shared().analyze("退款什么时候原路退回银行卡");
    let mut builder = LexicalBuilder::create(folder.path()).expect("an index");
    builder.add(0, Part::Phrase, &tokens, None).expect("a unit");
    builder.finish().expect("an index");

    let index = tantivy::Index::open_in_dir(folder.path()).expect("the index");
    let searcher = index.reader().expect("a reader").searcher();
    let finds = |field: &str, terms: &[&String]| {
        let field = index.schema().get_field(field).expect("a field");
        let terms = terms.iter().map(|term| tantivy::Term::from_field_text(field, term)).collect();
        PhraseQuery::new(terms).count(&searcher).expect("a count") == 1
    };
    for (field, list) in [("phrase_words", &tokens.words), ("phrase_chars", &tokens.chars), ("phrase_bigrams", &tokens.bigrams)] {
        for pair in list.windows(2) {
            assert!(finds(field, &[&pair[0], &pair[1]]), "{pair:?} stand side by side in {field}");
        }
        assert!(finds(field, &list.iter().collect::<Vec<_>>()), "the whole of {field}");
        assert!(!finds(field, &[&list[0], &list[2]]), "{} and {} do not stand side by side", list[0], list[2]);
    }
}
