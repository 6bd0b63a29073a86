//! Laws of replies over random contexts and templates: never a panic, never a placeholder, never longer than the channel
//! allows; and what each channel makes of an answer.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::json;
use yingda::corpus::{Answer, Channel, Shop};
use yingda::reply::{Context, Mood, Renderer, Situation, Tone, choose_answer, compose, fill, fit, max_chars};

/// Random contexts and templates tried by each law.
const CASES: u32 = 10_000;
/// The same cases in every run.
const SEED: u64 = 1;

fn shop() -> Shop {
    let settings = [("name", "应答优选"), ("hotline", "400-000-0000")];
    Shop { settings: settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into(), ..Shop::default() }
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[\u{4E00}-\u{4E40}，。！？a-z0-9 ]{0,12}",
        1 => Just("{{ order.id }}".to_owned()),
        1 => Just("}}{%{{".to_owned()),
        1 => Just("{`{ {}}{ }#}`}".to_owned()),
        1 => Just("{{{{{ }}}}}".to_owned()),
        1 => any::<String>().prop_map(|text| text.chars().take(30).collect()),
        1 => "[\u{4E00}-\u{4E40}]{200,900}",
    ]
}

/// A context as a program may send it: any part missing.
fn contexts() -> impl Strategy<Value = Context> {
    let text = || proptest::option::of(words());
    let channel = proptest::option::of(proptest::sample::select(Channel::NAMES));
    let tier = proptest::option::of(proptest::sample::select(vec!["new", "regular", "silver", "gold", "platinum"]));
    let moment = proptest::option::of(proptest::sample::select(vec!["2026-11-11", "2026-11-11T08:00:00+08:00", "1969-01-01"]));
    let amount = proptest::option::of(any::<f64>().prop_filter("JSON has no infinity", |amount| amount.is_finite()));
    (channel, tier, text(), text(), text(), moment, amount, any::<Option<i32>>()).prop_map(
        |(channel, tier, name, id, product, moment, amount, points)| {
            let value = json!({
                "channel": channel,
                "order": {"id": id, "amount": amount, "paid_at": moment, "refund_at": moment, "address": name},
                "customer": {"name": name, "tier": tier, "points": points, "phone": id},
                "product": {"name": product, "price": amount},
                "asked_times": points,
            });
            serde_json::from_value(value).expect("a context")
        },
    )
}

fn templates() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => words(),
        1 => proptest::sample::select(vec![
            "您好，", "您的订单 {{ order.id }} ", "{{ order.amount | money }}。", "{{ customer.name | polite }}，", "{{ shop.hotline }}",
            "{{ customer.name | default(\"您\") }}", "{{ order.paid_at | date }}。", "{{ order.refund_at | datetime }}", "{{ customer.phone | mask_phone }}",
            "{{ shop.unknown }}", "{{ order.carrier }}。", "{{ order }}", "{{ 1 / 0 }}", "{{ product.price }}", "{% if customer.tier %}会员{% endif %}",
            "{% for x in customer.name %}{{ x }}{% endfor %}", "点击“我的—设置”。", "\n1. 打开页面\n2. 点击提交\n", "1—3 个工作日。", "{{", "{% if",
        ]).prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

fn moods() -> impl Strategy<Value = Mood> {
    proptest::sample::select(vec![
        Mood::Neutral,
        Mood::Angry,
        Mood::Anxious,
        Mood::Disappointed,
        Mood::ThreatComplaint,
        Mood::Thanks,
    ])
}

