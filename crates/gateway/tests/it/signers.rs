//! The signers of docs/signing.md, as they stand there: each is run on the document's vectors and sends a message. What the
//! machine does not have is named.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{CLIENT, CLIENT_SECRET, TestGateway, message, openid};

const DOCUMENT: &str = include_str!("../../../../docs/signing.md");
const TIMESTAMP: &str = "1767225600";
const NONCE: &str = "0123456789abcdef";

/// Method, target, secret, body and signature of the document's vectors.
fn vectors() -> Vec<[String; 5]> {
    let rows = |head: &str| -> Vec<Vec<String>> {
        let (_, table) = DOCUMENT.split_once(head).expect("a table of vectors");
        let lines = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        lines
            .map(|line| {
                let cells = line.trim_matches('|').split('|');
                cells
                    .map(|cell| cell.trim().trim_matches('`').to_owned())
                    .collect()
            })
            .collect()
    };
    let requests = rows("| # | method |");
    let signatures = rows("| # | query as signed |");
    let pairs = requests.into_iter().zip(signatures);
    pairs
        .map(|(request, signed)| {
            let query = &request[3];
            let mark = if query.is_empty() { "" } else { "?" };
            let target = format!("{}{mark}{query}", request[2]);
            [
                request[1].clone(),
                target,
                request[4].clone(),
                request[5].clone(),
                signed[2].clone(),
            ]
        })
        .collect()
}

/// The document's only block in a language.
fn block(language: &str) -> &'static str {
    let (_, rest) = DOCUMENT
        .split_once(&format!("\n```{language}\n"))
        .expect("a block");
    rest.split_once("\n```\n").expect("its end").0
}

/// A language, and what goes around the document's block so that it prints a signature for each vector and the answer to a
/// message.
struct Language {
    name: &'static str,
    file: &'static str,
    /// The command, before the file and the arguments.
    command: &'static [&'static str],
    program: fn(&str) -> String,
}

const LANGUAGES: [Language; 5] = [
    Language {
        name: "python",
        file: "caller.py",
        command: &["python3"],
        program: |block| {
            format!(
                "{block}\nimport sys\nbase, client, secret, stamp, nonce, body, *rest = sys.argv[1:]\n\
                 for m, t, s, b in zip(*[iter(rest)] * 4):\n    \
                 print(sign(client, s, m, base + t, b.encode(), stamp, nonce)['X-Signature'])\n\
                 print(json.dumps(post(base + '/v1/messages', json.loads(body), client, secret)))\n"
            )
        },
    },
    Language {
        name: "js",
        file: "caller.mjs",
        command: &["node"],
        program: |block| {
            format!(
                "{block}\nconst [base, client, secret, stamp, nonce, body, ...rest] = process.argv.slice(2);\n\
                 for (let i = 0; i < rest.length; i += 4) {{\n  const [m, t, s, b] = rest.slice(i, i + 4);\n  \
                 console.log(sign(client, s, m, base + t, b, stamp, nonce)['X-Signature']);\n}}\n\
                 console.log(JSON.stringify(await post(base + '/v1/messages', JSON.parse(body), client, secret)));\n"
            )
        },
    },
    Language {
        name: "php",
        file: "caller.php",
        command: &["php"],
        program: |block| {
            format!(
                "{block}\n[, $base, $client, $secret, $stamp, $nonce, $body] = $argv;\n\
                 foreach (array_chunk(array_slice($argv, 7), 4) as [$m, $t, $s, $b]) {{\n    \
                 echo explode(': ', hongyan_sign($client, $s, $m, $base . $t, $b, $stamp, $nonce)[3])[1], \"\\n\";\n}}\n\
                 echo json_encode(hongyan_post($base . '/v1/messages', json_decode($body, true), $client, $secret)), \"\\n\";\n"
            )
        },
    },
    Language {
        name: "java",
        file: "Hongyan.java",
        // Compiled for this one run: not worth compiling well.
        command: &["java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8"],
        program: |block| {
            let block = block.trim_end().trim_end_matches('}');
            format!(
                "{block}\n    public static void main(String[] a) throws Exception {{\n        \
                 for (int i = 6; i < a.length; i += 4)\n            \
                 System.out.println(sign(a[1], a[i + 2], a[i], URI.create(a[0] + a[i + 1]), a[i + 3].getBytes(UTF_8), a[3], a[4]).get(\"X-Signature\"));\n        \
                 System.out.println(post(a[0] + \"/v1/messages\", a[5], a[1], a[2]).body());\n    }}\n}}\n"
            )
        },
    },
    Language {
        name: "go",
        file: "caller.go",
        command: &["go", "run"],
        program: |block| {
            let block = block.replacen(
                "import (",
                "import (\n\t\"bytes\"\n\t\"io\"\n\t\"net/http\"\n\t\"os\"",
                1,
            );
            format!(
                "{block}\n\nfunc main() {{\n\ta := os.Args[1:]\n\tfor i := 6; i < len(a); i += 4 {{\n\t\t\
                 h, err := sign(a[1], a[i+2], a[i], a[0]+a[i+1], []byte(a[i+3]), a[3], a[4])\n\t\t\
                 if err != nil {{\n\t\t\tpanic(err)\n\t\t}}\n\t\tos.Stdout.WriteString(h[\"X-Signature\"] + \"\\n\")\n\t}}\n\t\
                 to := a[0] + \"/v1/messages\"\n\tr, _ := http.NewRequest(\"POST\", to, bytes.NewReader([]byte(a[5])))\n\t\
                 h, err := Headers(a[1], a[2], \"POST\", to, []byte(a[5]))\n\tif err != nil {{\n\t\tpanic(err)\n\t}}\n\t\
                 for name, value := range h {{\n\t\tr.Header.Set(name, value)\n\t}}\n\t\
                 answer, err := http.DefaultClient.Do(r)\n\tif err != nil {{\n\t\tpanic(err)\n\t}}\n\t\
                 io.Copy(os.Stdout, answer.Body)\n}}\n"
            )
        },
    },
];

