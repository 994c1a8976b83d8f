//! Assets that the settings declare: they are used like currencies, and stay readable forever.

use florin_tests::bank::{UNKNOWN_ID, text, with};
use florin_tests::executable;
use florin_tests::http::Request;
use florin_tests::server::Server;
use serde_json::{Value, json};

const ASSETS: (&str, &str) = ("ledger.assets", "USDC = 6, BTC8=8");
const VARIABLE: &str = "FLORIN__LEDGER__ASSETS";

#[test]
fn an_asset_is_used_everywhere_a_currency_is() {
    let mut server = Server::with(&[ASSETS, ("ledger.default_currency", "USDC")]);
    let opened = server.open(&json!({}));
    assert_eq!(opened["currency"], "USDC");
    let one = text(&opened, "id");
    let other = text(&server.open(&json!({"currency": "USDC"})), "id");
    let dollars = text(&server.open(&json!({"currency": "USD"})), "id");
    let wallet = json!({"customer_id": UNKNOWN_ID, "currency": "BTC8"});
    let wallet = server.post("/wallets", &wallet).with(201);
    assert_eq!(wallet["currency"], "BTC8");
    let deposit = json!({"amount": 1_500_000, "currency": "USDC"});
    server
        .post(&format!("/accounts/{one}/deposit"), &deposit)
        .ok();
    let wallet = text(&wallet, "id");
    server
        .post(&format!("/wallets/{wallet}/deposit"), &json!({"amount": 7}))
        .ok();
    let named = |from: &str, to: &str, currency: &str| json!({"from": from, "to": to, "amount": 10, "currency": currency});
    server
        .post("/transfers", &named(&one, &other, "USDC"))
        .created();
    let batch = json!({"atomic": true, "transfers": [named(&one, &other, "USDC")]});
    server.post("/transfers/batch", &batch).ok();
    let held = with(named(&one, &other, "USDC"), &json!({"pending": true}));
    let held = text(&server.post("/transfers", &held).created(), "transfer_id");
    server.settle(&held, "post", &json!({})).ok();
    let legs = json!({"legs": [{"from": one, "to": other, "amount": 1}]});
    server.post("/transactions", &legs).ok();
    for (from, to) in [(&one, &dollars), (&one, &wallet)] {
        let crossed = Request::post("/transfers", &json!({"from": from, "to": to, "amount": 1}));
        server.refused(&crossed, 422, "currency_mismatch");
    }
    assert_eq!(server.transfer_of(&held)["currency"], "USDC");
    let balance = server.get("/ledger/trial-balance").ok();
    assert_eq!(balance["currencies"]["USDC"]["difference"], "0");
    assert_eq!(balance["currencies"]["USDC"]["credits"], "1500031");
    assert_eq!(balance["currencies"]["BTC8"]["debits"], "7");
    let before = server.read(&one);
    for crashes in [false, true] {
        if crashes {
            server.crash();
        } else {
            server.restart();
        }
        assert_eq!(server.read(&one), before);
        let again = server.get("/ledger/trial-balance").ok();
        assert_eq!(again["currencies"], balance["currencies"]);
    }
    server.verified();
}

#[test]
fn a_code_that_is_no_currency_and_no_asset_is_malformed() {
    let server = Server::with(&[ASSETS]);
    let id = server.account();
    let transfer = json!({"from": id, "to": server.account(), "amount": 1, "currency": "USDT"});
    for (path, body, field) in [
        (
            "/accounts".to_owned(),
            with(florin_tests::bank::opening(), &json!({"currency": "USDT"})),
            "currency",
        ),
        (
            "/wallets".to_owned(),
            json!({"customer_id": UNKNOWN_ID, "currency": "XYZ"}),
            "currency",
        ),
        (
            format!("/accounts/{id}/deposit"),
            json!({"amount": 1, "currency": "USDCC"}),
            "currency",
        ),
        (
            format!("/accounts/{id}/withdraw"),
            json!({"amount": 1, "currency": "usdc"}),
            "currency",
        ),
        ("/transfers".to_owned(), transfer.clone(), "currency"),
        (
            "/transfers/batch".to_owned(),
            json!({"atomic": true, "transfers": [transfer]}),
            "transfers[0].currency",
        ),
    ] {
        let request = Request::post(&path, &body);
        let problem = server.refused(&request, 400, "invalid_request");
        assert_eq!(problem["field"], field, "{path}");
    }
}