fn shows_a_placeholder(text: &str) -> bool {
    ["{{", "}}", "{%", "%}"].iter().any(|mark| text.contains(mark))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, rng_seed: RngSeed::Fixed(SEED), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_reply_shows_a_placeholder_or_is_too_long(
        context in contexts(),
        chosen in templates(),
        fallback in templates(),
        mood in moods(),
        ongoing in any::<bool>(),
        hour in 0i8..24,
    ) {
        thread_local! {
            static RENDERER: Renderer = Renderer::new(&shop(), &TimeZone::UTC);
        }
        let answers = [Answer { when: None, text: chosen }, Answer { when: None, text: fallback }];
        RENDERER.with(|renderer| {
            let (text, missing) = fill(&answers, &answers[0], renderer, &context);
            let tone = Tone { context: &context, mood, ongoing, hour };
            let reply = compose(&text, &tone, renderer);
            prop_assert!(!shows_a_placeholder(&reply), "{reply}");
            prop_assert!(reply.chars().count() <= max_chars(context.channel), "{} characters", reply.chars().count());
            prop_assert!(missing.is_empty() || !text.is_empty(), "{missing:?}");
            let fitted = fit(&text, context.channel);
            prop_assert!(!shows_a_placeholder(&fitted) && fitted.chars().count() <= max_chars(context.channel));
            Ok(())
        })?;
    }

    #[test]
    fn an_answer_is_chosen_in_any_situation(context in contexts(), seconds in any::<i32>()) {
        let shop = shop();
        let answers = [Answer { when: None, text: "您好。".to_owned() }];
        let now = jiff::Timestamp::from_second(i64::from(seconds)).expect("a time");
        let situation = Situation { context: &context, now, zone: &TimeZone::UTC, shop: &shop };
        prop_assert!(choose_answer(&answers, &situation).is_some());
    }
}

fn composed(answer: &str, context: serde_json::Value, mood: Mood, ongoing: bool) -> String {
    let context: Context = serde_json::from_value(context).expect("a context");
    let renderer = Renderer::new(&shop(), &TimeZone::UTC);
    compose(answer, &Tone { context: &context, mood, ongoing, hour: 10 }, &renderer)
}

#[test]
fn every_channel_has_its_tone() {
    let answer = "您好，请点击“我的—退款/售后”查看，一般 1—3 个工作日到账。";
    let cases = [
        (json!({}), Mood::Neutral, false, answer.to_owned()),
        (json!({"channel": "im"}), Mood::Neutral, true, answer.replace("您好，", "")),
        (
            json!({"channel": "im", "customer": {"tier": "gold"}}),
            Mood::Neutral,
            false,
            answer.replace("您好", "尊敬的金牌会员，您好"),
        ),
        (json!({"channel": "im"}), Mood::Anxious, false, answer.replace("您好，", "您好，您先别着急，我马上帮您看。")),
        (
            json!({"channel": "phone"}),
            Mood::Neutral,
            false,
            "上午好，请选择我的，再进入退款、售后查看，一般 1到3 个工作日到账。请问还有其他可以帮您的吗？".to_owned(),
        ),
    ];
    for (context, mood, ongoing, expected) in cases {
        assert_eq!(composed(answer, context.clone(), mood, ongoing), expected, "{context}");
    }
    let letter = composed(answer, json!({"channel": "email", "customer": {"name": "王小明"}}), Mood::Neutral, true);
    assert!(letter.starts_with("尊敬的王小明：\n\n您好！请点击"), "{letter}");
    assert!(letter.ends_with("应答优选客户服务"), "{letter}");
}

#[test]
fn an_unknown_variable_leaves_a_correct_wording() {
    let renderer = Renderer::new(&shop(), &TimeZone::UTC);
    let answer = |text: &str| Answer { when: None, text: text.to_owned() };
    let fallback = answer("您好，请在订单页查看物流，有问题随时联系我们。");
    let chosen = answer("您好，您的订单 {{ order.id }} 由 {{ order.carrier }} 承运。详情可在订单页查看，也可以拨打客服热线。");
    let (text, missing) = fill(&[chosen.clone(), fallback.clone()], &chosen, &renderer, &Context::default());
    assert_eq!(missing, ["order.carrier", "order.id"]);
    assert!(!text.is_empty() && !text.contains("承运"), "{text}");
    let (text, _) = fill(std::slice::from_ref(&chosen), &chosen, &renderer, &Context::default());
    assert_eq!(text, "详情可在订单页查看，也可以拨打客服热线。");
    let bare = answer("{{ order.id }}");
    let (text, _) = fill(std::slice::from_ref(&bare), &bare, &renderer, &Context::default());
    assert!(text.starts_with("您好，"), "{text}");
}