/// None if the machine does not have the program.
async fn run(command: &[&str], arguments: &[String], folder: &Path) -> Option<Output> {
    let made = Command::new(command[0])
        .args(&command[1..])
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    match made {
        Ok(output) => Some(output),
        Err(error) => {
            // Not by a macro, whose words a test that passes keeps to itself.
            let text = format!("not run, since {} is not here: {error}\n", command[0]);
            let _ = std::io::stderr().write_all(text.as_bytes());
            None
        }
    }
}

async fn check(gateway: &TestGateway, language: &Language, place: usize) {
    let folder = TempDir::new().unwrap();
    let program = (language.program)(block(language.name));
    std::fs::write(folder.path().join(language.file), program).unwrap();
    let base = format!("http://{}", gateway.address());
    let body = message(&openid(place)).to_string();
    let mut arguments: Vec<String> = vec![language.file.to_owned(), base];
    arguments.extend([CLIENT, CLIENT_SECRET, TIMESTAMP, NONCE].map(str::to_owned));
    arguments.push(body);
    let vectors = vectors();
    assert_eq!(vectors.len(), 4);
    for [method, target, secret, body, _] in &vectors {
        arguments.extend([method, target, secret, body].map(Clone::clone));
    }
    let Some(output) = run(language.command, &arguments, folder.path()).await else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    let signatures: Vec<&str> = vectors.iter().map(|vector| vector[4].as_str()).collect();
    let name = language.name;
    assert_eq!(lines.get(..4), Some(&*signatures), "{name}: {output:?}");
    let answer: Value = serde_json::from_str(lines[4]).unwrap_or_else(|_| panic!("{name}: {said}"));
    let id = answer["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{name}: {answer}"));
    gateway.until(id, "sent").await;
}

#[tokio::test]
async fn every_signer_of_the_document_signs_as_it_says_and_is_let_in() {
    let gateway = TestGateway::start().await;
    let all = LANGUAGES.iter().enumerate();
    let checks = all.map(|(place, language)| check(&gateway, language, place));
    futures::future::join_all(checks).await;
    gateway.finish().await;
}

#[tokio::test]
async fn the_shell_script_of_the_document_sends_a_message() {
    let gateway = TestGateway::start().await;
    let script = block("sh")
        .replace(
            "http://127.0.0.1:8080",
            &format!("http://{}", gateway.address()),
        )
        .replace(r#""touser":"o1","template_id":"t1""#, &{
            let message = message(&openid(9));
            format!(
                r#""touser":{},"template_id":{}"#,
                message["touser"], message["template_id"]
            )
        });
    let folder = TempDir::new().unwrap();
    for program in [["openssl", "version"], ["curl", "--version"]] {
        if run(&program, &[], folder.path()).await.is_none() {
            return gateway.finish().await;
        }
    }
    let output = run(&["sh", "-euc"], &[script], folder.path())
        .await
        .unwrap();
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let id = answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"));
    gateway.until(id, "sent").await;
    gateway.finish().await;
}