#[test]
fn an_asset_no_longer_declared_stays_readable_and_moves_no_more() {
    let mut server = Server::with(&[ASSETS]);
    let one = text(&server.open(&json!({"currency": "USDC"})), "id");
    let other = text(&server.open(&json!({"currency": "USDC"})), "id");
    server.deposit(&one, 100).ok();
    server.transfer(&one, &other, 10).created();
    let (posted, voided) = (server.held(&one, &other, 5), server.held(&one, &other, 5));
    let shown = |server: &Server| -> Vec<Value> {
        [
            format!("/accounts/{one}"),
            format!("/accounts/{one}/transactions"),
            format!("/accounts/{one}/balance"),
            format!("/transfers?entity={other}"),
        ]
        .iter()
        .map(|path| server.get(path).ok())
        .collect()
    };
    let before = shown(&server);
    let export = |server: &Server| {
        let data_dir = server.data_dir();
        let data_dir = data_dir.to_str().unwrap().to_owned();
        let export = executable::run(&["export", "--data-dir", &data_dir], &[]);
        assert_eq!(export.code(), Some(0), "{}", export.output());
        export.output()
    };
    server.verified();
    let exported = export(&server);
    assert!(exported.contains("\"USDC\""), "{exported}");
    // Another scale would change the meaning of stored amounts, so it counts as another asset.
    for assets in ["", "USDC = 8"] {
        server.set(VARIABLE, assets);
        server.start_again();
        assert_eq!(shown(&server), before);
        let body = json!({"amount": 1});
        let between = json!({"from": one, "to": other, "amount": 1});
        for (path, body) in [
            (format!("/accounts/{one}/deposit"), body.clone()),
            (format!("/accounts/{one}/withdraw"), body),
            ("/transfers".to_owned(), between.clone()),
            (
                "/transfers".to_owned(),
                with(between.clone(), &json!({"pending": true})),
            ),
            ("/transactions".to_owned(), json!({"legs": [between]})),
            (format!("/transfers/{posted}/post"), json!({})),
        ] {
            let refused = server.post(&path, &body);
            let code = text(&refused.with(422), "code");
            assert!(
                ["currency_mismatch", "batch_rejected"].contains(&code.as_str()),
                "{path}"
            );
        }
        assert_eq!(shown(&server), before);
        server.verified();
        assert_eq!(export(&server), exported);
    }
    server.start_again();
    server.settle(&voided, "void", &json!({})).ok();
    let finer = text(&server.open(&json!({"currency": "USDC"})), "id");
    server.deposit(&finer, 3).ok();
    let crossed = Request::post(
        "/transfers",
        &json!({"from": finer, "to": one, "amount": 1}),
    );
    server.refused(&crossed, 422, "currency_mismatch");
    let totals = server.get("/ledger/trial-balance").ok()["currencies"].clone();
    assert_eq!(totals["USDC"]["credits"], "110");
    assert_eq!(totals["USDC:8"]["credits"], "3");
    server.verified();
    server.set(VARIABLE, "USDC = 6");
    server.start_again();
    server.deposit(&one, 1).ok();
    server.settle(&posted, "post", &json!({})).ok();
}

#[test]
fn assets_that_can_not_be_are_named_at_the_start() {
    for (assets, says) in [
        ("USD = 2", "USD is a currency of ISO 4217"),
        ("USDC", "USDC = 6, BTC8 = 8"),
        ("USDC = 19", "scales from 0 to 18"),
        ("USDC = 6, USDC = 6", "each once"),
        ("usdc = 6", "capital letters"),
    ] {
        let run = executable::run(&["serve", "--port", "0"], &[(VARIABLE, assets)]);
        assert_ne!(run.code(), Some(0), "{assets}");
        let said = run.output();
        assert!(
            said.contains("ledger.assets") && said.contains(says),
            "{assets}: {said}"
        );
    }
}
