//! Tests of reports: who gets one, what it tells, and that nothing breaks out of it.

mod notice;
mod success;

/// Cuts a report as a strict reader does: its header, and each part's header and body. RFC 2046 §5.1.1.
struct Read {
    header: String,
    parts: Vec<(String, String)>,
}

impl Read {
    fn of(message: &[u8]) -> Read {
        let text = crate::smtp::letter::tests::assert_travels_whole(message);
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        assert_fields(header);
        let boundary = header.split_once("boundary=\"").unwrap().1.split_once('"').unwrap().0;
        let body = format!("\r\n{body}");
        let mut pieces: Vec<&str> = body.split(&format!("\r\n--{boundary}")).collect();
        assert_eq!(pieces.remove(0), "", "nothing stands before the first part");
        assert_eq!(pieces.pop().unwrap(), "--\r\n", "nothing stands behind the last part");
        let cut = |piece: &str| {
            let (header, body) = piece.strip_prefix("\r\n").unwrap().split_once("\r\n\r\n").unwrap();
            assert_fields(header);
            (header.to_owned(), body.to_owned())
        };
        let parts = pieces.into_iter().map(cut).collect();
        Read { header: header.to_owned(), parts }
    }

    /// What a person reads.
    fn prose(&self) -> &str {
        &self.parts[0].1
    }

    /// What a program reads: the mail's fields, then those of each recipient.
    fn status(&self) -> Vec<Vec<(String, String)>> {
        let groups = self.parts[1].1.trim_end_matches("\r\n").split("\r\n\r\n");
        groups.map(assert_fields).collect()
    }
}

/// Every line is a field, or goes on with one.
fn assert_fields(text: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            fields.last_mut().unwrap().1.push_str(line.trim_start());
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line:?} in {text:?}"));
        assert!(name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-'), "{line:?}");
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    fields
}
