//! What `wit/` says, as Rust. Private: authors see the types of this crate, which are nicer to
//! write and can be used in native tests.

#[cfg(feature = "batch")]
wit_bindgen::generate!({
    path: "../../wit",
    world: "batch-rule-with-state",
    pub_export_macro: true,
    export_macro_name: "export",
});

#[cfg(not(feature = "batch"))]
wit_bindgen::generate!({
    path: "../../wit",
    world: "rule-with-state",
    pub_export_macro: true,
    export_macro_name: "export",
});
