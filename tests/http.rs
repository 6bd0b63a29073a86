//! The HTTP service at its edges: bad requests get a 4xx with `{code, message, request_id}` and the server goes on; ids are
//! echoed; keys are asked for.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Reply, Server, TempCorpus, config, config_with, starter_server};

fn assert_error(reply: &Reply, status: u16, code: &str, what: &str) {
    assert_eq!(reply.status, status, "{what}: {reply:#?}");
    let body = reply.json();
    let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["code", "message", "request_id"], "{what}");
    assert_eq!(body["code"], code, "{what}: {reply:#?}");
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {reply:#?}");
    assert_eq!(body["request_id"], reply.request_id.as_str(), "{what}");
    assert!(!reply.request_id.is_empty(), "{what}");
}

fn assert_alive(server: &Server) {
    let reply = server.post("/v1/suggest", &json!({"messages": [{"role": "customer", "text": "退款 未到账"}]}));
    assert_eq!(reply.status, 200, "{reply:#?}");
}

#[test]
fn bad_bodies_are_refused_and_the_server_goes_on() {
    let server = starter_server();
    let long = "退".repeat(2_001);
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let many: Vec<Value> = (0..51).map(|_| json!({"role": "customer", "text": "退款"})).collect();
    let messages = |value: Value| json!({"messages": value}).to_string().into_bytes();
    let customer = json!([{"role": "customer", "text": "退款"}]);
    let with = |key: &str, value: Value| {
        let mut body = json!({"messages": customer});
        body[key] = value;
        body.to_string().into_bytes()
    };
    let suggest: Vec<(&str, Vec<u8>)> = vec![
        ("no body", vec![]),
        ("not JSON", b"hello".to_vec()),
        ("half JSON", b"{\"messages\":[".to_vec()),
        ("two documents", b"{} {}".to_vec()),
        ("a list", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("invalid UTF-8", b"{\"messages\":[{\"role\":\"customer\",\"text\":\"\xCD\xCB\xBF\xEE\"}]}".to_vec()),
        ("a lone surrogate", br#"{"messages":[{"role":"customer","text":"\ud800"}]}"#.to_vec()),
        ("deep nesting", deep.into_bytes()),
        ("no messages", b"{}".to_vec()),
        ("empty messages", messages(json!([]))),
        ("messages of the wrong type", messages(json!("退款"))),
        ("a message of the wrong type", messages(json!(["退款"]))),
        ("no role", messages(json!([{"text": "退款"}]))),
        ("an unknown role", messages(json!([{"role": "user", "text": "退款"}]))),
        ("no text", messages(json!([{"role": "customer"}]))),
        ("a number as text", messages(json!([{"role": "customer", "text": 5}]))),
        ("an empty text", messages(json!([{"role": "customer", "text": " \n"}]))),
        ("only the agent speaks", messages(json!([{"role": "agent", "text": "您好"}]))),
        ("a text too long", messages(json!([{"role": "customer", "text": long}]))),
        ("too many messages", messages(json!(many))),
        ("top_k 0", with("top_k", json!(0))),
        ("top_k 10^9", with("top_k", json!(1_000_000_000))),
        ("top_k 101", with("top_k", json!(101))),
        ("top_k -1", with("top_k", json!(-1))),
        ("top_k 1.5", with("top_k", json!(1.5))),
        ("top_k 10^30", b"{\"messages\":[{\"role\":\"customer\",\"text\":\"a\"}],\"top_k\":1e30}".to_vec()),
        ("top_k as text", with("top_k", json!("3"))),
        ("an unknown field", with("topk", json!(3))),
        ("an unknown channel", with("context", json!({"channel": "fax"}))),
        ("an unknown order status", with("context", json!({"order": {"status": "lost"}}))),
        ("a moment that does not exist", with("as_of", json!("2026-02-30"))),
        ("a moment as a number", with("as_of", json!(1_700_000_000))),
        ("a context of the wrong type", with("context", json!("im"))),
        ("an order of the wrong type", with("context", json!({"order": 5}))),
    ];
    for (what, body) in &suggest {
        assert_error(&server.post_bytes("/v1/suggest", body), 400, "invalid_request", what);
    }
    let search: Vec<(&str, Value)> = vec![
        ("no query", json!({})),
        ("an empty query", json!({"query": ""})),
        ("blanks", json!({"query": " \u{3000}\n"})),
        ("a query too long", json!({"query": long})),
        ("a query of the wrong type", json!({"query": ["退款"]})),
        ("top_k 0", json!({"query": "退款", "top_k": 0})),
        ("top_k 10^9", json!({"query": "退款", "top_k": 1_000_000_000})),
        ("top_k -1", json!({"query": "退款", "top_k": -1})),
        ("top_k 1.5", json!({"query": "退款", "top_k": 1.5})),
        ("an unknown kind", json!({"query": "退款", "kinds": ["FAQ"]})),
        ("an unknown filter", json!({"query": "退款", "filters": {"tag": ["a"]}})),
        ("an expected id of the wrong type", json!({"query": "退款", "expect": ["refund-time"]})),
        ("a threshold above 1", json!({"query": "退款", "score_threshold": 1.5})),
        ("a threshold below 0", json!({"query": "退款", "score_threshold": -0.1})),
        ("an unknown field", json!({"query": "退款", "limit": 3})),
    ];
    for (what, body) in &search {
        assert_error(&server.post("/v1/search", body), 400, "invalid_request", what);
    }
    assert_alive(server);
}

#[test]
fn messages_say_where_and_what_would_be_right() {
    let server = starter_server();
    let cases = [
        ("/v1/suggest", json!({"messages": [{"role": "user", "text": "a"}]}), vec!["user", "customer"]),
        (
            "/v1/suggest",
            json!({"messages": [{"role": "customer", "text": "退".repeat(2_001)}]}),
            vec!["messages[0].text", "2001", "2000"],
        ),
        ("/v1/search", json!({"query": "a", "top_k": 0}), vec!["top_k", "1 to 100"]),
        ("/v1/search", json!({"query": "a", "limit": 3}), vec!["limit", "top_k"]),
        ("/v1/search", json!({"query": "a", "as_of": "明天"}), vec!["明天", "2026-11-11"]),
    ];
    for (path, body, words) in cases {
        let message = server.post(path, &body).json()["message"].as_str().expect("a message").to_owned();
        assert!(words.iter().all(|word| message.contains(word)), "{words:?} in {message}");
    }
}

#[test]
fn limits_are_inclusive() {
    let server = starter_server();
    let many: Vec<Value> = (0..50).map(|_| json!({"role": "customer", "text": "退款"})).collect();
    let bodies = [
        ("/v1/search", json!({"query": "退".repeat(2_000)})),
        ("/v1/search", json!({"query": "退款", "top_k": 1})),
        ("/v1/search", json!({"query": "退款", "top_k": 100, "score_threshold": 1})),
        ("/v1/suggest", json!({"messages": [{"role": "customer", "text": "退".repeat(2_000)}]})),
        ("/v1/suggest", json!({"messages": many, "top_k": 100})),
    ];
    for (path, body) in bodies {
        let reply = server.post(path, &body);
        assert_eq!(reply.status, 200, "{reply:#?}");
    }
}

/// Sends raw bytes and reads all of the answer.
fn raw(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_body_of_one_megabyte_is_refused() {
    let server = starter_server();
    let body = json!({"query": "退".repeat(350_000)}).to_string();
    assert!(body.len() > 1024 * 1024);
    for path in ["/v1/search", "/v1/suggest"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let answer = raw(server, &[head.as_bytes(), body.as_bytes()].concat());
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
        assert!(answer.contains("\"code\":\"payload_too_large\""), "{answer:?}");
        assert!(answer.contains("262144"), "{answer:?}");
    }
    // Without a stated length as well.
    let mut request = b"POST /v1/search HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.as_bytes().chunks(10_000) {
        request.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    let answer = raw(server, &request);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
    assert_alive(server);
}

#[test]
fn broken_connections_do_no_harm() {
    let server = starter_server();
    for request in
        [&b"POST /v1/search HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"que"[..], b"\x16\x03\x01\x02\x00", b"GET", b""]
    {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.write_all(request).expect("a write");
        drop(stream);
    }
    assert!(raw(server, b"nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert_alive(server);
}

#[test]
fn unknown_paths_and_methods_are_errors_like_any_other() {
    let server = starter_server();
    for path in ["/", "/v1", "/v2/search", "/v1/search/", "/v1/entries", "/v1/%E9%80%80", "/../../etc/passwd"] {
        assert_error(&server.get(path), 404, "not_found", path);
    }
    for (method, path) in
        [("GET", "/v1/search"), ("GET", "/v1/suggest"), ("PUT", "/v1/search"), ("DELETE", "/v1/status"), ("POST", "/healthz")]
    {
        assert_error(&server.send(method, path, &[], b""), 405, "method_not_allowed", path);
    }
    for id in ["nothing", "..%2F..%2Fetc", "%E9%80%80%E6%AC%BE", "a%00b"] {
        assert_error(&server.get(&format!("/v1/entries/{id}")), 404, "not_found", id);
    }
    let reply = server.get("/v1/entries/%FF%FE");
    assert!((400..500).contains(&reply.status), "{reply:#?}");
    assert_error(&reply, reply.status, reply.json()["code"].as_str().expect("a code"), "bytes that are no text");
}

#[test]
fn request_ids_are_echoed_if_they_are_usable() {
    let server = starter_server();
    let body = json!({"query": "退款"}).to_string();
    let ask = |id: &str| server.send("POST", "/v1/search", &[("x-request-id", id)], body.as_bytes());
    for id in ["a", "order-42/7", "0f8fad5b-d9cb-469f-a165-70867728950e", &"x".repeat(128)] {
        let reply = ask(id);
        assert_eq!((reply.request_id.as_str(), reply.json()["request_id"].as_str()), (id, Some(id)));
    }
    for id in ["", "two words", &"x".repeat(129)] {
        let reply = ask(id);
        assert_ne!(reply.request_id, id);
        assert_eq!(reply.json()["request_id"], reply.request_id.as_str());
    }
    let (first, second) = (server.get("/v1/status").request_id, server.get("/v1/status").request_id);
    assert!(!first.is_empty() && first != second);
}

#[test]
fn entries_and_status_say_what_is_served() {
    let server = starter_server();
    let entry = server.get("/v1/entries/refund-timeline-not-arrived").json();
    assert_eq!(entry["id"], "refund-timeline-not-arrived");
    assert_eq!(entry["kind"], "faq");
    assert_eq!(entry["source"]["file"], "faq/refund-timeline.yaml");
    assert!(entry["answers"].as_array().is_some_and(|answers| !answers.is_empty()));
    let manual = server.get("/v1/entries/manual-router").json();
    assert!(manual["sections"].as_array().is_some_and(|sections| sections.len() > 10));
    let status = server.get("/v1/status").json();
    let counts = &status["generation"]["counts"];
    assert!(counts["faq"].as_u64() >= Some(300) && counts["manual"].as_u64() >= Some(8), "{counts}");
    assert!(counts["script"].as_u64() >= Some(150) && counts["risk"].as_u64() >= Some(40), "{counts}");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(server.get("/healthz").body, "ok");
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn metrics_count_requests_by_route_and_status() {
    let corpus = TempCorpus::small();
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    for _ in 0..3 {
        server.post("/v1/search", &json!({"query": "退款"}));
    }
    server.post("/v1/search", &json!({}));
    server.get("/v1/secret/1");
    server.get("/v1/secret/2");
    let text = server.get("/metrics").body;
    assert!(text.contains("yingda_request_seconds_count{route=\"/v1/search\",status=\"200\"} 3\n"), "{text}");
    assert!(text.contains("yingda_request_seconds_count{route=\"/v1/search\",status=\"400\"} 1\n"), "{text}");
    assert!(text.contains("yingda_request_seconds_bucket{route=\"/v1/search\",status=\"200\",le=\"+Inf\"} 3\n"), "{text}");
    assert!(!text.contains("secret"), "a path from outside must not become a label: {text}");
    assert!(text.contains("yingda_ready{generation="), "{text}");
}

#[test]
fn a_server_without_a_generation_says_so_and_becomes_ready() {
    let corpus = TempCorpus::small();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    assert_eq!(server.get("/healthz").status, 200);
    assert_error(&server.get("/readyz"), 503, "not_ready", "nothing is published");
    assert_error(&server.post("/v1/search", &json!({"query": "退款"})), 503, "not_ready", "nothing is published");
    assert!(server.get("/v1/status").json()["generation"].is_null());
    corpus.publish();
    crate::support::wait_until("the first generation serves", || server.get("/readyz").status == 200);
    assert_eq!(server.post("/v1/search", &json!({"query": "退款"})).status, 200);
}

#[test]
fn keys_are_asked_for_everywhere_but_for_health() {
    let corpus = TempCorpus::small();
    corpus.publish();
    let settings = config_with(&corpus.path(), &corpus.data(), &[("server.api_keys", "first-key-123,second-key-456")]);
    let server = Server::start(&settings);
    let body = json!({"query": "退款"}).to_string();
    let ask = |headers: &[(&str, &str)]| server.send("POST", "/v1/search", headers, body.as_bytes());
    let refused: [&[(&str, &str)]; 9] = [
        &[],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer first-key-12")],
        &[("authorization", "Bearer first-key-1234")],
        &[("authorization", "first-key-123")],
        &[("authorization", "Basic first-key-123")],
        &[("authorization", "Bearer first-key-123,second-key-456")],
        &[("x-api-key", "FIRST-KEY-123")],
        &[("x-api-key", "")],
    ];
    for headers in refused {
        assert_error(&ask(headers), 401, "unauthorized", &format!("{headers:?}"));
    }
    let admitted: [&[(&str, &str)]; 4] = [
        &[("authorization", "Bearer first-key-123")],
        &[("authorization", "bearer second-key-456")],
        &[("x-api-key", "first-key-123")],
        &[("x-api-key", "second-key-456")],
    ];
    for headers in admitted {
        assert_eq!(ask(headers).status, 200, "{headers:?}");
    }
    for path in ["/v1/status", "/metrics", "/v1/entries/refund-time", "/nowhere"] {
        assert_error(&server.get(path), 401, "unauthorized", path);
    }
    assert_eq!((server.get("/healthz").status, server.get("/readyz").status), (200, 200));
}
