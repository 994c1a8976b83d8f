//! `florin verify`: verifies the journal and prints the result.

use florin_actors::verify::{Report, VerifyError, verify};
use florin_config::Settings;

use crate::node;
use crate::process::{RunError, tell};

/// Verifies the data directory. `head` is a head of the hash chain noted earlier, in hexadecimal.
///
/// # Errors
/// Returns an error if `head` is malformed, or if the data is missing or damaged.
pub fn run(settings: &Settings, head: Option<&str>) -> Result<(), RunError> {
    let head = head.map(|text| blake3::Hash::from_hex(text).map(|hash| *hash.as_bytes()));
    let head = head.transpose().map_err(|_| RunError::Head)?;
    let directory = settings.server.data_dir.display().to_string();
    let disk = node::open_existing(settings).map_err(|source| RunError::Data {
        directory: directory.clone(),
        source,
    })?;
    let report = match disk {
        Some(disk) => verify(disk, head),
        None => Err(VerifyError::NoJournal),
    };
    let report = match report {
        Ok(report) => report,
        Err(source) => return Err(RunError::Verify { directory, source }),
    };
    tell(&told(&report))?;
    match report.views_damage {
        Some(reason) => Err(RunError::Views { directory, reason }),
        None => Ok(()),
    }
}

fn told(report: &Report) -> String {
    let currencies: Vec<&str> = report
        .currencies
        .iter()
        .map(|currency| currency.code())
        .collect();
    let views = match (report.views, &report.views_damage) {
        (Some(position), _) => format!("agree with the journal up to record {position}"),
        (None, Some(_)) => "damaged; the next start rebuilds them".to_owned(),
        (None, None) => "none to compare".to_owned(),
    };
    let to_erase = match report.to_erase {
        0 => String::new(),
        rows => format!(", {rows} more that the next start will erase"),
    };
    format!(
        "The journal is intact.\n\
         records     {}\nframes      {}\naccounts    {}\ncurrencies  {} (each sums to zero)\n\
         erased      {}{to_erase}\nviews       {views}\nhead        {}\n",
        report.records,
        report.frames,
        report.accounts,
        if currencies.is_empty() {
            "none".to_owned()
        } else {
            currencies.join(", ")
        },
        report.erased,
        blake3::Hash::from_bytes(report.head.link).to_hex(),
    )
}
