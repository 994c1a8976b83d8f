//! `florin verify`: the journal proved, and what was proved told.

use florin_actors::verify::{Report, VerifyError, verify};
use florin_config::Settings;

use crate::node;
use crate::run::{RunError, tell};

/// Verifies the data directory; `head`: one noted earlier, in hexadecimal.
///
/// # Errors
/// What is wrong with it.
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
    let report = report.map_err(|source| RunError::Verify { directory, source })?;
    tell(&told(&report))
}

fn told(report: &Report) -> String {
    let currencies: Vec<&str> = report
        .currencies
        .iter()
        .map(|currency| currency.code())
        .collect();
    let views = match report.views {
        Some(position) => format!("agree, up to record {position}"),
        None => "none to compare".to_owned(),
    };
    let to_erase = match report.to_erase {
        0 => String::new(),
        rows => format!(", {rows} more recorded and to be carried out by the next start"),
    };
    format!(
        "The journal is whole.\n\
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
