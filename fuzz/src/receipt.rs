//! The receipt that stands on a target, where anybody with access to the application may edit it.

use anypoint_relay::model::Receipt;

use crate::planted::tells_nothing;

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Receipt::parse(text) {
        Ok(receipt) => {
            let printed = receipt.to_text(usize::MAX);
            assert_eq!(Receipt::parse(&printed).as_ref(), Ok(&receipt), "{printed}");
            let short = receipt.to_text(0);
            let digest_form = Receipt { versions: Vec::new(), ..receipt };
            assert_eq!(Receipt::parse(&short), Ok(digest_form), "{short}");
        }
        Err(error) => tells_nothing(&error),
    }
}
