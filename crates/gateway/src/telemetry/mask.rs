//! Hides openids in whatever is logged, wherever in a line they stand: an error may quote what somebody else said.
//! It must not know what a line is about.

use std::borrow::Cow;
use std::io;

use tracing_subscriber::fmt::MakeWriter;

/// WeChat's openids have so many characters and begin with `o`.
const OPENID_CHARS: usize = 28;
/// So many of them are shown, which tells a few users apart and names none.
const SHOWN_CHARS: usize = 4;
const ESCAPE: u8 = 0x1b;

/// A place for lines where no openid stands.
pub struct Masking<W>(pub W);

impl<W: io::Write> io::Write for Masking<W> {
    /// Lines come whole.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(&masked(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'w, M: MakeWriter<'w>> MakeWriter<'w> for Masking<M> {
    type Writer = Masking<M::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Masking(self.0.make_writer())
    }
}

fn masked(line: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    while at < line.len() {
        if line[at] == ESCAPE {
            // A colour ends in a letter that is no part of the word after it.
            let end = line[at..].iter().position(|byte| *byte == b'm');
            at += end.map_or(1, |end| end + 1);
            continue;
        }
        let word = line[at..].iter().position(|byte| !of_word(*byte));
        let end = word.map_or(line.len(), |length| at + length);
        if end - at == OPENID_CHARS && line[at] == b'o' {
            let out = out.get_or_insert_with(|| Vec::with_capacity(line.len()));
            out.extend_from_slice(&line[copied..at + SHOWN_CHARS]);
            out.extend_from_slice("…".as_bytes());
            copied = end;
        }
        at = end.max(at + 1);
    }
    match out {
        None => Cow::Borrowed(line),
        Some(mut out) => {
            out.extend_from_slice(&line[copied..]);
            Cow::Owned(out)
        }
    }
}

fn of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, shown: &str) {
        assert_eq!(String::from_utf8_lossy(&masked(line.as_bytes())), shown);
    }

    #[test]
    fn no_openid_is_logged_wherever_it_stands() {
        const OPENID: &str = "oDemo5eedc0ffee0000000000001";
        check(OPENID, "oDem…");
        check(
            &format!(r#"{{"message":"no {OPENID}, sir","key":"{OPENID}"}}"#),
            r#"{"message":"no oDem…, sir","key":"oDem…"}"#,
        );
        check(
            &format!("/v1/recipients/{OPENID}?account=clinic"),
            "/v1/recipients/oDem…?account=clinic",
        );
        check(
            &format!("\x1b[3mopenid\x1b[0m\x1b[2m=\x1b[0m{OPENID}\n"),
            "\x1b[3mopenid\x1b[0m\x1b[2m=\x1b[0moDem…\n",
        );
        check(&format!("你好{OPENID}你好"), "你好oDem…你好");
    }

    #[test]
    fn other_words_are_left_alone() {
        for line in [
            "",
            "a line of the log",
            "message=0198c7a1f0c27d3aa5c2f4d1e8b97f10",
            "template_id=ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
            "xDemo5eedc0ffee0000000000001",
            "oDemo5eedc0ffee00000000000012",
            "\x1b[",
        ] {
            check(line, line);
        }
    }
}
