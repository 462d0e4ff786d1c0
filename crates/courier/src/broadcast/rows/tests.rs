//! What is a row and what is a bad one, whole and cut at every byte.

use super::*;

/// All of a file, uploaded in pieces of so many bytes.
fn read(file: &[u8], piece_bytes: usize) -> Result<(Vec<Row>, Vec<BadRow>), NotRows> {
    let (mut place, mut columns) = (Place::default(), None::<Vec<String>>);
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    let mut end = 0;
    loop {
        end = (end + piece_bytes).min(file.len());
        let last = end == file.len();
        let begin = usize::try_from(place.byte).unwrap();
        let mut reader = Reader::new(&file[begin..end], place, last);
        if columns.is_none() {
            columns = reader.header()?;
        }
        if let Some(columns) = &columns {
            loop {
                match reader.next(columns)? {
                    Next::Row(row) => rows.push(row),
                    Next::Bad(one) => bad.push(one),
                    Next::Nothing => break,
                }
            }
        }
        place = reader.place();
        if last {
            return Ok((rows, bad));
        }
    }
}

#[track_caller]
fn check(file: &str, rows: &[(u64, &str, &[&str])], bad: &[(u64, &str)]) {
    let whole = read(file.as_bytes(), file.len()).unwrap();
    let found: Vec<_> = whole
        .0
        .iter()
        .map(|row| {
            let values: Vec<&str> = row.values.iter().map(String::as_str).collect();
            (row.line, row.openid.as_str(), values)
        })
        .collect();
    let wanted: Vec<_> = rows
        .iter()
        .map(|(line, openid, values)| (*line, *openid, values.to_vec()))
        .collect();
    assert_eq!(found, wanted, "{file:?}");
    let problems: Vec<_> = whole
        .1
        .iter()
        .map(|one| (one.line, one.fault.english.as_str()))
        .collect();
    assert_eq!(problems, bad, "{file:?}");
    assert!(whole.1.iter().all(|one| one.fault.chinese.is_some()));
    for cut in 1..file.len() {
        assert_eq!(
            read(file.as_bytes(), cut).unwrap(),
            whole,
            "{file:?} by {cut}"
        );
    }
}

const QUOTE: &str =
    "has a quote where none may be: quote the whole value, and double the quotes in it";

#[test]
fn rows_are_read_wherever_the_file_is_cut() {
    check("openid\no1\no2\n", &[(2, "o1", &[]), (3, "o2", &[])], &[]);
    check("openid\no1\no2", &[(2, "o1", &[]), (3, "o2", &[])], &[]);
    check(
        "\u{feff}openid,name\r\n\r\no1,王小明\r\n o2 ,\"a, \"\"b\"\"\nc\"\r\no3,\r\n",
        &[
            (3, "o1", &["王小明"]),
            (4, "o2", &["a, \"b\"\nc"]),
            (6, "o3", &[""]),
        ],
        &[],
    );
}

#[test]
fn a_bad_row_is_told_by_its_line_and_harms_no_other() {
    check(
        "openid,name\no1,a\n,b\no 3,c\no4\no5,d,e\no6,f\n",
        &[(2, "o1", &["a"]), (7, "o6", &["f"])],
        &[
            (3, "has no openid"),
            (4, "the openid must have 1 to 64 visible ASCII characters"),
            (5, "has 1 columns, but the header has 2"),
            (6, "has 3 columns, but the header has 2"),
        ],
    );
    check(
        "openid,name\no1,5\" tall\no2,\"a\" b\no3,c\n",
        &[(4, "o3", &["c"])],
        &[(2, QUOTE), (3, QUOTE)],
    );
}

#[test]
fn a_quote_that_is_not_closed_costs_its_own_line_alone() {
    check(
        "openid,name\no1,\"a\no2,b\no3,\"c\"\no4,d\n",
        &[(3, "o2", &["b"]), (4, "o3", &["c"]), (5, "o4", &["d"])],
        &[(2, QUOTE)],
    );
    check(
        "openid,name\no1,\"a\no2,b\n",
        &[(3, "o2", &["b"])],
        &[(2, QUOTE)],
    );
    let long: String = (0..9_000).map(|n| format!("o{n},value\n")).collect();
    let file = format!("openid,name\no,\"a\n{long}");
    let (rows, bad) = read(file.as_bytes(), file.len()).unwrap();
    assert_eq!((rows.len(), bad.len(), bad[0].line), (9_000, 1, 2));
    for cut in [1_000, ROW_BYTES_MAX, 70_000] {
        assert_eq!(
            read(file.as_bytes(), cut).unwrap(),
            (rows.clone(), bad.clone())
        );
    }
}

#[test]
fn what_is_not_utf_8_is_bad_where_it_stands() {
    let file = b"openid,name\no1,\xcd\xf5\no2,b\n";
    let (rows, bad) = read(file, file.len()).unwrap();
    assert_eq!((rows.len(), bad.len()), (1, 1));
    let problem = "name is not UTF-8: save the file as \"CSV UTF-8\"";
    assert_eq!((bad[0].line, bad[0].fault.english.as_str()), (2, problem));
}

#[test]
fn a_file_that_is_no_csv_is_refused() {
    for (file, told) in [
        (
            "name,openid\n",
            "line 1: the header must name the columns, the first of them openid",
        ),
        ("openid,a,a\n", "line 1: the column a comes more than once"),
        (
            "\nopenid,\n",
            "line 2: column 2 must have a name of 1 to 64 characters and no control characters",
        ),
        (
            "openid,\"a\n",
            "line 1: has a quote where none may be: quote the whole value, and double the quotes in it",
        ),
    ] {
        assert_eq!(
            read(file.as_bytes(), file.len()).unwrap_err().to_string(),
            told,
            "{file:?}"
        );
    }
    let endless = [b"openid\n".to_vec(), vec![b'x'; 2 * ROW_BYTES_MAX]].concat();
    let survey = survey(&endless, Place::default(), None, false, 1);
    assert_eq!(
        survey.unwrap_err().to_string(),
        "line 2: this is no CSV: a line is longer than 64 KiB"
    );
    assert!(super::survey(b"", Place::default(), None, true, 1).is_err());
}

#[test]
fn what_is_written_is_read_again() {
    let mut file = b"openid,name\n".to_vec();
    write_row(&mut file, ["o1", "a,\"b\"\r\nc"]);
    write_row(&mut file, ["o2", ""]);
    let (rows, bad) = read(&file, file.len()).unwrap();
    assert_eq!(bad, []);
    assert_eq!(rows[0].values, ["a,\"b\"\r\nc"]);
    assert_eq!(rows[1].values, [""]);
}
