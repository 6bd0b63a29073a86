//! A local server that speaks the endpoints of the Hugging Face hub over a folder: model information, `resolve` with entity tag
//! and commit, large files behind a redirect, ranges. It can break off downloads and writes down what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

/// The commit that every answer names.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// One request: path, value of `Range`, value of `Authorization`.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub path: String,
    pub range: String,
    pub authorization: String,
}

/// How the server behaves.
#[derive(Default)]
pub struct Behaviour {
    /// Bytes of `model.safetensors` that each further download of it brings before it breaks; none left means no breaks.
    pub breaks: Mutex<Vec<usize>>,
    /// Large files arrive with other bytes than the hub announces.
    pub damage: bool,
}

pub struct HubServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

struct State {
    id: String,
    folder: PathBuf,
    address: SocketAddr,
    behaviour: Behaviour,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl HubServer {
    /// Serves `folder` as the model `id` until the test ends.
    pub fn start(id: &str, folder: &Path, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let state = Arc::new(State { id: id.to_owned(), folder: folder.to_owned(), address, behaviour, asked: Arc::clone(&asked) });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                std::thread::spawn(move || answer(&state, stream));
            }
        });
        HubServer { address, asked }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

fn answer(state: &State, mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        let line = headers.iter().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let asked = Asked { path: path.clone(), range: header("range"), authorization: header("authorization") };
    state.asked.lock().expect("not poisoned").push(asked.clone());
    let info = format!("/api/models/{}/revision/main", state.id);
    let resolve = format!("/{}/resolve/main/", state.id);
    // A client that hangs up early is its own affair.
    let _ = if path == info {
        let siblings: Vec<_> = files(&state.folder, "").iter().map(|file| serde_json::json!({ "rfilename": file })).collect();
        let body = serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string();
        send(&mut stream, "200 OK", &[], body.as_bytes(), body.len())
    } else if let Some(file) = path.strip_prefix(&resolve).filter(|file| state.folder.join(file).is_file()) {
        resolved(state, &mut stream, file, &asked.range)
    } else if let Some(file) = path.strip_prefix("/storage/") {
        content(state, &mut stream, file, &asked.range, &[])
    } else {
        send(&mut stream, "404 Not Found", &[], b"", 0)
    };
}

/// The hub answers small files itself and sends clients to its storage for large ones.
fn resolved(state: &State, stream: &mut TcpStream, file: &str, range: &str) -> std::io::Result<()> {
    let commit = format!("X-Repo-Commit: {COMMIT}");
    let bytes = std::fs::read(state.folder.join(file))?;
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if file.ends_with(".safetensors") {
        let location = format!("Location: http://{}/storage/{file}", state.address);
        let tag = format!("X-Linked-Etag: \"{hash}\"");
        return send(stream, "302 Found", &[commit, location, tag], b"", 0);
    }
    content(state, stream, file, range, &[commit, format!("ETag: \"{}\"", &hash[..40])])
}

fn content(state: &State, stream: &mut TcpStream, file: &str, range: &str, headers: &[String]) -> std::io::Result<()> {
    let mut bytes = std::fs::read(state.folder.join(file))?;
    let size = bytes.len();
    if state.behaviour.damage && file.ends_with(".safetensors") {
        bytes[size / 2] ^= 1;
    }
    let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
    let first: usize = first.parse().unwrap_or(0);
    let last = last.parse().unwrap_or(size - 1).min(size - 1);
    if first >= size {
        return send(stream, "416 Range Not Satisfiable", &[], b"", 0);
    }
    let mut headers = headers.to_vec();
    headers.push(format!("Content-Range: bytes {first}-{last}/{size}"));
    let body = &bytes[first..=last];
    let mut sent = body.len();
    if file.ends_with(".safetensors") && !range.ends_with("-0") {
        let mut breaks = state.behaviour.breaks.lock().expect("not poisoned");
        if !breaks.is_empty() {
            sent = breaks.remove(0).min(sent);
        }
    }
    send(stream, "206 Partial Content", &headers, &body[..sent], body.len())
}

/// Sends `body`, having announced `length` bytes.
fn send(stream: &mut TcpStream, status: &str, headers: &[String], body: &[u8], length: usize) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n");
    headers.iter().for_each(|header| head += &format!("{header}\r\n"));
    head += "\r\n";
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}

/// Files below `folder`, relative to it.
fn files(folder: &Path, inside: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = format!("{inside}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() { found.extend(files(&path, &format!("{name}/"))) } else { found.push(name) }
    }
    found
}
