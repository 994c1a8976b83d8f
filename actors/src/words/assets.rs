//! The denominations of amounts: the currencies of ISO 4217, and assets that the settings declare.

use super::money::{Currency, MoneyError};

/// The assets that the settings declare. Every currency of ISO 4217 is known in addition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assets(Vec<Currency>);

impl Assets {
    /// Creates assets from their codes and scales, e.g. `("USDC", 6)`.
    ///
    /// # Errors
    /// Returns the first code that can't be declared, and the reason.
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

    /// Returns the currency or asset with a code.
    ///
    /// # Errors
    /// Returns an error if the code is neither in ISO 4217 nor declared.
    pub fn currency(&self, code: &str) -> Result<Currency, MoneyError> {
        let asset = self.0.iter().find(|asset| asset.code() == code);
        asset.map_or_else(|| Currency::iso(code), |asset| Ok(*asset))
    }

    /// Returns whether money may move in a currency. An asset that is no longer declared, or is
    /// declared with another scale, stays readable but can't be moved.
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
