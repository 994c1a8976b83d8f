//! The code lists: ISO 4217 currencies and ISO 3166-1 alpha-2 countries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{self, TextError};

/// The active alphabetic codes of ISO 4217 for money and funds, sorted, as of 2026-11. Metals,
/// units of account and test codes (XAD, XAG, XAU, XBA to XBD, XDR, XPD, XPT, XSU, XTS, XUA, XXX)
/// are left out, because ISO gives them no decimal places. To keep gold, declare it as an asset
/// with a scale.
const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB \
BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD \
EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD \
JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU \
MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB \
RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS \
UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

/// The officially assigned codes of ISO 3166-1 alpha-2, sorted.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ \
DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT \
GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY \
KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX \
MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS \
RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN \
TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// Returns whether `code` is an active ISO 4217 code.
pub(super) fn is_currency(code: &str) -> bool {
    code.len() == 3 && CURRENCIES.split(' ').any(|known| known == code)
}

/// The currencies to which ISO 4217 gives a number of decimal places other than two.
const SCALES: [(u8, &str); 3] = [
    (
        0,
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// Returns the number of decimal places of a currency's unit.
pub(super) fn scale(code: &str) -> u8 {
    let lists = |codes: &str| codes.split(' ').any(|known| known == code);
    let known = SCALES.iter().find(|(_, codes)| lists(codes));
    known.map_or(2, |(scale, _)| *scale)
}

/// A country by its ISO 3166-1 alpha-2 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Returns the code, e.g. `US`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Country {
    type Err = TextError;

    fn from_str(code: &str) -> Result<Self, TextError> {
        match code.as_bytes() {
            [a, b] if COUNTRIES.split(' ').any(|known| known == code) => Ok(Self([*a, *b])),
            _ => Err(TextError::Country),
        }
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Country {
    /// Accepts any two bytes, because a record's code was checked when the record was made.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::with_str(deserializer, |code| match code.as_bytes() {
            [a, b] => Ok(Self([*a, *b])),
            _ => Err(TextError::Country),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_without_repeats() {
        for (list, len) in [(CURRENCIES, 3), (COUNTRIES, 2)] {
            let codes: Vec<&str> = list.split(' ').collect();
            assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(codes.iter().all(|code| code.len() == len));
        }
        assert_eq!(COUNTRIES.split(' ').count(), 249);
    }

    #[test]
    fn currencies_that_ended_and_codes_that_are_no_money_are_not_known() {
        for code in [
            "USD", "EUR", "XCG", "SLE", "ZWG", "VED", "VES", "XAF", "XCD", "XOF", "XPF",
        ] {
            assert!(is_currency(code), "{code}");
        }
        for code in [
            "BGN", "ANG", "HRK", "SLL", "ZWL", "CUC", "BYR", "MRO", "STD", "VEF", "LTL",
        ] {
            assert!(!is_currency(code), "{code} has ended");
        }
        for code in [
            "XAD", "XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS",
            "XUA", "XXX",
        ] {
            assert!(!is_currency(code), "{code} is no money");
        }
    }

    #[test]
    fn a_country_is_two_capital_letters_of_the_list() {
        assert_eq!(
            "KE".parse::<Country>().map(|c| c.code().to_owned()),
            Ok("KE".to_owned())
        );
        for code in ["ke", "", "K", "KEN", "XX", "\u{e9}"] {
            assert!(code.parse::<Country>().is_err(), "{code}");
        }
    }

    #[test]
    fn scales_are_those_of_iso_4217() {
        for (code, places) in [("JPY", 0), ("KES", 2), ("USD", 2), ("BHD", 3), ("UYW", 4)] {
            assert_eq!(scale(code), places, "{code}");
        }
        for (_, codes) in SCALES {
            assert!(codes.split(' ').all(is_currency), "{codes}");
        }
    }
}
