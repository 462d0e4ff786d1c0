//! What the project promises of its speed, beside what one run measured.

use crate::table::Table;

/// The ratios that the project promises, from this run; a dash where a row was left out.
pub(crate) fn verdicts(table: &Table, concurrency: u64) -> String {
    let medians = |row: &str| table.medians(row);
    let sent = |row: &str| medians(row).map(|m| m.sent_per_s);
    let cpu = |row: &str| medians(row)?.cpu;
    let mut text = String::from("| promise | wanted | this run |\n|---|---|---|\n");
    let mut line = |what: &str, wanted: &str, value: Option<String>| {
        let value = value.unwrap_or_else(|| "–".to_owned());
        text.push_str(&format!("| {what} | {wanted} | {value} |\n"));
    };
    let percent =
        |part: Option<f64>, whole: Option<f64>| Some(format!("{:.0} %", 100.0 * part? / whole?));
    // The floor is the plain program that somebody would wire together. Beside it stands the one with the allocator that the
    // gateway has, so that what the allocator does is not taken for the gateway's doing.
    let floors = [
        ("relay floor", ["≥ 50 %", "≥ 75 %"]),
        ("relay floor on mimalloc", ["–", "–"]),
    ];
    for (floor, [single, batches]) in floors {
        let whole = sent(&format!("{floor}, 0 ms"));
        line(
            &format!("one message a call, of the {floor}"),
            single,
            percent(sent("hongyan, single, 0 ms"), whole),
        );
        line(
            &format!("batches of 100, of the {floor}"),
            batches,
            percent(sent("hongyan, batches of 100, 0 ms"), whole),
        );
    }
    for latency in [50_u32, 200] {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let allowed = concurrency as f64 * 1000.0 / f64::from(latency);
        line(
            &format!("at {latency} ms, of concurrency / latency"),
            "≥ 90 %",
            percent(
                sent(&format!("hongyan, single, {latency} ms")),
                Some(allowed),
            ),
        );
    }
    let few = medians("hongyan, single, 64 callers, 0 ms");
    line(
        "accept p99 at 64 callers",
        "< 15 ms",
        few.and_then(|m| Some(format!("{:.1} ms", m.p99_ms?))),
    );
    let own = cpu("hongyan, single, 0 ms");
    for (floor, wanted) in [("relay floor", "≤ 3 ×"), ("relay floor on mimalloc", "–")] {
        let times = own.zip(cpu(&format!("{floor}, 0 ms")));
        line(
            &format!("the gateway's CPU, of the {floor}'s"),
            wanted,
            times.map(|(own, floor)| format!("{:.1} ×", own / floor)),
        );
    }
    let queued = medians("hongyan, 100,000 queued");
    line(
        "memory with 100,000 queued",
        "< 100 MB",
        queued.and_then(|m| Some(format!("{:.0} MB", m.peak_mib? * 1.048_576))),
    );
    text
}
