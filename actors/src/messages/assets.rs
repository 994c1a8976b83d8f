//! What amounts may be in: the currencies of ISO 4217, and assets that the settings declare.

use super::money::{Currency, MoneyError};

/// The assets that the settings declare, beside which every currency of ISO 4217 is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assets(Vec<Currency>);

impl Assets {
    /// Assets by their codes and scales, as `("USDC", 6)`.
    ///
    /// # Errors
    /// The first one that can't be declared, and why.
    pub fn new<'a>(
        declared: impl IntoIterator<Item = (&'a str, u8)>,
    ) -> Result<Self, (&'a str, MoneyError)> {
        let mut assets: Vec<Currency> = Vec::new();
        for (code, scale) in declared {
            let asset = Currency::asset(code, scale).map_err(|error| (code, error))?;
            if assets.iter().any(|known| known.code() == code) {
                return Err((code, MoneyError::AssetTwice));
            }
            assets.push(asset);
        }
        Ok(Self(assets))
    }

    /// The currency or asset of a code.
    ///
    /// # Errors
    /// It is neither of ISO 4217 nor declared.
    pub fn currency(&self, code: &str) -> Result<Currency, MoneyError> {
        let asset = self.0.iter().find(|asset| asset.code() == code);
        asset.map_or_else(|| Currency::iso(code), |asset| Ok(*asset))
    }

    /// Whether money may move in it: an asset that is no longer declared, or with another scale,
    /// stays readable and moves no more.
    pub fn trade(&self, currency: Currency) -> bool {
        !currency.is_asset() || self.0.contains(&currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_assets_stand_beside_the_currencies_of_iso_4217() {
        let assets = Assets::new([("USDC", 6), ("BTC8", 8)]).unwrap();
        let usdc = assets.currency("USDC").unwrap();
        assert_eq!((usdc.code(), usdc.scale()), ("USDC", 6));
        assert!(assets.trade(usdc));
        assert_eq!(assets.currency("USD"), Currency::iso("USD"));
        assert_eq!(assets.currency("USDT"), Err(MoneyError::Currency));
        let none = Assets::default();
        assert!(!none.trade(usdc) && none.trade(Currency::iso("USD").unwrap()));
        let finer = Assets::new([("USDC", 8)]).unwrap();
        assert!(!finer.trade(usdc), "another scale is another asset");
    }

    #[test]
    fn what_can_be_no_asset_is_named() {
        for (declared, wrong) in [
            (vec![("USD", 2)], "USD"),
            (vec![("USDC", 6), ("usdt", 6)], "usdt"),
            (vec![("AB", 6)], "AB"),
            (vec![("ABCDEFGHI", 6)], "ABCDEFGHI"),
            (vec![("USDC", 19)], "USDC"),
            (vec![("USDC", 6), ("USDC", 8)], "USDC"),
        ] {
            let refused = Assets::new(declared.clone()).unwrap_err();
            assert_eq!(refused.0, wrong, "{declared:?}");
        }
    }
}
