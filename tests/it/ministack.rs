//! MiniStack, which stands in for AWS: started once for this program on a free port of this machine, and
//! ended with it.

use aws_config::{BehaviorVersion, SdkConfig};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

struct Server {
    address: SocketAddr,
    /// Its standard input ends when this program does, and it ends with that.
    _process: Child,
}

/// Where it listens. The first to ask waits until it does.
pub(crate) fn address() -> SocketAddr {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start).address
}

fn start() -> Server {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let python = folder.join(".venv/bin/python");
    assert!(
        python.exists() && Command::new(&python).args(["-c", "import ministack"]).status().is_ok_and(|status| status.success()),
        "MiniStack, which stands in for AWS here, is not installed: run ./scripts/setup"
    );
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port");
    let state = std::env::temp_dir().join(format!("qdn-ministack-{}", address.port()));
    std::fs::create_dir_all(&state).expect("a folder");
    let process = Command::new(&python)
        .arg(folder.join("serve.py"))
        // Without it, MiniStack listens to the whole network.
        .env("BIND_HOST", "127.0.0.1")
        .env("MINISTACK_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", address.port().to_string())
        .env("LOG_LEVEL", "ERROR")
        .env("TMPDIR", &state)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("python runs");
    let began = Instant::now();
    while !answers(address) {
        assert!(began.elapsed() < Duration::from_secs(30), "MiniStack does not answer at {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
    // It has read its folder by now, and keeps its things in memory.
    let _ = std::fs::remove_dir_all(state);
    Server { address, _process: process }
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}

/// The settings with which the SDK speaks to an address: MiniStack's own, or that of a proxy before it.
pub(crate) async fn settings(address: SocketAddr) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region("us-east-1")
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(aws_sdk_s3::config::Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await
}
