//! A Kubernetes API server with its etcd, from `scripts/setup kubernetes`. There are no nodes and no controllers: it judges, defaults
//! and stores objects, and runs none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rcgen::KeyPair;

use super::certificates;
use super::ports::free_port;
use super::supervisor::Supervisor;
use super::wait::eventually_blocking;

const STARTS: Duration = Duration::from_secs(60);
const TOKEN: &str = "of-the-tests";

/// Both servers end when it is dropped.
pub struct ApiServer {
    server: Supervisor,
    _etcd: Supervisor,
}

/// A file of the tree.
fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn words(program: &str, options: &[String]) -> Vec<OsString> {
    let program = in_tree("target/kubernetes").join(program).into_os_string();
    [program].into_iter().chain(options.iter().map(OsString::from)).collect()
}

impl ApiServer {
    /// Starts a server without any object of ours, and waits until it is ready.
    pub fn start() -> Self {
        let (client, peer, port) = (free_port(), free_port(), free_port());
        let etcd = Supervisor::new("KILL", |_| {
            let urls = format!("http://127.0.0.1:{client}");
            words(
                "etcd",
                &[
                    format!("--listen-client-urls={urls}"),
                    format!("--advertise-client-urls={urls}"),
                    format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                    "--unsafe-no-fsync".to_owned(),
                ],
            )
        });
        let shown = &certificates().ours.server;
        let server = Supervisor::new("KILL", |folder| {
            let key = KeyPair::generate().expect("a key can be made");
            let write = |name: &str, content: &str| std::fs::write(folder.join(name), content).expect("it is writable");
            write("accounts.pub", &key.public_key_pem());
            write("accounts.key", &key.serialize_pem());
            write("tokens.csv", &format!("{TOKEN},tests,1,system:masters\n"));
            write("kubeconfig", &kubeconfig(port));
            words(
                "kube-apiserver",
                &[
                    format!("--etcd-servers=http://127.0.0.1:{client}"),
                    "--bind-address=127.0.0.1".to_owned(),
                    format!("--secure-port={port}"),
                    format!("--tls-cert-file={}", shown.certificate.display()),
                    format!("--tls-private-key-file={}", shown.key.display()),
                    "--token-auth-file=tokens.csv".to_owned(),
                    "--service-account-issuer=https://localhost".to_owned(),
                    "--service-account-key-file=accounts.pub".to_owned(),
                    "--service-account-signing-key-file=accounts.key".to_owned(),
                    "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                    // It would wait for a controller to make the namespaces' accounts.
                    "--disable-admission-plugins=ServiceAccount".to_owned(),
                ],
            )
        });
        etcd.start();
        server.start();
        let started = Self { server, _etcd: etcd };
        eventually_blocking(STARTS, "the API server to be ready", || {
            assert!(started.server.is_running(), "the API server ended: {}", started.server.log_tail());
            started.ran(&["get", "--raw", "/readyz"], "").status.success()
        });
        started
    }

    /// `kubectl` with these arguments and this standard input, whatever its exit code.
    pub fn ran(&self, arguments: &[&str], input: &str) -> Output {
        let mut kubectl = Command::new(in_tree("target/kubectl/kubectl"))
            .args(arguments)
            .env("KUBECONFIG", self.server.folder().join("kubeconfig"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut stdin = kubectl.stdin.take().expect("stdin is piped");
        let input = input.to_owned();
        // A kubectl that does not read is judged by its exit code.
        let writer = std::thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, input.as_bytes())));
        let output = kubectl.wait_with_output().expect("kubectl ends");
        writer.join().expect("the input was written");
        output
    }

    /// The output of a `kubectl` that succeeds.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let output = self.ran(arguments, input);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("it writes UTF-8")
    }
}

fn kubeconfig(port: u16) -> String {
    let authority = certificates().ours.ca.display();
    format!(
        r#"apiVersion: v1
kind: Config
current-context: tests
contexts: [{{name: tests, context: {{cluster: tests, user: tests}}}}]
clusters: [{{name: tests, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {authority}}}}}]
users: [{{name: tests, user: {{token: {TOKEN}}}}}]
"#
    )
}
